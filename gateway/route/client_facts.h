/* client_facts.h - who asks, as far as we know and believe.
 *
 * Purpose: the connection's own facts, or, where the peer is in settings.trusted_proxies, what
 *          that proxy tells: X-Forwarded-For, -Proto, -Host, -Port, and only where there is
 *          none of these Forwarded (RFC 7239).  Lists are read from the right: each address
 *          that is a trusted proxy too is believed about the one before it.  What is malformed
 *          is not believed; what was known before it stands.
 * Thread:  the worker's.
 * Owns:    nothing; views of the request and of the connection.
 * Limits:  FORWARDED_ELEMENTS_MAX of Forwarded, the right-most ones. */
#pragma once

#include "gateway/http/http_message.h"
#include "store/model.h"

struct variables;

struct client_facts {
    struct str address;   /* address only, no port, no brackets */
    uint16_t port;        /* the client's own; 0: not known */
    struct str host;      /* authority as the client sent it */
    struct str host_port; /* as a trusted proxy tells it; empty: that of host */
    bool is_https;
    bool is_trusted_peer;              /* the rest may come from a trusted proxy's fields */
    struct str request_id;             /* as a trusted proxy tells it, or empty */
    const struct variables *variables; /* of the route's templates; NULL: it has none */
};

/* facts: address, port and is_https of the connection are set.  peer: 16 bytes. */
void client_facts_read(const struct settings *settings, const unsigned char peer[16],
                       const struct http_head *request, struct client_facts *facts);

/* The port that the client used: as a trusted proxy tells it, in the authority, or the
 * scheme's own.  Not the listener's: behind a port mapping that is nobody's. */
struct str client_facts_port(const struct client_facts *facts);

/* host without its port; an IPv6 address keeps its brackets. */
struct str client_facts_host_name(const struct client_facts *facts);
