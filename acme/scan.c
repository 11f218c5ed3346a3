/* scan.c - scan_certificates -> look_at each -> notes, or the queue -> begin_order. */
#include "acme/scan.h"

#include "acme/acme_parts.h"
#include "acme/due.h"
#include "acme/hold.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"

#include <stdlib.h>

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
    acme_scan_by(scan->acme, at);
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
        acme_scan_by(a, scan->now_at + ACME_SAVE_RETRY_MS / 1000);
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
    if (acme_is_hold_new(a)) {
        note_held(scan, c);
        return;
    }
    if (a->running_count >= ca_settings(a->ca)->limits.parallel)
        return; /* the end of one of them makes the next scan */
    if (is_limited(scan, c))
        return;
    struct order_options options = {
        .is_stopping = &a->is_stopping, .store = a->store, .crash_at = a->options.crash_at};
    struct order *o;
    struct err e = order_new(&options, c, ca_settings(a->ca), &o);
    if (failed(e))
        log_err(e, "order_not_begun", KV_STR("certificate", c->object.id));
    else
        acme_add_order(a, o);
}

/* A certificate that is being ordered. */
static void look_at_order(struct scan *scan, const struct cert *c, const struct order *o)
{
    if (!order_is_parked(o))
        return;
    if (c->next.at <= scan->now_at && acme_is_hold_new(scan->acme))
        note_held(scan, c);
    else
        acme_scan_by(scan->acme, c->next.at);
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
    acme_scan_by(a, at);
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
        acme_scan_by(a, at);
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

void scan_certificates(struct acme *a)
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
        acme_scan_by(a, scan.now_at + ACME_SAVE_RETRY_MS / 1000);
        return;
    }
    a->are_settings_new = false;
    a->hold_seen_ms = ca_held_until_ms(a->ca);
}
