/* order.c - order_run -> save -> one step -> save -> ... until it waits, is done, or settle()s.
 * */
#include "acme/order.h"

#include "acme/crash.h"
#include "acme/order_steps.h"
#include "acme/renew.h"
#include "store/ledger.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/rand.h"
#include "gateway/base/units.h"

_Static_assert(ARRAY_LEN(order_states) == ORDER_STATE_COUNT, "every state has a row");

/* ---- the row ---- */

static struct err copy_text(struct arena *a, struct str from, struct str *to)
{
    if (from.len == 0) {
        *to = STR_NONE;
        return OK;
    }
    *to = arena_dup(a, from);
    return to->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err copy_names(struct arena *a, const struct str_list *from, struct str_list *to)
{
    struct str *items = arena_array(a, struct str, from->count + 1);
    if (items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < from->count; i++)
        TRY(copy_text(a, from->items[i], &items[i]));
    *to = (struct str_list){.items = items, .count = from->count};
    return OK;
}

static struct err copy_authz(struct arena *a, const struct authz_row *from,
                             struct authz_row *to)
{
    TRY(copy_text(a, from->name, &to->name));
    TRY(copy_text(a, from->url, &to->url));
    TRY(copy_text(a, from->challenge_url, &to->challenge_url));
    TRY(copy_text(a, from->token, &to->token));
    TRY(copy_text(a, from->key_authorization, &to->key_authorization));
    return copy_text(a, from->state, &to->state);
}

static struct err copy_row(struct arena *a, const struct order_row *from, struct order_row *to)
{
    TRY(copy_text(a, from->cert_id, &to->cert_id));
    TRY(copy_text(a, from->directory, &to->directory));
    TRY(copy_text(a, from->eab_kid, &to->eab_kid));
    TRY(copy_names(a, &from->names, &to->names));
    TRY(copy_text(a, from->url, &to->url));
    TRY(copy_text(a, from->finalize_url, &to->finalize_url));
    TRY(copy_text(a, from->certificate_url, &to->certificate_url));
    TRY(copy_text(a, from->csr_der, &to->csr_der));
    TRY(copy_text(a, from->chain_pem, &to->chain_pem));
    to->is_exempt = from->is_exempt;
    to->expires_at = from->expires_at;
    to->created_at = from->created_at;
    to->authzs = arena_array(a, struct authz_row, from->authz_count + 1);
    if (to->authzs == NULL)
        return fail(ERR_MEMORY, 0);
    to->authz_count = from->authz_count;
    for (size_t i = 0; i < from->authz_count; i++)
        TRY(copy_authz(a, &from->authzs[i], &to->authzs[i]));
    return OK;
}

/* "a.example b.example ...": the first few names, for logs. */
static struct str make_label(struct arena *a, const struct str_list *names)
{
    struct str label = names->count == 0 ? STR_NONE : names->items[0];
    for (size_t i = 1; i < names->count && i < 5; i++)
        label = arena_fmt(a, "%.*s %.*s", STR_ARG(label), STR_ARG(names->items[i]));
    return names->count > 5 ? arena_fmt(a, "%.*s ...", STR_ARG(label)) : label;
}

/* ---- at rest ---- */

static bool is_storage(struct err e)
{
    return err_is(e, ERR_DB) || err_is(e, ERR_DB_BUSY) || err_is(e, ERR_DB_FULL) ||
           err_is(e, ERR_DB_CORRUPT) || err_is(e, ERR_IO);
}

/* What the certificate shows while the order is under way. */
static struct err put_progress(struct order *o, struct tx *tx)
{
    const struct cert *cert = snapshot_cert_find(tx_view(tx), o->row.cert_id);
    if (cert == NULL)
        return fail(ERR_NOT_FOUND, 0);
    o->is_renewal = cert->has_material;
    struct cert_progress progress = {
        .state = o->is_renewal ? CERT_RENEWING : CERT_PENDING,
        .next = {.what = o->is_renewal ? STR("renew") : STR("issue"),
                 .at = clock_now_at(),
                 .why = str_from(order_states[o->state].words)},
        .last_error = cert->last_error,
        .failures = cert->failures + o->is_failure_due,
    };
    return tx_cert_progress(tx, o->row.cert_id, &progress);
}

/* What has happened at the CA since the last save, for the ledger. */
static struct err put_events(struct order *o, struct tx *tx)
{
    if (o->is_count_due)
        TRY(tx_ledger_order(tx, o->row.directory));
    for (size_t i = 0; i < o->failed_names.count; i++)
        TRY(tx_ledger_failure(tx, o->row.directory, o->failed_names.items[i]));
    return OK;
}

static void forget_events(struct order *o)
{
    o->is_count_due = false;
    o->failed_names.count = 0;
}

static struct err save(struct order *o)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    o->row.state = str_from(order_states[o->state].name);
    TRY(store_begin(o->store, &tx));
    TRY(put_progress(o, tx));
    TRY(put_events(o, tx));
    TRY(tx_order_put(tx, &o->row));
    TRY(store_commit(&tx));
    forget_events(o);
    o->is_unsaved = false;
    o->is_failure_due = false;
    return OK;
}

struct err order_drop(struct order *o)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(o->store, &tx));
    TRY(tx_order_delete(tx, o->row.cert_id));
    TRY(store_commit(&tx));
    log_info("order_dropped", KV_STR("certificate", o->row.cert_id), KV_STR("names", o->label));
    return OK;
}

/* ---- failures ---- */

struct verdict {
    struct err err;
    enum problem_class class;
    bool is_blocked; /* waits for the administrator, and no attempt is counted */
    bool is_kept;    /* the order stays at the CA and is resumed */
    uint32_t failures;
    int64_t at;
};

/* cert: what the order is for. */
static struct verdict judge(const struct order *o, struct err e, const struct cert *cert)
{
    struct verdict v = {.err = e, .class = problem_classify(e, &o->why)};
    bool is_passing = v.class == PROBLEM_SOON || v.class == PROBLEM_WAIT;
    v.is_blocked = err_is(e, ERR_ACME_TOS) && o->why.status == 0;
    v.is_kept = is_passing && o->row.url.len > 0 && !err_is(e, ERR_ACME_GONE);
    v.failures = cert->failures + !v.is_blocked;
    int64_t life_s = cert->facts.not_after_at - cert->facts.not_before_at;
    struct renew_failure failure = {
        .class = v.class, .failures = v.failures, .wait_ms = o->why.wait_ms, .life_s = life_s};
    v.at = v.is_blocked ? 0 : renew_retry_at(&failure, clock_now_at(), rand_u64());
    return v;
}

/* The next action in words; the details are in last_error. */
static struct str next_words(const struct order *o, const struct verdict *v)
{
    if (v->is_blocked)
        return o->why.detail;
    if (err_is(v->err, ERR_ACME_PAUSED))
        return arena_fmt(o->scratch, "the CA has paused this name; lift the pause at %.*s",
                         STR_ARG(o->why.instance));
    switch (v->class) {
    case PROBLEM_SOON:
        return STR("the last attempt failed on the way to the CA or inside it");
    case PROBLEM_WAIT:
        return STR("the CA asked to wait");
    case PROBLEM_VALIDATION:
        if (v->failures > RENEW_GIVEN_UP)
            return STR("the names have failed for long and are tried once a week; do they "
                       "still lead here?");
        return STR("the CA could not validate the names; see last_error");
    case PROBLEM_INPUT:
        return STR("the CA refuses what was asked for; see last_error");
    case PROBLEM_HUMAN:
        return STR("something must be done by hand; see last_error");
    }
    return STR_NONE;
}

/* An old certificate goes on serving: its state stays that of a renewal under way. */
static struct err put_verdict(struct order *o, struct tx *tx, const struct verdict *v)
{
    enum cert_state state = v->is_blocked ? CERT_PENDING : CERT_FAILED;
    struct cert_progress progress = {
        .state = o->is_renewal ? CERT_RENEWING : state,
        .next = {.what = o->is_renewal ? STR("renew") : STR("issue"),
                 .at = v->at,
                 .why = next_words(o, v)},
        .last_error = problem_to_text(o->scratch, &o->why, clock_now_at(), o->row.directory),
        .failures = v->failures,
    };
    TRY(tx_cert_progress(tx, o->row.cert_id, &progress));
    if (!v->is_kept)
        return tx_order_delete(tx, o->row.cert_id);
    o->row.state = str_from(order_states[o->state].name);
    return tx_order_put(tx, &o->row);
}

static struct err record(struct order *o, struct err e, struct verdict *ret_verdict)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(o->store, &tx));
    const struct cert *cert = snapshot_cert_find(tx_view(tx), o->row.cert_id);
    if (cert == NULL)
        return fail(ERR_NOT_FOUND, 0);
    o->is_renewal = cert->has_material;
    o->state = order_states[o->state].restart;
    *ret_verdict = judge(o, e, cert);
    o->why.class = problem_class_name(ret_verdict->class);
    TRY(put_verdict(o, tx, ret_verdict));
    TRY(put_events(o, tx));
    TRY(store_commit(&tx));
    forget_events(o);
    return OK;
}

static void log_failure(const struct order *o, const struct verdict *v)
{
    char at[UNITS_TIME_MAX];
    units_format_time(v->at, at);
    if (v->is_blocked) {
        log_warn("certificate_blocked", KV_STR("certificate", o->row.cert_id),
                 KV_STR("names", o->label), KV_STR("why", o->why.detail));
        return;
    }
    metric_add(METRIC_CERTIFICATES_FAILED, 1);
    log_err(v->err, "order_failed", KV_STR("certificate", o->row.cert_id),
            KV_STR("names", o->label), KV_STR("ca", o->row.directory),
            KV_STR("type", o->why.type), KV_STR("words", o->why.detail),
            KV_CSTR("class", problem_class_name(v->class)), KV_U64("failures", v->failures),
            KV_CSTR("next", at));
}

static enum order_outcome wait_for_storage(struct order *o, struct err e)
{
    log_err(e, "order_not_saved", KV_STR("certificate", o->row.cert_id),
            KV_STR("names", o->label));
    o->due_ms = clock_mono_ms() + ACME_SAVE_RETRY_MS;
    o->is_unsaved = true; /* nothing more goes to the CA before the database works again */
    return ORDER_RUNS;
}

static enum order_outcome give_up(struct order *o, struct err e)
{
    struct verdict verdict;
    if (err_is(e, ERR_ACME_NETWORK) ||
        (o->why.status >= 500 && !err_is(e, ERR_ACME_RATE_LIMITED)))
        ca_hold(o->ca, clock_mono_ms());
    struct err recorded = record(o, e, &verdict);
    if (err_is(e, ERR_ACME_RATE_LIMITED) && !problem_is_about(&o->why, &o->row.names))
        ca_limit(o->ca, clock_mono_ms() +
                            (o->why.wait_ms > 0 ? o->why.wait_ms : ACME_LIMIT_STANDARD_MS));
    if (err_is(recorded, ERR_NOT_FOUND))
        return ORDER_OVER; /* the certificate was deleted meanwhile, and the order with it */
    if (failed(recorded))
        return wait_for_storage(o, recorded);
    log_failure(o, &verdict);
    o->is_parked = verdict.is_kept;
    return verdict.is_kept ? ORDER_PARKED : ORDER_OVER;
}

/* ---- other ends of a step ---- */

/* Begins again with a new order; what the old one had at the CA is left to expire. */
static void start_over(struct order *o)
{
    secret_fini(&o->row.key_der);
    o->row = (struct order_row){
        .cert_id = o->row.cert_id,
        .directory = o->row.directory,
        .eab_kid = o->row.eab_kid,
        .names = o->row.names,
        .created_at = clock_now_at(),
    };
    o->state = ORDER_NEW;
    o->is_unsaved = true;
    o->was_resumed = false;
    o->restarts++;
}

/* The CA is slow; that is no failure, and the order keeps its place. */
static struct err put_to_rest(struct order *o)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    struct renew_failure wait = {.class = PROBLEM_SOON, .failures = 2};
    o->state = order_states[o->state].restart;
    o->row.state = str_from(order_states[o->state].name);
    TRY(store_begin(o->store, &tx));
    const struct cert *cert = snapshot_cert_find(tx_view(tx), o->row.cert_id);
    if (cert == NULL)
        return fail(ERR_NOT_FOUND, 0);
    struct cert_progress progress = {
        .state = cert->has_material ? CERT_RENEWING : CERT_PENDING,
        .next = {.what = cert->has_material ? STR("renew") : STR("issue"),
                 .at = renew_retry_at(&wait, clock_now_at(), rand_u64()),
                 .why = o->why.detail},
        .last_error = cert->last_error,
        .failures = cert->failures,
    };
    TRY(tx_cert_progress(tx, o->row.cert_id, &progress));
    TRY(tx_order_put(tx, &o->row));
    return store_commit(&tx);
}

static enum order_outcome park(struct order *o)
{
    struct err e = put_to_rest(o);
    if (err_is(e, ERR_NOT_FOUND))
        return ORDER_OVER;
    if (failed(e))
        return wait_for_storage(o, e);
    log_warn("order_rests", KV_STR("certificate", o->row.cert_id), KV_STR("names", o->label),
             KV_STR("why", o->why.detail));
    o->is_parked = true;
    return ORDER_PARKED;
}

/* The CA looked while no process was there to answer: worth another order at once, but counted,
 * so that a process which keeps dying does not ask for ever. */
static bool was_our_absence(const struct order *o, struct err e)
{
    if (!err_is(e, ERR_ACME_INVALID) || !o->was_resumed)
        return false;
    const struct snapshot *s = store_snapshot(o->store);
    const struct cert *cert = snapshot_cert_find(s, o->row.cert_id);
    bool is_first = cert != NULL && cert->failures == 0;
    snapshot_unref(s);
    return is_first;
}

/* What to do about a step that failed.  True: go on at once with o->state. */
static bool settle(struct order *o, struct err e, enum order_outcome *ret_outcome)
{
    if (err_is(e, ERR_ACME_NO_ACCOUNT) && !o->has_registered_again &&
        !failed(ca_forget_account(o->ca))) {
        o->has_registered_again = true;
        start_over(o);
        return true;
    }
    if (err_is(e, ERR_ACME_GONE) && o->restarts < ACME_RESTARTS_MAX) {
        start_over(o);
        return true;
    }
    if (was_our_absence(o, e)) {
        start_over(o);
        o->is_failure_due = true;
        return true;
    }
    if (err_is(e, ERR_CANCELLED))
        *ret_outcome = ORDER_RUNS;
    else if (is_storage(e))
        *ret_outcome = wait_for_storage(o, e);
    else if (err_is(e, ERR_NOT_FOUND))
        *ret_outcome = ORDER_OVER;
    else if (err_is(e, ERR_AGAIN))
        *ret_outcome = park(o);
    else
        *ret_outcome = give_up(o, e);
    return false;
}

/* ---- the driver ---- */

static bool is_expired(const struct order *o)
{
    bool is_done_at_ca = o->state == ORDER_DOWNLOAD || o->state == ORDER_INSTALL;
    return o->row.expires_at != 0 && clock_now_at() >= o->row.expires_at && !is_done_at_ca;
}

/* One step, with the state before it in *ret_from. */
static struct err run_step(struct order *o, enum step *ret_step)
{
    enum order_state from = o->state;
    arena_reset(o->scratch);
    o->why = (struct problem){.status = 0};
    *ret_step = STEP_NEXT;
    struct err e = order_states[from].run(o, ret_step);
    if (failed(e) && o->why.detail.len == 0)
        problem_set(&o->why, e, STR_NONE);
    TRY(e);
    crash_point(o->crash_at, "sent", order_states[from].name);
    ca_release(o->ca);
    if (o->state == from)
        return OK;
    log_debug("order_state", KV_STR("certificate", o->row.cert_id),
              KV_CSTR("from", order_states[from].name),
              KV_CSTR("to", order_states[o->state].name));
    o->is_unsaved = true;
    o->phase_since_ms = clock_mono_ms();
    o->polls = 0;
    if (++o->turns <= ACME_TURNS_MAX)
        return OK;
    e = fail(ERR_ACME_PROTOCOL, 0);
    problem_set(&o->why, e, STR("the CA sends the order round in circles"));
    return e;
}

static struct err save_if_needed(struct order *o)
{
    if (!o->is_unsaved)
        return OK;
    TRY(save(o));
    crash_point(o->crash_at, "saved", order_states[o->state].name);
    return OK;
}

static struct err take_turn(struct order *o, enum step *ret_step)
{
    if (is_expired(o))
        start_over(o);
    TRY(save_if_needed(o));
    TRY(run_step(o, ret_step));
    return *ret_step == STEP_WAIT ? save_if_needed(o) : OK;
}

enum order_outcome order_run(struct order *o, struct ca *ca)
{
    o->ca = ca;
    if (o->is_parked) {
        o->is_parked = false;
        o->turns = 0;
        o->restarts = 0;
        o->has_registered_again = false;
        o->phase_since_ms = clock_mono_ms();
    }
    enum order_outcome outcome = ORDER_RUNS;
    for (;;) {
        enum step step;
        struct err e = take_turn(o, &step);
        if (failed(e)) {
            if (!settle(o, e, &outcome))
                return outcome;
        } else if (step == STEP_WAIT) {
            return ORDER_RUNS;
        } else if (step == STEP_END) {
            return ORDER_OVER;
        }
    }
}

void order_delay(struct order *o, uint64_t until_ms)
{
    if (o->due_ms < until_ms)
        o->due_ms = until_ms;
}

/* ---- questions ---- */

struct str order_cert_id(const struct order *o)
{
    return o->row.cert_id;
}

uint64_t order_due_ms(const struct order *o)
{
    return o->due_ms;
}

bool order_is_parked(const struct order *o)
{
    return o->is_parked;
}

bool order_is_begun(const struct order *o)
{
    return o->state != ORDER_NEW || !o->is_unsaved;
}

struct list_node *order_link(struct order *o)
{
    return &o->link;
}

struct order *order_of_link(struct list_node *n)
{
    return container_of(n, struct order, link);
}

bool order_fits(const struct order *o, const struct cert *cert,
                const struct acme_settings *settings)
{
    if (!str_eq(o->row.directory, settings->directory) ||
        !str_eq(o->row.eab_kid, settings->eab.kid) || o->row.names.count != cert->names.count)
        return false;
    for (size_t i = 0; i < cert->names.count; i++) {
        if (!str_eq(o->row.names.items[i], cert->names.items[i]))
            return false;
    }
    return true;
}

/* ---- life ---- */

static enum order_state state_after_restart(const struct order_row *row)
{
    for (size_t i = 0; i < ORDER_STATE_COUNT; i++) {
        if (str_eq(row->state, str_from(order_states[i].name)))
            return order_states[i].restart;
    }
    return row->url.len > 0 ? ORDER_RESUME : ORDER_NEW;
}

static struct err create(const struct order_options *options, const struct order_row *row,
                         struct order **ret_order)
{
    AUTO(order_free) struct order *o = mem_new(struct order);
    if (o == NULL)
        return fail(ERR_MEMORY, 0);
    o->store = options->store;
    o->crash_at = options->crash_at;
    o->is_stopping = options->is_stopping;
    o->arena = arena_new(8 * KIB, ACME_ORDER_MAX_BYTES);
    o->scratch = arena_new(16 * KIB, ACME_STEP_MAX_BYTES);
    if (o->arena == NULL || o->scratch == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(copy_row(o->arena, row, &o->row));
    o->label = make_label(o->arena, &o->row.names);
    o->state = state_after_restart(row);
    o->phase_since_ms = clock_mono_ms();
    *ret_order = TAKE(o);
    return OK;
}

struct err order_new(const struct order_options *o, const struct cert *cert,
                     const struct acme_settings *settings, struct order **ret_order)
{
    struct order_row row = {
        .cert_id = cert->object.id,
        .directory = settings->directory,
        .eab_kid = settings->eab.kid,
        .names = cert->names,
        .created_at = clock_now_at(),
    };
    TRY(create(o, &row, ret_order));
    (*ret_order)->is_unsaved = true;
    return OK;
}

struct err order_resume(const struct order_options *o, struct order_row *row,
                        struct order **ret_order)
{
    TRY(create(o, row, ret_order));
    (*ret_order)->row.key_der = row->key_der;
    row->key_der = (struct secret){0};
    (*ret_order)->is_parked = true;
    (*ret_order)->was_resumed = true;
    log_info("order_resumed", KV_STR("certificate", row->cert_id),
             KV_STR("names", (*ret_order)->label), KV_STR("state", row->state));
    return OK;
}

void order_free(struct order *o)
{
    if (o == NULL)
        return;
    secret_fini(&o->row.key_der);
    arena_free(o->scratch);
    arena_free(o->arena);
    mem_free(o);
}
