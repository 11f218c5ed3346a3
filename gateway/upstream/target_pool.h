/* target_pool.h - where connections to targets rest between exchanges; one pool per worker.
 *
 * Purpose: the hottest one is taken first.  Connections are interchangeable within one revision
 *          of a route and one target: an edit of the route may have changed whom we trust.
 *          What a change leaves behind is closed when its snapshot comes.
 * Thread:  the worker's.
 * Owns:    its slots, each with a reference on a route; a connection is its own owner, and in a
 *          slot from target_pool_join to target_pool_leave.
 * Limits:  POOL_IDLE_MAX at rest per slot; above the pool's conns_max, at rest and in use, each
 *          new one closes the one that has rested longest; a sweep takes POOL_SWEEP_STEPS in
 *          one turn of the loop, and goes on in the next.
 * Fails:   target_pool_join, target_pool_rest: false. */
#pragma once

#include "gateway/loop.h"
#include "store/snapshot.h"

struct target_pool;
struct pool_slot;
struct pool_place;

/* Closes the connection, which leaves its slot. */
typedef void pool_evict_fn(struct pool_place *p);

/* A connection's place, a part of it. */
struct pool_place {
    pool_evict_fn *on_evict;
    struct {
        struct pool_slot *slot;
        struct list_node node; /* at rest */
        struct list_node share_node;
        struct list_node age_node;
    } priv;
};

struct err target_pool_new(struct loop *loop, size_t conns_max, struct target_pool **ret_pool);

/* Evicts all; no connection is in use any more. */
void target_pool_free(struct target_pool *p);

/* A connection begins; on_evict is set. False: out of memory. */
bool target_pool_join(struct target_pool *p, struct pool_place *place,
                      const struct route *route, const struct target *target);

/* It ends, at rest or in use. */
void target_pool_leave(struct target_pool *p, struct pool_place *place);

/* False: nobody may take it any more, or too many rest already. */
bool target_pool_rest(struct target_pool *p, struct pool_place *place);

/* Closes the one that has rested longest: somebody needs its descriptor. False: none rests. */
bool target_pool_evict_oldest(struct target_pool *p);

/* One at rest, in use from now on; NULL: none. */
struct pool_place *target_pool_take(struct target_pool *p, const struct route *route,
                                    const struct target *target);

/* In use, and with room for more: others may come to it. Harmless if it is so already. */
void target_pool_share(struct pool_place *place);
void target_pool_unshare(struct pool_place *place);

/* The first that was shared; NULL: none. */
struct pool_place *target_pool_shared(struct target_pool *p, const struct route *route,
                                      const struct target *target);

/* newest, borrowed until the next call, is what new exchanges begin with: connections that it
 * has no use for are closed, in this turn and the following ones, or when they are released. */
void target_pool_sweep(struct target_pool *p, const struct snapshot *newest);
