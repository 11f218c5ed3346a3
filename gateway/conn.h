/* conn.h - one client connection.
 *
 * Purpose: socket, TLS and codec of a client; deadlines while no exchange is under way; an
 *          orderly end. Nothing per request lives here. Which version of HTTP is spoken is
 *          settled by TLS (ALPN), and known to the codec alone from then on.
 * Thread:  the worker's.
 * Owns:    its link and its exchanges; gives its memory back itself when closed.
 * Limits:  HANDSHAKE_LIMIT_MS, HEAD_LIMIT_MS, KEEPALIVE_IDLE_MS, LINGER_MS.
 * Fails:   a malformed request is answered and the connection closed. */
#pragma once

#include "gateway/listener.h"
#include "gateway/proxy_protocol.h"
#include "gateway/tls/tls_server.h"
#include "gateway/worker.h"

struct conn;
struct exchange;
struct link;

/* Takes over fd.  Without memory or above the worker's conns_max the connection is closed
 * at once.  local: the address that the client connected to, as a proxy told it; NULL: the
 * socket's. */
void conn_accept(struct worker *w, enum listener_kind kind, int fd, const struct peer *peer,
                 const struct proxy_endpoint *local);

struct link *conn_link(struct conn *c);
const struct peer *conn_peer(const struct conn *c);

/* The client, and the address it connected to, as a target is told of them. */
void conn_endpoints(struct conn *c, struct proxy_header *ret_endpoints);

/* NULL without TLS. */
const struct tls_choice *conn_tls_choice(const struct conn *c);

/* The exchange is over and about to be freed.  is_cut: its answer could not be completed. */
void conn_on_exchange_end(struct conn *c, struct exchange *x, bool is_cut);

/* The worker is draining: an idle connection closes, a busy one after its exchange. */
void conn_drain(struct conn *c);

/* "TLSv1.3"; NULL without TLS. Static text. */
const char *conn_tls_version(const struct conn *c);

/* At once: the client is gone, or must go. */
void conn_close(struct conn *c);

/* At once, because the gateway ends: an exchange under way is cut off by it. */
void conn_stop(struct conn *c);

struct conn *conn_of_node(struct list_node *n);
