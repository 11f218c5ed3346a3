/* h2_frames.h - writes raw frames of HTTP/2, valid or not, for tests.
 *
 * Purpose: RFC 9113 4.1 by hand, and HPACK literals without indexing (RFC 7541 6.2.2), so
 *          that a test can say what no library would.
 * Thread:  the test's.
 * Owns:    nothing; frames are appended to the caller's buf.
 * Limits:  names and values below 127 bytes, or 127 + 128 * 127 with a longer length.
 * Fails:   aborts the test when memory is short. */
#pragma once

#include "gateway/base/buf.h"

enum {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
};

enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8 };

/* The preface of a client and an empty SETTINGS. */
void h2_frames_preface(struct buf *b);

void h2_frames_add(struct buf *b, unsigned type, unsigned flags, uint32_t stream,
                   struct str payload);

/* A payload of one number of 32 bits: WINDOW_UPDATE, RST_STREAM. */
void h2_frames_add_u32(struct buf *b, unsigned type, uint32_t stream, uint32_t number);

/* One literal field. */
void h2_frames_field(struct buf *block, struct str name, struct str value);

/* HEADERS with END_HEADERS of "name: value\n" lines; a name may begin with ':'. */
void h2_frames_headers(struct buf *b, unsigned flags, uint32_t stream, const char *lines);
