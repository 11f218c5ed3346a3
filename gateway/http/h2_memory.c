#include "gateway/http/h2_memory.h"

#include "gateway/base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum {
    FRAME_MIN_BYTES = 16 * 1024,
    FRAME_MAX_BYTES = FRAME_MIN_BYTES + 128, /* with head and padding */
    SESSION_BYTES = 11 * 1024 + 512,         /* what libnghttp2 1.52 asks for, and a little */
};

_Static_assert(SESSION_BYTES + FRAME_MAX_BYTES <= H2_BLOCK_BYTES, "a block holds a session");

/* Before each piece of the session's part. */
struct piece {
    _Alignas(max_align_t) size_t bytes;
};

static bool is_in_block(const struct h2_memory *m, const void *p)
{
    uintptr_t start = (uintptr_t)m->priv.block.bytes, at = (uintptr_t)p;
    return start != 0 && at >= start && at < start + H2_BLOCK_BYTES;
}

static void *take_frames(struct h2_memory *m)
{
    m->priv.has_frames = true;
    return m->priv.block.bytes + SESSION_BYTES;
}

static void *take_piece(struct h2_memory *m, size_t size)
{
    size_t bytes = sizeof(struct piece) + (size + sizeof(struct piece) - 1);
    bytes -= bytes % sizeof(struct piece);
    if (bytes > SESSION_BYTES - m->priv.used_bytes)
        return NULL;
    struct piece *piece = (struct piece *)(void *)(m->priv.block.bytes + m->priv.used_bytes);
    m->priv.used_bytes += bytes;
    piece->bytes = size;
    return piece + 1;
}

static void *take(struct h2_memory *m, size_t size)
{
    if (m->priv.is_made || m->priv.block.bytes == NULL)
        return NULL;
    if (size < FRAME_MIN_BYTES)
        return take_piece(m, size);
    return size <= FRAME_MAX_BYTES && !m->priv.has_frames ? take_frames(m) : NULL;
}

static void *on_alloc(size_t size, void *arg)
{
    void *p = take(arg, size);
    return p != NULL ? p : mem_resize(NULL, size);
}

static void *on_calloc(size_t count, size_t size, void *arg)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(count, size, &bytes) ? NULL : take(arg, bytes);
    return p == NULL ? mem_alloc(count, size) : memset(p, 0, bytes);
}

static void on_free(void *p, void *arg)
{
    if (!is_in_block(arg, p))
        mem_free(p);
}

static void *on_resize(void *p, size_t size, void *arg)
{
    if (p == NULL)
        return on_alloc(size, arg);
    if (!is_in_block(arg, p))
        return mem_resize(p, size);
    const struct piece *old = (const struct piece *)p - 1;
    assert((char *)p < ((struct h2_memory *)arg)->priv.block.bytes + SESSION_BYTES);
    void *moved = mem_resize(NULL, size); /* the largest frame fits: that one never grows */
    if (moved != NULL)
        memcpy(moved, p, old->bytes < size ? old->bytes : size);
    return moved;
}

void h2_memory_open(struct h2_memory *m, struct h2_shared *shared)
{
    *m = (struct h2_memory){.priv = {.shared = shared, .block = h2_shared_take(shared)}};
}

nghttp2_mem h2_memory_calls(struct h2_memory *m)
{
    return (nghttp2_mem){m, on_alloc, on_free, on_calloc, on_resize};
}

void h2_memory_settle(struct h2_memory *m)
{
    m->priv.is_made = true;
}

void h2_memory_close(struct h2_memory *m)
{
    h2_shared_give(m->priv.shared, m->priv.block);
}
