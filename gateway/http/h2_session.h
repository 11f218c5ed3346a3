/* h2_session.h - what the files of the HTTP/2 codec share; nobody else includes it.
 *
 * Purpose: h2_codec.c makes and ends a codec; h2_receive.c hears what the library reads;
 *          h2_send.c has it write; h2_stream.c keeps streams, and the count of what their peer
 *          has cost us; h2_window.c says how much may come unasked; h2_ping.c asks.
 * Thread:  the connection's worker.
 * Owns:    as h2_codec.h says.  A stream lives from its first HEADERS (or codec_open) until
 *          both the library has closed it and its exchange has been forgotten: reset streams
 *          count as open until then (CVE-2023-44487). */
#pragma once

#include "gateway/http/h2_codec.h"
#include "gateway/http/h2_head.h"
#include "gateway/http/h2_memory.h"
#include "gateway/http/h2_strict.h"

#include "gateway/base/list.h"

#include <nghttp2/nghttp2.h>

struct h2_stream;

/* What a PING is for: the first byte of its text. */
enum h2_ping {
    H2_PING_TRIP = 1,   /* measures what comes within a round trip */
    H2_PING_NOTICE = 2, /* behind the notice that the connection will end */
    H2_PING_ALIVE = 4,
};

struct h2 {
    struct codec base; /* first: const casts */
    struct codec_options options;
    nghttp2_session *ng;
    struct h2_memory memory; /* the session's */
    bool is_client;
    bool is_last; /* no further exchange on this connection */
    bool has_settings;
    bool is_reading;    /* inside the library, which does not write meanwhile */
    bool is_in_section; /* a HEADERS has begun, and its last CONTINUATION has not come */
    unsigned glitches;
    unsigned excuses;     /* PINGs and small WINDOW_UPDATEs that are none */
    unsigned turn_fields; /* decoded in this feed */
    struct err error;     /* ends the connection; told by feed */
    struct list streams;
    size_t stream_count;
    size_t queued_bytes; /* of all streams */
    struct list sent;    /* streams that are to hear on_sent */
    int32_t last_id;     /* server role: the highest that was opened */
    unsigned pings;      /* a set of enum h2_ping: not answered yet */
    struct {
        struct h2_stream *stream; /* whose bytes are counted; NULL: it has ended since */
        size_t bytes;
    } trip;
    size_t growth_bytes;  /* of all windows */
    size_t learned_bytes; /* the largest window that a stream has needed */
    struct h2_amnesty amnesty;
    struct h2_walk walk;
};

struct h2_stream {
    struct list_node node;
    struct list_node sent_node;
    int32_t id;
    void *user;
    struct arena *arena;  /* NULL: the exchange has been forgotten */
    struct h2_head *head; /* the section being received */
    struct buf out;
    struct str direct;   /* behind out, and the caller's: during send_body only */
    uint64_t left_bytes; /* of a body of a length, to be sent */
    size_t withheld_bytes;
    struct arena *trailer_arena; /* NULL: no trailers; they outlive the exchange */
    struct http_fields trailers;
    size_t growth_bytes;     /* of its window */
    size_t unmeasured_bytes; /* received since it was last measured whether that is enough */
    size_t measure_at_bytes; /* ... and how many are to be before it is measured again */
    struct str asked;        /* client role: protocol of an extended CONNECT */
    struct str websocket_key;
    enum { IN_HEAD, IN_BODY, IN_DONE } in;
    enum {
        OUT_HEAD,
        OUT_LENGTH,
        OUT_UNKNOWN,
        OUT_NOTHING,
        OUT_ENDING,
        OUT_DONE,
        OUT_CUT
    } out_state;
    unsigned interim_count;
    unsigned surplus_fields; /* of a head that was refused by then */
    bool is_head;            /* the request is HEAD */
    bool is_paused;
    bool is_deferred; /* the library waits for resume_data */
    bool is_closed;   /* by the library */
    bool is_over;     /* no event any more */
};

static inline struct h2 *h2_of(struct codec *c)
{
    return container_of(c, struct h2, base);
}

static inline const struct h2 *h2_of_const(const struct codec *c)
{
    return (const struct h2 *)(const void *)c;
}

/* ---- h2_stream.c ---- */

/* One that the library knows. */
struct h2_stream *h2_find(const struct h2 *h, int32_t id);

/* Also one the library has closed, or not opened yet. */
struct h2_stream *h2_find_any(const struct h2 *h, int32_t id);
struct h2_stream *h2_add_stream(struct h2 *h, int32_t id);
void h2_free_stream(struct h2 *h, struct h2_stream *s);

/* If neither the library nor an exchange needs it any more. */
void h2_free_if_done(struct h2 *h, struct h2_stream *s);
void h2_drop_queue(struct h2 *h, struct h2_stream *s);

/* The peer is told; nothing else is sent. */
void h2_reset(struct h2 *h, struct h2_stream *s, uint32_t code);

/* The last event of a stream. */
void h2_tell_reset(struct h2 *h, struct h2_stream *s, struct err e);

/* Both: what an owner's refusal, or a malformed message, means for the others is nothing. */
void h2_drop(struct h2 *h, struct h2_stream *s, struct err e, uint32_t code);

/* The connection is beyond repair: GOAWAY, and nothing else is read. Only the first reason
 * counts. */
void h2_end_session(struct h2 *h, struct err e, uint32_t code);
void h2_submit_goaway(struct h2 *h);

/* Whose fault a malformed message is. */
const struct err_kind *h2_bad(const struct h2 *h);

/* Something that costs us more than its peer; and something useful, which makes up for one. */
void h2_note_glitch(struct h2 *h);
void h2_note_use(struct h2 *h);

/* ---- h2_window.c ---- */

void h2_window_on_data(struct h2 *h, struct h2_stream *s, size_t len);
void h2_window_on_trip(struct h2 *h);
void h2_window_end(struct h2 *h, struct h2_stream *s);

/* ---- h2_ping.c ---- */

/* False if one of the kind is under way, or without memory. */
bool h2_ping(struct h2 *h, enum h2_ping ping);
void h2_on_pong(struct h2 *h, const uint8_t *text);

/* ---- h2_receive.c ---- */

struct err h2_feed(struct codec *c, struct str bytes, size_t *ret_used);
struct err h2_feed_eof(struct codec *c);
void h2_set_receive_callbacks(nghttp2_session_callbacks *cb);

/* ---- h2_send.c ---- */

struct err h2_send_head(struct codec *c, uint32_t id, const struct http_head *head,
                        bool is_end);
struct err h2_send_body(struct codec *c, uint32_t id, struct str bytes);
struct err h2_send_end(struct codec *c, uint32_t id, const struct http_fields *trailers);
struct err h2_fill(struct codec *c);
size_t h2_queued(const struct codec *c, uint32_t id);
void h2_set_send_callbacks(nghttp2_session_callbacks *cb);
