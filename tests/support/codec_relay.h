/* codec_relay.h - the two codecs joined as the gateway joins them, without sockets or time.
 *
 * Purpose: a client's bytes go into the server codec, its events through the rewriting into
 *          the client codec, and the answers back: what a target may see and what a client
 *          gets, for tables of cases and for fuzzing.  It stands in for exchange.c, conn.c
 *          and target_conn.c where they decide what bytes mean; there are no retries, no
 *          limits of time, and a target is always there.
 * Thread:  the test's.
 * Owns:    both codecs, and all that was said.
 * Limits:  RELAY_WIRES_MAX connections to targets.
 * Fails:   aborts the test when memory is short. */
#pragma once

#include "gateway/http/http_message.h"

#include "gateway/base/buf.h"

enum { RELAY_WIRES_MAX = 256, RELAY_REQUESTS_MAX = 256 };

/* One connection to the target, in the order they were made. */
struct relay_wire {
    struct buf said; /* by the gateway */
    enum {
        RELAY_WIRE_OPEN,
        RELAY_WIRE_HALF, /* the gateway has ended its direction: in a tunnel */
        RELAY_WIRE_CLOSED,
    } state;
    bool has_ended; /* the target has ended its direction */
    size_t request_count;
};

/* What the server codec took for a request, as long as the relay lives. */
struct relay_request {
    struct http_head head;
    struct buf body;
    const struct http_fields *trailers;
    bool is_whole;
    struct arena *arena;
};

struct codec_relay;

struct codec_relay *codec_relay_new(size_t max_head_bytes);
void codec_relay_free(struct codec_relay *r);

/* The client says something, or ends its direction. */
void codec_relay_ask(struct codec_relay *r, struct str bytes);
void codec_relay_ask_end(struct codec_relay *r);

/* The target says something on the newest connection, or ends its direction there; false if
 * there is no connection that could hear it. */
bool codec_relay_reply(struct codec_relay *r, struct str bytes);
bool codec_relay_reply_end(struct codec_relay *r);

/* What the client has got so far; the connection is over. */
struct str codec_relay_heard(const struct codec_relay *r);
bool codec_relay_is_closed(const struct codec_relay *r);

size_t codec_relay_wires(const struct codec_relay *r, const struct relay_wire **ret_wires);
size_t codec_relay_requests(const struct codec_relay *r,
                            const struct relay_request **ret_requests);

/* An exchange is under way, and its request is complete. */
bool codec_relay_waits_for_answer(const struct codec_relay *r);
