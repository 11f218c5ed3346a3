/* h1_codec.h - HTTP/1.0 and 1.1 (RFC 9112) behind codec.h, for both roles.
 *
 * Thread, Owns, Fails: as codec.h.
 * Limits:  max_head_bytes for the head; TRAILER_MAX_BYTES, CHUNK_LINE_MAX_BYTES,
 *          INTERIM_MAX.
 *
 * An HTTP/1.0 peer gets close-delimited bodies instead of chunks; keep-alive with it only
 * when it asked. */
#pragma once

#include "gateway/http/codec.h"

struct err h1_codec_new_server(const struct codec_options *o, struct codec **ret_codec);
struct err h1_codec_new_client(const struct codec_options *o, struct codec **ret_codec);
