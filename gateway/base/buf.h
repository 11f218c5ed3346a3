/* buf.h - a byte queue with a ceiling.
 *
 * Purpose: bytes go in at the tail and leave at the head; what is inside is one contiguous
 *          view. Being full is an answer (ERR_LIMIT), which is how back-pressure travels.
 * Thread:  the owner's.
 * Owns:    its storage; buf_fini frees it.  An empty, released buffer owns no heap memory.
 *          Buffers of one pool leave their storage to each other.
 * Limits:  max_bytes given at init; storage grows by doubling and never beyond it. A pool keeps
 *          BUF_BLOCKS_KEPT_MAX blocks of BUF_BLOCK_BYTES and BUF_LARGE_KEPT_MAX of
 *          BUF_LARGE_BYTES.
 * Fails:   ERR_LIMIT when max_bytes would be passed, ERR_MEMORY; nothing is appended then. */
#pragma once

#include "gateway/base/str.h"

#include <stdarg.h>

/* Zeroed: empty. */
struct buf_pool {
    struct buf_shelf {
        void *first;
        size_t count;
    } small, large; /* private */
};

struct buf {
    struct {
        struct buf_pool *pool; /* NULL: storage comes from the heap */
        char *base;
        size_t head;
        size_t tail;
        size_t room;
        size_t max_bytes;
    } priv;
};

void buf_init(struct buf *b, size_t max_bytes);
/* Storage comes from the pool, and goes back: first a small block, then a large one, if one is
 * kept there. */
void buf_init_pooled(struct buf *b, size_t max_bytes, struct buf_pool *pool);
void buf_fini(struct buf *b);

/* Frees what is kept. */
void buf_pool_fini(struct buf_pool *p);

static inline size_t buf_len(const struct buf *b)
{
    return b->priv.tail - b->priv.head;
}

/* Valid until the next call that is not buf_len, buf_view or buf_consume. */
static inline struct str buf_view(const struct buf *b)
{
    return b->priv.base == NULL ? STR_NONE : str_make(b->priv.base + b->priv.head, buf_len(b));
}

/* How many bytes may still be appended before the ceiling. */
size_t buf_room(const struct buf *b);

/* Drops n bytes at the head; n must not exceed buf_len. */
void buf_consume(struct buf *b, size_t n);

/* Empties it and keeps the storage. */
void buf_clear(struct buf *b);

/* Frees the storage if nothing is inside: an idle owner keeps no memory. */
void buf_release(struct buf *b);

struct err buf_append(struct buf *b, struct str bytes);
/* Needs room for one byte more than the text: the terminator that vsnprintf writes. */
struct err buf_append_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for at least want bytes at the tail, to be filled in place; *ret_room may be larger.
 * buf_commit then says how many were written. */
struct err buf_reserve(struct buf *b, size_t want, char **ret_tail, size_t *ret_room);
void buf_commit(struct buf *b, size_t n);
