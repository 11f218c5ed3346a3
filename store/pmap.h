/* pmap.h - persistent map: immutable, shared, string-keyed.
 *
 * Purpose: the tables of a snapshot.  pmap_put and pmap_remove make a new map that shares
 *          all but one path with the old one: an edit costs the same with 10 entries and
 *          with 100,000 (a hash array mapped trie: 32-way nodes, bitmap and popcount;
 *          Bagwell 2001).
 * Thread:  a map never changes; any thread may read it while it holds a reference on the
 *          snapshot. References are counted atomically, per node.
 * Owns:    copies of keys; one reference on each value, counted by the value's own
 *          ref/unref.
 * Limits:  keys of equal 64-bit hash share a linear node; the hash is keyed (base/hash.h).
 * Fails:   ERR_MEMORY; the old map is untouched. */
#pragma once

#include "gateway/base/hash.h"
#include "gateway/base/str.h"

/* How values of a map are counted. ref returns its argument. */
struct pmap_type {
    const void *(*ref)(const void *value);
    void (*unref)(const void *value);
};

struct pmap_node;

/* A value: copying the struct does not count; pmap_ref does. The zeroed root is the empty
 * map. */
struct pmap {
    const struct pmap_type *type;
    const struct hash_key *key; /* outlives the map */
    struct pmap_node *root;
    size_t count;
};

struct pmap pmap_empty(const struct pmap_type *type, const struct hash_key *key);
struct pmap pmap_ref(const struct pmap *m);
void pmap_unref(struct pmap *m);

/* Borrowed for as long as the map lives; NULL if absent. */
const void *pmap_find(const struct pmap *m, struct str key);

/* Replaces *m by the map with key -> value, dropping the reference on the old root. Takes a
 * reference on value. */
struct err pmap_put(struct pmap *m, struct str key, const void *value);

/* Replaces *m by the map without key; OK also if it was absent. */
struct err pmap_remove(struct pmap *m, struct str key);

/* Calls fn for each entry in no particular order until it returns false. */
typedef bool pmap_visit_fn(void *arg, struct str key, const void *value);
bool pmap_visit(const struct pmap *m, pmap_visit_fn *fn, void *arg);

/* Calls fn for each key whose value is not the same in both, in no particular order; NULL: the
 * key is not there.  What the two share is not looked at: the cost is that of the changes
 * between them. */
typedef void pmap_diff_fn(void *arg, const void *before, const void *after);
void pmap_diff(const struct pmap *before, const struct pmap *after, pmap_diff_fn *fn,
               void *arg);
