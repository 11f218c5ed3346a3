#include "gateway/base/buf.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <assert.h>
#include <stdio.h>

enum { FIRST_ROOM_BYTES = 512 };

/* ---- storage ---- */

/* The first bytes of a kept block point at the next one; the rest is poisoned. */
struct kept {
    struct kept *next;
};

static char *take_block(struct buf_shelf *shelf, size_t bytes)
{
    struct kept *block = shelf->first;
    if (block == NULL)
        return mem_resize(NULL, bytes);
    mem_unpoison(block, bytes);
    shelf->first = block->next;
    shelf->count--;
    return (char *)block;
}

static void keep_block(struct buf_shelf *shelf, void *storage, size_t bytes)
{
    struct kept *block = storage;
    block->next = shelf->first;
    shelf->first = block;
    shelf->count++;
    mem_poison(block + 1, bytes - sizeof(*block));
}

void buf_pool_fini(struct buf_pool *p)
{
    while (p->small.count > 0)
        mem_free(take_block(&p->small, BUF_BLOCK_BYTES));
    while (p->large.count > 0)
        mem_free(take_block(&p->large, BUF_LARGE_BYTES));
}

/* Not zeroed: it is written before it is read. */
static char *new_storage(const struct buf *b, size_t room)
{
    struct buf_pool *p = b->priv.pool;
    if (p != NULL && room == BUF_BLOCK_BYTES)
        return take_block(&p->small, room);
    if (p != NULL && room == BUF_LARGE_BYTES)
        return take_block(&p->large, room);
    return mem_resize(NULL, room);
}

static void drop_storage(struct buf *b)
{
    struct buf_pool *p = b->priv.pool;
    size_t room = b->priv.room;
    if (p != NULL && room == BUF_BLOCK_BYTES && p->small.count < BUF_BLOCKS_KEPT_MAX)
        keep_block(&p->small, b->priv.base, room);
    else if (p != NULL && room == BUF_LARGE_BYTES && p->large.count < BUF_LARGE_KEPT_MAX)
        keep_block(&p->large, b->priv.base, room);
    else
        mem_free(b->priv.base);
    b->priv.base = NULL;
    b->priv.room = 0;
}

/* ---- the queue ---- */

void buf_init(struct buf *b, size_t max_bytes)
{
    buf_init_pooled(b, max_bytes, NULL);
}

void buf_init_pooled(struct buf *b, size_t max_bytes, struct buf_pool *pool)
{
    *b = (struct buf){.priv = {.pool = pool, .max_bytes = max_bytes}};
}

void buf_fini(struct buf *b)
{
    buf_clear(b);
    drop_storage(b);
}

size_t buf_room(const struct buf *b)
{
    return b->priv.max_bytes - buf_len(b);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_len(b));
    b->priv.head += n;
    if (b->priv.head == b->priv.tail)
        b->priv.head = b->priv.tail = 0;
}

void buf_clear(struct buf *b)
{
    b->priv.head = b->priv.tail = 0;
}

void buf_release(struct buf *b)
{
    if (buf_len(b) > 0)
        return;
    drop_storage(b);
    buf_clear(b);
}

static size_t bigger_room(const struct buf *b, size_t want)
{
    size_t room = b->priv.room;
    if (room == 0)
        room = b->priv.pool != NULL ? BUF_BLOCK_BYTES : FIRST_ROOM_BYTES;
    while (room < want)
        room *= 2;
    bool has_large = b->priv.pool != NULL && b->priv.pool->large.count > 0;
    if (has_large && room > BUF_BLOCK_BYTES && room < BUF_LARGE_BYTES)
        room = BUF_LARGE_BYTES;
    return room < b->priv.max_bytes ? room : b->priv.max_bytes;
}

/* Makes `want` bytes free at the tail: first by moving the content to the front, then by
 * growing. */
static struct err make_room(struct buf *b, size_t want)
{
    size_t len = buf_len(b);
    if (want > buf_room(b))
        return fail(ERR_LIMIT, 0);
    if (b->priv.room - b->priv.tail >= want)
        return OK;
    if (b->priv.room - len >= want && b->priv.head >= len) {
        memcpy(b->priv.base, b->priv.base + b->priv.head, len);
    } else {
        size_t room = bigger_room(b, len + want);
        char *base = new_storage(b, room);
        if (base == NULL)
            return fail(ERR_MEMORY, 0);
        if (len > 0)
            memcpy(base, b->priv.base + b->priv.head, len);
        drop_storage(b);
        b->priv.base = base;
        b->priv.room = room;
    }
    b->priv.head = 0;
    b->priv.tail = len;
    return OK;
}

struct err buf_append(struct buf *b, struct str bytes)
{
    if (bytes.len == 0)
        return OK;
    TRY(make_room(b, bytes.len));
    memcpy(b->priv.base + b->priv.tail, bytes.p, bytes.len);
    b->priv.tail += bytes.len;
    return OK;
}

struct err buf_append_fmt(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return fail(ERR_SYNTAX, 0);
    /* One byte more than the text: vsnprintf terminates, the terminator is not committed. */
    TRY(make_room(b, (size_t)len + 1));
    va_start(args, fmt);
    (void)vsnprintf(b->priv.base + b->priv.tail, (size_t)len + 1, fmt, args);
    va_end(args);
    b->priv.tail += (size_t)len;
    return OK;
}

struct err buf_reserve(struct buf *b, size_t want, char **ret_tail, size_t *ret_room)
{
    TRY(make_room(b, want));
    *ret_tail = b->priv.base + b->priv.tail;
    *ret_room = b->priv.room - b->priv.tail;
    if (*ret_room > buf_room(b))
        *ret_room = buf_room(b);
    return OK;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->priv.room - b->priv.tail);
    b->priv.tail += n;
}
