/* leg.h - one side of an exchange: its part of the connection to the client, or to the target.
 *
 * Purpose: the exchange says the same to both sides; what else a connection carries is nothing
 *          to it: where one carries many, theirs is a share of it, not the whole.  Bytes read
 *          on one side go to the other side's codec; when too much waits there, reading here
 *          stops until enough has been sent.
 * Thread:  the worker's.
 * Owns:    nothing: the link is the connection's.
 * Limits:  RELAY_HIGH_BYTES queued, plus one read.
 * Fails:   what the codec_send_ functions say.
 *
 * The one place that tells a connection with one exchange at a time from one with many. */
#pragma once

#include "gateway/link.h"

#include "gateway/base/limits.h"

struct leg {
    struct link *link;
    uint32_t id;    /* the codec's, of this exchange */
    bool is_shared; /* with other exchanges */
    uint64_t write_mark;
    uint64_t received_mark;
};

/* The codec has been made. */
static inline struct leg leg_of(struct link *l, uint32_t id)
{
    return (struct leg){.link = l, .id = id, .is_shared = codec_is_multiplexed(l->codec)};
}

/* Bytes that wait to be sent. */
static inline size_t leg_queued(const struct leg *l)
{
    return l->is_shared ? codec_queued(l->link->codec, l->id) : link_queued(l->link);
}

/* True when all that was sent is with the kernel, or on its way there. */
static inline bool leg_is_flushed(const struct leg *l)
{
    return l->is_shared ? leg_queued(l) == 0 : link_is_flushed(l->link);
}

/* The peer is not read from, or given no more leave to send, until it is resumed. */
static inline void leg_pause(struct leg *l)
{
    if (l->is_shared)
        codec_pause(l->link->codec, l->id);
    else
        link_pause(l->link);
}

static inline void leg_resume(struct leg *l)
{
    if (!l->is_shared) {
        link_resume(l->link);
        return;
    }
    codec_resume(l->link->codec, l->id);
    link_flush_soon(l->link);
}

/* What the peer has still to say of this exchange is not waited for: a connection of its own
 * ends with it, and of a shared one its part. */
static inline void leg_refuse_reuse(struct leg *l)
{
    if (!l->is_shared)
        codec_refuse_reuse(l->link->codec);
}

/* The exchange is over, and perhaps incomplete: the rest of the connection goes on. */
static inline void leg_forget(struct leg *l)
{
    if (!l->is_shared)
        return;
    codec_forget(l->link->codec, l->id);
    link_flush_soon(l->link);
}

/* ---- since when it counts whether something was sent, or has come ---- */

static inline void leg_mark(struct leg *l)
{
    l->write_mark = l->link->write_count;
    l->received_mark = l->link->received_bytes;
}

/* Nothing was written since leg_mark. */
static inline bool leg_is_unsent(const struct leg *l)
{
    return l->link->write_count == l->write_mark;
}

/* No byte came since leg_mark. */
static inline bool leg_is_silent(const struct leg *l)
{
    return l->link->received_bytes == l->received_mark;
}

/* Of a connection of its own: the peer has nothing to say before it has been asked. */
static inline void leg_expect_silence(struct leg *l)
{
    if (!l->is_shared)
        link_expect_silence(l->link);
}

/* ---- sending: with the next flush ---- */

static inline struct err leg_send_head(struct leg *l, const struct http_head *head, bool is_end)
{
    link_flush_soon(l->link);
    return codec_send_head(l->link->codec, l->id, head, is_end);
}

static inline struct err leg_send_body(struct leg *l, struct str bytes)
{
    TRY(codec_send_body(l->link->codec, l->id, bytes));
    link_flush_soon(l->link);
    return OK;
}

static inline struct err leg_send_end(struct leg *l, const struct http_fields *trailers)
{
    link_flush_soon(l->link);
    return codec_send_end(l->link->codec, l->id, trailers);
}

/* The end of one direction of a tunnel. */
static inline struct err leg_end_tunnel(struct leg *l)
{
    TRY(leg_send_end(l, NULL));
    if (!l->is_shared)
        link_half_close(l->link);
    return OK;
}

/* ---- from one to the other ---- */

static inline struct err leg_relay(struct leg *from, struct leg *to, struct str bytes)
{
    TRY(leg_send_body(to, bytes));
    if (leg_queued(to) >= RELAY_HIGH_BYTES)
        leg_pause(from);
    return OK;
}

/* `to` has sent something. */
static inline void leg_on_sent(struct leg *from, const struct leg *to)
{
    if (leg_queued(to) < RELAY_HIGH_BYTES / 2)
        leg_resume(from);
}
