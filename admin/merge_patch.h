/* merge_patch.h - JSON Merge Patch (RFC 7396).
 *
 * Purpose: PATCH: null removes a member, objects merge, everything else replaces.
 * Thread:  any.
 * Owns:    the result is a new reference and shares no part with the arguments.
 * Limits:  depth is bounded by json_read (JSON_DEPTH_MAX).
 * Fails:   NULL when out of memory. */
#pragma once

#include "gateway/base/json.h"

/* target may be NULL.  Neither argument is changed. */
json_t *merge_patch(const json_t *target, json_t *patch);
