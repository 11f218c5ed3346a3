/* counted.h - reference counters inside immutable values.
 *
 * Purpose: a shared value is const to everyone who holds it; only its counter changes, and the
 *          last holder frees it.  The two casts that this needs are here and nowhere else.
 * Thread:  any; the last release happens after every other holder's use. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The writable view of a counted value: for its counter, its caches, and for freeing it. */
#define COUNTED_MUTABLE(type, value) ((type *)(uintptr_t)(value))

static inline void counted_ref(const atomic_uint *refs)
{
    atomic_fetch_add_explicit(COUNTED_MUTABLE(atomic_uint, refs), 1, memory_order_relaxed);
}

/* True if this was the last reference: the caller frees the value. */
static inline bool counted_unref(const atomic_uint *refs)
{
    return atomic_fetch_sub_explicit(COUNTED_MUTABLE(atomic_uint, refs), 1,
                                     memory_order_acq_rel) == 1;
}

/* True if the caller holds the only reference. */
static inline bool counted_is_sole(const atomic_uint *refs)
{
    return atomic_load_explicit(COUNTED_MUTABLE(atomic_uint, refs), memory_order_acquire) == 1;
}
