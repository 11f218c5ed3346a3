/* codec_trace.h - drives a codec and writes down what it says, for tests and fuzz targets.
 *
 * Purpose: the same bytes, cut into pieces in every way, must make a codec say the same.
 * Thread:  the test's.
 * Owns:    nothing after a call; the text is appended to the caller's buf.
 * Fails:   aborts the test when memory is short, unless it made memory fail itself. */
#pragma once

#include "gateway/base/buf.h"

struct codec_trace_options {
    bool is_client;
    bool answers; /* server: each request is answered with 200 and "ok" at its end */
    bool ends;    /* feed_eof behind the bytes */
    bool is_plain;
    bool tells_fields;
    bool tells_refused;    /* server: what is told of a refused head, as "head" tells it */
    const char *method;    /* client: of the request; NULL: GET */
    const char *upgrade;   /* client: asked for; NULL: no upgrade */
    size_t unsent_bytes;   /* client: of the request's body that are never sent */
    size_t max_head_bytes; /* 0: HEAD_MAX_BYTES */
};

/* Feeds first_bytes at once, then pieces of step_bytes, and appends one line per event:
 *   "begin 1", "head 1 GET a.example /x 1.1 body 5", "body 1 hello", "end 1", "error
 *   bad_request", then "reuse yes" or "reuse no", and what the codec sent, if anything. */
void codec_trace_run(const struct codec_trace_options *o, struct str bytes, size_t first_bytes,
                     size_t step_bytes, struct buf *text);

/* The text for all bytes at once.  *ret_odd: the first cut that gave another text, 0 if none
 * did; texts differ by how the bytes came only if the codec is wrong. */
void codec_trace_run_cut(const struct codec_trace_options *o, struct str bytes,
                         struct buf *text, size_t *ret_odd);
