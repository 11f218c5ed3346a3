#include "gateway/http/h2_shared.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PAGE_BYTES = 4096 };

struct h2_chunk {
    struct list_node node; /* while there is room */
    char *blocks;          /* behind this head, from the first page on */
    char *first;           /* a free block; each points at the next */
    unsigned fresh_count;  /* never taken yet, at the end */
    unsigned used_count;
};

static const size_t chunk_bytes =
    sizeof(struct h2_chunk) + PAGE_BYTES + H2_CHUNK_BLOCKS * H2_BLOCK_BYTES;

_Static_assert(H2_CHUNK_BLOCKS *H2_BLOCK_BYTES > HEAP_MAPPED_BYTES,
               "a chunk is mapped in by itself, each page when it is touched");

void h2_shared_init(struct h2_shared *s)
{
    *s = (struct h2_shared){.growth_left = H2_GROWTH_ALL_BYTES};
    list_init(&s->chunks);
}

void h2_shared_fini(struct h2_shared *s)
{
    struct list_node *n;
    while ((n = list_pop_front(&s->chunks)) != NULL)
        mem_free(container_of(n, struct h2_chunk, node));
}

static struct h2_chunk *chunk_with_room(struct h2_shared *s)
{
    struct list_node *n = list_first(&s->chunks);
    if (n != NULL)
        return container_of(n, struct h2_chunk, node);
    struct h2_chunk *c = mem_resize(NULL, chunk_bytes); /* not zeroed, that is: not touched */
    if (c == NULL)
        return NULL;
    uintptr_t behind = (uintptr_t)(c + 1);
    *c = (struct h2_chunk){.blocks = (char *)(c + 1) + (PAGE_BYTES - behind % PAGE_BYTES),
                           .fresh_count = H2_CHUNK_BLOCKS};
    list_push_back(&s->chunks, &c->node);
    return c;
}

struct h2_block h2_shared_take(struct h2_shared *s)
{
    struct h2_chunk *c = chunk_with_room(s);
    struct h2_block block = {.chunk = c};
    if (c == NULL)
        return block;
    block.bytes = c->first;
    if (block.bytes == NULL)
        block.bytes = c->blocks + (H2_CHUNK_BLOCKS - c->fresh_count--) * H2_BLOCK_BYTES;
    else
        memcpy(&c->first, block.bytes, sizeof(c->first));
    if (++c->used_count == H2_CHUNK_BLOCKS)
        list_remove(&c->node);
    return block;
}

void h2_shared_give(struct h2_shared *s, struct h2_block block)
{
    struct h2_chunk *c = block.chunk;
    if (block.bytes == NULL)
        return;
    assert(c->used_count > 0);
    memcpy(block.bytes, &c->first, sizeof(c->first));
    c->first = block.bytes;
    if (c->used_count-- == H2_CHUNK_BLOCKS)
        list_push_back(&s->chunks, &c->node);
    bool is_only = list_first(&s->chunks) == list_last(&s->chunks);
    if (c->used_count > 0 || is_only)
        return;
    list_remove(&c->node);
    mem_free(c);
}
