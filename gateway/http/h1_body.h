/* h1_body.h - takes message bodies of HTTP/1.x off the wire, in either role.
 *
 * Purpose: from framed bytes to body bytes: a length, chunks with trailers, or all until the
 *          end.
 * Thread:  the codec's.
 * Owns:    nothing; pieces are views of the bytes given, trailers live in the arena.
 * Limits:  CHUNK_LINE_MAX_BYTES, TRAILER_MAX_BYTES.
 * Fails:   ERR_BAD_FRAMING, ERR_BAD_REQUEST or ERR_HEAD_TOO_LARGE (trailers), ERR_MEMORY. */
#pragma once

#include "gateway/http/h1_head.h"

struct h1_body {
    enum h1_body_state {
        H1_BODY_DONE,
        H1_BODY_LENGTH,     /* left_bytes to come */
        H1_BODY_CHUNK_LINE, /* a chunk-size line begins */
        H1_BODY_CHUNK,      /* left_bytes of this chunk to come */
        H1_BODY_CHUNK_END,  /* the CRLF behind a chunk */
        H1_BODY_TRAILERS,
        H1_BODY_UNTIL_END, /* everything, until the peer ends it */
    } state;
    uint64_t left_bytes;
    struct h1_scan scan; /* of the trailers */
};

void h1_body_init(struct h1_body *b, enum h1_framing framing, uint64_t bytes);

struct h1_piece {
    size_t used;      /* bytes looked at; 0: more are needed */
    struct str bytes; /* those of them that are body; may be empty */
    const struct http_fields
        *trailers; /* when the state becomes DONE; NULL if there are none */
};

/* Takes the next piece; trailers live in the arena. */
struct err h1_body_take(struct h1_body *b, struct str bytes, struct arena *a,
                        struct h1_piece *ret_piece);
