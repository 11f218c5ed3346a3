/* acme.c - the thread: follow_snapshot -> scan (certificates become orders) -> run_orders ->
 * sleep. */
#include "acme/acme.h"

#include "acme/ari_watch.h"
#include "acme/due.h"
#include "acme/hold.h"
#include "acme/order.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct acme {
    struct store *store;
    struct acme_options options;
    struct fetch *own_fetch;
    int wake_fd;
    struct subscription *subscription;
    atomic_bool is_stopping;
    pthread_t thread;
    bool has_thread;

    /* of the thread: */
    const struct snapshot *snapshot;
    struct ca *ca;
    struct ari_watch ari_watch;
    struct list orders;
    struct map *orders_by_cert;
    size_t running_count; /* orders that are not parked */
    bool needs_scan;
    bool are_settings_new; /* the next scan lets failed certificates try again */
    int64_t scan_at;       /* the next certificate is due */
    uint64_t wake_ms;      /* the next order is due */
    uint64_t hold_seen_ms; /* end of the hold that the certificates show */
};

static struct fetch *transport(struct acme *a)
{
    return a->options.fetch != NULL ? a->options.fetch : a->own_fetch;
}

static void wake_by(struct acme *a, uint64_t due_ms)
{
    if (due_ms < a->wake_ms)
        a->wake_ms = due_ms;
}

static void scan_by(struct acme *a, int64_t at)
{
    if (at < a->scan_at)
        a->scan_at = at;
}

/* The CA has just turned out to be unreachable: what is due now is put off, once.  What an
 * administrator asks for afterwards is tried all the same. */
static bool is_hold_new(const struct acme *a)
{
    uint64_t until_ms = ca_held_until_ms(a->ca);
    return until_ms > clock_mono_ms() && until_ms != a->hold_seen_ms;
}

/* ---- notes: next actions written without an order, all of one scan in one transaction ---- */

/* A certificate that waits for its order. */
struct due_cert {
    const struct cert *cert;
    int64_t at;
    bool is_emergency;
};

struct scan {
    struct acme *acme;
    struct due_cert *due;
    size_t due_count;
    int64_t held_count; /* by the number of orders */
    int64_t now_at;
    struct tx *tx; /* NULL: nothing to note yet */
    struct arena *arena;
};

static void note(struct scan *scan, const struct cert *c, const struct cert_progress *progress)
{
    if (scan->tx == NULL && failed(store_begin(scan->acme->store, &scan->tx)))
        return;
    /* Somebody changed it since the snapshot was made: the next scan sees what is true then. */
    if (snapshot_cert_find(tx_view(scan->tx), c->object.id) != c)
        return;
    struct err e = tx_cert_progress(scan->tx, c->object.id, progress);
    if (failed(e))
        log_err(e, "certificate_not_noted", KV_STR("certificate", c->object.id));
}

static struct cert_progress progress_of(const struct cert *c)
{
    return (struct cert_progress){.state = c->state,
                                  .next = c->next,
                                  .last_error = c->last_error,
                                  .failures = c->failures};
}

static struct str task_of(const struct cert *c)
{
    return c->has_material ? STR("renew") : STR("issue");
}

static void note_unused(struct scan *scan, const struct cert *c)
{
    struct cert_progress p = progress_of(c);
    p.state = c->has_material ? CERT_ACTIVE : CERT_PENDING;
    p.next = (struct cert_next){.what = STR("none"), .why = STR("no enabled route uses it")};
    note(scan, c, &p);
}

static void note_renewal(struct scan *scan, const struct cert *c)
{
    struct cert_progress p = progress_of(c);
    if (!failed(due_next_renewal(scan->arena, c, &c->renewal, &p.next)))
        note(scan, c, &p);
}

/* Held up by something only an administrator can change: no attempt, no failure counted. */
static void note_blocked(struct scan *scan, const struct cert *c, const struct problem *why)
{
    struct str words = why->detail;
    if (c->next.at == 0 && str_eq(c->next.why, words))
        return;
    struct cert_progress p = progress_of(c);
    p.state = c->has_material ? CERT_RENEWING : CERT_PENDING;
    p.next = (struct cert_next){.what = task_of(c), .why = words};
    p.last_error = problem_to_text(scan->arena, why, scan->now_at,
                                   snapshot_acme(scan->acme->snapshot)->directory);
    note(scan, c, &p);
    log_warn("certificate_blocked", KV_STR("certificate", c->object.id), KV_STR("why", words));
}

/* It has to wait for something that is not its own fault; said once. */
static void note_wait(struct scan *scan, const struct cert *c, int64_t at, struct str why)
{
    struct cert_progress p = progress_of(c);
    scan_by(scan->acme, at);
    if (c->next.at >= at - 1 && str_eq(c->next.why, why))
        return;
    p.next = (struct cert_next){.what = task_of(c), .at = at, .why = why};
    note(scan, c, &p);
}

static int64_t at_of_ms(const struct scan *scan, uint64_t until_ms)
{
    return scan->now_at + 1 + (int64_t)((until_ms - clock_mono_ms()) / 1000);
}

/* The CA could not be reached for another certificate. */
static void note_held(struct scan *scan, const struct cert *c)
{
    note_wait(scan, c, at_of_ms(scan, ca_held_until_ms(scan->acme->ca)),
              STR("the CA could not be reached a moment ago"));
}

/* It failed, or waits for its first certificate: new settings may help. */
static bool is_troubled(const struct scan *scan, const struct cert *c)
{
    return c->source == CERT_ACME && (c->failures > 0 || c->last_error.len > 0 ||
                                      (!c->has_material && c->next.at > scan->now_at));
}

static void note_new_settings(struct scan *scan, const struct cert *c)
{
    struct cert_progress p = progress_of(c);
    p.state = c->has_material ? CERT_RENEWING : CERT_PENDING;
    p.next = (struct cert_next){
        .what = task_of(c), .at = scan->now_at, .why = STR("the ACME settings have changed")};
    p.failures = 0;
    note(scan, c, &p);
}

static void note_outdated(struct scan *scan, const struct cert *c)
{
    struct cert_progress p = progress_of(c);
    p.next = (struct cert_next){
        .what = STR("renew"),
        .at = scan->now_at,
        .why = STR("the settings ask for another type of key or another profile")};
    note(scan, c, &p);
}

/* ---- certificates become orders ---- */

static void add_order(struct acme *a, struct order *o)
{
    if (failed(map_put(a->orders_by_cert, order_cert_id(o), o, NULL))) {
        order_free(o);
        return;
    }
    list_push_back(&a->orders, order_link(o));
    if (order_is_parked(o))
        return;
    a->running_count++;
    wake_by(a, order_due_ms(o));
}

static void remove_order(struct acme *a, struct order *o)
{
    (void)map_take(a->orders_by_cert, order_cert_id(o));
    list_remove(order_link(o));
    order_free(o);
}

/* True if an administrator must do something first. */
static bool is_blocked(const struct acme *a, struct problem *ret_why)
{
    struct str agree = ca_blocked_by(a->ca);
    if (!a->options.has_http_listener)
        problem_set(
            ret_why, fail(ERR_ACME_SETTINGS, 0),
            STR("http-01 needs a listener for plain HTTP that the CA reaches on port 80: "
                "start gatehouse with --http"));
    else if (agree.len > 0)
        problem_set(ret_why, fail(ERR_ACME_TOS, 0), agree);
    else
        return false;
    return true;
}

/* Of many that wait for room among the orders each gets a moment of its own: they come up one
 * by one, not all together again and again. */
static int64_t held_until_at(struct scan *scan, const struct ledger_use *full)
{
    int64_t at = full->free_at > scan->now_at ? full->free_at : scan->now_at + 1;
    if (full->limit == LEDGER_ORDERS)
        at += ledger_limits[LEDGER_ORDERS].window_s * scan->held_count++ / full->most;
    return at;
}

/* True if a limit is in the way, of the account or of what the certificate is for. */
static bool is_limited(struct scan *scan, const struct cert *c)
{
    struct acme *a = scan->acme;
    uint64_t until_ms = ca_limited_until_ms(a->ca);
    if (until_ms > clock_mono_ms()) {
        note_wait(scan, c, at_of_ms(scan, until_ms), STR("the CA wants no new orders for now"));
        return true;
    }
    struct ledger_query query = {
        .settings = ca_settings(a->ca), .names = &c->names, .now_at = scan->now_at};
    struct hold_question q = {
        .cert = c, .directory = query.settings->directory, .now_at = scan->now_at};
    struct ledger_use *uses;
    struct err e = scan->tx != NULL
                       ? tx_ledger_read(scan->tx, scan->arena, &query, &uses, &q.use_count)
                       : store_ledger_read(a->store, scan->arena, &query, &uses, &q.use_count);
    if (failed(e)) {
        log_err(e, "ledger_not_read", KV_STR("certificate", c->object.id));
        scan_by(a, scan->now_at + ACME_SAVE_RETRY_MS / 1000);
        return true;
    }
    q.uses = uses;
    const struct ledger_use *full = hold_find(&q);
    if (full == NULL)
        return false;
    note_wait(scan, c, held_until_at(scan, full), hold_words(scan->arena, full));
    return true;
}

static void begin_order(struct scan *scan, const struct cert *c)
{
    struct acme *a = scan->acme;
    struct problem why;
    if (is_blocked(a, &why)) {
        note_blocked(scan, c, &why);
        return;
    }
    if (is_hold_new(a)) {
        note_held(scan, c);
        return;
    }
    if (a->running_count >= ca_settings(a->ca)->limits.parallel)
        return; /* the end of one of them makes the next scan */
    if (is_limited(scan, c))
        return;
    struct order_options options = {.store = a->store, .crash_at = a->options.crash_at};
    struct order *o;
    struct err e = order_new(&options, c, ca_settings(a->ca), &o);
    if (failed(e))
        log_err(e, "order_not_begun", KV_STR("certificate", c->object.id));
    else
        add_order(a, o);
}

/* A certificate that is being ordered. */
static void look_at_order(struct scan *scan, const struct cert *c, const struct order *o)
{
    if (!order_is_parked(o))
        return;
    if (c->next.at <= scan->now_at && is_hold_new(scan->acme))
        note_held(scan, c);
    else
        scan_by(scan->acme, c->next.at);
}

static void queue(struct scan *scan, const struct cert *c, int64_t at)
{
    scan->due[scan->due_count++] = (struct due_cert){
        .cert = c, .at = at, .is_emergency = due_is_emergency(c, scan->now_at)};
}

/* What its CA says about renewing it is asked for now and then. */
static void watch_renewal(struct scan *scan, const struct cert *c)
{
    struct acme *a = scan->acme;
    int64_t at = ari_watch_due_at(c, ca_settings(a->ca), scan->now_at);
    if (at <= scan->now_at)
        at = ari_watch_add(&a->ari_watch, c, scan->now_at);
    scan_by(a, at);
}

static void look_at(struct scan *scan, const struct cert *c)
{
    struct acme *a = scan->acme;
    watch_renewal(scan, c);
    if (a->are_settings_new && is_troubled(scan, c)) {
        note_new_settings(scan, c);
        return;
    }
    if (due_is_outdated(c, ca_settings(a->ca), scan->now_at) && due_is_used(a->snapshot, c)) {
        note_outdated(scan, c);
        return;
    }
    const struct order *o = map_find(a->orders_by_cert, c->object.id);
    if (o != NULL) {
        look_at_order(scan, c, o);
        return;
    }
    int64_t at;
    switch (due_judge(a->snapshot, c, scan->now_at, &at)) {
    case DUE_NEVER:
        return;
    case DUE_LATER:
        scan_by(a, at);
        return;
    case DUE_NOW:
        queue(scan, c, at);
        return;
    case DUE_UNUSED:
        note_unused(scan, c);
        return;
    case DUE_REPLAN:
        note_renewal(scan, c);
        return;
    }
}

/* Who is at the end goes first, then who has waited longest. */
static int compare_due(const void *a, const void *b)
{
    const struct due_cert *x = a, *y = b;
    if (x->is_emergency != y->is_emergency)
        return x->is_emergency ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return str_cmp(x->cert->object.id, y->cert->object.id);
}

static struct err look_at_all(struct scan *scan)
{
    const struct cert *const *certs;
    size_t count;
    TRY(snapshot_certs(scan->acme->snapshot, scan->arena, &certs, &count));
    scan->due = arena_array(scan->arena, struct due_cert, count + 1);
    if (scan->due == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++)
        look_at(scan, certs[i]);
    qsort(scan->due, scan->due_count, sizeof(scan->due[0]), compare_due);
    for (size_t i = 0; i < scan->due_count; i++)
        begin_order(scan, scan->due[i].cert);
    return scan->tx != NULL ? store_commit(&scan->tx) : OK;
}

static void scan_certificates(struct acme *a)
{
    a->needs_scan = false;
    a->scan_at = INT64_MAX;
    struct scan scan = {.acme = a, .now_at = clock_now_at()};
    AUTO(arena_free) struct arena *arena = arena_new(64 * KIB, 64 * MIB);
    scan.arena = arena;
    struct err e = arena == NULL ? fail(ERR_MEMORY, 0) : look_at_all(&scan);
    if (failed(e)) {
        store_rollback(scan.tx);
        log_err(e, "certificates_not_scanned");
        scan_by(a, scan.now_at + ACME_SAVE_RETRY_MS / 1000);
        return;
    }
    a->are_settings_new = false;
    a->hold_seen_ms = ca_held_until_ms(a->ca);
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
    remove_order(a, o);
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
    wake_by(a, order_due_ms(o));
}

/* The scan that follows says in the certificate what it waits for. */
static void put_off(struct acme *a, struct order *o)
{
    a->needs_scan = true;
    order_delay(o, ca_held_until_ms(a->ca));
    if (order_is_begun(o))
        keep_order(a, o);
    else
        remove_order(a, o);
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
        remove_order(a, o);
        break;
    }
    a->needs_scan = true;
}

static void look_after(struct acme *a, struct order *o)
{
    const struct cert *c = snapshot_cert_find(a->snapshot, order_cert_id(o));
    if (!is_wanted(a, o, c))
        drop(a, o);
    else if (is_hold_new(a))
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
    struct order_options options = {.store = a->store, .crash_at = a->options.crash_at};
    struct err e = OK;
    for (size_t i = 0; i < count; i++) {
        struct order *o;
        if (!failed(e))
            e = order_resume(&options, &rows[i], &o);
        if (!failed(e))
            add_order(a, o);
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
