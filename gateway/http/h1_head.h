/* h1_head.h - what a head of HTTP/1.x means: from a block of lines to struct http_head.
 *
 * Purpose: Host and request target, message framing, persistence, upgrades (RFC 9112 3.2, 6,
 *          9.3; RFC 9110 7.2, 7.8). Everything about a head that can be said without knowing
 *          which state a connection is in.
 * Thread:  any; pure.
 * Owns:    nothing; views point into the block, which must live as long as the arena.
 * Limits:  TARGET_URI_MAX_BYTES, CONNECTION_OPTIONS_MAX.
 * Fails:   as h1_parser.h, and ERR_BAD_FRAMING, ERR_BAD_HOST, ERR_NOT_IMPLEMENTED. */
#pragma once

#include "gateway/http/h1_parser.h"

/* What a head says about the bytes behind it and about the connection. */
struct h1_facts {
    enum h1_framing {
        H1_FRAMING_NONE,
        H1_FRAMING_LENGTH, /* body_bytes of the head */
        H1_FRAMING_CHUNKED,
        H1_FRAMING_CLOSE, /* responses only: the body ends with the connection */
    } framing;
    bool keeps_alive; /* the peer is willing to go on */
};

/* lines: what h1_parser_scan counted. */
struct err h1_head_read_request(struct str block, size_t lines, struct arena *a,
                                struct http_head *ret_head, struct h1_facts *ret_facts);

/* What can be told of a request's head that was refused, for the access log and for the form of
 * the error answer: method, path as it was sent, host (the value of Host, where that is no
 * host), and the fields before the one that spoils it; empty is what cannot be had. scan: what
 * the search in bytes found. */
void h1_head_glimpse(struct str bytes, const struct h1_scan *scan, struct arena *a,
                     struct http_head *ret_head);

/* The head of an answer to HEAD tells the body that GET would have had; the codec must know
 * that none follows, whatever the facts say. */
struct err h1_head_read_response(struct str block, size_t lines, struct arena *a,
                                 struct http_head *ret_head, struct h1_facts *ret_facts);

/* The trailers of a chunked body: the lines, without the fields that belong in a head. NULL if
 * nothing is left. */
struct err h1_head_read_trailers(struct str block, size_t lines, struct arena *a,
                                 const struct http_fields **ret_trailers);
