/* h2_codec.h - HTTP/2 (RFC 9113) behind codec.h, for both roles, on libnghttp2.
 *
 * Purpose: frames and HPACK are the library's; what messages mean (h2_head.h), what a peer may
 *          make us do, and what is sent next, are ours.
 * Thread, Fails: as codec.h.  What is wrong with one message resets its stream: on_reset, or
 *          nothing at all if its head was never told; what is wrong with the connection fails
 *          the feed.
 * Owns:    per stream the body that waits to be sent; nothing of an idle connection but the
 *          library's session.
 * Limits:  max_head_bytes after HPACK; the H2_ lines of limits.h.  Who spends
 *          H2_GLITCHES_MAX is told ENHANCE_YOUR_CALM and fed no more.
 *
 * Bytes for the peer are made in codec_fill only: late, so that the most urgent stream is
 * chosen when there is room for it (RFC 9218). */
#pragma once

#include "gateway/http/codec.h"

struct err h2_codec_new_server(const struct codec_options *o, struct codec **ret_codec);
struct err h2_codec_new_client(const struct codec_options *o, struct codec **ret_codec);
