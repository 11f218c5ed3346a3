/* sticky.h - the cookie that keeps a client with its target.
 *
 * Purpose: what the cookie says for each target: a keyed digest of the route's id and the
 *          target's URL, so that nobody can make one up, read a target out of it (RFC 2104)
 *          or see that two routes share one; and the Set-Cookie field that carries it (RFC
 *          6265 4.1): HttpOnly, SameSite=Lax, Path of the route.
 * Thread:  the store, under its writer lock.
 * Owns:    results live in the route's arena, and so long as the key is the same they stay
 *          the same: through edits, restarts, and for every gateway of one store.
 * Fails:   ERR_MEMORY, ERR_CRYPTO. */
#pragma once

#include "store/model.h"

enum { STICKY_KEY_BYTES = 32 };

/* Fills sticky_value and sticky_cookie of all targets of a route that has its id; nothing to do
 * without upstream.sticky. */
struct err sticky_build(struct route *route, struct str key);
