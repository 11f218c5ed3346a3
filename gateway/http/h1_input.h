/* h1_input.h - hands bytes to a codec in whole units: heads, chunk-size lines, body pieces.
 *
 * Purpose: a unit that comes in one read is taken from the reader's own buffer; one that comes
 *          in several is put together here first.
 * Thread:  the codec's.
 * Owns:    the beginning of a unit that is not complete; nothing between units.
 * Limits:  the largest unit: a head, or a trailer section; a longer one the codec refuses.
 * Fails:   ERR_MEMORY, and what the codec's take says; what was kept is dropped then. */
#pragma once

#include "gateway/base/buf.h"

struct h1_input {
    struct buf partial;
};

struct h1_taker {
    /* False: no more is wanted now. */
    bool (*is_taking)(const void *codec);
    /* *ret_used is 0 if the unit at the start of bytes is not complete. */
    struct err (*take)(void *codec, struct str bytes, size_t *ret_used);
};

void h1_input_init(struct h1_input *in, size_t max_head_bytes);
void h1_input_fini(struct h1_input *in);

struct err h1_input_feed(struct h1_input *in, const struct h1_taker *taker, void *codec,
                         struct str bytes, size_t *ret_used);

/* True in the middle of a unit that cannot be used before it is complete. */
static inline bool h1_input_is_partial(const struct h1_input *in)
{
    return buf_len(&in->partial) > 0;
}
