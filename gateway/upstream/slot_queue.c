#include "gateway/upstream/slot_queue.h"

#include "gateway/upstream/health.h"

#include "gateway/base/map.h"
#include "gateway/base/mem.h"

/* The waiters of one upstream on this worker; there is one as long as somebody waits. */
struct slot_line {
    struct slot_queue *queue;
    const struct route *route;  /* holds live */
    struct upstream_live *live; /* the key */
    struct list waiters;
    struct deferred work;
    struct timer timer; /* until a target that is down may be tried */
};

struct slot_queue {
    struct loop *loop;
    struct worker_bells *bells;
    unsigned index;
    struct map *lines; /* of struct slot_line, by address of the live cell */
};

struct slot_queue *slot_queue_new(struct loop *loop, struct worker_bells *bells, unsigned index)
{
    struct slot_queue *q = mem_new(struct slot_queue);
    struct map *lines = q == NULL ? NULL : map_new();
    if (lines == NULL) {
        mem_free(q);
        return NULL;
    }
    *q = (struct slot_queue){.loop = loop, .bells = bells, .index = index, .lines = lines};
    return q;
}

void slot_queue_free(struct slot_queue *q)
{
    if (q == NULL)
        return;
    map_free(q->lines); /* nobody waits any more */
    mem_free(q);
}

/* ---- slots ---- */

bool slot_is_free(const struct target *t, uint32_t max)
{
    return max == 0 || atomic_load(&t->live->slots) < max;
}

bool slot_take(const struct target *t, uint32_t max)
{
    uint32_t taken = atomic_load(&t->live->slots);
    while (max == 0 || taken < max) {
        if (atomic_compare_exchange_weak(&t->live->slots, &taken, taken + 1))
            return true;
    }
    return false;
}

/* A worker with waiters, the next one after this, this one last; -1: nobody waits. */
static int next_worker(const struct slot_queue *q, const struct upstream_live *live)
{
    uint64_t workers = atomic_load(&live->workers);
    uint64_t after = q->index == 63 ? 0 : workers >> (q->index + 1) << (q->index + 1);
    if (workers == 0)
        return -1;
    return __builtin_ctzll(after != 0 ? after : workers);
}

static struct slot_line *find_line(const struct slot_queue *q, const struct upstream_live *live)
{
    return map_find(q->lines, str_make(&live, sizeof(live)));
}

static void wake_next(struct slot_queue *q, const struct upstream_live *live)
{
    int next = next_worker(q, live);
    if (next < 0)
        return;
    struct slot_line *own = (unsigned)next == q->index ? find_line(q, live) : NULL;
    if (own != NULL)
        loop_defer(q->loop, &own->work);
    else
        worker_bells_ring(q->bells, (unsigned)next);
}

void slot_give(struct slot_queue *q, const struct upstream *u, const struct target *t)
{
    atomic_fetch_sub(&t->live->slots, 1);
    wake_next(q, u->live);
}

void slot_queue_on_target_up(struct slot_queue *q, const struct upstream *u)
{
    if (u->live != NULL)
        wake_next(q, u->live);
}

/* ---- waiting ---- */

static uint64_t own_bit(const struct slot_queue *q)
{
    return 1ull << (q->index % 64);
}

/* Whoever was woken for nothing passes it on. */
static void drop_line(struct slot_line *line)
{
    struct slot_queue *q = line->queue;
    atomic_fetch_and(&line->live->workers, ~own_bit(q));
    (void)map_take(q->lines, str_make(&line->live, sizeof(line->live)));
    wake_next(q, line->live);
    loop_undefer(&line->work);
    loop_timer_stop(q->loop, &line->timer);
    route_unref(line->route);
    mem_free(line);
}

/* Nobody rings when an ejection is over. */
static void look_again_later(struct slot_line *line)
{
    struct loop *loop = line->queue->loop;
    const struct upstream *u = &line->route->upstream;
    uint64_t soonest_ms = UINT64_MAX;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        const struct target *t = &upstream_targets(u)[i];
        uint64_t wait_ms = t->is_draining ? 0 : health_wait_ms(u, t, loop_now_ms(loop));
        if (wait_ms > 0 && wait_ms < soonest_ms)
            soonest_ms = wait_ms;
    }
    if (soonest_ms != UINT64_MAX)
        loop_timer_set(loop, &line->timer, soonest_ms);
}

static void on_timer(struct timer *t)
{
    struct slot_line *line = container_of(t, struct slot_line, timer);
    loop_defer(line->queue->loop, &line->work);
}

/* Serves in turns until nothing is free for the first in line. */
static void on_work(struct deferred *d)
{
    struct slot_line *line = container_of(d, struct slot_line, work);
    struct list_node *first = list_first(&line->waiters);
    while (first != NULL) {
        struct slot_waiter *w = container_of(first, struct slot_waiter, node);
        w->on_turn(w);
        struct list_node *next = list_first(&line->waiters);
        if (next == first) {
            look_again_later(line);
            return;
        }
        first = next;
    }
    drop_line(line);
}

static struct slot_line *make_line(struct slot_queue *q, const struct route *route)
{
    struct upstream_live *live = route->upstream.live;
    struct slot_line *line = mem_new(struct slot_line);
    if (line == NULL || failed(map_put(q->lines, str_make(&live, sizeof(live)), line, NULL))) {
        mem_free(line);
        return NULL;
    }
    *line = (struct slot_line){.queue = q, .route = route_ref(route), .live = live};
    line->work.on_run = on_work;
    line->timer.on_fire = on_timer;
    list_init(&line->waiters);
    atomic_fetch_or(&live->workers, own_bit(q));
    return line;
}

bool slot_queue_has_waiters(const struct upstream *u)
{
    return atomic_load_explicit(&u->live->waiting, memory_order_relaxed) > 0;
}

struct err slot_queue_wait(struct slot_queue *q, const struct route *route,
                           struct slot_waiter *w)
{
    const struct upstream *u = &route->upstream;
    if (atomic_fetch_add(&u->live->waiting, 1) >= u->queue.size) {
        atomic_fetch_sub(&u->live->waiting, 1);
        return fail(ERR_QUEUE_FULL, 0);
    }
    struct slot_line *line = find_line(q, u->live);
    if (line == NULL)
        line = make_line(q, route);
    if (line == NULL) {
        atomic_fetch_sub(&u->live->waiting, 1);
        return fail(ERR_MEMORY, 0);
    }
    w->line = line;
    list_push_back(&line->waiters, &w->node);
    loop_defer(q->loop, &line->work); /* a slot may have been freed just now */
    return OK;
}

void slot_queue_leave(struct slot_queue *q, struct slot_waiter *w)
{
    struct slot_line *line = TAKE(w->line);
    if (line == NULL)
        return;
    list_remove(&w->node);
    atomic_fetch_sub(&line->live->waiting, 1);
    if (list_is_empty(&line->waiters))
        loop_defer(q->loop, &line->work);
}

void slot_queue_on_wake(struct slot_queue *q)
{
    struct str key;
    void *value;
    for (size_t at = 0; map_next(q->lines, &at, &key, &value);) {
        struct slot_line *line = value;
        loop_defer(q->loop, &line->work);
    }
}
