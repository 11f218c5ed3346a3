/* map.h - string-keyed hash map, seeded per map.
 *
 * Purpose: mutable lookup tables of one thread (open addressing, linear probing).  For
 *          immutable tables shared between threads see store/pmap.h.
 * Thread:  the owner's.
 * Owns:    a copy of each key; values are the caller's.
 * Limits:  none of its own; callers bound what they insert.
 * Fails:   map_put: ERR_MEMORY, and the map is unchanged. */
#pragma once

#include "gateway/base/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m);
AUTO_DEFINE(map_free, struct map *)

size_t map_count(const struct map *m);

/* The value, or NULL. */
void *map_find(const struct map *m, struct str key);

/* Inserts or replaces; value must not be NULL.  *ret_old (may be NULL) gets the replaced
 * value. */
struct err map_put(struct map *m, struct str key, void *value, void **ret_old);

/* The removed value, or NULL. */
void *map_take(struct map *m, struct str key);

/* Visits entries in no particular order; start with *cursor = 0; false at the end.  The map
 * must not be changed during the visit. */
bool map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value);
