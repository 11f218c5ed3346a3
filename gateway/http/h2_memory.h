/* h2_memory.h - where the memory of the library's session comes from.
 *
 * Purpose: what a session needs as long as it lives stands side by side in one block, the
 *          buffer for frames last: 16 KiB, of which most connections touch a few hundred bytes.
 *          On the heap it would be memory that somebody has filled before, between holes. What
 *          comes and goes later is the heap's.
 * Thread:  the connection's worker.
 * Owns:    its block, until h2_memory_close.
 * Limits:  H2_BLOCK_BYTES; what does not fit comes from the heap.
 * Fails:   NULL from the library's calls. */
#pragma once

#include "gateway/http/h2_shared.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct h2_memory {
    struct {
        struct h2_shared *shared;
        struct h2_block block;
        size_t used_bytes;
        bool has_frames;
        bool is_made;
    } priv;
};

/* m stays where it is. */
void h2_memory_open(struct h2_memory *m, struct h2_shared *shared);
nghttp2_mem h2_memory_calls(struct h2_memory *m);

/* The session is made. */
void h2_memory_settle(struct h2_memory *m);

/* The session is gone. */
void h2_memory_close(struct h2_memory *m);
