/* rewrite.h - what the gateway changes in heads on their way.
 *
 * Purpose: the request head as the target gets it (Host, forwarded fields rebuilt, prefix
 *          stripped, the route's own changes) and the response head as the client gets it.
 * Thread:  the worker's.
 * Owns:    results live in the arena; heads are changed in place.
 * Fails:   ERR_MEMORY, ERR_HEAD_TOO_LARGE. */
#pragma once

#include "gateway/http/http_message.h"
#include "store/model.h"

/* Who asks, as far as we know and believe. */
struct client_facts {
    struct str address; /* address only, no port, no brackets */
    struct str host;    /* authority as the client sent it */
    struct str port;    /* as a trusted proxy tells it; empty: that of host */
    bool is_https;
    bool
        is_trusted_peer; /* address, host and is_https may come from a trusted proxy's fields */
};

/* Reads X-Forwarded-For (right-most address that is no trusted proxy), -Proto and -Host when
 * the peer is in settings.trusted_proxies; else the facts are the connection's own.  peer:
 * 16 bytes. */
void rewrite_client_facts(const struct settings *settings, const unsigned char peer[16],
                          const struct http_head *request, struct client_facts *facts);

/* Turns a received request head into the one for target. */
struct err rewrite_request(struct arena *a, const struct route *route,
                           const struct target *target, const struct client_facts *facts,
                           struct http_head *head);

/* Turns a received response head (final or interim) into the one for the client. date: for
 * responses that came without one (RFC 9110 6.6.1). */
struct err rewrite_response(struct arena *a, const struct route *route, struct str date,
                            struct http_head *head);
