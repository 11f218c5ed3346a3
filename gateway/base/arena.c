#include "gateway/base/arena.h"

#include "gateway/base/mem.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

struct block {
    struct block *next; /* older block */
    size_t room;
    size_t used;
    alignas(max_align_t) char bytes[]; /* what is not handed out is poisoned */
};

struct disposer {
    struct disposer *next;
    arena_dispose_fn *fn;
    void *object;
};

struct arena {
    struct arena *next; /* in a pool */
    struct block *top;
    struct disposer *disposers;
    size_t total_bytes; /* of all blocks */
    size_t max_bytes;
};

static struct block *new_block(size_t room, struct block *next)
{
    struct block *b = mem_resize(NULL, sizeof(*b) + room); /* zeroed as it is handed out */
    if (b == NULL)
        return NULL;
    *b = (struct block){.next = next, .room = room};
    mem_poison(b->bytes, room);
    return b;
}

static void free_block(struct block *b)
{
    mem_unpoison(b->bytes, b->room);
    mem_free(b);
}

struct arena *arena_new(size_t first_bytes, size_t max_bytes)
{
    assert(first_bytes <= max_bytes);
    struct arena *a = mem_new(struct arena);
    if (a == NULL)
        return NULL;
    a->top = new_block(first_bytes, NULL);
    if (a->top == NULL) {
        mem_free(a);
        return NULL;
    }
    a->total_bytes = first_bytes;
    a->max_bytes = max_bytes;
    return a;
}

static bool add_block(struct arena *a, size_t want)
{
    size_t room = a->top->room * 2;
    if (room < want)
        room = want;
    if (room > a->max_bytes - a->total_bytes)
        room = a->max_bytes - a->total_bytes;
    if (room < want)
        return false;
    struct block *b = new_block(room, a->top);
    if (b == NULL)
        return false;
    a->top = b;
    a->total_bytes += room;
    return true;
}

static char *bump(struct arena *a, size_t len, size_t align)
{
    size_t at = (a->top->used + align - 1) & ~(align - 1);
    if (at > a->top->room || len > a->top->room - at) {
        if (!add_block(a, len))
            return NULL;
        at = 0;
    }
    a->top->used = at + len;
    mem_unpoison(a->top->bytes + at, len);
    return a->top->bytes + at;
}

void *arena_alloc_raw(struct arena *a, size_t count, size_t size)
{
    size_t len;
    if (__builtin_mul_overflow(count, size, &len))
        return NULL;
    return bump(a, len, alignof(max_align_t));
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    void *p = arena_alloc_raw(a, count, size);
    if (p != NULL)
        memset(p, 0, count * size);
    return p;
}

char *arena_bytes(struct arena *a, size_t len)
{
    return bump(a, len, 1);
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *copy = s.len == SIZE_MAX ? NULL : bump(a, s.len + 1, 1);
    if (copy == NULL)
        return STR_NONE;
    if (s.len > 0)
        memcpy(copy, s.p, s.len);
    copy[s.len] = '\0';
    return str_make(copy, s.len);
}

struct str arena_decimal(struct arena *a, uint64_t number)
{
    enum { DIGITS_MAX = 20 };
    char digits[DIGITS_MAX];
    size_t at = DIGITS_MAX;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return arena_dup(a, str_make(digits + at, DIGITS_MAX - at));
}

struct str arena_join(struct arena *a, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = bump(a, len + 1, 1);
    if (text == NULL)
        return STR_NONE;
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].p, parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    return str_make(text, len);
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : bump(a, (size_t)len + 1, 1);
    if (text == NULL)
        return STR_NONE;
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return str_make(text, (size_t)len);
}

bool arena_on_reset(struct arena *a, arena_dispose_fn *fn, void *object)
{
    struct disposer *d = arena_one(a, struct disposer);
    if (d == NULL)
        return false;
    *d = (struct disposer){.next = a->disposers, .fn = fn, .object = object};
    a->disposers = d;
    return true;
}

static void run_disposers(struct arena *a)
{
    while (a->disposers != NULL) {
        struct disposer *d = a->disposers;
        a->disposers = d->next;
        d->fn(d->object);
    }
}

void arena_reset(struct arena *a)
{
    run_disposers(a);
    while (a->top->next != NULL) {
        struct block *b = a->top;
        a->top = b->next;
        a->total_bytes -= b->room;
        free_block(b);
    }
    a->top->used = 0;
    mem_poison(a->top->bytes, a->top->room);
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    arena_reset(a);
    free_block(a->top);
    mem_free(a);
}

size_t arena_used(const struct arena *a)
{
    size_t used = 0;
    for (const struct block *b = a->top; b != NULL; b = b->next)
        used += b->used;
    return used;
}

/* ---- pools ---- */

struct arena *arena_pool_take(struct arena_pool *p)
{
    struct arena *a = p->first;
    if (a == NULL)
        return arena_new(p->first_bytes, p->max_bytes);
    p->first = a->next;
    p->count--;
    return a;
}

void arena_pool_put(struct arena_pool *p, struct arena *a)
{
    if (p->count >= p->max_count) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    a->next = p->first;
    p->first = a;
    p->count++;
}

void arena_pool_fini(struct arena_pool *p)
{
    while (p->count > 0)
        arena_free(arena_pool_take(p));
}
