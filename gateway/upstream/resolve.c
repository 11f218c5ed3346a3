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

/* What is known of a name in one of the two families. */
struct family {
    struct name *name;
    union address items[DNS_FAMILY_MAX];
    size_t count;
    uint64_t refresh_ms;     /* from then on a request asks again, in the background */
    uint64_t fresh_until_ms; /* what the last answer said */
    int status;              /* of the last query */
    bool is_asking;
};

struct name {
    struct resolver *resolver;
    struct str text; /* NUL-terminated */
    struct family families[2];
    int64_t resolved_at;
    int64_t stale_at;  /* as in struct addresses */
    uint64_t stale_ms; /* the same, on the loop's clock; 0: it resolves */
    struct list waiters;
    struct timer patience; /* for the second family's answer, once there is one */
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
    while (map_next(r->names, &cursor, &key, &value)) {
        struct name *n = value;
        loop_timer_stop(r->loop, &n->patience);
        mem_free(n);
    }
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

/* ---- answers ---- */

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

static bool is_asking(const struct name *n)
{
    return n->families[0].is_asking || n->families[1].is_asking;
}

static bool resolves(const struct name *n)
{
    return n->families[0].status == ARES_SUCCESS || n->families[1].status == ARES_SUCCESS;
}

static void copy_address(struct family *to, const struct ares_addrinfo_node *from)
{
    union address a = {.any = {.sa_family = AF_UNSPEC}};
    bool is_known = from->ai_family == AF_INET || from->ai_family == AF_INET6;
    if (!is_known || from->ai_addrlen > sizeof(a) || to->count == DNS_FAMILY_MAX)
        return;
    memcpy(&a, from->ai_addr, from->ai_addrlen);
    to->items[to->count++] = a;
}

/* The lowest of all that the answer rests on, within our limits. */
static uint64_t ttl_of(const struct ares_addrinfo *info)
{
    int ttl = DNS_TTL_MAX_S;
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias != NULL;
         alias = alias->next) {
        if (alias->ttl < ttl)
            ttl = alias->ttl;
    }
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL;
         node = node->ai_next) {
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    }
    return (uint64_t)(ttl < DNS_TTL_MIN_S ? DNS_TTL_MIN_S : ttl) * 1000;
}

static void take_addresses(struct family *f, const struct ares_addrinfo *info, uint64_t now_ms)
{
    uint64_t ttl_ms = ttl_of(info);
    f->fresh_until_ms = now_ms + ttl_ms;
    f->refresh_ms = now_ms + ttl_ms - ttl_ms / DNS_REFRESH_PART;
    f->count = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL;
         node = node->ai_next)
        copy_address(f, node);
}

/* What one family does not have, the name has lost, and it is asked for again along with the
 * other. */
static void note_success(struct name *n)
{
    n->stale_ms = 0;
    n->stale_at = 0;
    n->resolved_at = clock_now_at();
    for (size_t i = 0; i < 2; i++) {
        struct family *f = &n->families[i];
        if (f->status == ARES_SUCCESS || f->is_asking)
            continue;
        f->count = 0;
        f->refresh_ms = n->families[1 - i].refresh_ms;
    }
}

static bool is_too_stale(const struct name *n, uint64_t now_ms)
{
    return n->stale_ms != 0 && now_ms - n->stale_ms >= DNS_STALE_S * 1000ull;
}

/* The last addresses stay, if there are any, but not for ever. */
static void note_failure(struct name *n, uint64_t now_ms)
{
    bool has_addresses = n->families[0].count + n->families[1].count > 0;
    bool is_over = is_too_stale(n, now_ms);
    if (is_over) {
        n->families[0].count = n->families[1].count = 0;
        n->stale_ms = 0;
        n->stale_at = 0;
    } else if (has_addresses && n->stale_ms == 0) {
        n->stale_ms = now_ms;
        n->stale_at = clock_now_at();
    }
}

/* Enough has been said for those who wait. */
static void settle(struct name *n)
{
    loop_timer_stop(n->resolver->loop, &n->patience);
    if (resolves(n))
        note_success(n);
    else
        note_failure(n, loop_now_ms(n->resolver->loop));
    wake_waiters(n);
}

static void on_patience_over(struct timer *t)
{
    settle(container_of(t, struct name, patience));
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct family *f = arg;
    struct name *n = f->name;
    (void)timeouts;
    f->is_asking = false;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
        return;
    f->status = status == ARES_SUCCESS && info->nodes == NULL ? ARES_ENODATA : status;
    uint64_t now_ms = loop_now_ms(n->resolver->loop);
    f->refresh_ms = now_ms + DNS_FAIL_S * 1000ull;
    if (f->status == ARES_SUCCESS)
        take_addresses(f, info, now_ms);
    if (info != NULL)
        ares_freeaddrinfo(info);
    if (!is_asking(n))
        settle(n);
    else if (f->status == ARES_SUCCESS)
        loop_timer_set(n->resolver->loop, &n->patience, DNS_PATIENCE_MS);
}

/* ---- names ---- */

/* Asks for what is due.  May be answered at once: /etc/hosts, literals. */
static void ask(struct name *n, uint64_t now_ms)
{
    static const int kinds[2] = {AF_INET6, AF_INET};
    bool is_due[2];
    for (size_t i = 0; i < 2; i++) {
        struct family *f = &n->families[i];
        is_due[i] = now_ms >= f->refresh_ms && !f->is_asking;
        f->is_asking |= is_due[i];
    }
    for (size_t i = 0; i < 2; i++) {
        struct ares_addrinfo_hints hints = {
            .ai_family = kinds[i], .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
        if (is_due[i])
            ares_getaddrinfo(n->resolver->channel, n->text.p, NULL, &hints, on_answer,
                             &n->families[i]);
    }
    if (is_due[0] || is_due[1])
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
        if (is_asking(n) && failed(map_put(kept, key, value, NULL)))
            return;
    }
    if (kept == NULL)
        return;
    for (size_t at = 0; map_next(r->names, &at, &key, &value);) {
        const struct name *n = value;
        if (!is_asking(n))
            mem_free(value);
    }
    map_free(r->names);
    r->names = TAKE(kept);
}

static void know_for_ever(struct family *f, union address a)
{
    f->items[0] = a;
    f->count = 1;
    f->refresh_ms = f->fresh_until_ms = UINT64_MAX / 2;
}

/* RFC 6761 6.3: nobody is asked for it. */
static void know_localhost(struct name *n)
{
    know_for_ever(&n->families[0], (union address){.v6 = {.sin6_family = AF_INET6,
                                                          .sin6_addr = IN6ADDR_LOOPBACK_INIT}});
    know_for_ever(&n->families[1],
                  (union address){.v4 = {.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}});
    n->resolved_at = clock_now_at();
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
    n->patience.on_fire = on_patience_over;
    for (size_t i = 0; i < 2; i++)
        n->families[i] = (struct family){.name = n, .status = ARES_ENODATA};
    if (str_eq(text, STR("localhost")))
        know_localhost(n);
    struct err e = map_put(r->names, text, n, NULL);
    if (failed(e))
        mem_free(n);
    else
        *ret_name = n;
    return e;
}

/* Fresh, or just expired, or all there is. */
static bool can_serve(const struct name *n, const struct family *f, uint64_t now_ms)
{
    if (f->count == 0 || is_too_stale(n, now_ms))
        return false;
    return n->stale_ms != 0 || now_ms < f->fresh_until_ms + DNS_GRACE_S * 1000ull;
}

static void collect(const struct name *n, const struct family *f, struct addresses *list)
{
    list->resolved_at = n->resolved_at;
    list->stale_at = n->stale_at;
    memcpy(&list->items[list->count], f->items, f->count * sizeof(f->items[0]));
    list->count += f->count;
}

struct err resolver_find(struct resolver *r, struct str name, struct resolver_waiter *w,
                         struct addresses *ret_addresses)
{
    struct name *n = map_find(r->names, name);
    uint64_t now_ms = loop_now_ms(r->loop);
    if (n == NULL)
        TRY(add_name(r, name, &n));
    ask(n, now_ms);
    ret_addresses->count = 0;
    for (size_t i = 0; i < 2; i++) {
        if (can_serve(n, &n->families[i], now_ms))
            collect(n, &n->families[i], ret_addresses);
    }
    if (ret_addresses->count > 0)
        return OK;
    if (!is_asking(n))
        return fail(ERR_TARGET_DNS, n->families[1].status);
    list_push_back(&n->waiters, &w->node);
    return fail(ERR_AGAIN, 0);
}

bool resolver_peek(struct resolver *r, struct str name, struct addresses *ret_addresses)
{
    struct name *n = map_find(r->names, name);
    if (n == NULL)
        return false;
    ask(n, loop_now_ms(r->loop));
    ret_addresses->count = 0;
    for (size_t i = 0; i < 2; i++)
        collect(n, &n->families[i], ret_addresses);
    return ret_addresses->count > 0;
}

void resolver_cancel(struct resolver_waiter *w)
{
    list_remove(&w->node);
}
