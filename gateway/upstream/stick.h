/* stick.h - clients that stay with their target by a cookie; see also store/sticky.h.
 *
 * Purpose: reads which target a request's cookie names, hides the cookie from the target, and
 *          sets it where the client has none or one that names another target.
 * Thread:  the worker's.
 * Owns:    nothing; views of the route, values in the arena.
 * Fails:   ERR_MEMORY, ERR_HEAD_TOO_LARGE.
 *
 * For routes with upstream.sticky alone: the others pay one comparison (stick_is_on). */
#pragma once

#include "gateway/http/http_message.h"
#include "store/model.h"

static inline bool stick_is_on(const struct route *route)
{
    return route->upstream.sticky.cookie.len > 0;
}

/* The target that the request's cookie names; NULL: none of route's. */
const struct target *stick_find(const struct route *route, const struct http_head *request);

/* From a request on its way to the target. */
struct err stick_hide(struct arena *a, const struct route *route, struct http_head *head);

/* To the answer of target, if request did not name it. */
struct err stick_set(struct arena *a, const struct route *route,
                     const struct http_head *request, const struct target *target,
                     bool is_https, struct http_head *answer);
