/* loop.c - in the order of a turn: wait_ms -> fire_timers -> deliver -> run_deferred. */
#include "gateway/loop.h"

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    SLOT_COUNT = 1024, /* 16 s in one lap; later timers stay in their slot for more laps */
};

struct loop {
    int epoll_fd;
    bool is_stopping;
    uint64_t now_us;
    uint64_t now_ms;
    int64_t now_at;
    uint64_t tick;      /* the last one whose slot was looked at */
    uint64_t next_tick; /* no slot with a timer comes before it */
    size_t timer_count;
    struct list slots[SLOT_COUNT];
    struct list deferred;
    struct list deferred_next;
    struct watch wake;
    loop_wake_fn *on_wake;
    void *wake_arg;
};

static void read_clock(struct loop *l)
{
    l->now_us = clock_mono_us();
    l->now_ms = l->now_us / 1000;
    l->now_at = clock_now_at();
}

static void on_wake_ready(struct watch *w, uint32_t events)
{
    struct loop *l = container_of(w, struct loop, wake);
    eventfd_t count;
    (void)events;
    (void)eventfd_read(w->fd, &count);
    if (l->on_wake != NULL)
        l->on_wake(l->wake_arg);
}

static struct err open_fds(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        return fail(ERR_IO, errno);
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return fail(ERR_IO, errno);
    l->wake.on_ready = on_wake_ready;
    struct err e = loop_watch(l, &l->wake, wake_fd, EPOLLIN);
    if (failed(e))
        (void)close(wake_fd);
    return e;
}

struct err loop_new(struct loop **ret_loop)
{
    struct loop *l = mem_new(struct loop);
    if (l == NULL)
        return fail(ERR_MEMORY, 0);
    l->epoll_fd = -1;
    l->wake.fd = -1;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        list_init(&l->slots[i]);
    list_init(&l->deferred);
    list_init(&l->deferred_next);
    read_clock(l);
    l->tick = l->now_ms / LOOP_TICK_MS;
    struct err e = open_fds(l);
    if (failed(e)) {
        loop_free(l);
        return e;
    }
    *ret_loop = l;
    return OK;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    int wake_fd = l->wake.fd;
    loop_unwatch(l, &l->wake);
    if (wake_fd >= 0)
        (void)close(wake_fd);
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    mem_free(l);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

uint64_t loop_now_us(const struct loop *l)
{
    return l->now_us;
}

int64_t loop_now_at(const struct loop *l)
{
    return l->now_at;
}

static struct err control(struct loop *l, int op, struct watch *w, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, op, fd, &ev) != 0)
        return fail(ERR_IO, errno);
    w->fd = fd;
    return OK;
}

struct err loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events)
{
    return control(l, EPOLL_CTL_ADD, w, fd, events);
}

struct err loop_rewatch(struct loop *l, struct watch *w, uint32_t events)
{
    return control(l, EPOLL_CTL_MOD, w, w->fd, events);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
    if (w->fd < 0)
        return;
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

/* ---- timers ---- */

static struct list *slot_of(struct loop *l, uint64_t tick)
{
    return &l->slots[tick % SLOT_COUNT];
}

void loop_timer_set(struct loop *l, struct timer *t, uint64_t delay_ms)
{
    loop_timer_stop(l, t);
    t->priv.due_ms = l->now_ms + delay_ms;
    /* The tick after the due time: late by less than a tick, never early. */
    uint64_t tick = t->priv.due_ms / LOOP_TICK_MS + 1;
    list_push_back(slot_of(l, tick), &t->priv.node);
    l->timer_count++;
    uint64_t look_tick = l->tick + 1 + (tick - l->tick - 1) % SLOT_COUNT;
    if (look_tick < l->next_tick)
        l->next_tick = look_tick;
}

void loop_timer_stop(struct loop *l, struct timer *t)
{
    if (!timer_is_set(t))
        return;
    list_remove(&t->priv.node);
    l->timer_count--;
}

/* Fires what is due in one slot.  A callback may set or stop any timer, so the slot is first
 * moved to a list of its own and taken apart from the front. */
static void fire_slot(struct loop *l, struct list *slot)
{
    struct list due, later;
    list_init(&due);
    list_init(&later);
    list_splice_back(&due, slot);
    struct list_node *n;
    while ((n = list_pop_front(&due)) != NULL) {
        struct timer *t = container_of(n, struct timer, priv.node);
        if (t->priv.due_ms > l->now_ms) {
            list_push_back(&later, n);
            continue;
        }
        l->timer_count--;
        t->on_fire(t);
    }
    list_splice_back(slot, &later);
}

static void fire_timers(struct loop *l)
{
    uint64_t now_tick = l->now_ms / LOOP_TICK_MS;
    if (now_tick - l->tick > SLOT_COUNT)
        l->tick =
            now_tick - SLOT_COUNT; /* slept for more than a lap: each slot once is enough */
    while (l->tick < now_tick) {
        l->tick++;
        struct list *slot = slot_of(l, l->tick);
        if (!list_is_empty(slot))
            fire_slot(l, slot);
    }
}

/* Until the next slot with a timer in it, -1 for ever. */
static int wait_ms(struct loop *l)
{
    if (!list_is_empty(&l->deferred))
        return 0;
    if (l->timer_count == 0)
        return -1;
    if (l->next_tick <= l->tick)
        l->next_tick = l->tick + 1;
    while (l->next_tick < l->tick + SLOT_COUNT && list_is_empty(slot_of(l, l->next_tick)))
        l->next_tick++;
    uint64_t at_ms = l->next_tick * LOOP_TICK_MS;
    return at_ms <= l->now_ms ? 0 : (int)(at_ms - l->now_ms);
}

/* ---- deferred work ---- */

void loop_defer(struct loop *l, struct deferred *d)
{
    if (!list_has_node(&d->priv.node))
        list_push_back(&l->deferred, &d->priv.node);
}

void loop_defer_next(struct loop *l, struct deferred *d)
{
    if (!list_has_node(&d->priv.node))
        list_push_back(&l->deferred_next, &d->priv.node);
}

static void run_deferred(struct loop *l)
{
    struct list_node *n;
    while ((n = list_pop_front(&l->deferred)) != NULL) {
        struct deferred *d = container_of(n, struct deferred, priv.node);
        d->on_run(d);
    }
    list_splice_back(&l->deferred, &l->deferred_next);
}

void loop_settle(struct loop *l)
{
    while (!list_is_empty(&l->deferred))
        run_deferred(l);
}

/* ---- turns ---- */

static void deliver(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0) /* not unwatched by an earlier event of this turn */
            w->on_ready(w, events[i].events);
    }
}

void loop_turn(struct loop *l, bool may_wait)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(l->epoll_fd, events, EVENTS_MAX, may_wait ? wait_ms(l) : 0);
    read_clock(l);
    fire_timers(l);
    deliver(events, count);
    run_deferred(l);
}

void loop_run(struct loop *l)
{
    while (!l->is_stopping)
        loop_turn(l, true);
}

void loop_stop(struct loop *l)
{
    l->is_stopping = true;
}

void loop_on_wake(struct loop *l, loop_wake_fn *on_wake, void *arg)
{
    l->on_wake = on_wake;
    l->wake_arg = arg;
}

int loop_wake_fd(const struct loop *l)
{
    return l->wake.fd;
}

void loop_wake(struct loop *l)
{
    (void)eventfd_write(l->wake.fd, 1);
}
