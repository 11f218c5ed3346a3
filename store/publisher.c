#include "store/publisher.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct subscription {
    struct list_node link; /* under the publisher's mutex */
    bool is_awaited;
    int wake_fd;  /* the subscriber's */
    int taken_fd; /* the publisher's: a waiting publication looks again */
    _Atomic(const struct snapshot *) mailbox;
    _Atomic uint64_t acknowledged; /* generation */
};

struct publisher {
    pthread_mutex_t mutex;
    int taken_fd;
    struct {
        const struct snapshot *current;
        struct list subscriptions;
        struct {
            const struct snapshot **items;
            size_t count;
        } retired; /* former ones: freed here, when nobody else holds them */
    } locked;
};

/* The counter of an eventfd overflows after 2^64 writes, and a full one is still readable:
 * nothing can go wrong that would matter. */
static void wake(int fd)
{
    (void)eventfd_write(fd, 1);
}

struct err publisher_new(struct publisher **ret_publisher)
{
    struct publisher *p = mem_new(struct publisher);
    if (p == NULL)
        return fail(ERR_MEMORY, 0);
    p->taken_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->taken_fd < 0) {
        int code = errno;
        mem_free(p);
        return fail(ERR_IO, code);
    }
    (void)pthread_mutex_init(&p->mutex, NULL);
    list_init(&p->locked.subscriptions);
    *ret_publisher = p;
    return OK;
}

static void free_subscription(struct subscription *s)
{
    snapshot_unref(atomic_exchange(&s->mailbox, NULL));
    mem_free(s);
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    struct list_node *n;
    while ((n = list_pop_front(&p->locked.subscriptions)) != NULL)
        free_subscription(container_of(n, struct subscription, link));
    while (p->locked.retired.count > 0)
        snapshot_unref(p->locked.retired.items[--p->locked.retired.count]);
    mem_free(p->locked.retired.items);
    snapshot_unref(p->locked.current);
    (void)pthread_mutex_destroy(&p->mutex);
    (void)close(p->taken_fd);
    mem_free(p);
}

const struct snapshot *publisher_current(struct publisher *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    const struct snapshot *s = p->locked.current;
    if (s != NULL)
        (void)snapshot_ref(s);
    (void)pthread_mutex_unlock(&p->mutex);
    return s;
}

/* ---- former snapshots ---- */

/* A worker that let go of the last reference would free what an edit, or an import of 100,000
 * routes, has replaced, while its clients wait, and contend for the allocator's lock. So former
 * snapshots are kept until only we hold them. Under the mutex; returns what the caller has to
 * release, NULL mostly. */
static const struct snapshot *retire(struct publisher *p, const struct snapshot *old)
{
    if (old == NULL)
        return NULL;
    size_t room = p->locked.retired.count + 1;
    const struct snapshot **items =
        mem_resize(p->locked.retired.items, room * sizeof(const struct snapshot *));
    if (items == NULL)
        return old;
    items[p->locked.retired.count++] = old;
    p->locked.retired.items = items;
    return NULL;
}

static const struct snapshot *take_unused(struct publisher *p)
{
    const struct snapshot *unused = NULL;
    (void)pthread_mutex_lock(&p->mutex);
    const struct snapshot **items = p->locked.retired.items;
    for (size_t i = 0; i < p->locked.retired.count && unused == NULL; i++) {
        if (!snapshot_is_sole(items[i]))
            continue;
        unused = items[i];
        items[i] = items[--p->locked.retired.count];
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return unused;
}

void publisher_sweep(struct publisher *p)
{
    const struct snapshot *unused;
    while ((unused = take_unused(p)) != NULL)
        snapshot_unref(unused);
}

/* ---- subscribers ---- */

static void deliver(struct subscription *s, const struct snapshot *snapshot)
{
    /* Not NULL if the subscriber has not woken yet: it will never see that one. */
    snapshot_unref(atomic_exchange(&s->mailbox, snapshot_ref(snapshot)));
    wake(s->wake_fd);
}

struct err publisher_subscribe(struct publisher *p, int wake_fd, bool is_awaited,
                               struct subscription **ret_subscription)
{
    struct subscription *s = mem_new(struct subscription);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->is_awaited = is_awaited;
    s->wake_fd = wake_fd;
    s->taken_fd = p->taken_fd;
    (void)pthread_mutex_lock(&p->mutex);
    list_push_back(&p->locked.subscriptions, &s->link);
    if (p->locked.current != NULL)
        deliver(s, p->locked.current);
    (void)pthread_mutex_unlock(&p->mutex);
    *ret_subscription = s;
    return OK;
}

void publisher_unsubscribe(struct publisher *p, struct subscription *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&p->mutex);
    list_remove(&s->link);
    (void)pthread_mutex_unlock(&p->mutex);
    wake(p->taken_fd); /* a publication may have been waiting for it */
    free_subscription(s);
}

const struct snapshot *subscription_take(struct subscription *s)
{
    return atomic_exchange(&s->mailbox, NULL);
}

void subscription_acknowledge(struct subscription *s, const struct snapshot *taken)
{
    atomic_store(&s->acknowledged, snapshot_generation(taken));
    if (s->is_awaited)
        wake(s->taken_fd);
}

/* ---- publication ---- */

static void hand_out(struct publisher *p, const struct snapshot *s)
{
    (void)pthread_mutex_lock(&p->mutex);
    const struct snapshot *old = p->locked.current;
    p->locked.current = s;
    const struct list *all = &p->locked.subscriptions;
    for (struct list_node *n = list_first(all); n != NULL; n = list_after(all, n))
        deliver(container_of(n, struct subscription, link), s);
    old = retire(p, old);
    (void)pthread_mutex_unlock(&p->mutex);
    snapshot_unref(old);
}

/* How many awaited subscribers still serve something older. */
static int count_laggards(struct publisher *p, uint64_t generation)
{
    int count = 0;
    (void)pthread_mutex_lock(&p->mutex);
    const struct list *all = &p->locked.subscriptions;
    for (struct list_node *n = list_first(all); n != NULL; n = list_after(all, n)) {
        struct subscription *s = container_of(n, struct subscription, link);
        count += s->is_awaited && atomic_load(&s->acknowledged) < generation;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return count;
}

static void wait_for_news(struct publisher *p, uint64_t limit_ms)
{
    struct pollfd fd = {.fd = p->taken_fd, .events = POLLIN};
    eventfd_t ignored;
    if (poll(&fd, 1, (int)limit_ms) > 0)
        (void)eventfd_read(p->taken_fd, &ignored);
}

struct err publisher_publish(struct publisher *p, const struct snapshot *s)
{
    uint64_t generation = snapshot_generation(s);
    uint64_t deadline_ms = clock_mono_ms() + PUBLISH_WAIT_MS;
    hand_out(p, s);
    for (;;) {
        int laggards = count_laggards(p, generation);
        if (laggards == 0) {
            publisher_sweep(p);
            return OK;
        }
        uint64_t now_ms = clock_mono_ms();
        if (now_ms >= deadline_ms)
            return fail(ERR_AGAIN, laggards);
        wait_for_news(p, deadline_ms - now_ms);
    }
}
