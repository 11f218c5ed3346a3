/* exchange.h - one request and its response.
 *
 * Purpose: the spine of the data path: judge -> pick a target -> send -> relay -> end, or an
 *          answer of our own.  Knows nothing of HTTP versions: it talks to codecs.
 * Thread:  the worker's.
 * Owns:    an arena with itself and everything that lives as long as the request; a pin on
 *          the snapshot it began with; its target connection while it has one.
 * Limits:  EXCHANGE_ARENA_MAX_BYTES; early body bytes: one read; timeouts of the route.
 * Fails:   becomes an error answer, or a cut connection when the answer had begun.
 *
 * The connection calls exchange_on_...; the exchange ends itself and then calls
 * conn_on_exchange_end. */
#pragma once

#include "gateway/http/codec.h"
#include "gateway/worker.h"

struct conn;
struct exchange;

/* NULL: out of memory. id: the codec's number for it. */
struct exchange *exchange_new(struct worker *w, struct conn *conn, uint32_t id);

/* For a connection that never sent a whole request head: only exchange_refuse may follow. */
struct exchange *exchange_new_unasked(struct worker *w, struct conn *conn);

struct arena *exchange_arena(struct exchange *x);

/* From the client's codec, in its feed. */
struct err exchange_on_head(struct exchange *x, struct http_head *head);
void exchange_on_refused(struct exchange *x, const struct http_head *head);
struct err exchange_on_body(struct exchange *x, struct str bytes);
struct err exchange_on_end(struct exchange *x, const struct http_fields *trailers);

/* The client's link has sent something. */
void exchange_on_client_sent(struct exchange *x);

/* The request could not be read to its end: answers if that is still possible. */
void exchange_refuse(struct exchange *x, struct err e);

/* The client has ended its side, and has perhaps left: it gets what is under way, but does not
 * wait in line. */
void exchange_on_client_eof(struct exchange *x);

/* The client's connection is gone: no more calls to it; the exchange ends by itself. */
void exchange_on_client_gone(struct exchange *x, struct err e);

/* The client has taken this request back; its connection goes on. */
void exchange_on_client_reset(struct exchange *x, struct err e);

/* In the connection's list of what is under way. */
struct list_node *exchange_node(struct exchange *x);
struct exchange *exchange_of_node(struct list_node *n);
