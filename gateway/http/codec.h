/* codec.h - what both HTTP versions look like to the rest of the gateway.
 *
 * Purpose: bytes in, events out; messages in, bytes out.  One codec per connection and role;
 *          each exchange on it has an id (1, 2, 3, ... in HTTP/1.1; the stream id in
 *          HTTP/2).
 * Thread:  the connection's worker.  No descriptors, no loop, no clock, no log.
 * Owns:    its parser state; the output buffer is the connection's.
 * Limits:  given in codec_options; see "gateway" in limits.h.
 * Fails:   a failed feed or feed_eof ends the connection for input: no more events come.
 *          Server role: ERR_BAD_REQUEST, ERR_BAD_FRAMING, ERR_BAD_HOST, ERR_BAD_VERSION,
 *          ERR_URI_TOO_LONG, ERR_HEAD_TOO_LARGE, ERR_NOT_IMPLEMENTED, ERR_CLIENT_GONE,
 *          ERR_MEMORY; where the client may still read an answer, on_begin
 *          has been called, and the exchange may be answered.  Client role:
 *          ERR_TARGET_BAD_RESPONSE, ERR_TARGET_HEAD_TOO_LARGE, ERR_TARGET_CLOSED (before a
 *          head), ERR_TARGET_RESET (in a body), ERR_TARGET_REFUSED (on_reset: nothing was done
 *          about the request), ERR_MEMORY.  send_: ERR_MEMORY or ERR_LIMIT
 *          of the buffer (nothing was written); ERR_CANCELLED for an exchange that is over;
 *          for a body that does not fit its announced length the error of whoever broke it
 *          off, ERR_TARGET_RESET (server role) or ERR_CLIENT_GONE (client role): the
 *          exchange is abandoned then.
 *
 * Strict: what could be read in two ways is an error, never repaired.  What was accepted is
 * sent in canonical form, never copied byte for byte. */
#pragma once

#include "gateway/http/http_message.h"

#include "gateway/base/buf.h"

struct codec;
struct h2_shared;

/* Called only inside codec_feed and codec_feed_eof, in order:
 *   server: begin head body* end     client: head(1xx)* head body* end
 * There is no end while a request asks for an upgrade: what follows its head, if the answer
 * is 101, is the tunnel, and its end is the end.  An exchange whose answer is complete
 * (server role) or that was abandoned has no further events. A callback that returns an
 * error ends the feed with that error.  Callbacks may call the codec_send_ functions, but
 * neither feed nor free. */
struct codec_events {
    /* Server role: a request begins; the arena for its head, NULL: out of memory. What is put
     * into *ret_user comes back with each event of this exchange. */
    struct arena *(*on_begin)(void *arg, uint32_t id, void **ret_user);
    struct err (*on_head)(void *arg, void *user, struct http_head *head);
    /* Server role: in place of on_head, before feed fails or on_reset: what can be told of a
     * head that is refused, for the log and the form of the answer only. head is valid during
     * the call, its views in the arena. May be NULL. */
    void (*on_refused)(void *arg, void *user, const struct http_head *head);
    /* bytes are valid during the call only. After an upgrade: the tunnel's bytes. */
    struct err (*on_body)(void *arg, void *user, struct str bytes);
    /* trailers may be NULL; they live in the arena. */
    struct err (*on_end)(void *arg, void *user, const struct http_fields *trailers);
    /* HTTP/2 only: the peer, or the codec, gave up this exchange alone; the others go on. No
     * further event of it comes; it is to be forgotten. */
    void (*on_reset)(void *arg, void *user, struct err e);
    /* HTTP/2 only, inside codec_fill: codec_queued has become lower. */
    void (*on_sent)(void *arg, void *user);
    /* HTTP/2 only, client role: the target has said how many exchanges it takes at once; until
     * then it is one. May be NULL. */
    void (*on_room)(void *arg);
    /* HTTP/2 only: the peer has said that nothing will follow what is under way. May be
     * NULL. */
    void (*on_last)(void *arg);
    /* Server role of HTTP/1.1, without TLS: what the client has begun with, and what this codec
     * has taken, is HTTP/2 (RFC 9113 3.3). Nothing more is taken, and no further event comes:
     * the rest is another codec's. */
    struct err (*on_preface)(void *arg, struct str taken);
};

/* A way past out for large pieces of a body, which saves a copy: sends what is in out and bytes
 * behind it as far as the connection takes them at once, and returns how many of bytes those
 * were; the codec puts the rest into out. Without bytes it makes room in out. Called inside
 * codec_send_body; must not call the codec. */
typedef size_t codec_pass_fn(void *arg, struct str bytes);

struct codec_options {
    const struct codec_events *events;
    void *arg;
    struct buf *out;     /* where send_ functions put bytes */
    codec_pass_fn *pass; /* may be NULL */
    void *pass_arg;
    size_t max_head_bytes;    /* start line and fields */
    struct h2_shared *shared; /* HTTP/2: outlives the codec */
    bool is_plain;            /* without TLS: HTTP/2 tells the target, HTTP/1.1 may be HTTP/2 */
};

struct codec_ops {
    struct err (*feed)(struct codec *c, struct str bytes, size_t *ret_used);
    struct err (*feed_eof)(struct codec *c);
    struct err (*open)(struct codec *c, struct arena *a, void *user, uint32_t *ret_id);
    struct err (*send_head)(struct codec *c, uint32_t id, const struct http_head *head,
                            bool is_end);
    struct err (*send_body)(struct codec *c, uint32_t id, struct str bytes);
    struct err (*send_end)(struct codec *c, uint32_t id, const struct http_fields *trailers);
    void (*abandon)(struct codec *c, uint32_t id);
    bool (*has_begun)(const struct codec *c);
    bool (*can_reuse)(const struct codec *c);
    void (*refuse_reuse)(struct codec *c);
    /* The rest may be NULL: HTTP/1.1 has one exchange, and its link does what they do. */
    struct err (*fill)(struct codec *c);
    size_t (*queued)(const struct codec *c, uint32_t id);
    void (*pause)(struct codec *c, uint32_t id);
    void (*resume)(struct codec *c, uint32_t id);
    void (*forget)(struct codec *c, uint32_t id);
    size_t (*capacity)(const struct codec *c);
    bool (*is_flushed)(const struct codec *c);
    void (*ping)(struct codec *c);
    void (*free)(struct codec *c);
};

struct codec {
    const struct codec_ops *ops;
};

/* Many exchanges at once: what waits, rests or ends is one of them, not the connection. */
static inline bool codec_is_multiplexed(const struct codec *c)
{
    return c->ops->fill != NULL;
}

/* Takes *ret_used bytes: all of them, unless in the server role of HTTP/1.1 a request stands
 * behind one whose answer has not been sent: the rest is to be offered again after that; or
 * HTTP/2 has done enough for one turn: in the next one. feed_eof comes only when nothing is
 * left. When the exchanges are over and another cannot be, input is dropped. */
static inline struct err codec_feed(struct codec *c, struct str bytes, size_t *ret_used)
{
    return c->ops->feed(c, bytes, ret_used);
}

/* The peer will send no more. OK: that was a proper end (maybe with an on_end). */
static inline struct err codec_feed_eof(struct codec *c)
{
    return c->ops->feed_eof(c);
}

/* Client role: a new exchange; its response head will live in the arena, and what is given
 * to send_head must live as long.  ERR_TARGET_CLOSED: no other can be had on this
 * connection. Server role: an exchange for an answer to a request that did not come (408,
 * 503); the last one. */
static inline struct err codec_open(struct codec *c, struct arena *a, void *user,
                                    uint32_t *ret_id)
{
    return c->ops->open(c, a, user, ret_id);
}

/* head->fields: end-to-end fields only; framing and connection management are the codec's,
 * fields of these kinds are passed over.  is_end: no body follows (body must be NONE, or
 * LENGTH for the answer to HEAD and 304); a codec_send_end after it is harmless.  A server
 * may send interim heads (1xx) before the final one.  A request head with upgrade set asks
 * for the upgrade; a response head with status 101 performs it: from then on both directions
 * are a tunnel. */
static inline struct err codec_send_head(struct codec *c, uint32_t id,
                                         const struct http_head *head, bool is_end)
{
    return c->ops->send_head(c, id, head, is_end);
}

/* For an answer that has no body (HEAD, 204, 304) nothing is written. */
static inline struct err codec_send_body(struct codec *c, uint32_t id, struct str bytes)
{
    return c->ops->send_body(c, id, bytes);
}

/* trailers may be NULL. In a tunnel: nothing to write; the connection is to be half-closed. */
static inline struct err codec_send_end(struct codec *c, uint32_t id,
                                        const struct http_fields *trailers)
{
    return c->ops->send_end(c, id, trailers);
}

/* Gives the exchange up in the middle: HTTP/1.1 connections end with it, without the bytes
 * that would make a cut body look whole; HTTP/2 resets the stream. */
static inline void codec_abandon(struct codec *c, uint32_t id)
{
    c->ops->abandon(c, id);
}

/* Server role: part of a head has come that no event has told of yet. An empty line before a
 * request is none of it. */
static inline bool codec_has_begun(const struct codec *c)
{
    return c->ops->has_begun(c);
}

/* True while the connection may carry another exchange after what has been sent and
 * received; final when the current one is over (client role: from its on_end on). */
static inline bool codec_can_reuse(const struct codec *c)
{
    return c->ops->can_reuse(c);
}

/* This connection shall end after the current exchange; the peer is told (Connection: close,
 * GOAWAY) if its head has not been sent yet. */
static inline void codec_refuse_reuse(struct codec *c)
{
    c->ops->refuse_reuse(c);
}

/* The link is about to write: puts frames into out, the most urgent first, as far as they may
 * be decided now.  To be called after feed and send_ functions, and when out has been sent.  An
 * error is that of the connection: it ends when out has been sent. */
static inline struct err codec_fill(struct codec *c)
{
    return c->ops->fill == NULL ? OK : c->ops->fill(c);
}

/* Nothing waits in the codec, be it for room in out or for the peer's leave to send it. */
static inline bool codec_is_flushed(const struct codec *c)
{
    return c->ops->is_flushed == NULL || c->ops->is_flushed(c);
}

/* Bytes of this exchange's body that wait in the codec, besides those in out; more than there
 * are while the connection as a whole holds too much. */
static inline size_t codec_queued(const struct codec *c, uint32_t id)
{
    return c->ops->queued == NULL ? 0 : c->ops->queued(c, id);
}

/* The exchange cannot take more of its body for now: the peer gets no new credit for it. What
 * the peer was allowed to send before is still delivered. */
static inline void codec_pause(struct codec *c, uint32_t id)
{
    if (c->ops->pause != NULL)
        c->ops->pause(c, id);
}

static inline void codec_resume(struct codec *c, uint32_t id)
{
    if (c->ops->resume != NULL)
        c->ops->resume(c, id);
}

/* The exchange is freed: no event of it comes any more, and only now its place among the
 * concurrent ones is free, so that who asks and takes back at once gains nothing by it. */
static inline void codec_forget(struct codec *c, uint32_t id)
{
    if (c->ops->forget != NULL)
        c->ops->forget(c, id);
}

/* Client role: how many further exchanges may be opened now. */
static inline size_t codec_capacity(const struct codec *c)
{
    return c->ops->capacity == NULL ? codec_can_reuse(c) : c->ops->capacity(c);
}

/* HTTP/2 only: asks the peer for a sign of life; any byte from it is one. */
static inline void codec_ping(struct codec *c)
{
    if (c->ops->ping != NULL)
        c->ops->ping(c);
}

static inline void codec_free(struct codec *c)
{
    if (c != NULL)
        c->ops->free(c);
}
