/* h2_shared.h - what the HTTP/2 connections of one worker share.
 *
 * Purpose: a budget by which their windows may grow, and one block of memory for each, in which
 *          the library keeps its session (h2_memory.h). Blocks begin on a page, and pages that
 *          a connection does not touch are not there.
 * Thread:  the worker's.
 * Owns:    chunks of H2_CHUNK_BLOCKS blocks; all but the last empty one go back to the system.
 * Limits:  H2_GROWTH_ALL_BYTES.
 * Fails:   NULL when memory is short. */
#pragma once

#include "gateway/base/list.h"

#include <stddef.h>

enum { H2_BLOCK_BYTES = 28 * 1024 };

struct h2_shared {
    size_t growth_left;
    struct list chunks; /* private: those with room, oldest first */
};

struct h2_chunk;

struct h2_block {
    char *bytes; /* NULL: none */
    struct h2_chunk *chunk;
};

void h2_shared_init(struct h2_shared *s);

/* Every block has been given back. */
void h2_shared_fini(struct h2_shared *s);

struct h2_block h2_shared_take(struct h2_shared *s);

/* Accepts none. */
void h2_shared_give(struct h2_shared *s, struct h2_block block);
