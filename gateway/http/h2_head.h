/* h2_head.h - what a head of HTTP/2 means: from decoded fields to struct http_head, and back.
 *
 * Purpose: pseudo-fields, field syntax, Host, cookies, lengths, extended CONNECT (RFC 9113 8;
 *          RFC 8441). What HTTP/1.1 could read in two ways is refused, not repaired.
 * Thread:  any; pure.
 * Owns:    nothing; names and values are copied into the arena.
 * Limits:  the bytes given at init, counted as RFC 9113 6.5.2 says; HEAD_FIELDS_MAX;
 *          TARGET_URI_MAX_BYTES.
 * Fails:   ERR_BAD_REQUEST, ERR_BAD_HOST, ERR_BAD_FRAMING, ERR_HEAD_TOO_LARGE,
 *          ERR_URI_TOO_LONG, ERR_NOT_IMPLEMENTED, ERR_MEMORY.  All but
 *          HEAD_TOO_LARGE, URI_TOO_LONG, NOT_IMPLEMENTED and MEMORY mean: malformed. */
#pragma once

#include "gateway/http/http_message.h"

#include <nghttp2/nghttp2.h>

enum h2_head_kind { H2_HEAD_REQUEST, H2_HEAD_RESPONSE, H2_HEAD_TRAILERS };

/* Reads one section, field by field. */
struct h2_head {
    enum h2_head_kind kind;
    struct arena *arena;
    size_t left_bytes;
    struct err error; /* the first; what follows is passed over */
    bool has_regular; /* pseudo-fields come first */
    struct str scheme;
    struct str protocol;
    struct str path;
    struct str cookie; /* joined so far (RFC 9113 8.2.3) */
    struct http_head head;
};

void h2_head_init(struct h2_head *h, enum h2_head_kind kind, struct arena *a, size_t max_bytes);

void h2_head_add(struct h2_head *h, struct str name, struct str value);

/* The section is complete. has_end: no body follows. What was read so far is in h->head also
 * when it fails. */
struct err h2_head_finish(struct h2_head *h, bool has_end);

/* ---- sending ---- */

/* As a table for nghttp2, whose views live as long as the head and the arena.  The scheme is
 * "https" or "http". */
struct err h2_head_write(struct arena *a, const struct http_head *head, struct str scheme,
                         nghttp2_nv **ret_nva, size_t *ret_count);
struct err h2_head_write_trailers(struct arena *a, const struct http_fields *trailers,
                                  nghttp2_nv **ret_nva, size_t *ret_count);
