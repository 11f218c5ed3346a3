#include "gateway/base/buf.h"

#include "gateway/base/mem.h"

#include <assert.h>
#include <stdio.h>

enum { FIRST_ROOM_BYTES = 512 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.priv = {.max_bytes = max_bytes}};
}

void buf_fini(struct buf *b)
{
    mem_free(b->priv.base);
    buf_init(b, b->priv.max_bytes);
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
    mem_free(b->priv.base);
    b->priv.base = NULL;
    b->priv.room = 0;
    buf_clear(b);
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
        size_t room = b->priv.room > 0 ? b->priv.room : FIRST_ROOM_BYTES;
        while (room < len + want)
            room *= 2;
        if (room > b->priv.max_bytes)
            room = b->priv.max_bytes;
        char *base = mem_alloc(room, 1);
        if (base == NULL)
            return fail(ERR_MEMORY, 0);
        if (len > 0)
            memcpy(base, b->priv.base + b->priv.head, len);
        mem_free(b->priv.base);
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
