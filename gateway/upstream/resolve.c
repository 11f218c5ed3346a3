#include "gateway/upstream/resolve.h"

#include "gateway/base/clock.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

#include <ares.h>

enum { SOCKETS_MAX = 32, QUERY_TIMEOUT_MS = 2000, QUERY_TRIES = 3 };

struct socket_watch {
    struct watch watch; /* fd -1: free slot */
    struct resolver *resolver;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct map *names; /* of struct name */
    struct timer timer;
    struct socket_watch sockets[SOCKETS_MAX];
};

struct name {
    struct resolver *resolver;
    struct str text; /* NUL-terminated */
    struct addresses addresses;
    uint64_t refresh_ms;     /* from then on a request asks again, in the background */
    uint64_t fresh_until_ms; /* what the last answer said */
    uint64_t stale_ms;       /* when it stopped resolving; 0: it resolves */
    int status;              /* of the last query */
    bool is_asking;
    struct list waiters;
};

/* ---- c-ares on our loop ---- */

static void arm_timer(struct resolver *r)
{
    struct timeval tv;
    const struct timeval *wait = ares_timeout(r->channel, NULL, &tv);
    if (wait == NULL)
        loop_timer_stop(r->loop, &r->timer);
    else
        loop_timer_set(r->loop, &r->timer,
                       (uint64_t)wait->tv_sec * 1000 + (uint64_t)wait->tv_usec / 1000 + 1);
}

static void on_timer(struct timer *t)
{
    struct resolver *r = container_of(t, struct resolver, timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(r);
}

static void on_socket_ready(struct watch *w, uint32_t events)
{
    struct socket_watch *s = container_of(w, struct socket_watch, watch);
    struct resolver *r = s->resolver;
    bool is_readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    bool is_writable = (events & EPOLLOUT) != 0;
    ares_process_fd(r->channel, is_readable ? w->fd : ARES_SOCKET_BAD,
                    is_writable ? w->fd : ARES_SOCKET_BAD);
    arm_timer(r);
}

static struct socket_watch *find_socket(struct resolver *r, int fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (r->sockets[i].watch.fd == fd)
            return &r->sockets[i];
    }
    return NULL;
}

/* c-ares tells which of its sockets it wants watched; a socket beyond our slots only times
 * out. */
static void on_socket_state(void *arg, ares_socket_t fd, int wants_read, int wants_write)
{
    struct resolver *r = arg;
    uint32_t events = (wants_read ? EPOLLIN : 0u) | (wants_write ? EPOLLOUT : 0u);
    struct socket_watch *s = find_socket(r, fd);
    if (events == 0) {
        if (s != NULL)
            loop_unwatch(r->loop, &s->watch);
    } else if (s != NULL) {
        (void)loop_rewatch(r->loop, &s->watch, events);
    } else if ((s = find_socket(r, -1)) != NULL) {
        (void)loop_watch(r->loop, &s->watch, fd, events);
    }
}

struct err resolver_new(struct loop *loop, const char *servers, struct resolver **ret_resolver)
{
    struct resolver *r = mem_new(struct resolver);
    if (r == NULL)
        return fail(ERR_MEMORY, 0);
    r->loop = loop;
    r->timer.on_fire = on_timer;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        r->sockets[i] = (struct socket_watch){.watch = {.on_ready = on_socket_ready, .fd = -1},
                                              .resolver = r};
    r->names = map_new();
    struct ares_options o = {.timeout = QUERY_TIMEOUT_MS,
                             .tries = QUERY_TRIES,
                             .sock_state_cb = on_socket_state,
                             .sock_state_cb_data = r};
    int status =
        r->names == NULL
            ? ARES_ENOMEM
            : ares_init_options(&r->channel, &o,
                                ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        map_free(r->names);
        mem_free(r);
        return fail(ERR_TARGET_DNS, status);
    }
    if (servers != NULL)
        status = ares_set_servers_ports_csv(r->channel, servers);
    if (status != ARES_SUCCESS) {
        resolver_free(r);
        return fail(ERR_TARGET_DNS, status);
    }
    *ret_resolver = r;
    return OK;
}

static void free_names(struct resolver *r)
{
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(r->names, &cursor, &key, &value))
        mem_free(value);
    map_free(r->names);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    ares_destroy(r->channel); /* calls back with ARES_EDESTRUCTION */
    loop_timer_stop(r->loop, &r->timer);
    free_names(r);
    mem_free(r);
}

/* ---- names ---- */

static void wake_waiters(struct name *n)
{
    struct list waiting;
    list_init(&waiting);
    list_splice_back(&waiting, &n->waiters);
    struct list_node *node;
    while ((node = list_pop_front(&waiting)) != NULL) {
        struct resolver_waiter *w = container_of(node, struct resolver_waiter, node);
        w->on_resolved(w);
    }
}

static void copy_address(struct addresses *to, const struct ares_addrinfo_node *from)
{
    union address a = {.any = {.sa_family = AF_UNSPEC}};
    bool is_known = from->ai_family == AF_INET || from->ai_family == AF_INET6;
    if (!is_known || from->ai_addrlen > sizeof(a) || to->count == DNS_ADDRESSES_MAX)
        return;
    memcpy(&a, from->ai_addr, from->ai_addrlen);
    to->items[to->count++] = a;
}

/* Replaces the addresses and returns the lowest TTL, within our limits. */
static uint64_t take_addresses(struct name *n, const struct ares_addrinfo *info)
{
    int ttl = DNS_TTL_MAX_S;
    n->addresses = (struct addresses){.resolved_at = clock_now_at()};
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL;
         node = node->ai_next) {
        copy_address(&n->addresses, node);
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    }
    return (uint64_t)(ttl < DNS_TTL_MIN_S ? DNS_TTL_MIN_S : ttl) * 1000;
}

static void note_success(struct name *n, const struct ares_addrinfo *info, uint64_t now_ms)
{
    uint64_t ttl_ms = take_addresses(n, info);
    n->fresh_until_ms = now_ms + ttl_ms;
    n->refresh_ms = now_ms + ttl_ms - ttl_ms / DNS_REFRESH_PART;
    n->stale_ms = 0;
}

static bool is_too_stale(const struct name *n, uint64_t now_ms)
{
    return n->stale_ms != 0 && now_ms - n->stale_ms >= DNS_STALE_S * 1000ull;
}

/* The last addresses stay, if there are any, but not for ever. */
static void note_failure(struct name *n, uint64_t now_ms)
{
    n->refresh_ms = n->fresh_until_ms = now_ms + DNS_FAIL_S * 1000ull;
    if (n->addresses.count > 0 && n->stale_ms == 0) {
        n->stale_ms = now_ms;
        n->addresses.stale_at = clock_now_at();
    } else if (is_too_stale(n, now_ms)) {
        n->addresses = (struct addresses){.count = 0};
        n->stale_ms = 0;
    }
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct name *n = arg;
    (void)timeouts;
    n->is_asking = false;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
        return;
    if (status == ARES_SUCCESS && info->nodes == NULL)
        status = ARES_ENODATA;
    n->status = status;
    uint64_t now_ms = loop_now_ms(n->resolver->loop);
    if (status == ARES_SUCCESS)
        note_success(n, info, now_ms);
    else
        note_failure(n, now_ms);
    if (info != NULL)
        ares_freeaddrinfo(info);
    wake_waiters(n);
}

static void ask(struct name *n)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    n->is_asking = true;
    ares_getaddrinfo(n->resolver->channel, n->text.p, NULL, &hints, on_answer, n);
    arm_timer(n->resolver);
}

/* Forgets all names nobody waits for: crude, but a bound that needs no bookkeeping. */
static void empty_cache(struct resolver *r)
{
    AUTO(map_free) struct map *kept = map_new();
    struct str key;
    void *value;
    for (size_t at = 0; kept != NULL && map_next(r->names, &at, &key, &value);) {
        const struct name *n = value;
        if (n->is_asking && failed(map_put(kept, key, value, NULL)))
            return;
    }
    if (kept == NULL)
        return;
    for (size_t at = 0; map_next(r->names, &at, &key, &value);) {
        const struct name *n = value;
        if (!n->is_asking)
            mem_free(value);
    }
    map_free(r->names);
    r->names = TAKE(kept);
}

static struct err add_name(struct resolver *r, struct str text, struct name **ret_name)
{
    if (map_count(r->names) >= DNS_NAMES_MAX)
        empty_cache(r);
    struct name *n = mem_alloc(1, sizeof(*n) + text.len + 1);
    if (n == NULL)
        return fail(ERR_MEMORY, 0);
    char *copy = (char *)(n + 1);
    memcpy(copy, text.p, text.len);
    n->text = str_make(copy, text.len);
    n->resolver = r;
    list_init(&n->waiters);
    struct err e = map_put(r->names, text, n, NULL);
    if (failed(e))
        mem_free(n);
    else
        *ret_name = n;
    return e;
}

/* True if requests need not wait for the answer: the addresses are fresh, or have been until
 * just now, or are all there is. */
static bool can_serve(const struct name *n, uint64_t now_ms)
{
    if (n->addresses.count == 0 || is_too_stale(n, now_ms))
        return false;
    return n->stale_ms != 0 || now_ms < n->fresh_until_ms + DNS_GRACE_S * 1000ull;
}

struct err resolver_find(struct resolver *r, struct str name, struct resolver_waiter *w,
                         struct addresses *ret_addresses)
{
    struct name *n = map_find(r->names, name);
    uint64_t now_ms = loop_now_ms(r->loop);
    if (n == NULL)
        TRY(add_name(r, name, &n));
    if (now_ms >= n->refresh_ms && !n->is_asking)
        ask(n); /* may answer at once: /etc/hosts, literals */
    if (n->is_asking && !can_serve(n, now_ms)) {
        list_push_back(&n->waiters, &w->node);
        return fail(ERR_AGAIN, 0);
    }
    if (n->addresses.count == 0)
        return fail(ERR_TARGET_DNS, n->status);
    *ret_addresses = n->addresses;
    return OK;
}

bool resolver_peek(struct resolver *r, struct str name, struct addresses *ret_addresses)
{
    struct name *n = map_find(r->names, name);
    if (n == NULL)
        return false;
    if (loop_now_ms(r->loop) >= n->refresh_ms && !n->is_asking)
        ask(n);
    *ret_addresses = n->addresses;
    return n->addresses.count > 0;
}

void resolver_cancel(struct resolver_waiter *w)
{
    list_remove(&w->node);
}
