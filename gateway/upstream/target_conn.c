/* target_conn.c - call -> (pool) | dial -> on_dialed -> handshake -> ready -> end -> (pool). */
#include "gateway/upstream/target_conn.h"

#include "gateway/http/h1_codec.h"
#include "gateway/http/h2_codec.h"
#include "gateway/tls/alpn.h"
#include "gateway/tls/tls_client.h"
#include "gateway/tls/tls_sessions.h"
#include "gateway/upstream/dial.h"
#include "gateway/upstream/target_pool.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum conn_state { CONN_DIALING, CONN_HANDSHAKE, CONN_READY, CONN_IDLE, CONN_DEAD };

struct target_conn {
    struct link link;
    struct worker *worker;
    const struct route *route;
    const struct target *target;
    struct list calls;
    size_t call_count;
    bool is_http1; /* nothing else is offered */
    enum conn_state state;
    bool is_settled; /* a shared one: its SETTINGS have come */
    uint32_t exchange_count;
    struct {
        uint64_t bytes;    /* received when it was last looked at */
        uint64_t asked_ms; /* when it was last asked for a sign of life; 0: never */
        bool is_asked;     /* ... and has said nothing since */
    } life;
    struct dial *dial;          /* CONN_DIALING */
    union address at;           /* where it leads, if the target has a name ... */
    uint64_t checked_ms;        /* ... and when that was last known to be right */
    bool leads_home;            /* to a listener of ours */
    struct proxy_header client; /* for the PROXY header, if the route sends one */
    struct timer timer;         /* connect limit, then life of a shared one, then idle limit */
    struct deferred reaper;
    struct pool_place place; /* CONN_IDLE: at rest */
};

static struct target_call *call_at(struct list_node *n)
{
    return container_of(n, struct target_call, priv.node);
}

/* ---- the end of a connection ---- */

static void on_reap(struct deferred *d)
{
    struct target_conn *c = container_of(d, struct target_conn, reaper);
    route_unref(c->route);
    mem_free(c);
}

/* Nobody is told. */
static void leave_calls(struct target_conn *c)
{
    struct list_node *n;
    while ((n = list_pop_front(&c->calls)) != NULL)
        call_at(n)->conn = NULL;
    c->call_count = 0;
}

static void close_conn(struct target_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    target_pool_leave(c->worker->pool, &c->place);
    c->state = CONN_DEAD;
    leave_calls(c);
    dial_stop(c->dial);
    loop_timer_stop(c->worker->loop, &c->timer);
    link_close(&c->link);
    atomic_fetch_sub_explicit(&c->target->live->connections, 1, memory_order_relaxed);
    c->reaper.on_run = on_reap;
    loop_defer(c->worker->loop, &c->reaper);
}

static void on_evict(struct pool_place *p)
{
    close_conn(container_of(p, struct target_conn, place));
}

static enum target_stage stage_of(const struct target_conn *c)
{
    if (c->state == CONN_DIALING)
        return dial_is_resolving(c->dial) ? TARGET_RESOLVING : TARGET_CONNECTING;
    return c->target->scheme == TARGET_HTTPS ? TARGET_HANDSHAKE : TARGET_CONNECTING;
}

/* c->dial is gone when a dial tells of its failure. */
static enum target_stage stage_of_failure(const struct target_conn *c, struct err e)
{
    if (c->state == CONN_DIALING && c->dial == NULL)
        return err_is(e, ERR_TARGET_DNS) ? TARGET_RESOLVING : TARGET_CONNECTING;
    return stage_of(c);
}

static void fail_call(struct target_call *call, enum target_stage stage, struct err e)
{
    list_remove(&call->priv.node);
    call->conn = NULL;
    call->priv.stage = stage;
    call->priv.user->on_failed(call->priv.arg, e);
}

static void fail_conn(struct target_conn *c, struct err e)
{
    enum target_stage stage = stage_of_failure(c, e);
    struct list calls;
    list_init(&calls);
    list_splice_back(&calls, &c->calls);
    if (c->state == CONN_DIALING || c->state == CONN_HANDSHAKE)
        metric_add(METRIC_TARGET_CONNECTS_FAILED, 1);
    close_conn(c);
    while (!list_is_empty(&calls))
        fail_call(call_at(list_first(&calls)), stage, e);
}

/* ---- the life of a shared one ---- */

/* A target that has vanished without a word would keep its calls waiting for as long as they
 * may wait; one that is asked too often takes it for an attack (gRPC's servers count). */
static void on_life_timer(struct timer *t)
{
    struct target_conn *c = container_of(t, struct target_conn, timer);
    uint64_t now_ms = loop_now_ms(c->worker->loop);
    bool has_spoken = c->link.received_bytes != c->life.bytes || !link_is_silent(&c->link);
    if (!has_spoken && c->life.is_asked) {
        fail_conn(c, fail(ERR_TARGET_TIMEOUT, 0));
        return;
    }
    if (!has_spoken &&
        (c->life.asked_ms == 0 || now_ms - c->life.asked_ms >= TARGET_PING_EVERY_MS)) {
        c->life.is_asked = true;
        c->life.asked_ms = now_ms;
        codec_ping(c->link.codec);
        link_flush_soon(&c->link);
    } else {
        c->life.is_asked = false;
    }
    c->life.bytes = c->link.received_bytes;
    loop_timer_set(c->worker->loop, &c->timer, TARGET_SILENCE_MS);
}

static void watch_life(struct target_conn *c)
{
    c->life.bytes = c->link.received_bytes;
    c->life.is_asked = false;
    c->timer.on_fire = on_life_timer;
    loop_timer_set(c->worker->loop, &c->timer, TARGET_SILENCE_MS);
}

/* ---- connecting ---- */

static void on_link_open(struct link *l);
static void on_link_error(struct link *l, struct err e);
static void on_link_eof(struct link *l);
static void on_link_sent(struct link *l);

static void on_idle_timeout(struct timer *t);

static const struct link_events link_events = {
    .on_open = on_link_open,
    .on_error = on_link_error,
    .on_eof = on_link_eof,
    .on_sent = on_link_sent,
};

/* ---- calls side by side ---- */

static bool is_shared(const struct target_conn *c)
{
    return c->link.codec != NULL && codec_is_multiplexed(c->link.codec);
}

/* Its bytes have told the target whose they are: nobody else's may follow. */
static bool is_of_one_client(const struct target_conn *c)
{
    return c->route->upstream.proxy_protocol != PROXY_OFF;
}

static bool must_be_http2(const struct target_conn *c)
{
    return c->target->scheme == TARGET_H2C || c->route->upstream.protocol == PROTOCOL_2;
}

/* Most likely, while it is being connected. */
static bool will_be_shared(const struct target_conn *c)
{
    bool has_chosen = c->target->scheme == TARGET_HTTPS && !c->is_http1 &&
                      atomic_load_explicit(&c->target->live->speaks_h2, memory_order_relaxed);
    return must_be_http2(c) || has_chosen;
}

static bool has_room(const struct target_conn *c)
{
    if (is_of_one_client(c) || c->worker->is_draining)
        return false;
    if (c->state == CONN_DIALING || c->state == CONN_HANDSHAKE)
        return will_be_shared(c) && c->call_count < H2_STREAMS_MAX;
    return c->state == CONN_READY && is_shared(c) && codec_can_reuse(c->link.codec) &&
           codec_capacity(c->link.codec) > 0 && link_is_sound(&c->link);
}

static void invite(struct target_conn *c)
{
    if (has_room(c))
        target_pool_share(&c->place);
    else
        target_pool_unshare(&c->place);
}

static void rest(struct target_conn *c)
{
    if (!target_pool_rest(c->worker->pool, &c->place)) {
        close_conn(c);
        return;
    }
    c->state = CONN_IDLE;
    link_resume(&c->link);
    c->timer.on_fire = on_idle_timeout;
    loop_timer_set(c->worker->loop, &c->timer, POOL_IDLE_MS);
}

/* A call has left a connection that others may go on with. */
static void settle(struct target_conn *c)
{
    bool is_good = c->state == CONN_READY && link_is_sound(&c->link) &&
                   codec_can_reuse(c->link.codec) && !c->worker->is_draining &&
                   !is_of_one_client(c);
    if (c->call_count > 0) {
        invite(c);
        return;
    }
    target_pool_unshare(&c->place);
    if (is_good)
        rest(c);
    else
        close_conn(c);
}

/* A call may end in the middle of what is being read of it. */
static bool is_over(const struct target_call *call)
{
    return call->conn == NULL;
}

static struct err on_codec_head(void *arg, void *user, struct http_head *head)
{
    const struct target_call *call = user;
    (void)arg;
    return is_over(call) ? fail(ERR_CANCELLED, 0)
                         : call->priv.user->on_head(call->priv.arg, head);
}

static struct err on_codec_body(void *arg, void *user, struct str bytes)
{
    const struct target_call *call = user;
    (void)arg;
    return is_over(call) ? fail(ERR_CANCELLED, 0)
                         : call->priv.user->on_body(call->priv.arg, bytes);
}

static struct err on_codec_end(void *arg, void *user, const struct http_fields *trailers)
{
    const struct target_call *call = user;
    (void)arg;
    return is_over(call) ? fail(ERR_CANCELLED, 0)
                         : call->priv.user->on_end(call->priv.arg, trailers);
}

/* This call alone; the others go on. */
static void on_codec_reset(void *arg, void *user, struct err e)
{
    struct target_conn *c = arg;
    struct target_call *call = user;
    if (is_over(call))
        return;
    codec_forget(c->link.codec, call->priv.id);
    c->call_count--;
    fail_call(call, stage_of(c), e);
    if (c->state == CONN_READY)
        settle(c);
}

static void on_codec_sent(void *arg, void *user)
{
    const struct target_call *call = user;
    (void)arg;
    if (!is_over(call))
        call->priv.user->on_sent(call->priv.arg);
}

static void on_codec_room(void *arg);

static void on_codec_last(void *arg)
{
    struct target_conn *c = arg;
    if (c->state == CONN_IDLE)
        close_conn(c);
    else
        target_pool_unshare(&c->place);
}

static const struct codec_events codec_events = {
    .on_head = on_codec_head,
    .on_body = on_codec_body,
    .on_end = on_codec_end,
    .on_reset = on_codec_reset,
    .on_sent = on_codec_sent,
    .on_room = on_codec_room,
    .on_last = on_codec_last,
};

static struct err make_codec(struct target_conn *c)
{
    const SSL *ssl = transport_ssl(&c->link.transport);
    bool is_http2 = ssl == NULL ? must_be_http2(c) : alpn_is_http2(ssl);
    struct codec_options o = {.events = &codec_events,
                              .arg = c,
                              .out = &c->link.out,
                              .pass = link_pass,
                              .pass_arg = &c->link,
                              .max_head_bytes = HEAD_MAX_BYTES,
                              .shared = &c->worker->http2,
                              .is_plain = ssl == NULL};
    if (!is_http2 && must_be_http2(c))
        return fail(ERR_TARGET_PROTOCOL, 0);
    if (ssl != NULL && !c->is_http1)
        atomic_store_explicit(&c->target->live->speaks_h2, is_http2, memory_order_relaxed);
    return is_http2 ? h2_codec_new_client(&o, &c->link.codec)
                    : h1_codec_new_client(&o, &c->link.codec);
}

/* The certificate as it is now: one that was renewed is used by new connections. */
static const struct cert *client_cert(const struct target_conn *c)
{
    struct str id = c->route->upstream.tls.certificate;
    return str_is_empty(id) ? NULL : snapshot_cert_find(c->worker->snapshot, id);
}

static struct str offer(const struct target_conn *c)
{
    if (must_be_http2(c))
        return alpn_http2;
    return c->is_http1 ? alpn_http1 : alpn_both;
}

static struct err make_tls(struct target_conn *c, SSL **ret_ssl)
{
    const struct upstream_tls *tls = &c->route->upstream.tls;
    const struct cert *cert = client_cert(c);
    *ret_ssl = NULL;
    if (c->target->scheme != TARGET_HTTPS)
        return OK;
    if (cert == NULL && !str_is_empty(tls->certificate))
        return fail(ERR_TARGET_CLIENT_CERT, 0); /* the route is older than its deletion */
    TRY(tls_client_connect(c->worker->tls_client, tls, c->target, cert, offer(c), ret_ssl));
    tls_sessions_offer(c->worker->tls_sessions, c->route, c->target, *ret_ssl);
    return OK;
}

/* First of all bytes, and in the clear also where TLS follows.  A socket without anything in it
 * takes them at once. */
static struct err send_proxy_header(struct target_conn *c, int fd)
{
    char text[PROXY_HEADER_WRITE_MAX_BYTES];
    struct str header = STR_NONE;
    switch ((enum upstream_proxy)c->route->upstream.proxy_protocol) {
    case PROXY_OFF:
        return OK;
    case PROXY_V1:
        header = proxy_protocol_write_v1(&c->client, text);
        break;
    case PROXY_V2:
        header = proxy_protocol_write_v2(&c->client, text);
        break;
    }
    if (send(fd, header.p, header.len, MSG_NOSIGNAL) != (ssize_t)header.len)
        return fail(ERR_TARGET_CONNECT, errno);
    return OK;
}

static struct err open_link(struct target_conn *c, int fd)
{
    SSL *ssl;
    struct err e = send_proxy_header(c, fd);
    if (!failed(e))
        e = make_tls(c, &ssl);
    if (failed(e)) {
        (void)close(fd);
        return e;
    }
    TRY(link_open(&c->link, &(struct link_options){.loop = c->worker->loop,
                                                   .scratch = &c->worker->scratch,
                                                   .bufs = &c->worker->bufs,
                                                   .events = &link_events,
                                                   .fd = fd,
                                                   .ssl = ssl}));
    return ssl == NULL ? make_codec(c) : OK; /* or when TLS has settled which */
}

/* RFC 8441 3: whether it takes upgrades is not known before its SETTINGS are. */
static bool must_wait(const struct target_conn *c, enum target_conn_need need)
{
    return c->state != CONN_READY ||
           (need == TARGET_CONN_HTTP1 && is_shared(c) && !c->is_settled);
}

static struct target_call *next_waiting(const struct target_conn *c)
{
    for (struct list_node *n = list_first(&c->calls); n != NULL; n = list_after(&c->calls, n)) {
        struct target_call *call = call_at(n);
        if (call->priv.is_waiting && !must_wait(c, call->priv.need))
            return call;
    }
    return NULL;
}

/* They came because the target spoke HTTP/2 when it was last asked. */
static void turn_away_others(struct target_conn *c)
{
    struct list others;
    struct list_node *first = list_pop_front(&c->calls);
    list_init(&others);
    list_splice_back(&others, &c->calls);
    list_push_back(&c->calls, first);
    target_pool_unshare(&c->place);
    c->call_count = 1;
    while (!list_is_empty(&others))
        fail_call(call_at(list_first(&others)), TARGET_CONNECTING, fail(ERR_TARGET_REFUSED, 0));
}

static void serve_waiting(struct target_conn *c)
{
    struct target_call *call;
    while (c->state == CONN_READY && (call = next_waiting(c)) != NULL &&
           codec_capacity(c->link.codec) > 0) {
        call->priv.is_waiting = false;
        call->priv.user->on_ready(call->priv.arg);
    }
    if (c->state == CONN_READY)
        invite(c);
}

static void become_ready(struct target_conn *c)
{
    c->state = CONN_READY;
    link_flush_soon(&c->link); /* what a codec says first */
    if (is_shared(c)) {
        serve_waiting(c); /* as long as there may be others, the limit for connecting counts */
        return;
    }
    loop_timer_stop(c->worker->loop, &c->timer);
    turn_away_others(c);
    serve_waiting(c);
}

static void on_codec_room(void *arg)
{
    struct target_conn *c = arg;
    c->is_settled = true;
    if (c->state != CONN_READY)
        return;
    watch_life(c);
    serve_waiting(c);
    struct target_call *call;
    while (c->state == CONN_READY && (call = next_waiting(c)) != NULL) {
        c->call_count--;
        fail_call(call, TARGET_CONNECTING, fail(ERR_TARGET_REFUSED, 0));
    }
    if (c->state == CONN_READY)
        invite(c);
}

/* A literal address or a path leads nowhere else. */
static void note_address(struct target_conn *c, int fd)
{
    socklen_t len = sizeof(c->at);
    if (c->target->host_kind != TARGET_HOST_NAME)
        return;
    (void)getpeername(fd, &c->at.any, &len);
    c->checked_ms = loop_now_ms(c->worker->loop);
}

/* Asks the kernel only where the port makes it possible. */
static bool leads_home(const struct target_conn *c, int fd)
{
    const struct listener_set *set = c->worker->options.listeners;
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (set->items[i].port == c->target->port)
            return listener_set_has_peer(set, fd);
    }
    return false;
}

static void on_dialed(void *arg, int fd)
{
    struct target_conn *c = arg;
    c->dial = NULL;
    c->state = CONN_HANDSHAKE;
    note_address(c, fd);
    c->leads_home = leads_home(c, fd);
    struct err e = open_link(c, fd);
    if (failed(e))
        fail_conn(c, e);
    else if (link_state(&c->link) == LINK_OPEN)
        become_ready(c);
}

static void on_dial_failed(void *arg, struct err e)
{
    struct target_conn *c = arg;
    c->dial = NULL;
    fail_conn(c, e);
}

static const struct dial_user dial_user = {.on_connected = on_dialed,
                                           .on_failed = on_dial_failed};

static void on_connect_timeout(struct timer *t)
{
    struct target_conn *c = container_of(t, struct target_conn, timer);
    fail_conn(c, fail(ERR_TARGET_CONNECT_TIMEOUT, 0));
}

static void on_idle_timeout(struct timer *t)
{
    close_conn(container_of(t, struct target_conn, timer));
}

/* ---- link events ---- */

static void on_link_open(struct link *l)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    struct err e = tls_client_check(transport_ssl(&l->transport), &c->route->upstream.tls);
    if (!failed(e))
        e = make_codec(c);
    if (failed(e))
        fail_conn(c, e);
    else
        become_ready(c);
}

/* What a transport's error means in the state the connection is in. */
static struct err explain(struct target_conn *c, struct err e)
{
    if (c->state == CONN_HANDSHAKE) {
        tls_sessions_drop(c->worker->tls_sessions, c->target);
        return tls_client_verdict(transport_ssl(&c->link.transport));
    }
    if (err_is(e, ERR_IO) || err_is(e, ERR_CRYPTO))
        return fail(ERR_TARGET_RESET, e.detail);
    return e;
}

static void on_link_error(struct link *l, struct err e)
{
    struct target_conn *c = container_of(l, struct target_conn, link);
    fail_conn(c, explain(c, e));
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
    if (is_shared(c) || list_is_empty(&c->calls))
        return;
    const struct target_call *call = call_at(list_first(&c->calls));
    call->priv.user->on_sent(call->priv.arg);
}

/* ---- the exchange's side ---- */

static struct target_conn *new_conn(struct worker *w, const struct target_conn_options *o)
{
    struct target_conn *c = mem_new(struct target_conn);
    if (c == NULL)
        return NULL;
    c->worker = w;
    c->route = o->route;
    c->target = o->target;
    c->place.on_evict = on_evict;
    if (!target_pool_join(w->pool, &c->place, c->route, c->target)) {
        mem_free(c);
        return NULL;
    }
    (void)route_ref(c->route);
    if (o->client != NULL)
        c->client = *o->client;
    c->timer.on_fire = on_connect_timeout;
    c->is_http1 = o->need == TARGET_CONN_HTTP1 || is_of_one_client(c) ||
                  c->route->upstream.protocol == PROTOCOL_1_1;
    list_init(&c->calls);
    atomic_fetch_add_explicit(&c->target->live->connections, 1, memory_order_relaxed);
    return c;
}

/* Once a second is enough: no name is asked for more often. */
static bool leads_where_its_name_does(struct target_conn *c)
{
    uint64_t now_ms = loop_now_ms(c->worker->loop);
    if (c->target->host_kind != TARGET_HOST_NAME ||
        now_ms - c->checked_ms < DNS_TTL_MIN_S * 1000)
        return true;
    c->checked_ms = now_ms;
    return dial_is_current(c->worker->resolver, c->target, &c->at);
}

static struct target_conn *take_idle(struct worker *w, const struct target_conn_options *o)
{
    struct pool_place *place;
    while ((place = target_pool_take(w->pool, o->route, o->target)) != NULL) {
        struct target_conn *c = container_of(place, struct target_conn, place);
        bool is_live = o->need == TARGET_CONN_ANY || link_is_silent(&c->link);
        if (is_live && leads_where_its_name_does(c))
            return c;
        close_conn(c);
    }
    return NULL;
}

/* One that is shared, or has rested. */
static struct target_conn *find_conn(struct worker *w, const struct target_conn_options *o)
{
    struct pool_place *place = target_pool_shared(w->pool, o->route, o->target);
    struct target_conn *c =
        place == NULL ? take_idle(w, o) : container_of(place, struct target_conn, place);
    if (c == NULL || c->state == CONN_DIALING || c->state == CONN_HANDSHAKE)
        return c;
    metric_add(METRIC_TARGET_REUSED, 1);
    if (c->state == CONN_IDLE && is_shared(c))
        watch_life(c);
    else if (c->state == CONN_IDLE)
        loop_timer_stop(w->loop, &c->timer);
    c->state = CONN_READY;
    return c;
}

static struct err make_conn(struct worker *w, const struct target_conn_options *o,
                            struct target_conn **ret_conn)
{
    struct target_conn *c = new_conn(w, o);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    struct err e = dial_start(&(struct dial_options){.loop = w->loop,
                                                     .resolver = w->resolver,
                                                     .pool = w->pool,
                                                     .target = c->target,
                                                     .user = &dial_user,
                                                     .arg = c},
                              &c->dial);
    if (failed(e)) {
        close_conn(c);
        return e;
    }
    loop_timer_set(w->loop, &c->timer, o->route->upstream.timeouts.connect_ms);
    *ret_conn = c;
    return OK;
}

struct err target_call_begin(struct worker *w, const struct target_conn_options *o,
                             struct target_call *ret_call)
{
    bool is_own = o->need == TARGET_CONN_FRESH ||
                  (o->need == TARGET_CONN_HTTP1 && o->target->scheme == TARGET_HTTPS);
    struct target_conn *c = is_own ? NULL : find_conn(w, o);
    if (c == NULL)
        TRY(make_conn(w, o, &c));
    *ret_call = (struct target_call){.conn = c,
                                     .priv = {.user = o->user,
                                              .arg = o->arg,
                                              .need = o->need,
                                              .is_waiting = must_wait(c, o->need),
                                              .is_reused = c->exchange_count > 0}};
    list_push_back(&c->calls, &ret_call->priv.node);
    c->call_count++;
    if (!is_own && ret_call->priv.is_waiting)
        invite(c);
    return OK;
}

bool target_call_is_ready(const struct target_call *call)
{
    return !call->priv.is_waiting;
}

bool target_call_is_reused(const struct target_call *call)
{
    return call->priv.is_reused;
}

bool target_call_leads_home(const struct target_call *call)
{
    return call->conn->leads_home;
}

enum target_stage target_call_stage(const struct target_call *call)
{
    return call->conn == NULL ? call->priv.stage : stage_of(call->conn);
}

struct err target_call_open(struct target_call *call, struct arena *a, struct leg *ret_leg)
{
    struct target_conn *c = call->conn;
    struct link *l = &c->link;
    TRY(codec_open(l->codec, a, call, &call->priv.id));
    if (is_shared(c))
        invite(c); /* it has room for one less */
    *ret_leg = leg_of(l, call->priv.id);
    leg_mark(ret_leg);
    return OK;
}

static struct target_conn *leave(struct target_call *call)
{
    struct target_conn *c = TAKE(call->conn);
    list_remove(&call->priv.node);
    if (c->state == CONN_DEAD)
        return c; /* which its other calls are being told */
    c->call_count--;
    if (is_shared(c) && call->priv.id != 0) {
        codec_forget(c->link.codec, call->priv.id);
        link_flush_soon(&c->link);
    }
    return c;
}

void target_call_abandon(struct target_call *call)
{
    if (call->conn == NULL)
        return;
    struct target_conn *c = leave(call);
    if (is_shared(c) || c->call_count > 0)
        settle(c);
    else
        close_conn(c);
}

static void keep_session(const struct target_conn *c)
{
    const SSL *ssl = transport_ssl(&c->link.transport);
    if (ssl != NULL && c->state == CONN_READY)
        tls_sessions_keep(c->worker->tls_sessions, c->route, c->target, ssl);
}

void target_call_end(struct target_call *call)
{
    struct target_conn *c = leave(call);
    if (c->exchange_count++ == 0)
        keep_session(c);
    if (is_shared(c) || link_has_sent_all(&c->link))
        settle(c);
    else
        close_conn(c);
}
