/* json_diff.h - where two documents differ, as JSON pointers.
 *
 * Purpose: a dry run says which members of which object would change.
 * Thread:  any.
 * Limits:  JSON_DIFF_MAX pointers per pair; then "..." is the last entry.
 * Fails:   NULL when out of memory. */
#pragma once

#include "gateway/base/json.h"

enum { JSON_DIFF_MAX = 50 };

/* Array of pointers ("/upstream/targets"), new reference, empty if equal.  Objects are
 * compared member by member, everything else as a whole.  Neither argument is changed. */
json_t *json_diff(json_t *before, json_t *after);
