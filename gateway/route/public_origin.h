/* public_origin.h - where a target names its own address, the one that the client asked for.
 *
 * Purpose: a target that takes itself for the outside says http://10.0.0.5:8080/login in
 *          Location, Content-Location or Refresh, or its own host as the Domain of a cookie:
 *          the client learns what lies inside, and cannot go there.  Its origin (RFC 9110
 *          4.3.1) is replaced by that of the request, and the path is mapped back where
 *          strip_prefix or add_prefix has changed it.
 * Thread:  the worker's.
 * Owns:    nothing; new values live in the arena.
 * Limits:  exact matches only: scheme http or https, the target's host, and its port, or no
 *          port where it has none; or likewise the Host that it was sent.  What names the
 *          public origin, another port or another host stays as it is, byte for byte; so do
 *          references without a host, and paths with dot segments.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/route/client_facts.h"

struct public_origin {
    const struct route *route;
    const struct target *target;
    struct str sent_host; /* Host as the target got it */
    const struct client_facts *facts;
};

/* Changes values in the table of a received response. */
struct err public_origin_restore(struct arena *a, const struct public_origin *o,
                                 struct http_fields *f);
