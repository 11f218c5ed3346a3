/* acme.c - the thread: follow_snapshot -> scan (certificates become orders) -> run_orders ->
 * sleep. */
#include "acme/acme.h"

#include "acme/acme_parts.h"
#include "acme/due.h"
#include "acme/scan.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct fetch *transport(struct acme *a)
{
    return a->options.fetch != NULL ? a->options.fetch : a->own_fetch;
}

void acme_wake_by(struct acme *a, uint64_t due_ms)
{
    if (due_ms < a->wake_ms)
        a->wake_ms = due_ms;
}

void acme_scan_by(struct acme *a, int64_t at)
{
    if (at < a->scan_at)
        a->scan_at = at;
}

bool acme_is_hold_new(const struct acme *a)
{
    uint64_t until_ms = ca_held_until_ms(a->ca);
    return until_ms > clock_mono_ms() && until_ms != a->hold_seen_ms;
}

void acme_add_order(struct acme *a, struct order *o)
{
    if (failed(map_put(a->orders_by_cert, order_cert_id(o), o, NULL))) {
        order_free(o);
        return;
    }
    list_push_back(&a->orders, order_link(o));
    if (order_is_parked(o))
        return;
    a->running_count++;
    acme_wake_by(a, order_due_ms(o));
}

void acme_remove_order(struct acme *a, struct order *o)
{
    (void)map_take(a->orders_by_cert, order_cert_id(o));
    list_remove(order_link(o));
    order_free(o);
}

/* ---- orders run ---- */

/* What the world now says about an order: keep it, or forget it. */
static bool is_wanted(const struct acme *a, const struct order *o, const struct cert *c)
{
    return c != NULL && order_fits(o, c, ca_settings(a->ca)) && due_is_used(a->snapshot, c);
}

static void drop(struct acme *a, struct order *o)
{
    struct err e = order_drop(o);
    if (failed(e))
        log_err(e, "order_not_dropped", KV_STR("certificate", order_cert_id(o)));
    acme_remove_order(a, o);
    a->needs_scan = true;
}

/* True if it is time. */
static bool is_due(const struct order *o, const struct cert *c)
{
    return order_is_parked(o) ? c->next.at <= clock_now_at()
                              : order_due_ms(o) <= clock_mono_ms();
}

/* It will run later. */
static void keep_order(struct acme *a, const struct order *o)
{
    if (order_is_parked(o))
        return; /* the scan has seen when */
    a->running_count++;
    acme_wake_by(a, order_due_ms(o));
}

/* The scan that follows says in the certificate what it waits for. */
static void put_off(struct acme *a, struct order *o)
{
    a->needs_scan = true;
    order_delay(o, ca_held_until_ms(a->ca));
    if (order_is_begun(o))
        keep_order(a, o);
    else
        acme_remove_order(a, o);
}

static void run_order(struct acme *a, struct order *o)
{
    enum order_outcome outcome = order_run(o, a->ca);
    switch (outcome) {
    case ORDER_RUNS:
        keep_order(a, o);
        return;
    case ORDER_PARKED:
        break;
    case ORDER_OVER:
        acme_remove_order(a, o);
        break;
    }
    a->needs_scan = true;
}

static void look_after(struct acme *a, struct order *o)
{
    const struct cert *c = snapshot_cert_find(a->snapshot, order_cert_id(o));
    if (!is_wanted(a, o, c))
        drop(a, o);
    else if (acme_is_hold_new(a))
        put_off(a, o);
    else if (is_due(o, c))
        run_order(a, o);
    else
        keep_order(a, o);
}

static void run_orders(struct acme *a)
{
    a->wake_ms = UINT64_MAX;
    a->running_count = 0;
    struct list todo;
    list_init(&todo);
    list_splice_back(&todo, &a->orders);
    for (struct list_node *n; (n = list_pop_front(&todo)) != NULL;) {
        list_push_back(&a->orders, n);
        if (!atomic_load(&a->is_stopping))
            look_after(a, order_of_link(n));
    }
}

/* ---- the thread ---- */

/* False: there is no CA to talk to, for want of memory. */
static bool follow_settings(struct acme *a)
{
    const struct acme_settings *settings = snapshot_acme(a->snapshot);
    if (a->ca != NULL && ca_settings(a->ca)->object.revision == settings->object.revision)
        return true;
    struct ca *ca;
    struct err e = ca_new(
        &(struct ca_options){
            .store = a->store,
            .fetch = transport(a),
            .settings = settings,
            .previous = a->ca == NULL ? NULL : ca_settings(a->ca),
        },
        &ca);
    if (failed(e)) {
        log_err(e, "acme_settings_not_used");
        return a->ca != NULL;
    }
    a->are_settings_new = a->ca != NULL;
    ca_free(a->ca);
    a->ca = ca;
    a->needs_scan = true;
    return true;
}

static void follow_snapshot(struct acme *a)
{
    const struct snapshot *newer = subscription_take(a->subscription);
    if (newer == NULL)
        return;
    snapshot_unref(a->snapshot);
    a->snapshot = newer;
    subscription_acknowledge(a->subscription, newer);
    a->needs_scan = true;
}

/* Until something is due, but never longer than ACME_SLEEP_MAX_MS: the wall clock may jump. */
static int sleep_ms(const struct acme *a)
{
    uint64_t now_ms = clock_mono_ms();
    int64_t now_at = clock_now_at();
    if (a->wake_ms <= now_ms || a->scan_at <= now_at)
        return 0;
    uint64_t ms = a->wake_ms - now_ms;
    if (a->scan_at - now_at < ACME_SLEEP_MAX_MS / 1000 &&
        (uint64_t)(a->scan_at - now_at) * 1000 < ms)
        ms = (uint64_t)(a->scan_at - now_at) * 1000;
    return ms < ACME_SLEEP_MAX_MS ? (int)ms : ACME_SLEEP_MAX_MS;
}

static void wait_for_news(const struct acme *a, int ms)
{
    struct pollfd watch = {.fd = a->wake_fd, .events = POLLIN};
    if (poll(&watch, 1, ms) > 0) {
        eventfd_t count;
        (void)eventfd_read(a->wake_fd, &count);
    }
}

static void take_turn(struct acme *a)
{
    run_orders(a);
    /* What the orders did stands in a newer snapshot: an older one would order again. */
    follow_snapshot(a);
    if (a->needs_scan || a->scan_at <= clock_now_at())
        scan_certificates(a);
    ari_watch_run(&a->ari_watch, a->store, a->ca);
    wait_for_news(a, sleep_ms(a));
}

static void *run_thread(void *arg)
{
    struct acme *a = arg;
    (void)pthread_setname_np(pthread_self(), "acme");
    while (!atomic_load(&a->is_stopping)) {
        follow_snapshot(a);
        if (follow_settings(a))
            take_turn(a);
        else
            wait_for_news(a, ACME_SAVE_RETRY_MS);
    }
    return NULL;
}

/* ---- life ---- */

static struct err load_orders(struct acme *a)
{
    AUTO(arena_free) struct arena *arena = arena_new(64 * KIB, 1024 * MIB);
    struct order_row *rows;
    size_t count;
    if (arena == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(store_orders_load(a->store, arena, &rows, &count));
    struct order_options options = {
        .is_stopping = &a->is_stopping, .store = a->store, .crash_at = a->options.crash_at};
    struct err e = OK;
    for (size_t i = 0; i < count; i++) {
        struct order *o;
        if (!failed(e))
            e = order_resume(&options, &rows[i], &o);
        if (!failed(e))
            acme_add_order(a, o);
        order_row_fini(&rows[i]);
    }
    return e;
}

/* Signals are the main thread's: this one blocks them all, SIGPIPE included. */
static struct err start_thread(struct acme *a)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&a->thread, NULL, run_thread, a);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    a->has_thread = error == 0;
    return error == 0 ? OK : fail(ERR_IO, error);
}

static struct err start(struct acme *a)
{
    a->orders_by_cert = map_new();
    if (a->orders_by_cert == NULL)
        return fail(ERR_MEMORY, 0);
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->wake_fd < 0)
        return fail(ERR_IO, errno);
    if (a->options.fetch == NULL)
        TRY(fetch_new(a->options.user_agent != NULL ? a->options.user_agent
                                                    : "gatehouse/" GW_VERSION,
                      &a->own_fetch));
    TRY(load_orders(a));
    TRY(publisher_subscribe(store_publisher(a->store), a->wake_fd, false, &a->subscription));
    return start_thread(a);
}

struct err acme_start(struct store *s, const struct acme_options *o, struct acme **ret_acme)
{
    struct acme *a = mem_new(struct acme);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    a->store = s;
    a->options = *o;
    a->wake_fd = -1;
    a->scan_at = INT64_MAX;
    a->wake_ms = UINT64_MAX;
    ari_watch_init(&a->ari_watch);
    list_init(&a->orders);
    struct err e = start(a);
    if (failed(e)) {
        acme_stop(a);
        return e;
    }
    *ret_acme = a;
    return OK;
}

static void free_orders(struct acme *a)
{
    for (struct list_node *n; (n = list_pop_front(&a->orders)) != NULL;)
        order_free(order_of_link(n));
}

void acme_stop(struct acme *a)
{
    if (a == NULL)
        return;
    if (a->has_thread) {
        atomic_store(&a->is_stopping, true);
        fetch_cancel(transport(a));
        (void)eventfd_write(a->wake_fd, 1);
        (void)pthread_join(a->thread, NULL);
    }
    if (a->subscription != NULL)
        publisher_unsubscribe(store_publisher(a->store), a->subscription);
    free_orders(a);
    ari_watch_fini(&a->ari_watch);
    map_free(a->orders_by_cert);
    ca_free(a->ca);
    fetch_free(a->own_fetch);
    snapshot_unref(a->snapshot);
    if (a->wake_fd >= 0)
        (void)close(a->wake_fd);
    mem_free(a);
}
