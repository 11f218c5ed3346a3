/* openapi.h - this interface as an OpenAPI 3.1 document.
 *
 * Purpose: one document for people, generators and the test that compares it with api.def.
 * Thread:  any.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/base/json.h"

/* New reference. */
struct err openapi_document(json_t **ret_doc);
