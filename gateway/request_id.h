/* request_id.h - a name for one request, for error pages and logs.
 *
 * Purpose: 16 hex digits nobody can guess or relate: a keyed hash of a counter, so that
 *          making one costs no system call.
 * Thread:  any; the key and counter are per thread.
 * Fails:   an empty view when the arena is full. */
#pragma once

#include "gateway/base/arena.h"

struct str request_id_make(struct arena *a);
