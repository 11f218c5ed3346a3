/* h1_writer.h - puts messages of HTTP/1.x on the wire, in either role.
 *
 * Purpose: heads in canonical form, bodies in the framing their head announced.
 * Thread:  the codec's.
 * Owns:    nothing; the output buffer is the connection's.
 * Fails:   ERR_MEMORY or ERR_LIMIT of the buffer: nothing was written then, but perhaps a part
 *          of a body. A body that does
 *          not fit its announced length gives the kind the caller says. */
#pragma once

#include "gateway/http/codec.h"
#include "gateway/http/h1_head.h"

#include "gateway/base/buf.h"

struct h1_writer {
    struct buf *out;
    codec_pass_fn *pass; /* NULL: all bytes go into out */
    void *pass_arg;
    const struct err_kind *misfit; /* a body longer or shorter than announced */
    enum h1_writer_state {
        H1_WRITER_HEAD,   /* nothing yet, or interim answers only */
        H1_WRITER_LENGTH, /* left_bytes of body to come */
        H1_WRITER_CHUNKED,
        H1_WRITER_RAW,     /* as it comes, ended by the end of the connection */
        H1_WRITER_NOTHING, /* an answer that has no body: HEAD, 204, 304 */
        H1_WRITER_DONE,    /* ended as announced */
        H1_WRITER_CUT,     /* given up in the middle: no byte more */
    } state;
    uint64_t left_bytes;
};

/* How a head is to be framed: what codec_send_head's caller leaves to the codec. */
struct h1_plan {
    enum h1_framing framing;   /* the line to write; NONE and CLOSE: none */
    uint64_t body_bytes;       /* LENGTH */
    struct str connection;     /* value of Connection, or empty */
    enum h1_writer_state next; /* state behind the head */
};

struct err h1_writer_request(struct h1_writer *w, const struct http_head *head,
                             const struct h1_plan *plan);
struct err h1_writer_response(struct h1_writer *w, const struct http_head *head,
                              const struct h1_plan *plan);

/* Value of Connection; empty if there is nothing to say.  says_keep: HTTP/1.0 must be told. */
struct str h1_writer_connection(bool is_last, bool is_upgrade, bool says_keep);

/* All of the message's bytes have been given. */
bool h1_writer_is_complete(const struct h1_writer *w);

/* Bytes for NOTHING are passed over; after DONE and CUT: ERR_CANCELLED. */
struct err h1_writer_body(struct h1_writer *w, struct str bytes);

/* trailers may be NULL; they are written in a chunked body only. */
struct err h1_writer_end(struct h1_writer *w, const struct http_fields *trailers);
