/* text.h - encodings: base64url, base64, hex, percent.
 *
 * Purpose: the small codecs that ACME, tokens, pins and paths need.
 * Thread:  any.
 * Owns:    results are appended to the caller's buf or live in the caller's arena.
 * Fails:   decoders: ERR_SYNTAX; all: ERR_MEMORY or ERR_LIMIT from the buffer. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

/* RFC 4648 section 4. */
struct err text_base64(struct buf *out, struct str bytes);

/* RFC 4648 section 5, without padding. */
struct err text_base64url(struct buf *out, struct str bytes);

/* Accepts both alphabets, padded or not (CAs and people paste every variant). */
struct err text_unbase64(struct buf *out, struct str text);

/* Lower case. */
struct err text_hex(struct buf *out, struct str bytes);

/* Either case, an optional ':' between bytes. */
struct err text_unhex(struct buf *out, struct str text);

/* %XX to bytes; a malformed escape is ERR_SYNTAX. */
struct err text_percent_decode(struct buf *out, struct str text);

/* Everything but RFC 3986 unreserved characters becomes %XX. */
struct err text_percent_encode(struct buf *out, struct str bytes);
