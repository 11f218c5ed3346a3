/* merge_patch.h - JSON Merge Patch (RFC 7396).
 *
 * Purpose: PATCH: null removes a member, objects merge, everything else replaces; and what
 *          openapi.json says of such patches.
 * Thread:  any.
 * Owns:    the result is a new reference and shares no part with the arguments.
 * Limits:  depth is bounded by json_read (JSON_DEPTH_MAX).
 * Fails:   NULL when out of memory. */
#pragma once

#include "gateway/base/json.h"

/* target may be NULL.  Neither argument is changed. */
json_t *merge_patch(const json_t *target, json_t *patch);

/* From the JSON Schema of an object that of its patches: nothing is required, and what was not
 * may be null.  What holds between members only the result can tell ("oneOf"). */
json_t *merge_patch_schema(const json_t *schema);
