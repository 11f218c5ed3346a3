/* responder.h - answers the gateway gives itself, before any target is asked.
 *
 * Purpose: decides for a request what it comes to: an ACME challenge answer, a redirect to
 *          https, an error, or a route.  Pure: a function of (snapshot, request, how it
 *          came).
 * Thread:  the worker's.
 * Owns:    the verdict borrows from the snapshot and the arena.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/http/http_message.h"
#include "store/snapshot.h"

enum verdict_kind {
    VERDICT_ROUTE,     /* route is set */
    VERDICT_CHALLENGE, /* body is the key authorization */
    VERDICT_REDIRECT,  /* location is set */
    VERDICT_ERROR,     /* error is set */
};

struct verdict {
    enum verdict_kind kind;
    const struct route *route; /* also set where a redirect or an error is a route's */
    struct str body;
    struct str location;
    struct err error;
};

struct request_origin {
    bool is_tls;             /* this connection */
    bool is_https;           /* what the client used, as far as a trusted proxy may tell */
    struct str name;         /* SNI, "" if none */
    const struct cert *cert; /* served on this connection; NULL without TLS */
    uint16_t https_port;     /* for redirects; 0: no HTTPS listener */
};

struct err responder_judge(struct arena *a, const struct snapshot *s,
                           const struct http_head *request, const struct request_origin *origin,
                           struct verdict *ret_verdict);
