#include "gateway/base/map.h"

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

enum { FIRST_SLOTS = 8 };

struct slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free */
};

struct map {
    struct hash_key seed;
    struct slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t used;
};

struct map *map_new(void)
{
    struct map *m = mem_new(struct map);
    if (m != NULL)
        m->seed = hash_key_random();
    return m;
}

static void free_key(struct str key)
{
    /* The copy was made by mem_dup; the view only made it const. */
    mem_free((void *)(uintptr_t)key.p);
}

void map_free(struct map *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->slot_count; i++) {
        if (m->slots[i].value != NULL)
            free_key(m->slots[i].key);
    }
    mem_free(m->slots);
    mem_free(m);
}

size_t map_count(const struct map *m)
{
    return m->used;
}

/* The slot that holds key, or the free one where it would go. slot_count must not be 0. */
static struct slot *probe(const struct map *m, uint64_t hash, struct str key)
{
    size_t mask = m->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *s = &m->slots[i];
        if (s->value == NULL || (s->hash == hash && str_eq(s->key, key)))
            return s;
    }
}

void *map_find(const struct map *m, struct str key)
{
    if (m->slot_count == 0)
        return NULL;
    return probe(m, hash_str(&m->seed, key), key)->value;
}

static struct err grow(struct map *m)
{
    size_t count = m->slot_count == 0 ? FIRST_SLOTS : m->slot_count * 2;
    struct slot *slots = mem_alloc(count, sizeof(*slots));
    if (slots == NULL)
        return fail(ERR_MEMORY, 0);
    struct map bigger = {.seed = m->seed, .slots = slots, .slot_count = count, .used = m->used};
    for (size_t i = 0; i < m->slot_count; i++) {
        if (m->slots[i].value != NULL)
            *probe(&bigger, m->slots[i].hash, m->slots[i].key) = m->slots[i];
    }
    mem_free(m->slots);
    *m = bigger;
    return OK;
}

struct err map_put(struct map *m, struct str key, void *value, void **ret_old)
{
    if ((m->used + 1) * 4 > m->slot_count * 3)
        TRY(grow(m));
    uint64_t hash = hash_str(&m->seed, key);
    struct slot *s = probe(m, hash, key);
    void *old = s->value;
    if (old == NULL) {
        char *copy = mem_dup(key.p, key.len);
        if (copy == NULL)
            return fail(ERR_MEMORY, 0);
        *s = (struct slot){.hash = hash, .key = str_make(copy, key.len)};
        m->used++;
    }
    s->value = value;
    if (ret_old != NULL)
        *ret_old = old;
    return OK;
}

/* Moves later members of the probe chain into the hole, so that no tombstones are needed. */
static void close_hole(struct map *m, size_t hole)
{
    size_t mask = m->slot_count - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct slot){.value = NULL};
}

void *map_take(struct map *m, struct str key)
{
    if (m->slot_count == 0)
        return NULL;
    struct slot *s = probe(m, hash_str(&m->seed, key), key);
    void *value = s->value;
    if (value != NULL) {
        free_key(s->key);
        m->used--;
        close_hole(m, (size_t)(s - m->slots));
    }
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value)
{
    for (; *cursor < m->slot_count; (*cursor)++) {
        const struct slot *s = &m->slots[*cursor];
        if (s->value != NULL) {
            *ret_key = s->key;
            *ret_value = s->value;
            (*cursor)++;
            return true;
        }
    }
    return false;
}
