/* pmap.c - hash array mapped trie with reference counting.
 *
 * An item is a leaf (one key and value), a branch (up to 32 items, told apart by five bits of
 * the hash), or a bucket (leaves whose 64-bit hashes are equal, below the last branch).
 * Changing a map copies the branches on one path; a branch that only this map refers to is
 * changed in place, which makes a series of changes to a fresh map cheap and is invisible to
 * everyone else. */
#include "store/pmap.h"

#include "store/counted.h"

#include "gateway/base/mem.h"

#include <assert.h>

enum { LEVEL_BITS = 5, HASH_BITS = 64 };

enum item_kind { ITEM_LEAF, ITEM_BRANCH, ITEM_BUCKET };

struct pmap_node {
    atomic_uint refs;
    enum item_kind kind;
};

struct leaf {
    struct pmap_node node;
    uint64_t hash;
    const void *value;
    size_t key_len;
    char key[];
};

/* Branch and bucket: bits is 0 in a bucket. */
struct group {
    struct pmap_node node;
    uint32_t bits;
    uint32_t count;
    struct pmap_node *items[];
};

struct pmap pmap_empty(const struct pmap_type *type, const struct hash_key *key)
{
    return (struct pmap){.type = type, .key = key, .root = NULL, .count = 0};
}

static struct leaf *as_leaf(struct pmap_node *n)
{
    assert(n->kind == ITEM_LEAF);
    return container_of(n, struct leaf, node);
}

static struct group *as_group(struct pmap_node *n)
{
    assert(n->kind != ITEM_LEAF);
    return container_of(n, struct group, node);
}

static struct str leaf_key(const struct leaf *l)
{
    return str_make(l->key, l->key_len);
}

static bool is_key(const struct leaf *l, uint64_t hash, struct str key)
{
    return l->hash == hash && str_eq(leaf_key(l), key);
}

static void drop(const struct pmap_type *type, struct pmap_node *n)
{
    if (n == NULL || !counted_unref(&n->refs))
        return;
    if (n->kind == ITEM_LEAF) {
        type->unref(as_leaf(n)->value);
    } else {
        struct group *g = as_group(n);
        for (uint32_t i = 0; i < g->count; i++)
            drop(type, g->items[i]);
    }
    mem_free(n);
}

struct pmap pmap_ref(const struct pmap *m)
{
    if (m->root != NULL)
        counted_ref(&m->root->refs);
    return *m;
}

void pmap_unref(struct pmap *m)
{
    drop(m->type, m->root);
    m->root = NULL;
    m->count = 0;
}

/* ---- look-up ---- */

static uint32_t bit_of(uint64_t hash, unsigned shift)
{
    return 1u << ((hash >> shift) & 31);
}

static uint32_t index_of(uint32_t bits, uint32_t bit)
{
    return (uint32_t)__builtin_popcount(bits & (bit - 1));
}

/* Index in the bucket, or its count. */
static uint32_t bucket_index(const struct group *g, uint64_t hash, struct str key)
{
    uint32_t i = 0;
    while (i < g->count && !is_key(as_leaf(g->items[i]), hash, key))
        i++;
    return i;
}

const void *pmap_find(const struct pmap *m, struct str key)
{
    if (m->root == NULL)
        return NULL;
    uint64_t hash = hash_str(m->key, key);
    struct pmap_node *n = m->root;
    for (unsigned shift = 0; n->kind == ITEM_BRANCH; shift += LEVEL_BITS) {
        const struct group *g = as_group(n);
        uint32_t bit = bit_of(hash, shift);
        if ((g->bits & bit) == 0)
            return NULL;
        n = g->items[index_of(g->bits, bit)];
    }
    if (n->kind == ITEM_BUCKET) {
        const struct group *g = as_group(n);
        uint32_t i = bucket_index(g, hash, key);
        return i < g->count ? as_leaf(g->items[i])->value : NULL;
    }
    const struct leaf *l = as_leaf(n);
    return is_key(l, hash, key) ? l->value : NULL;
}

static bool visit(struct pmap_node *n, pmap_visit_fn *fn, void *arg)
{
    if (n->kind == ITEM_LEAF) {
        const struct leaf *l = as_leaf(n);
        return fn(arg, leaf_key(l), l->value);
    }
    const struct group *g = as_group(n);
    for (uint32_t i = 0; i < g->count; i++) {
        if (!visit(g->items[i], fn, arg))
            return false;
    }
    return true;
}

bool pmap_visit(const struct pmap *m, pmap_visit_fn *fn, void *arg)
{
    return m->root == NULL || visit(m->root, fn, arg);
}

/* ---- difference ---- */

struct diff {
    const struct pmap *before, *after;
    pmap_diff_fn *fn;
    void *arg;
};

static bool tell_removed_or_replaced(void *arg, struct str key, const void *value)
{
    const struct diff *d = arg;
    const void *now = pmap_find(d->after, key);
    if (now != value)
        d->fn(d->arg, value, now);
    return true;
}

static bool tell_added(void *arg, struct str key, const void *value)
{
    const struct diff *d = arg;
    if (pmap_find(d->before, key) == NULL)
        d->fn(d->arg, NULL, value);
    return true;
}

/* The two stand for the same part of the hashes; NULL: nothing is there. */
static void compare(struct diff *d, struct pmap_node *a, struct pmap_node *b)
{
    if (a == b)
        return;
    if (a == NULL || b == NULL || a->kind != ITEM_BRANCH || b->kind != ITEM_BRANCH) {
        if (a != NULL)
            (void)visit(a, tell_removed_or_replaced, d);
        if (b != NULL)
            (void)visit(b, tell_added, d);
        return;
    }
    const struct group *ga = as_group(a), *gb = as_group(b);
    for (uint32_t bits = ga->bits | gb->bits; bits != 0; bits &= bits - 1) {
        uint32_t bit = bits & -bits;
        compare(d, (ga->bits & bit) == 0 ? NULL : ga->items[index_of(ga->bits, bit)],
                (gb->bits & bit) == 0 ? NULL : gb->items[index_of(gb->bits, bit)]);
    }
}

void pmap_diff(const struct pmap *before, const struct pmap *after, pmap_diff_fn *fn, void *arg)
{
    struct diff d = {.before = before, .after = after, .fn = fn, .arg = arg};
    compare(&d, before->root, after->root);
}

/* ---- change ---- */

static struct leaf *new_leaf(const struct pmap_type *type, uint64_t hash, struct str key,
                             const void *value)
{
    struct leaf *l = mem_alloc(1, sizeof(*l) + key.len);
    if (l == NULL)
        return NULL;
    l->node.kind = ITEM_LEAF;
    atomic_init(&l->node.refs, 1);
    l->hash = hash;
    l->key_len = key.len;
    if (key.len > 0)
        memcpy(l->key, key.p, key.len);
    l->value = type->ref(value);
    return l;
}

static struct group *new_group(enum item_kind kind, uint32_t bits, uint32_t count)
{
    struct group *g = mem_alloc(1, sizeof(*g) + count * sizeof(g->items[0]));
    if (g == NULL)
        return NULL;
    g->node.kind = kind;
    atomic_init(&g->node.refs, 1);
    g->bits = bits;
    g->count = count;
    return g;
}

/* A copy with room for one more item at index `gap`, or without the item at index `cut`;
 * UINT32_MAX: neither. */
static struct group *copy_group(const struct group *old, uint32_t gap, uint32_t cut)
{
    uint32_t count = old->count + (gap != UINT32_MAX) - (cut != UINT32_MAX);
    struct group *g = new_group(old->node.kind, old->bits, count);
    if (g == NULL)
        return NULL;
    uint32_t to = 0;
    for (uint32_t from = 0; from < old->count; from++) {
        if (from == cut)
            continue;
        if (to == gap)
            to++;
        counted_ref(&old->items[from]->refs);
        g->items[to++] = old->items[from];
    }
    return g;
}

/* Makes the group at *slot this map's own, so that an item of it may be replaced. */
static struct err own_group(const struct pmap_type *type, struct pmap_node **slot)
{
    if (counted_is_sole(&(*slot)->refs))
        return OK;
    struct group *g = copy_group(as_group(*slot), UINT32_MAX, UINT32_MAX);
    if (g == NULL)
        return fail(ERR_MEMORY, 0);
    drop(type, *slot);
    *slot = &g->node;
    return OK;
}

static void replace(const struct pmap_type *type, struct pmap_node **slot, struct pmap_node *n)
{
    drop(type, *slot);
    *slot = n;
}

/* Adds an item at an index of the group at *slot. */
static struct err add_item(const struct pmap_type *type, struct pmap_node **slot,
                           uint32_t index, uint32_t bit, struct pmap_node *n)
{
    struct group *g = copy_group(as_group(*slot), index, UINT32_MAX);
    if (g == NULL)
        return fail(ERR_MEMORY, 0);
    g->bits |= bit;
    g->items[index] = n;
    replace(type, slot, &g->node);
    return OK;
}

/* Two leaves with different keys: as many branches as their hashes agree in, then both. */
static struct err join_leaves(struct pmap_node *a, struct pmap_node *b, unsigned shift,
                              struct pmap_node **ret_node)
{
    uint64_t hash_a = as_leaf(a)->hash, hash_b = as_leaf(b)->hash;
    struct group *g;
    if (shift >= HASH_BITS) {
        g = new_group(ITEM_BUCKET, 0, 2);
    } else if (bit_of(hash_a, shift) == bit_of(hash_b, shift)) {
        g = new_group(ITEM_BRANCH, bit_of(hash_a, shift), 1);
        if (g == NULL)
            return fail(ERR_MEMORY, 0);
        struct err e = join_leaves(a, b, shift + LEVEL_BITS, &g->items[0]);
        if (failed(e)) {
            mem_free(g);
            return e;
        }
        *ret_node = &g->node;
        return OK;
    } else {
        g = new_group(ITEM_BRANCH, bit_of(hash_a, shift) | bit_of(hash_b, shift), 2);
    }
    if (g == NULL)
        return fail(ERR_MEMORY, 0);
    bool is_a_first = g->bits == 0 || bit_of(hash_a, shift) < bit_of(hash_b, shift);
    g->items[0] = is_a_first ? a : b;
    g->items[1] = is_a_first ? b : a;
    *ret_node = &g->node;
    return OK;
}

static struct err put_beside_leaf(const struct pmap_type *type, struct pmap_node **slot,
                                  struct leaf *l, unsigned shift, bool *ret_is_new)
{
    if (is_key(as_leaf(*slot), l->hash, leaf_key(l))) {
        replace(type, slot, &l->node);
        return OK;
    }
    TRY(join_leaves(*slot, &l->node, shift, slot)); /* the old leaf's reference moves */
    *ret_is_new = true;
    return OK;
}

static struct err put_in_bucket(const struct pmap_type *type, struct pmap_node **slot,
                                struct leaf *l, bool *ret_is_new)
{
    uint32_t i = bucket_index(as_group(*slot), l->hash, leaf_key(l));
    if (i < as_group(*slot)->count) {
        TRY(own_group(type, slot));
        replace(type, &as_group(*slot)->items[i], &l->node);
        return OK;
    }
    TRY(add_item(type, slot, i, 0, &l->node));
    *ret_is_new = true;
    return OK;
}

/* *slot holds a reference that belongs to this map alone to change; l moves in on success. */
static struct err put_at(const struct pmap_type *type, struct pmap_node **slot, struct leaf *l,
                         unsigned shift, bool *ret_is_new)
{
    if ((*slot)->kind == ITEM_LEAF)
        return put_beside_leaf(type, slot, l, shift, ret_is_new);
    if ((*slot)->kind == ITEM_BUCKET)
        return put_in_bucket(type, slot, l, ret_is_new);

    uint32_t bits = as_group(*slot)->bits;
    uint32_t bit = bit_of(l->hash, shift);
    uint32_t i = index_of(bits, bit);
    if ((bits & bit) == 0) {
        TRY(add_item(type, slot, i, bit, &l->node));
        *ret_is_new = true;
        return OK;
    }
    TRY(own_group(type, slot));
    return put_at(type, &as_group(*slot)->items[i], l, shift + LEVEL_BITS, ret_is_new);
}

struct err pmap_put(struct pmap *m, struct str key, const void *value)
{
    struct leaf *l = new_leaf(m->type, hash_str(m->key, key), key, value);
    if (l == NULL)
        return fail(ERR_MEMORY, 0);
    bool is_new = m->root == NULL;
    if (m->root == NULL) {
        m->root = &l->node;
    } else {
        struct err e = put_at(m->type, &m->root, l, 0, &is_new);
        if (failed(e)) {
            drop(m->type, &l->node);
            return e;
        }
    }
    m->count += is_new;
    return OK;
}

/* Takes item i out of the group at *slot; a group left with a single leaf becomes that leaf. */
static struct err cut_item(const struct pmap_type *type, struct pmap_node **slot, uint32_t i,
                           uint32_t bit)
{
    struct group *old = as_group(*slot);
    struct pmap_node *left = NULL;
    if (old->count == 2 && old->items[1 - i]->kind == ITEM_LEAF) {
        left = old->items[1 - i];
        counted_ref(&left->refs);
    } else if (old->count > 1) {
        struct group *g = copy_group(old, UINT32_MAX, i);
        if (g == NULL)
            return fail(ERR_MEMORY, 0);
        g->bits &= ~bit;
        left = &g->node;
    }
    replace(type, slot, left);
    return OK;
}

/* A branch whose only item has become a leaf is that leaf. */
static void collapse(const struct pmap_type *type, struct pmap_node **slot)
{
    struct group *g = as_group(*slot);
    if (g->count != 1 || g->items[0]->kind != ITEM_LEAF)
        return;
    struct pmap_node *only = g->items[0];
    counted_ref(&only->refs);
    replace(type, slot, only);
}

/* The key is known to be there. */
static struct err remove_at(const struct pmap_type *type, struct pmap_node **slot,
                            uint64_t hash, struct str key, unsigned shift)
{
    if ((*slot)->kind == ITEM_LEAF) {
        replace(type, slot, NULL);
        return OK;
    }
    if ((*slot)->kind == ITEM_BUCKET)
        return cut_item(type, slot, bucket_index(as_group(*slot), hash, key), 0);

    uint32_t bit = bit_of(hash, shift);
    uint32_t i = index_of(as_group(*slot)->bits, bit);
    if (as_group(*slot)->items[i]->kind == ITEM_LEAF)
        return cut_item(type, slot, i, bit);
    TRY(own_group(type, slot));
    TRY(remove_at(type, &as_group(*slot)->items[i], hash, key, shift + LEVEL_BITS));
    collapse(type, slot);
    return OK;
}

struct err pmap_remove(struct pmap *m, struct str key)
{
    if (pmap_find(m, key) == NULL)
        return OK;
    TRY(remove_at(m->type, &m->root, hash_str(m->key, key), key, 0));
    m->count--;
    return OK;
}
