/* link.h - one connection that carries a codec: a client's or a target's.
 *
 * Purpose: moves bytes between a transport and a codec, in both directions, with
 *          back-pressure: reading stops while the owner says so, and what could not be sent
 *          yet waits in a bounded queue.
 * Thread:  the worker's.
 * Owns:    its transport, its codec, and both buffers; an idle link owns no buffers.
 * Limits:  one read of PLAIN_BYTES per turn, so that no link starves the others; the owner
 *          pauses the opposite side at RELAY_HIGH_BYTES queued; the queue ends at
 *          LINK_OUT_MAX_BYTES.
 * Fails:   through on_error, once; the owner then closes it.
 *
 * The link is a member of its owner.  link_close may be called anywhere; the owner's memory
 * is given back in the loop's deferred phase. */
#pragma once

#include "gateway/http/codec.h"
#include "gateway/loop.h"
#include "gateway/tls/transport.h"

struct link;

/* All called in the worker's turn, never from inside a link_ function the owner has called,
 * except that codec events arrive inside the reading of the same link. */
struct link_events {
    /* TLS is up: heads may be sent. Plain ones are open from the start. */
    void (*on_open)(struct link *l);
    /* Nothing more will be read, or written: ERR_IO, ERR_CRYPTO, or what the codec said. */
    void (*on_error)(struct link *l, struct err e);
    /* The peer ended its direction properly and the codec agrees. */
    void (*on_eof)(struct link *l);
    /* Something left the queue: the other side may go on if link_queued() is low. */
    void (*on_sent)(struct link *l);
};

enum link_state { LINK_CLOSED, LINK_HANDSHAKE, LINK_OPEN };

struct link {
    struct transport transport;
    struct codec *codec; /* the owner sets it; with TLS in on_open at the latest */
    struct buf out;      /* the codec's output */
    uint64_t received_bytes;
    uint64_t write_count; /* attempts to send; unchanged: nothing of what was queued has left */
    struct {
        const struct link_events *events;
        struct loop *loop;
        struct scratch *scratch;
        struct watch watch;
        struct deferred flush_work;
        struct deferred read_work;
        struct buf in; /* read, but not yet taken by the codec */
        enum link_state state;
        bool is_paused;
        bool is_input_over;     /* EOF or an error: nothing more will be read */
        bool is_output_over;    /* a write failed: what is queued is dropped */
        bool is_half_closing;   /* FIN goes out when the queue is empty */
        bool is_discarding;     /* input is read and dropped ... */
        uint64_t discard_left;  /* ... so many bytes of it */
        struct err write_error; /* the first; of link_pass: told by the next flush */
        bool is_silence_due;    /* until something of ours has left */
        bool is_feeding;        /* inside the codec: closing must wait */
        bool must_close;
        struct codec *next_codec; /* takes the place of the one that is on the stack */
    } priv;
};

struct link_options {
    struct loop *loop;
    struct scratch *scratch;
    struct buf_pool *bufs; /* NULL: none is shared */
    const struct link_events *events;
    int fd;   /* connected; taken over */
    SSL *ssl; /* taken over; NULL: plain */
};

/* Starts watching.  codec is set up by the owner before the first byte can arrive, i.e. in the
 * same turn or, with TLS, in on_open.  A failure leaves the link closed, fd and ssl freed. */
struct err link_open(struct link *l, const struct link_options *o);

/* Harmless if closed. */
void link_close(struct link *l);
static inline bool link_is_closed(const struct link *l)
{
    return l->priv.state == LINK_CLOSED || l->priv.must_close;
}
static inline enum link_state link_state(const struct link *l)
{
    return l->priv.state;
}

/* Bytes that wait to be sent. */
static inline size_t link_queued(const struct link *l)
{
    return buf_len(&l->out);
}

/* True when all that was sent is with the kernel, and nothing waits in the codec. */
bool link_is_flushed(const struct link *l);

/* The same, and no write has failed: the peer will get it unless the connection breaks. */
bool link_has_sent_all(const struct link *l);

/* Open, and no write has failed. */
bool link_is_sound(const struct link *l);

/* True while the peer has neither said anything nor ended; asks the kernel. */
bool link_is_silent(const struct link *l);

/* A codec_pass_fn whose arg is the link: sends at once; bytes only while nothing but a head
 * waits in out. What fails is told at the end of this turn. */
size_t link_pass(void *link, struct str bytes);

/* Something was put into out: it is sent at the end of this turn. */
void link_flush_soon(struct link *l);

/* The same, behind all that is to be done in this turn by now. */
void link_flush_late(struct link *l);

/* The peer has nothing to say before it has got what is queued now: bytes that come earlier
 * are the error ERR_IO (EPROTO), and reach no codec. */
void link_expect_silence(struct link *l);

/* Inside the codec's own events: another one goes on with what it leaves. Taken over. */
void link_replace_codec(struct link *l, struct codec *codec);

/* What was read already is offered to the codec again, in the next turn. */
void link_read_soon(struct link *l);

/* Stops reading; resuming also offers what was read already. */
void link_pause(struct link *l);
void link_resume(struct link *l);

/* After everything queued has been sent, our direction ends (FIN). */
void link_half_close(struct link *l);

/* From now on input is read and dropped, up to its end (on_eof): so that our last answer is
 * not lost to a reset, which closing a socket with unread bytes would send. Beyond max_bytes:
 * on_error, ERR_IO. */
void link_discard_input(struct link *l, uint64_t max_bytes);

/* Closes so that the peer sees a cut: what is queued is lost. Harmless if closed. */
void link_cut(struct link *l);
