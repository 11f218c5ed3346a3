/* dial.c - start -> look_up -> (on_resolved) -> try_next, again and again -> on_attempt_ready
 * -> win. */
#include "gateway/upstream/dial.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

struct attempt {
    struct watch watch; /* fd -1: not under way */
    struct dial *dial;
};

struct dial {
    struct dial_options options;
    struct addresses addresses; /* in the order they are tried */
    struct attempt attempts[DNS_ADDRESSES_MAX];
    size_t next;    /* address to try */
    size_t pending; /* attempts under way */
    struct resolver_waiter waiter;
    struct timer timer;        /* until the next address is tried as well */
    struct deferred work;      /* frees, or tells of a failure found in dial_start */
    struct err last_error;     /* of the attempt that failed last */
    struct sockaddr_un socket; /* of a target that has no other address */
};

/* ---- the end ---- */

static void on_free(struct deferred *w)
{
    mem_free(container_of(w, struct dial, work));
}

static void close_attempt(struct dial *d, struct attempt *a)
{
    int fd = a->watch.fd;
    loop_unwatch(d->options.loop, &a->watch);
    (void)close(fd);
    d->pending--;
}

void dial_stop(struct dial *d)
{
    if (d == NULL)
        return;
    resolver_cancel(&d->waiter);
    loop_timer_stop(d->options.loop, &d->timer);
    for (size_t i = 0; i < ARRAY_LEN(d->attempts); i++) {
        if (d->attempts[i].watch.fd >= 0)
            close_attempt(d, &d->attempts[i]);
    }
    loop_undefer(&d->work);
    d->work.on_run = on_free;
    loop_defer(d->options.loop, &d->work);
}

static void give_up(struct dial *d, struct err e)
{
    struct dial_options o = d->options;
    dial_stop(d);
    o.user->on_failed(o.arg, e);
}

static void win(struct dial *d, struct attempt *a)
{
    struct dial_options o = d->options;
    int fd = a->watch.fd;
    loop_unwatch(o.loop, &a->watch);
    d->pending--;
    dial_stop(d);
    o.user->on_connected(o.arg, fd);
}

/* ---- attempts ---- */

static socklen_t address_len(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_UNIX:
        return sizeof(struct sockaddr_un);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return sizeof(struct sockaddr_in);
    }
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Without descriptors: with that of a connection at rest. */
static int find_socket(struct target_pool *pool, int family)
{
    int fd = open_socket(family);
    bool is_short = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (!is_short || pool == NULL || !target_pool_evict_oldest(pool))
        return fd;
    return open_socket(family);
}

static struct err try_address(struct dial *d, struct attempt *a, const struct sockaddr *address)
{
    int fd = find_socket(d->options.pool, address->sa_family);
    if (fd < 0)
        return fail(ERR_TARGET_CONNECT, errno);
    int on = 1;
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address, address_len(address)) != 0 && errno != EINPROGRESS) {
        struct err e = fail(ERR_TARGET_CONNECT, errno);
        (void)close(fd);
        return e;
    }
    struct err e = loop_watch(d->options.loop, &a->watch, fd, EPOLLOUT | EPOLLET);
    if (failed(e)) {
        (void)close(fd);
        return fail(ERR_TARGET_CONNECT, e.detail);
    }
    d->pending++;
    metric_add(METRIC_TARGET_CONNECTS, 1);
    return OK;
}

static const struct sockaddr *address_at(struct dial *d, size_t i)
{
    if (d->options.target->host_kind == TARGET_HOST_UNIX)
        return (const struct sockaddr *)&d->socket;
    union address *a = &d->addresses.items[i];
    if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = htons((uint16_t)d->options.target->port);
    else
        a->v4.sin_port = htons((uint16_t)d->options.target->port);
    return &a->any;
}

/* Starts with the next address that can be tried at all. False: nothing is left to hope for. */
static bool try_next(struct dial *d)
{
    while (d->next < d->addresses.count) {
        size_t i = d->next++;
        struct err e = try_address(d, &d->attempts[i], address_at(d, i));
        if (!failed(e)) {
            if (d->next < d->addresses.count)
                loop_timer_set(d->options.loop, &d->timer, DIAL_NEXT_MS);
            return true;
        }
        d->last_error = e;
    }
    return d->pending > 0;
}

static void on_next(struct timer *t)
{
    struct dial *d = container_of(t, struct dial, timer);
    if (!try_next(d))
        give_up(d, d->last_error);
}

static void on_attempt_ready(struct watch *w, uint32_t events)
{
    struct attempt *a = container_of(w, struct attempt, watch);
    struct dial *d = a->dial;
    int error = 0;
    socklen_t len = sizeof(error);
    (void)events;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0) {
        win(d, a);
        return;
    }
    close_attempt(d, a);
    d->last_error = fail(ERR_TARGET_CONNECT, error);
    loop_timer_stop(d->options.loop, &d->timer);
    if (!try_next(d))
        give_up(d, d->last_error);
}

/* ---- addresses ---- */

/* IPv6 first, then the families in turns; within one the order of the answer (RFC 8305 4). */
static void interleave(struct addresses *list)
{
    struct addresses sorted = *list;
    sorted.count = 0;
    size_t at[2] = {0, 0}; /* of the next of each family */
    static const sa_family_t families[2] = {AF_INET6, AF_INET};
    for (size_t turn = 0; sorted.count < list->count; turn = 1 - turn) {
        size_t *i = &at[turn];
        while (*i < list->count && list->items[*i].any.sa_family != families[turn])
            ++*i;
        if (*i < list->count)
            sorted.items[sorted.count++] = list->items[(*i)++];
    }
    *list = sorted;
}

static struct err read_literal(struct dial *d)
{
    const struct target *t = d->options.target;
    union address *a = &d->addresses.items[0];
    bool is_v6 = t->host_kind == TARGET_HOST_IPV6;
    a->any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    void *bytes = is_v6 ? (void *)&a->v6.sin6_addr : (void *)&a->v4.sin_addr;
    if (inet_pton(a->any.sa_family, t->host.p, bytes) != 1)
        return fail(ERR_TARGET_CONNECT, EINVAL);
    d->addresses.count = 1;
    return OK;
}

static struct err read_path(struct dial *d)
{
    struct str path = d->options.target->host;
    if (path.len >= sizeof(d->socket.sun_path))
        return fail(ERR_TARGET_CONNECT, ENAMETOOLONG);
    d->socket.sun_family = AF_UNIX;
    memcpy(d->socket.sun_path, path.p, path.len);
    d->addresses.count = 1;
    return OK;
}

static void say(const struct target *t, int64_t stale_at)
{
    if (stale_at != 0)
        log_warn("target_name_stale", KV_STR("target", t->url),
                 KV_STR("why", STR("its name no longer resolves; its last addresses stay in "
                                   "use for a while")));
    else
        log_info("target_name_resolves_again", KV_STR("target", t->url));
}

/* What every worker finds out by itself is said once: who is the first to know tells, and what
 * was found before the last good answer of any worker is no news. */
static void note_names(const struct target *t, const struct addresses *a)
{
    struct target_live *live = t->live;
    int64_t known_at = atomic_load_explicit(&live->stale_at, memory_order_relaxed);
    int64_t resolved_at = atomic_load_explicit(&live->resolved_at, memory_order_relaxed);
    if (a->stale_at == 0 && a->resolved_at > resolved_at)
        atomic_store_explicit(&live->resolved_at, a->resolved_at, memory_order_relaxed);
    bool is_news = a->stale_at != 0 ? known_at == 0 && a->stale_at > resolved_at
                                    : known_at != 0 && a->resolved_at > known_at;
    if (is_news && atomic_compare_exchange_strong(&live->stale_at, &known_at, a->stale_at))
        say(t, a->stale_at);
}

static bool is_same(const union address *a, const union address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    return a->any.sa_family == AF_INET6
               ? memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0
               : a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

bool dial_is_current(struct resolver *r, const struct target *t, const union address *at)
{
    struct addresses known;
    if (t->host_kind != TARGET_HOST_NAME || !resolver_peek(r, t->host, &known))
        return true;
    note_names(t, &known);
    for (size_t i = 0; i < known.count; i++) {
        if (is_same(&known.items[i], at))
            return true;
    }
    return false;
}

/* ERR_AGAIN: on_resolved follows. */
static struct err look_up(struct dial *d)
{
    const struct target *t = d->options.target;
    switch (t->host_kind) {
    case TARGET_HOST_UNIX:
        return read_path(d);
    case TARGET_HOST_IPV4:
    case TARGET_HOST_IPV6:
        return read_literal(d);
    case TARGET_HOST_NAME:
        break;
    }
    TRY(resolver_find(d->options.resolver, t->host, &d->waiter, &d->addresses));
    note_names(t, &d->addresses);
    interleave(&d->addresses);
    return OK;
}

/* ERR_AGAIN while something is under way. */
static struct err go(struct dial *d)
{
    TRY(look_up(d));
    return try_next(d) ? fail(ERR_AGAIN, 0) : d->last_error;
}

static void on_resolved(struct resolver_waiter *w)
{
    struct dial *d = container_of(w, struct dial, waiter);
    struct err e = go(d);
    if (!err_is(e, ERR_AGAIN))
        give_up(d, e);
}

static void on_start_failed(struct deferred *w)
{
    struct dial *d = container_of(w, struct dial, work);
    give_up(d, d->last_error);
}

bool dial_is_resolving(const struct dial *d)
{
    return d->addresses.count == 0;
}

struct err dial_start(const struct dial_options *o, struct dial **ret_dial)
{
    struct dial *d = mem_new(struct dial);
    if (d == NULL)
        return fail(ERR_MEMORY, 0);
    d->options = *o;
    d->waiter.on_resolved = on_resolved;
    d->timer.on_fire = on_next;
    for (size_t i = 0; i < ARRAY_LEN(d->attempts); i++)
        d->attempts[i] =
            (struct attempt){.watch = {.on_ready = on_attempt_ready, .fd = -1}, .dial = d};
    struct err e = go(d);
    if (!err_is(e, ERR_AGAIN)) {
        d->last_error = e;
        d->work.on_run = on_start_failed;
        loop_defer(o->loop, &d->work);
    }
    *ret_dial = d;
    return OK;
}
