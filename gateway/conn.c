/* conn.c - accept -> (TLS) -> idle <-> busy -> linger -> closed. */
#include "gateway/conn.h"

#include "gateway/exchange.h"
#include "gateway/http/h1_codec.h"
#include "gateway/http/h2_codec.h"
#include "gateway/link.h"
#include "gateway/tls/alpn.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <assert.h>
#include <unistd.h>

enum conn_state {
    CONN_HANDSHAKE,
    CONN_IDLE,   /* between requests */
    CONN_BUSY,   /* exchanges are under way */
    CONN_LINGER, /* all is said: reading until the client has seen it */
    CONN_CLOSED, /* waits for the deferred phase to be freed */
};

struct conn {
    struct link link;
    struct worker *worker;
    struct list_node node; /* in worker->conns */
    struct peer peer;
    struct proxy_endpoint local; /* as a proxy told it; port 0: the socket's own */
    bool is_tls;
    const char *tls_version; /* once the handshake is over */
    struct tls_choice choice;
    enum conn_state state;
    struct list exchanges;  /* HTTP/1.1: one at most */
    uint64_t idle_since_ms; /* no exchange and nothing sent since */
    uint32_t begun_count;   /* requests; tells one head from the next */
    uint32_t partial_at;    /* begun_count when the timer found a head incomplete; 0: none */
    bool has_ended;         /* the client will send no more; what is queued still goes out */
    struct timer timer;
    struct deferred reaper;
};

struct link *conn_link(struct conn *c)
{
    return &c->link;
}

const struct peer *conn_peer(const struct conn *c)
{
    return &c->peer;
}

static struct proxy_endpoint endpoint_of(const struct peer *p)
{
    struct proxy_endpoint e = {.port = p->port};
    memcpy(e.address, p->address, sizeof(e.address));
    return e;
}

void conn_endpoints(struct conn *c, struct proxy_header *ret_endpoints)
{
    *ret_endpoints = (struct proxy_header){
        .has_addresses = true, .source = endpoint_of(&c->peer), .destination = c->local};
    if (c->local.port != 0)
        return;
    struct peer local;
    listener_read_local(transport_fd(&c->link.transport), &local);
    ret_endpoints->destination = endpoint_of(&local);
}

const struct tls_choice *conn_tls_choice(const struct conn *c)
{
    return c->is_tls ? &c->choice : NULL;
}

const char *conn_tls_version(const struct conn *c)
{
    return c->tls_version;
}

struct conn *conn_of_node(struct list_node *n)
{
    return container_of(n, struct conn, node);
}

/* ---- the end ---- */

static void on_reap(struct deferred *d)
{
    struct conn *c = container_of(d, struct conn, reaper);
    struct worker *w = c->worker;
    tls_choice_fini(&c->choice);
    mem_free(c);
    worker_conn_ended(w);
}

static void leave_exchanges(struct conn *c, struct err why)
{
    struct list_node *n;
    while ((n = list_pop_front(&c->exchanges)) != NULL)
        exchange_on_client_gone(exchange_of_node(n), why);
}

static void close_for(struct conn *c, void (*close_link)(struct link *l), struct err why)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    loop_timer_stop(c->worker->loop, &c->timer);
    close_link(&c->link);
    list_remove(&c->node);
    c->worker->conn_count--;
    metric_add(METRIC_CONNECTIONS_OPEN, -1);
    c->reaper.on_run = on_reap;
    loop_defer(c->worker->loop, &c->reaper);
    leave_exchanges(c, why);
}

/* An answer under way must not look complete. */
static void end(struct conn *c, struct err why)
{
    close_for(c, list_is_empty(&c->exchanges) ? link_close : link_cut, why);
}

void conn_close(struct conn *c)
{
    end(c, fail(ERR_CLIENT_GONE, 0));
}

void conn_stop(struct conn *c)
{
    end(c, fail(ERR_SHUTTING_DOWN, 0));
}

static bool is_shared(const struct conn *c)
{
    return codec_is_multiplexed(c->link.codec);
}

/* Everything is queued; once it is sent our direction ends, and the client's is read until
 * it does: closing with unread bytes would reset the connection and lose the answer. */
static void linger(struct conn *c)
{
    c->state = CONN_LINGER;
    codec_refuse_reuse(c->link.codec);
    c->idle_since_ms = loop_now_ms(c->worker->loop);
    link_half_close(&c->link);
    link_discard_input(&c->link, is_shared(c) ? H2_LINGER_BYTES : UINT64_MAX);
    loop_timer_set(c->worker->loop, &c->timer, LINGER_MS);
}

/* ---- between requests ---- */

static void go_idle(struct conn *c)
{
    c->state = CONN_IDLE;
    c->partial_at = 0;
    c->idle_since_ms = loop_now_ms(c->worker->loop);
    loop_timer_set(c->worker->loop, &c->timer, HEAD_LIMIT_MS);
}

/* The next request may be here already; not while the client leaves its answers unread. */
static void take_next(struct conn *c)
{
    if (link_queued(&c->link) >= RELAY_HIGH_BYTES)
        return;
    link_resume(&c->link);
    link_read_soon(&c->link);
}

/* Nothing is under way.  What is still to be sent may need the client's leave: then it is
 * listened to until all is sent, or it has been silent for too long. */
static void rest(struct conn *c)
{
    bool is_last = c->worker->is_draining || !codec_can_reuse(c->link.codec);
    bool is_said = !is_shared(c) || codec_is_flushed(c->link.codec);
    if (is_last && is_said) {
        linger(c);
        return;
    }
    go_idle(c);
    take_next(c);
}

void conn_on_exchange_end(struct conn *c, struct exchange *x, bool is_cut)
{
    list_remove(exchange_node(x));
    if (is_cut && !is_shared(c))
        close_for(c, link_cut, fail(ERR_CLIENT_GONE, 0));
    else if (list_is_empty(&c->exchanges) && c->state == CONN_BUSY)
        rest(c);
}

void conn_drain(struct conn *c)
{
    if (c->state == CONN_IDLE && !codec_has_begun(c->link.codec)) {
        linger(c);
    } else if (c->state == CONN_BUSY) {
        codec_refuse_reuse(c->link.codec);
        link_flush_soon(&c->link);
    }
}

static void add_exchange(struct conn *c, struct exchange *x)
{
    list_push_back(&c->exchanges, exchange_node(x));
    c->state = CONN_BUSY;
}

/* Answers what could not be read to its end, where it can be told of one request alone. */
static void refuse(struct conn *c, struct err e)
{
    if (is_shared(c)) {
        leave_exchanges(c, e);
        linger(c);
        return;
    }
    if (list_is_empty(&c->exchanges)) {
        struct exchange *x = exchange_new_unasked(c->worker, c);
        if (x == NULL) {
            conn_close(c);
            return;
        }
        add_exchange(c, x);
    }
    exchange_refuse(exchange_of_node(list_first(&c->exchanges)), e);
}

/* Looks every HEAD_LIMIT_MS: a head that is not complete after one to two of these is an
 * attack or a dead client; silence between requests may last KEEPALIVE_IDLE_MS. */
static void check_quiet(struct conn *c)
{
    bool is_partial = codec_has_begun(c->link.codec);
    uint64_t idle_ms = loop_now_ms(c->worker->loop) - c->idle_since_ms;
    if (is_partial && c->partial_at == c->begun_count + 1) {
        refuse(c, fail(ERR_CLIENT_TIMEOUT, 0));
        return;
    }
    if (!is_partial && c->state == CONN_IDLE && idle_ms >= KEEPALIVE_IDLE_MS) {
        linger(c);
        return;
    }
    c->partial_at = is_partial ? c->begun_count + 1 : 0;
    loop_timer_set(c->worker->loop, &c->timer, HEAD_LIMIT_MS);
}

/* LINGER_MS from the last byte of the answer on; a slow client has as long between any two of
 * its bytes as an idle one. */
static void check_linger(struct conn *c)
{
    uint64_t idle_ms = loop_now_ms(c->worker->loop) - c->idle_since_ms;
    if (link_is_flushed(&c->link) || idle_ms >= KEEPALIVE_IDLE_MS)
        conn_close(c);
    else
        loop_timer_set(c->worker->loop, &c->timer, LINGER_MS);
}

static void on_timer(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);
    switch (c->state) {
    case CONN_HANDSHAKE:
        metric_add(METRIC_HANDSHAKES_FAILED, 1);
        conn_close(c);
        return;
    case CONN_IDLE:
        check_quiet(c);
        return;
    case CONN_LINGER:
        check_linger(c);
        return;
    case CONN_BUSY: /* exchanges have their own limits, but not what comes beside them */
        if (is_shared(c))
            check_quiet(c);
        return;
    case CONN_CLOSED: /* stopped */
        return;
    }
}

/* ---- codec events ---- */

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct conn *c = arg;
    assert(is_shared(c) || list_is_empty(&c->exchanges)); /* the link rests until then */
    struct exchange *x = exchange_new(c->worker, c, id);
    if (x == NULL)
        return NULL; /* the codec refuses it */
    c->begun_count++;
    add_exchange(c, x);
    *ret_user = x;
    return exchange_arena(x);
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    (void)arg;
    return exchange_on_head(user, head);
}

static void on_refused(void *arg, void *user, const struct http_head *head)
{
    (void)arg;
    exchange_on_refused(user, head);
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    (void)arg;
    return exchange_on_body(user, bytes);
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    (void)arg;
    return exchange_on_end(user, trailers);
}

static void on_reset(void *arg, void *user, struct err e)
{
    (void)arg;
    if (err_is(e, ERR_CLIENT_GONE))
        exchange_on_client_reset(user, e);
    else
        exchange_refuse(user, e);
}

static void on_sent(void *arg, void *user)
{
    (void)arg;
    exchange_on_client_sent(user);
}

static void on_last(void *arg)
{
    struct conn *c = arg;
    if (c->state == CONN_IDLE)
        rest(c);
}

static struct err on_preface(void *arg, struct str taken);

static const struct codec_events codec_events = {
    .on_begin = on_begin,
    .on_head = on_head,
    .on_refused = on_refused,
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_sent = on_sent,
    .on_last = on_last,
    .on_preface = on_preface,
};

static struct codec_options codec_options_of(struct conn *c)
{
    const struct settings *settings = snapshot_settings(c->worker->snapshot);
    return (struct codec_options){.events = &codec_events,
                                  .arg = c,
                                  .out = &c->link.out,
                                  .pass = link_pass,
                                  .pass_arg = &c->link,
                                  .max_head_bytes = settings->max_header_bytes,
                                  .shared = &c->worker->http2,
                                  .is_plain = !c->is_tls};
}

/* Prior knowledge (RFC 9113 3.3): what comes is HTTP/2, and from here on always was. */
static struct err on_preface(void *arg, struct str taken)
{
    struct conn *c = arg;
    struct codec_options o = codec_options_of(c);
    struct codec *codec;
    size_t used;
    TRY(h2_codec_new_server(&o, &codec));
    struct err e = codec_feed(codec, taken, &used);
    if (failed(e))
        codec_free(codec);
    else
        link_replace_codec(&c->link, codec);
    return e;
}

static struct err make_codec(struct conn *c)
{
    const SSL *ssl = transport_ssl(&c->link.transport);
    struct codec_options o = codec_options_of(c);
    return ssl != NULL && alpn_is_http2(ssl) ? h2_codec_new_server(&o, &c->link.codec)
                                             : h1_codec_new_server(&o, &c->link.codec);
}

/* ---- link events ---- */

static void on_link_open(struct link *l)
{
    struct conn *c = container_of(l, struct conn, link);
    metric_add(METRIC_HANDSHAKES_TOTAL, 1);
    c->tls_version = SSL_get_version(transport_ssl(&l->transport));
    if (failed(make_codec(c))) {
        conn_close(c);
        return;
    }
    if (c->worker->is_draining)
        linger(c);
    else
        go_idle(c);
    link_flush_soon(l); /* what a codec says first */
}

/* A request that cannot be read is answered; a connection that cannot be read is closed. */
static void on_link_error(struct link *l, struct err e)
{
    struct conn *c = container_of(l, struct conn, link);
    if (c->state == CONN_HANDSHAKE)
        metric_add(METRIC_HANDSHAKES_FAILED, 1);
    bool is_readable_error = e.kind->status != 0 && e.kind != ERR_IO && e.kind != ERR_CRYPTO;
    if (!is_readable_error || c->state == CONN_HANDSHAKE || c->state == CONN_LINGER) {
        conn_close(c);
        return;
    }
    refuse(c, e);
}

static void on_link_eof(struct link *l)
{
    struct conn *c = container_of(l, struct conn, link);
    /* A half-closed client still gets the answer it waits for, to its last byte. */
    if (c->state == CONN_BUSY) {
        struct list_node *next, *n = list_first(&c->exchanges);
        for (; n != NULL; n = next) {
            next = list_after(&c->exchanges, n);
            exchange_on_client_eof(exchange_of_node(n));
        }
        return;
    }
    if (link_is_flushed(l))
        conn_close(c);
    else if (c->state == CONN_LINGER)
        c->has_ended = true;
    else
        linger(c);
}

static void on_link_sent(struct link *l)
{
    struct conn *c = container_of(l, struct conn, link);
    if (c->state == CONN_BUSY && is_shared(c))
        return; /* each of them hears of its own share */
    if (c->state == CONN_BUSY) {
        exchange_on_client_sent(exchange_of_node(list_first(&c->exchanges)));
        return;
    }
    c->idle_since_ms = loop_now_ms(c->worker->loop);
    if (c->state == CONN_IDLE && is_shared(c))
        rest(c);
    else if (c->state == CONN_IDLE)
        take_next(c);
    if (c->state != CONN_LINGER || !link_is_flushed(l))
        return;
    if (c->has_ended)
        conn_close(c);
    else
        loop_timer_set(c->worker->loop, &c->timer, LINGER_MS);
}

static const struct link_events link_events = {
    .on_open = on_link_open,
    .on_error = on_link_error,
    .on_eof = on_link_eof,
    .on_sent = on_link_sent,
};

/* ---- accept ---- */

/* Takes over fd. */
static struct err start(struct conn *c, int fd)
{
    SSL *ssl = NULL;
    struct worker *w = c->worker;
    if (c->is_tls) {
        c->choice.snapshot = &w->snapshot;
        struct err e = tls_server_accept(w->tls_server, &c->choice, &ssl);
        if (failed(e)) {
            (void)close(fd);
            return e;
        }
    }
    TRY(link_open(&c->link, &(struct link_options){.loop = w->loop,
                                                   .scratch = &w->scratch,
                                                   .bufs = &w->bufs,
                                                   .events = &link_events,
                                                   .fd = fd,
                                                   .ssl = ssl}));
    if (c->is_tls)
        return OK; /* once the handshake has settled which */
    struct err e = make_codec(c);
    if (failed(e))
        link_close(&c->link);
    return e;
}

/* Once per shortage: whoever connects by the thousand shall not fill the log as well. */
static void note_refusal(struct worker *w)
{
    uint64_t now_ms = loop_now_ms(w->loop);
    if (w->refused_ms == 0 || now_ms - w->refused_ms > SHORTAGE_QUIET_MS)
        log_warn("connections_refused", KV_U64("open", w->conn_count),
                 KV_CSTR("reason", "all that the limit of open files allows are in use"));
    w->refused_ms = now_ms;
}

void conn_accept(struct worker *w, enum listener_kind kind, int fd, const struct peer *peer,
                 const struct proxy_endpoint *local)
{
    bool is_full = w->conn_count >= w->conns_max;
    struct conn *c = is_full ? NULL : mem_new(struct conn);
    metric_add(METRIC_CONNECTIONS_TOTAL, 1);
    if (is_full)
        note_refusal(w);
    if (c == NULL) {
        metric_add(METRIC_CONNECTIONS_REFUSED, 1);
        (void)close(fd);
        return;
    }
    c->worker = w;
    c->peer = *peer;
    if (local != NULL)
        c->local = *local;
    c->is_tls = kind == LISTENER_HTTPS;
    c->timer.on_fire = on_timer;
    list_init(&c->exchanges);
    struct err e = start(c, fd);
    if (failed(e)) {
        metric_add(METRIC_CONNECTIONS_REFUSED, 1);
        tls_choice_fini(&c->choice);
        mem_free(c);
        return;
    }
    list_push_back(&w->conns, &c->node);
    w->conn_count++;
    metric_add(METRIC_CONNECTIONS_OPEN, 1);
    if (c->is_tls)
        loop_timer_set(w->loop, &c->timer, HANDSHAKE_LIMIT_MS);
    else
        go_idle(c);
}
