/* worker.c - start -> run (thread) -> on_wake: new snapshots, drain -> stop. */
#include "gateway/worker.h"

#include "gateway/conn.h"
#include "gateway/proxy_intake.h"
#include "gateway/tls/tls_sessions.h"
#include "gateway/upstream/balance.h"
#include "gateway/upstream/prober.h"
#include "gateway/upstream/resolve.h"
#include "gateway/upstream/slot_queue.h"
#include "gateway/upstream/target_pool.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/rand.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

/* ---- snapshots ---- */

static void free_pin_if_unused(struct pin *pin)
{
    if (pin->users > 0)
        return;
    snapshot_unref(pin->snapshot);
    mem_free(pin);
}

struct pin *worker_pin(struct worker *w)
{
    w->pin->users++;
    return w->pin;
}

void worker_unpin(struct worker *w, struct pin *pin)
{
    (void)w;
    pin->users--;
    free_pin_if_unused(pin);
}

/* Takes over the reference. Without memory the old snapshot goes on serving, and control is
 * not told that the new one does. */
static bool adopt(struct worker *w, const struct snapshot *snapshot)
{
    struct pin *pin = mem_new(struct pin);
    if (pin == NULL) {
        snapshot_unref(snapshot);
        return false;
    }
    *pin = (struct pin){.snapshot = snapshot, .users = 1};
    struct pin *old = w->pin;
    w->pin = pin;
    w->snapshot = snapshot;
    tls_sessions_sweep(w->tls_sessions, snapshot);
    target_pool_sweep(w->pool, snapshot);
    prober_update(w->prober, old == NULL ? NULL : old->snapshot, snapshot);
    if (old != NULL)
        worker_unpin(w, old);
    return true;
}

/* A listener may be named before it is there: it comes from the command line, at the next
 * start.  One worker says so, once per change of the settings. */
static void warn_of_absent_listeners(struct worker *w)
{
    const struct settings *s = snapshot_settings(w->snapshot);
    const struct listener_set *set = w->options.listeners;
    if (w->options.index != 0 || w->priv.settings_revision == s->object.revision)
        return;
    w->priv.settings_revision = s->object.revision;
    for (size_t i = 0; i < s->proxy_protocol.count; i++) {
        bool is_there = false;
        for (size_t k = 0; k < set->count; k++)
            is_there |= settings_names_listener(s->proxy_protocol.items[i],
                                                str_from(set->items[k].text));
        if (!is_there)
            log_warn("proxy_protocol_without_listener",
                     KV_STR("listener", s->proxy_protocol.items[i]));
    }
}

static void take_snapshot(struct worker *w)
{
    const struct snapshot *taken = subscription_take(w->priv.subscription);
    if (taken == NULL || !adopt(w, taken))
        return;
    subscription_acknowledge(w->priv.subscription, taken);
    warn_of_absent_listeners(w);
}

/* ---- draining ---- */

static void stop_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->priv.listener_count; i++)
        listener_stop(w->priv.listeners[i]);
    w->priv.listener_count = 0;
}

static void stop_if_drained(struct worker *w)
{
    if (w->is_draining && w->conn_count == 0)
        loop_stop(w->loop);
}

void worker_conn_ended(struct worker *w)
{
    stop_if_drained(w);
}

static void for_each_conn(struct worker *w, void (*fn)(struct conn *c))
{
    struct list_node *n = list_first(&w->conns);
    while (n != NULL) {
        struct list_node *next = list_after(&w->conns, n);
        fn(conn_of_node(n));
        n = next;
    }
}

static void on_drain_timeout(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, priv.drain_timer);
    for_each_conn(w, conn_stop);
}

static void start_draining(struct worker *w)
{
    w->is_draining = true;
    stop_listeners(w);
    prober_stop(w->prober);
    for_each_conn(w, conn_drain);
    proxy_intake_drop_all(w);
    loop_timer_set(w->loop, &w->priv.drain_timer,
                   snapshot_settings(w->snapshot)->drain_timeout_ms);
    stop_if_drained(w);
}

static void on_wake(void *arg)
{
    struct worker *w = arg;
    take_snapshot(w);
    slot_queue_on_wake(w->slots);
    if (atomic_load(&w->priv.must_drain) && !w->is_draining)
        start_draining(w);
}

void worker_drain(struct worker *w)
{
    atomic_store(&w->priv.must_drain, true);
    loop_wake(w->loop);
}

/* ---- life ---- */

struct str worker_date(struct worker *w)
{
    int64_t now = loop_now_at(w->loop);
    if (now != w->date.second) {
        w->date.second = now;
        units_format_http_date(now, w->date.text);
    }
    return str_from(w->date.text);
}

/* Whichever worker is first replaces the keys. */
static void on_ticket_timer(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, priv.ticket_timer);
    ticket_keys_turn(w->options.ticket_keys);
    loop_timer_set(w->loop, t, TICKET_KEY_MS);
}

static void on_accept(void *arg, const struct listener_address *at, int fd,
                      const struct peer *peer)
{
    if (proxy_intake_is_due(arg, at, peer))
        proxy_intake_accept(arg, at, fd, peer);
    else
        conn_accept(arg, at->kind, fd, peer, NULL);
}

static struct err start_listeners(struct worker *w)
{
    struct listener_set *set = w->options.listeners;
    w->priv.listeners = mem_alloc(set->count, sizeof(struct listener *));
    if (w->priv.listeners == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < set->count; i++) {
        TRY(listener_start(w->loop, &set->items[i], w->options.index, on_accept, w,
                           &w->priv.listeners[i]));
        w->priv.listener_count++;
    }
    return OK;
}

static void free_worker(struct worker *w)
{
    stop_listeners(w);
    mem_free(w->priv.listeners);
    if (w->loop != NULL)
        loop_settle(w->loop); /* the last exchanges let go of their targets */
    prober_free(w->prober);
    target_pool_free(w->pool);
    if (w->loop != NULL)
        loop_settle(w->loop);
    if (w->priv.subscription != NULL)
        publisher_unsubscribe(w->options.publisher, w->priv.subscription);
    if (w->pin != NULL)
        worker_unpin(w, w->pin);
    resolver_free(w->resolver);
    balancer_free(w->balancer);
    slot_queue_free(w->slots);
    tls_sessions_free(w->tls_sessions);
    tls_client_free(w->tls_client);
    tls_server_free(w->tls_server);
    scratch_fini(&w->scratch);
    arena_pool_fini(&w->arenas);
    buf_pool_fini(&w->bufs);
    h2_shared_fini(&w->http2);
    loop_free(w->loop);
    mem_free(w);
}

static struct err make_parts(struct worker *w)
{
    TRY(loop_new(&w->loop));
    TRY(scratch_init(&w->scratch));
    TRY(tls_server_new(w->options.ticket_keys, &w->tls_server));
    TRY(tls_client_new(&w->tls_client));
    TRY(tls_sessions_new(&w->tls_sessions));
    TRY(resolver_new(w->loop, w->options.resolver, &w->resolver));
    TRY(target_pool_new(w->loop, w->conns_max, &w->pool));
    w->balancer = balancer_new(rand_u64());
    w->prober = prober_new(w);
    w->slots = slot_queue_new(w->loop, w->options.bells, w->options.index);
    if (w->balancer == NULL || w->slots == NULL || w->prober == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(worker_bells_hang(w->options.bells, w->options.index, loop_wake_fd(w->loop)));
    TRY(publisher_subscribe(w->options.publisher, loop_wake_fd(w->loop), true,
                            &w->priv.subscription));
    take_snapshot(w);
    if (w->pin == NULL)
        return fail(ERR_MEMORY, 0);
    loop_on_wake(w->loop, on_wake, w);
    loop_timer_set(w->loop, &w->priv.ticket_timer, TICKET_KEY_MS);
    return start_listeners(w);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    char name[16]; /* as top -H shows it */
    (void)snprintf(name, sizeof(name), "worker %u", w->options.index);
    (void)pthread_setname_np(pthread_self(), name);
    loop_run(w->loop);
    return NULL;
}

/* Of clients, and as much of targets: whom we accept must be able to reach one. */
static size_t share_of_descriptors(unsigned worker_count)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < FDS_RESERVED + 2)
        return 1;
    size_t share = (files.rlim_cur - FDS_RESERVED) / 2 / worker_count;
    return share < CONNS_PER_WORKER_MAX ? share : CONNS_PER_WORKER_MAX;
}

struct err worker_start(const struct worker_options *o, struct worker **ret_worker)
{
    struct worker *w = mem_new(struct worker);
    if (w == NULL)
        return fail(ERR_MEMORY, 0);
    w->options = *o;
    w->conns_max = share_of_descriptors(o->listeners->worker_count);
    w->arenas = (struct arena_pool){.first_bytes = EXCHANGE_ARENA_BYTES,
                                    .max_bytes = EXCHANGE_ARENA_MAX_BYTES,
                                    .max_count = EXCHANGE_ARENAS_KEPT_MAX};
    h2_shared_init(&w->http2);
    list_init(&w->conns);
    list_init(&w->intakes);
    w->priv.drain_timer.on_fire = on_drain_timeout;
    w->priv.ticket_timer.on_fire = on_ticket_timer;
    struct err e = make_parts(w);
    if (!failed(e)) {
        int error = pthread_create(&w->priv.thread, NULL, run, w);
        e = error == 0 ? OK : fail(ERR_IO, error);
    }
    if (failed(e)) {
        free_worker(w);
        return e;
    }
    *ret_worker = w;
    return OK;
}

void worker_join(struct worker *w)
{
    (void)pthread_join(w->priv.thread, NULL);
    free_worker(w);
}
