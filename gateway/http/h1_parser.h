/* h1_parser.h - the grammar of HTTP/1.x (RFC 9112): bytes to views, no meaning.
 *
 * Purpose: finds where a head ends, incrementally, and refuses on the way what no head may
 *          contain; then takes start line, fields and chunk-size lines apart.
 * Thread:  any; pure.
 * Owns:    nothing; views point into the block, field tables live in the caller's arena.
 * Limits:  given in h1_limits; HEAD_FIELDS_MAX; CHUNK_LINE_MAX_BYTES.
 * Fails:   ERR_BAD_REQUEST for what the grammar forbids, whichever side sent it;
 *          ERR_BAD_VERSION, ERR_URI_TOO_LONG, ERR_HEAD_TOO_LARGE, ERR_BAD_FRAMING (chunk-size
 *          lines), ERR_MEMORY. */
#pragma once

#include "gateway/http/http_message.h"

struct h1_limits {
    size_t block_max_bytes;      /* start line and fields, or trailers, with the empty line */
    size_t first_line_max_bytes; /* passed: ERR_URI_TOO_LONG; 0: no limit of its own */
};

/* A search for the end of a block, over bytes that are offered again with more behind them. All
 * zero: a new search. */
struct h1_scan {
    size_t at;    /* bytes that need not be looked at again; before the one that was refused */
    size_t lines; /* complete lines so far, without the empty one */
};

/* *ret_len: bytes up to and with the empty line, 0 while it has not come. Refused as soon as it
 * is seen: a CR or LF alone, NUL and other controls, a line that begins with white space
 * (obs-fold). */
struct err h1_parser_scan(struct h1_scan *scan, struct str bytes,
                          const struct h1_limits *limits, size_t *ret_len);

/* False: these bytes, complete or not, do not begin a status line. */
bool h1_parser_may_be_status(struct str bytes);

/* The functions below expect lines that h1_parser_scan has found. */

struct h1_request_line {
    struct str method;
    struct str target;
    enum http_version version;
};

/* *ret_rest: the lines behind the first. Of a line that is refused *ret_line holds what was
 * read before, and is otherwise as it was. */
struct err h1_parser_request_line(struct str block, struct h1_request_line *ret_line,
                                  struct str *ret_rest);

struct h1_status_line {
    unsigned status; /* 100 to 999 */
    enum http_version version;
};

struct err h1_parser_status_line(struct str block, struct h1_status_line *ret_line,
                                 struct str *ret_rest);

/* The lines up to the empty one; count: how many there are. *ret_fields: those before the one
 * that is refused, if one is. */
struct err h1_parser_fields(struct str lines, size_t count, struct arena *a,
                            struct http_fields *ret_fields);

/* A chunk-size line (RFC 9112 7.1): hexadecimal digits, and extensions, which are checked and
 * dropped.  White space is refused anywhere outside quotes.  *ret_len: 0 while the line is not
 * complete. */
struct err h1_parser_chunk_line(struct str bytes, size_t *ret_len, uint64_t *ret_size);
