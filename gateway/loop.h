/* loop.h - the reactor of one worker: readiness, timers, deferred work.
 *
 * Purpose: epoll, registered once per descriptor, edge-triggered where a watcher says so; a
 *          timer wheel; and a place where memory may be given back.  One turn has numbered
 *          phases:
 *            1 wait for events   2 read the clock   3 fire timers   4 deliver readiness   5
 *            deferred
 * Thread:  everything but loop_wake belongs to the thread that runs the loop.
 * Owns:    the epoll descriptor and the wake eventfd; watches and timers belong to their
 *          owners.
 * Limits:  timers are late by up to LOOP_TICK_MS, never early.
 * Fails:   loop_new, loop_watch: ERR_IO with errno, ERR_MEMORY.
 *
 * A callback may unwatch, stop or close anything, its own object included; freeing memory
 * that the loop may still know in this turn is done in phase 5, through loop_defer. */
#pragma once

#include "gateway/base/err.h"
#include "gateway/base/list.h"

#include <stdint.h>
#include <sys/epoll.h>

enum { LOOP_TICK_MS = 16 };

struct loop;

struct watch;
/* Loop thread. events: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR. */
typedef void watch_fn(struct watch *w, uint32_t events);

struct watch {
    watch_fn *on_ready;
    int fd; /* -1: not watched */
};

struct timer;
typedef void timer_fn(struct timer *t);

/* Zeroed: not set. */
struct timer {
    timer_fn *on_fire;
    struct {
        struct list_node node;
        uint64_t due_ms;
    } priv;
};

struct deferred;
typedef void deferred_fn(struct deferred *d);

/* Zeroed: not queued. */
struct deferred {
    deferred_fn *on_run;
    struct {
        struct list_node node;
    } priv;
};

struct err loop_new(struct loop **ret_loop);
void loop_free(struct loop *l);

/* One turn; without waiting it only looks what is there. */
void loop_turn(struct loop *l, bool may_wait);

/* Turns until loop_stop was called. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* The time of this turn, monotonic. */
uint64_t loop_now_ms(const struct loop *l);
uint64_t loop_now_us(const struct loop *l);
/* ... and of people, in seconds since 1970. */
int64_t loop_now_at(const struct loop *l);

/* events as for epoll_ctl, EPOLLET included if wanted. */
struct err loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events);
struct err loop_rewatch(struct loop *l, struct watch *w, uint32_t events);
/* Harmless if not watched; events already fetched for it are not delivered any more. */
void loop_unwatch(struct loop *l, struct watch *w);
/* The same when the descriptor, which no other process has, is closed next: that tells
 * epoll. */
static inline void loop_forget(struct watch *w)
{
    w->fd = -1;
}

/* (Re)sets the timer to fire once, delay_ms from the time of this turn. */
void loop_timer_set(struct loop *l, struct timer *t, uint64_t delay_ms);
void loop_timer_stop(struct loop *l, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return list_has_node(&t->priv.node);
}

/* Runs once in phase 5 of this turn, also when queued in phase 5; queueing twice is once. */
void loop_defer(struct loop *l, struct deferred *d);

/* Runs once in phase 5 of the next turn, which then does not wait: for work that goes on and
 * on. */
void loop_defer_next(struct loop *l, struct deferred *d);

/* Harmless if not queued. */
static inline void loop_undefer(struct deferred *d)
{
    list_remove(&d->priv.node);
}

/* After loop_run: runs what is deferred until nothing is. */
void loop_settle(struct loop *l);

/* From any thread, also a signal handler: the loop makes a turn; on_wake (may be NULL) is
 * called in it. */
typedef void loop_wake_fn(void *arg);
void loop_on_wake(struct loop *l, loop_wake_fn *on_wake, void *arg);
int loop_wake_fd(const struct loop *l);
void loop_wake(struct loop *l);
