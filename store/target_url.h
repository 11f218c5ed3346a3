/* target_url.h - the address of a target, as a person writes it.
 *
 * Purpose: http://NAME[:PORT], https://NAME[:PORT], unix:/PATH into its parts and one normal
 *          form. A target is an origin (RFC 9110 4.3.1): no path, no query, no user name.
 * Thread:  any.
 * Owns:    results live in the caller's arena.
 * Fails:   with words; NULL means that nothing is wrong. */
#pragma once

#include "store/model.h"

/* Largest path that fits into sockaddr_un with its terminator. */
enum { UNIX_PATH_MAX_BYTES = 107 };

/* Fills url, scheme, host_kind, host and port of *ret_target. */
const char *target_url_parse(struct arena *a, struct str url, struct target *ret_target);
