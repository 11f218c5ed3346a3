/* target_conn.c - get -> (pool) | resolve -> connect_next -> on_open -> ready -> release ->
 * (pool). */
#include "gateway/upstream/target_conn.h"

#include "gateway/http/h1_codec.h"
#include "gateway/tls/tls_client.h"
#include "gateway/upstream/resolve.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

enum conn_state { CONN_RESOLVING, CONN_CONNECTING, CONN_READY, CONN_IDLE, CONN_DEAD };

struct target_conn {
    struct link link;
    struct worker *worker;
    const struct route *route;
    const struct target *target;
    const struct target_user *user;
    void *arg;
    enum conn_state state;
    enum target_stage stage; /* CONN_DEAD: where it failed */
    uint32_t exchange_count;
    struct addresses addresses;
    size_t next_address;
    struct resolver_waiter waiter;
    struct timer timer;         /* connect limit, then idle limit */
    uint64_t give_up_ms;        /* end of the connect limit */
    struct deferred reaper;     /* frees, or reports a failure found while being made */
    struct err last_error;      /* of the address tried last */
    struct pool_slot *slot;     /* where it rests between exchanges */
    struct list_node pool_node; /* CONN_IDLE: in the slot */
};

/* ---- notes ---- */

void target_note_failure(const struct target *target, struct err e)
{
    struct target_live *live = target->live;
    atomic_store_explicit(&live->error, e.kind, memory_order_relaxed);
    atomic_store_explicit(&live->error_detail, e.detail, memory_order_relaxed);
    atomic_store_explicit(&live->error_at, clock_now_at(), memory_order_relaxed);
    atomic_fetch_add_explicit(&live->failures, 1, memory_order_relaxed);
}

void target_note_answer(const struct target *target, int64_t now_at)
{
    atomic_store_explicit(&target->live->ok_at, now_at, memory_order_relaxed);
    atomic_fetch_add_explicit(&target->live->requests, 1, memory_order_relaxed);
}

/* ---- the pool ---- */

/* Lives as long as a connection of its key does, so that edited routes leave nothing behind. */
struct pool_slot {
    struct pool_key {
        const struct target_live *live;
        uint64_t revision;
    } key;
    struct list idle; /* hottest first */
    size_t idle_count;
    size_t conn_count; /* with the busy ones */
};

struct target_pool {
    struct map *slots; /* of struct pool_slot, by pool_key */
};

static struct str key_view(const struct pool_key *key)
{
    return str_make(key, sizeof(*key));
}

/* Connections are interchangeable within one revision of a route and one target: an edit of
 * the route may have changed whom we trust. */
static struct pool_key key_of(const struct route *route, const struct target *target)
{
    return (struct pool_key){.live = target->live, .revision = route->object.revision};
}

struct err target_pool_new(struct target_pool **ret_pool)
{
    struct target_pool *p = mem_new(struct target_pool);
    struct map *slots = p == NULL ? NULL : map_new();
    if (slots == NULL) {
        mem_free(p);
        return fail(ERR_MEMORY, 0);
    }
    p->slots = slots;
    *ret_pool = p;
    return OK;
}

static struct pool_slot *make_slot(struct target_pool *p, const struct pool_key *key)
{
    struct pool_slot *slot = mem_new(struct pool_slot);
    if (slot == NULL || failed(map_put(p->slots, key_view(key), slot, NULL))) {
        mem_free(slot);
        return NULL;
    }
    slot->key = *key;
    list_init(&slot->idle);
    return slot;
}

/* False: out of memory. */
static bool join_slot(struct target_pool *p, struct target_conn *c)
{
    struct pool_key key = key_of(c->route, c->target);
    c->slot = map_find(p->slots, key_view(&key));
    if (c->slot == NULL)
        c->slot = make_slot(p, &key);
    if (c->slot == NULL)
        return false;
    c->slot->conn_count++;
    return true;
}

static void leave_slot(struct target_pool *p, struct target_conn *c)
{
    struct pool_slot *slot = TAKE(c->slot);
    if (--slot->conn_count == 0)
        mem_free(map_take(p->slots, key_view(&slot->key)));
}

static void stop_resting(struct target_conn *c)
{
    list_remove(&c->pool_node);
    c->slot->idle_count--;
}

static struct target_conn *take_idle(struct target_pool *p, const struct route *route,
                                     const struct target *target)
{
    struct pool_key key = key_of(route, target);
    const struct pool_slot *slot = map_find(p->slots, key_view(&key));
    if (slot == NULL || list_is_empty(&slot->idle))
        return NULL;
    struct target_conn *c =
        container_of(list_first(&slot->idle), struct target_conn, pool_node);
    stop_resting(c);
    return c;
}

static bool put_idle(struct target_conn *c)
{
    if (c->slot->idle_count >= POOL_IDLE_MAX)
        return false;
    list_push_front(&c->slot->idle, &c->pool_node);
    c->slot->idle_count++;
    return true;
}

/* ---- the end of a connection ---- */

static void on_reap(struct deferred *d)
{
    struct target_conn *c = container_of(d, struct target_conn, reaper);
    route_unref(c->route);
    mem_free(c);
}

static void close_conn(struct target_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (c->state == CONN_IDLE)
        stop_resting(c);
    leave_slot(c->worker->pool, c);
    c->state = CONN_DEAD;
    c->user = NULL;
    resolver_cancel(&c->waiter);
    loop_timer_stop(c->worker->loop, &c->timer);
    link_close(&c->link);
    atomic_fetch_sub_explicit(&c->target->live->connections, 1, memory_order_relaxed);
    c->reaper.on_run = on_reap;
    loop_defer(c->worker->loop, &c->reaper);
}

static void fail_conn(struct target_conn *c, struct err e)
{
    const struct target_user *user = c->user;
    void *arg = c->arg;
    bool was_connecting = c->state == CONN_RESOLVING || c->state == CONN_CONNECTING;
    if (was_connecting)
        metric_add(METRIC_TARGET_CONNECTS_FAILED, 1);
    c->stage = target_conn_stage(c);
    close_conn(c);
    if (user != NULL)
        user->on_failed(arg, e);
}

/* ---- connecting ---- */

static void on_link_open(struct link *l);
static void on_link_error(struct link *l, struct err e);
static void on_link_eof(struct link *l);
static void on_link_sent(struct link *l);

static const struct link_events link_events = {
    .on_open = on_link_open,
    .on_error = on_link_error,
    .on_eof = on_link_eof,
    .on_sent = on_link_sent,
};

static struct err on_codec_head(void *arg, uint32_t id, struct http_head *head)
{
    struct target_conn *c = arg;
    (void)id;
    return c->user == NULL ? fail(ERR_CANCELLED, 0) : c->user->on_head(c->arg, head);
}

static struct err on_codec_body(void *arg, uint32_t id, struct str bytes)
{
    struct target_conn *c = arg;
    (void)id;
    return c->user == NULL ? fail(ERR_CANCELLED, 0) : c->user->on_body(c->arg, bytes);
}

static struct err on_codec_end(void *arg, uint32_t id, const struct http_fields *trailers)
{
    struct target_conn *c = arg;
    (void)id;
    return c->user == NULL ? fail(ERR_CANCELLED, 0) : c->user->on_end(c->arg, trailers);
}

static const struct codec_events codec_events = {
    .on_head = on_codec_head,
    .on_body = on_codec_body,
    .on_end = on_codec_end,
};

static struct err open_link(struct target_conn *c, int fd, bool is_connecting)
{
    SSL *ssl = NULL;
    if (c->target->scheme == TARGET_HTTPS) {
        struct err e =
            tls_client_connect(c->worker->tls_client, &c->route->upstream.tls, c->target, &ssl);
        if (failed(e)) {
            (void)close(fd);
            return e;
        }
    }
    TRY(link_open(&c->link, &(struct link_options){.loop = c->worker->loop,
                                                   .scratch = &c->worker->scratch,
                                                   .bufs = &c->worker->bufs,
                                                   .events = &link_events,
                                                   .fd = fd,
                                                   .ssl = ssl,
                                                   .is_connecting = is_connecting}));
    return h1_codec_new_client(&(struct codec_options){.events = &codec_events,
                                                       .arg = c,
                                                       .out = &c->link.out,
                                                       .pass = link_pass,
                                                       .pass_arg = &c->link,
                                                       .max_head_bytes = HEAD_MAX_BYTES},
                               &c->link.codec);
}

static uint64_t ms_left(const struct target_conn *c)
{
    uint64_t now_ms = loop_now_ms(c->worker->loop);
    return c->give_up_ms > now_ms ? c->give_up_ms - now_ms : 0;
}

static struct err connect_to(struct target_conn *c, const struct sockaddr *address,
                             socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(ERR_TARGET_CONNECT, errno);
    int on = 1;
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
        struct err e = fail(ERR_TARGET_CONNECT, errno);
        (void)close(fd);
        return e;
    }
    c->state = CONN_CONNECTING;
    /* Each address left gets its share: one that swallows packets must not use up all. */
    size_t left_count = 1 + c->addresses.count - c->next_address;
    loop_timer_set(c->worker->loop, &c->timer, ms_left(c) / left_count);
    metric_add(METRIC_TARGET_CONNECTS, 1);
    return open_link(c, fd, true);
}

static struct err connect_unix(struct target_conn *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (c->target->host.len >= sizeof(address.sun_path))
        return fail(ERR_TARGET_CONNECT, ENAMETOOLONG);
    memcpy(address.sun_path, c->target->host.p, c->target->host.len);
    return connect_to(c, (const struct sockaddr *)&address, sizeof(address));
}

/* The next address that can be tried at all; the last error when there is none left. */
static struct err connect_next(struct target_conn *c)
{
    while (c->next_address < c->addresses.count) {
        union address a = c->addresses.items[c->next_address++];
        bool is_v6 = a.any.sa_family == AF_INET6;
        if (is_v6)
            a.v6.sin6_port = htons((uint16_t)c->target->port);
        else
            a.v4.sin_port = htons((uint16_t)c->target->port);
        c->last_error = connect_to(c, &a.any, is_v6 ? sizeof(a.v6) : sizeof(a.v4));
        if (!failed(c->last_error))
            return OK;
        link_close(&c->link);
    }
    return c->last_error;
}

static struct err read_literal(struct target_conn *c)
{
    union address *a = &c->addresses.items[0];
    bool is_v6 = c->target->host_kind == TARGET_HOST_IPV6;
    a->any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    void *bytes = is_v6 ? (void *)&a->v6.sin6_addr : (void *)&a->v4.sin_addr;
    if (inet_pton(a->any.sa_family, c->target->host.p, bytes) != 1)
        return fail(ERR_TARGET_CONNECT, EINVAL);
    c->addresses.count = 1;
    return OK;
}

static struct err find_addresses(struct target_conn *c)
{
    if (c->target->host_kind == TARGET_HOST_NAME)
        return resolver_find(c->worker->resolver, c->target->host, &c->waiter, &c->addresses);
    return read_literal(c);
}

/* ERR_AGAIN while something is under way. */
static struct err start(struct target_conn *c)
{
    if (c->target->host_kind == TARGET_HOST_UNIX)
        return connect_unix(c);
    TRY(find_addresses(c));
    return connect_next(c);
}

static void on_resolved(struct resolver_waiter *w)
{
    struct target_conn *c = container_of(w, struct target_conn, waiter);
    struct err e = start(c);
    if (failed(e) && !err_is(e, ERR_AGAIN)) {
        target_note_failure(c->target, e);
        fail_conn(c, e);
    }
}

/* A failure found before target_conn_get returned is told in a turn of its own. */
static void on_start_failed(struct deferred *d)
{
    struct target_conn *c = container_of(d, struct target_conn, reaper);
    target_note_failure(c->target, c->last_error);
    fail_conn(c, c->last_error);
}

/* An address has used up its share: the next one, unless this one has got as far as TLS. */
static bool go_on_connecting(struct target_conn *c)
{
    if (link_state(&c->link) == LINK_HANDSHAKE) {
        loop_timer_set(c->worker->loop, &c->timer, ms_left(c));
        return true;
    }
    if (c->state != CONN_CONNECTING || c->next_address == c->addresses.count)
        return false;
    link_close(&c->link);
    return !failed(connect_next(c));
}

static void on_connect_timeout(struct timer *t)
{
    struct target_conn *c = container_of(t, struct target_conn, timer);
    if (ms_left(c) > 0 && go_on_connecting(c))
        return;
    struct err e = fail(ERR_TARGET_CONNECT_TIMEOUT, 0);
    target_note_failure(c->target, e);
    fail_conn(c, e);
}

static void on_idle_timeout(struct timer *t)
{
    close_conn(container_of(t, struct target_conn, timer));
}

/* ---- link events ---- */

static void on_link_open(struct link *l)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    SSL *ssl = transport_ssl(&l->transport);
    struct err e = ssl == NULL ? OK : tls_client_check(ssl, &c->route->upstream.tls);
    if (failed(e)) {
        target_note_failure(c->target, e);
        fail_conn(c, e);
        return;
    }
    c->state = CONN_READY;
    loop_timer_stop(c->worker->loop, &c->timer);
    c->user->on_ready(c->arg);
}

/* What a transport's error means in the state the connection is in. */
static struct err explain(struct target_conn *c, struct err e)
{
    SSL *ssl = transport_ssl(&c->link.transport);
    if (c->state == CONN_READY || c->state == CONN_IDLE) {
        if (err_is(e, ERR_IO) || err_is(e, ERR_CRYPTO))
            return fail(ERR_TARGET_RESET, e.detail);
        return e;
    }
    if (link_state(&c->link) == LINK_HANDSHAKE && ssl != NULL)
        return tls_client_verdict(ssl);
    return err_is(e, ERR_IO) ? fail(ERR_TARGET_CONNECT, e.detail) : e;
}

static void on_link_error(struct link *l, struct err e)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    bool is_connecting = c->state == CONN_CONNECTING && link_state(l) == LINK_CONNECTING;
    e = explain(c, e);
    if (is_connecting && c->next_address < c->addresses.count) {
        link_close(l);
        c->last_error = e;
        e = connect_next(c);
        if (!failed(e))
            return;
    }
    if (c->state != CONN_IDLE)
        target_note_failure(c->target, e);
    fail_conn(c, e);
}

static void on_link_eof(struct link *l)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    if (c->state == CONN_IDLE)
        close_conn(c);
}

static void on_link_sent(struct link *l)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    if (c->user != NULL)
        c->user->on_sent(c->arg);
}

/* ---- the exchange's side ---- */

static struct target_conn *new_conn(struct worker *w, const struct route *route,
                                    const struct target *target)
{
    struct target_conn *c = mem_new(struct target_conn);
    if (c == NULL)
        return NULL;
    c->worker = w;
    c->route = route;
    c->target = target;
    if (!join_slot(w->pool, c)) {
        mem_free(c);
        return NULL;
    }
    (void)route_ref(route);
    c->waiter.on_resolved = on_resolved;
    c->last_error = fail(ERR_TARGET_CONNECT, EADDRNOTAVAIL);
    atomic_fetch_add_explicit(&target->live->connections, 1, memory_order_relaxed);
    return c;
}

static struct err make_conn(struct worker *w, const struct target_conn_options *o,
                            struct target_conn **ret_conn)
{
    struct target_conn *c = new_conn(w, o->route, o->target);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    c->timer.on_fire = on_connect_timeout;
    c->give_up_ms = loop_now_ms(w->loop) + o->route->upstream.timeouts.connect_ms;
    loop_timer_set(w->loop, &c->timer, ms_left(c));
    struct err e = start(c);
    if (failed(e) && !err_is(e, ERR_AGAIN)) {
        c->last_error = e;
        c->reaper.on_run = on_start_failed;
        loop_defer(w->loop, &c->reaper);
    }
    *ret_conn = c;
    return OK;
}

struct err target_conn_get(struct worker *w, const struct target_conn_options *o,
                           struct target_conn **ret_conn)
{
    struct target_conn *c = o->must_be_fresh ? NULL : take_idle(w->pool, o->route, o->target);
    if (c != NULL) {
        metric_add(METRIC_TARGET_REUSED, 1);
        loop_timer_stop(w->loop, &c->timer);
        c->state = CONN_READY;
    } else {
        TRY(make_conn(w, o, &c));
    }
    c->user = o->user;
    c->arg = o->arg;
    *ret_conn = c;
    return OK;
}

bool target_conn_is_ready(const struct target_conn *c)
{
    return c->state == CONN_READY;
}

bool target_conn_is_reused(const struct target_conn *c)
{
    return c->exchange_count > 0;
}

/* A certificate that is refused is looked at when the link is open. */
enum target_stage target_conn_stage(const struct target_conn *c)
{
    if (c->state == CONN_DEAD)
        return c->stage;
    if (c->state == CONN_RESOLVING)
        return TARGET_RESOLVING;
    bool is_past_tcp =
        link_state(&c->link) == LINK_HANDSHAKE || link_state(&c->link) == LINK_OPEN;
    return is_past_tcp && c->target->scheme == TARGET_HTTPS ? TARGET_HANDSHAKE
                                                            : TARGET_CONNECTING;
}

struct link *target_conn_link(struct target_conn *c)
{
    return &c->link;
}

void target_conn_abandon(struct target_conn *c)
{
    close_conn(c);
}

void target_conn_release(struct target_conn *c)
{
    bool is_clean = c->state == CONN_READY && !link_is_closed(&c->link) &&
                    codec_can_reuse(c->link.codec) && link_is_flushed(&c->link) &&
                    !c->worker->is_draining;
    c->user = NULL;
    c->exchange_count++;
    if (!is_clean || !put_idle(c)) {
        close_conn(c);
        return;
    }
    c->state = CONN_IDLE;
    link_resume(&c->link);
    c->timer.on_fire = on_idle_timeout;
    loop_timer_set(c->worker->loop, &c->timer, POOL_IDLE_MS);
}

void target_pool_free(struct target_pool *p)
{
    if (p == NULL)
        return;
    struct str key;
    void *value;
    for (size_t at = 0; map_next(p->slots, &at, &key, &value); at = 0) {
        struct pool_slot *slot = value;
        assert(!list_is_empty(&slot->idle)); /* no exchange is left */
        close_conn(container_of(list_first(&slot->idle), struct target_conn, pool_node));
    }
    map_free(p->slots);
    mem_free(p);
}
