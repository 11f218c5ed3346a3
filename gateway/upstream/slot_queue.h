/* slot_queue.h - slots of targets under upstream.max_connections, and who waits for one.
 *
 * Purpose: a request takes a slot of its target for as long as it is under way.  While all are
 *          taken requests wait in turns; a slot that frees, a higher limit, or a target that
 *          comes back wakes the first in line, also on another worker, without polling.
 * Thread:  one per worker; what is shared (slots taken, requests waiting, which workers have
 *          some) is atomics in the live cells of targets and upstreams.
 * Owns:    its queues, each with a reference on a route; waiters belong to their exchanges.
 * Limits:  upstream.queue.size waiters over all workers; first come first served within a
 *          worker, the workers in turns.
 * Fails:   slot_queue_wait: ERR_QUEUE_FULL, ERR_MEMORY.
 *
 * Nothing is lost between two workers: who waits says so before it looks once more for a slot,
 * and who frees one looks for waiters after it is free. */
#pragma once

#include "gateway/loop.h"
#include "gateway/worker_bells.h"
#include "store/model.h"

struct slot_queue;
struct slot_line;
struct slot_waiter;

/* It is the waiter's turn, in the deferred phase: it takes a slot if there is one and leaves
 * the queue, or does nothing. */
typedef void slot_waiter_fn(struct slot_waiter *w);

/* Zeroed: not waiting. */
struct slot_waiter {
    slot_waiter_fn *on_turn;
    struct list_node node;
    struct slot_line *line;
};

/* bells: may be NULL. NULL: out of memory. */
struct slot_queue *slot_queue_new(struct loop *loop, struct worker_bells *bells,
                                  unsigned index);
void slot_queue_free(struct slot_queue *q);

/* max: what a target may have at once, by the newest revision of its route; 0: any number. */
bool slot_is_free(const struct target *t, uint32_t max);
bool slot_take(const struct target *t, uint32_t max);
void slot_give(struct slot_queue *q, const struct upstream *u, const struct target *t);

/* True if others wait already: who comes now stands behind them. */
bool slot_queue_has_waiters(const struct upstream *u);

struct err slot_queue_wait(struct slot_queue *q, const struct route *route,
                           struct slot_waiter *w);

/* Harmless if not waiting. */
void slot_queue_leave(struct slot_queue *q, struct slot_waiter *w);

/* A target of u has come back: whoever waits looks again, on any worker. */
void slot_queue_on_target_up(struct slot_queue *q, const struct upstream *u);

/* Another worker has rung, or there is a new snapshot. */
void slot_queue_on_wake(struct slot_queue *q);
