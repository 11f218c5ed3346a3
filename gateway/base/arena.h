/* arena.h - bump allocation with one lifetime.
 *
 * Purpose: everything that dies together is allocated together and freed in one reset;
 *          disposers registered with arena_on_reset run first, last registered first.
 * Thread:  the owner's.
 * Owns:    every block; arena_reset keeps the first block for reuse, arena_free drops all.
 *          A pool owns the arenas that are put into it.
 * Limits:  max_bytes over all blocks, given at creation; a pool keeps max_count arenas.
 * Fails:   NULL when the ceiling or the heap is exhausted; callers answer ERR_MEMORY. */
#pragma once

#include "gateway/base/str.h"

struct arena;

typedef void arena_dispose_fn(void *object);

/* first_bytes: size of the first block, allocated at once. */
struct arena *arena_new(size_t first_bytes, size_t max_bytes);
void arena_free(struct arena *a);
AUTO_DEFINE(arena_free, struct arena *)

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t count, size_t size);
#define arena_array(a, type, count) ((type *)arena_alloc((a), (count), sizeof(type)))
#define arena_one(a, type)          arena_array(a, type, 1)

/* Not zeroed: for tables that are filled from the front. */
void *arena_alloc_raw(struct arena *a, size_t count, size_t size);
#define arena_table(a, type, count) ((type *)arena_alloc_raw((a), (count), sizeof(type)))

/* Not zeroed, not aligned: for bytes. */
char *arena_bytes(struct arena *a, size_t len);

/* A NUL-terminated copy; .p is NULL if there was no room. */
struct str arena_dup(struct arena *a, struct str s);

/* All parts in one, NUL-terminated; .p is NULL if there was no room. */
/* Its decimal digits. */
struct str arena_decimal(struct arena *a, uint64_t number);
struct str arena_join(struct arena *a, const struct str *parts, size_t count);

/* Formatted, NUL-terminated; .p is NULL if there was no room. */
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* false: no room, and fn will not be called. */
bool arena_on_reset(struct arena *a, arena_dispose_fn *fn, void *object);

void arena_reset(struct arena *a);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);

/* ---- pools ---- */

/* Empty arenas of one size, kept so that the next user need not ask the heap. */
struct arena_pool {
    size_t first_bytes; /* as for arena_new */
    size_t max_bytes;
    size_t max_count;
    struct arena *first;
    size_t count;
};

/* A kept one, or a new one; NULL: out of memory. */
struct arena *arena_pool_take(struct arena_pool *p);

/* Resets it, and keeps or frees it. */
void arena_pool_put(struct arena_pool *p, struct arena *a);

void arena_pool_fini(struct arena_pool *p);
