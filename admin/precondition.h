/* precondition.h - If-Match and If-None-Match (RFC 9110 section 13).
 *
 * Purpose: a write says which version it means to change, a read which version it has.
 * Thread:  any; pure functions of their arguments.
 * Fails:   precondition_check: ERR_PRECONDITION. */
#pragma once

#include "admin/admin_request.h"

/* For writes.  etag: of the object as it is now, with its quotes; empty: there is none. */
struct err precondition_check(const struct admin_request *rq, struct str etag);

/* For reads: true if the caller already has this version (304). */
bool precondition_is_known(const struct admin_request *rq, struct str etag);
