/* order_steps.c - in the order of order_states.def:
 *   place -> authorize -> challenge -> validate -> finalize -> submit -> await -> download ->
 *   install
 * resume (after a restart, or when an answer was lost) and place go where the CA says the order
 * is. */
#include "acme/order_steps.h"

#include "acme/ari.h"
#include "acme/chain.h"
#include "acme/challenge.h"
#include "acme/csr.h"
#include "acme/due.h"
#include "acme/hold.h"
#include "acme/key.h"
#include "acme/preflight.h"
#include "acme/retry_after.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/units.h"

#define FIRST_LOOK_MS 500   /* most CAs are done by then */
#define POLL_STEP_MS  1000  /* each look without Retry-After waits this much longer ... */
#define POLL_MAX_MS   10000 /* ... up to this */

/* ---- what steps share ---- */

static struct err say(struct order *o, const struct err_kind *kind, struct str words)
{
    struct err e = fail(kind, 0);
    problem_set(&o->why, e, words);
    return e;
}

static struct err nonsense(struct order *o, struct err e)
{
    return say(o, e.kind, STR_NONE);
}

/* *field = value, copied into the order's arena unless it is there already. */
static struct err keep(struct order *o, struct str value, struct str *field)
{
    if (field->p != NULL && str_eq(*field, value))
        return OK;
    struct str copy = arena_dup(o->arena, value);
    if (copy.p == NULL)
        return say(o, ERR_MEMORY, STR_NONE);
    *field = copy;
    return OK;
}

static struct err send_to(struct order *o, struct str url, struct str payload,
                          struct fetch_reply *ret_reply)
{
    return ca_send(o->ca, o->scratch, &(struct ca_request){.url = url, .payload = payload},
                   ret_reply, &o->why);
}

/* An answer about something of an order that is there no more, or not ours any more. */
static struct err gone(struct order *o, struct err e, const struct fetch_reply *reply)
{
    if (!err_is(e, ERR_ACME_PROBLEM))
        return e;
    bool is_gone = reply->status == 401 || reply->status == 403 || reply->status == 404;
    return is_gone ? fail(ERR_ACME_GONE, (int32_t)o->why.status) : e;
}

static struct err read_order_at(struct order *o, struct str url, struct wire_order *ret_order,
                                struct fetch_reply *ret_reply)
{
    struct err e = send_to(o, url, STR_NONE, ret_reply);
    if (failed(e))
        return gone(o, e, ret_reply);
    e = wire_read_order(o->scratch, ret_reply->body, ret_order);
    return failed(e) ? nonsense(o, e) : OK;
}

static struct err read_authz(struct order *o, struct str url, struct wire_authz *ret_authz,
                             struct fetch_reply *ret_reply)
{
    struct err e = send_to(o, url, STR_NONE, ret_reply);
    if (failed(e))
        return gone(o, e, ret_reply);
    e = wire_read_authz(o->scratch, ret_reply->body, ret_authz);
    return failed(e) ? nonsense(o, e) : OK;
}

static struct err rest(struct order *o, uint64_t standard_ms, const struct fetch_reply *reply,
                       enum step *ret_step)
{
    struct retry_after_bounds bounds = {.standard_ms = standard_ms,
                                        .min_ms = ACME_RETRY_AFTER_MIN_MS,
                                        .max_ms = ACME_RETRY_AFTER_MAX_MS};
    o->due_ms = clock_mono_ms() + retry_after_ms(reply->retry_after, clock_now_at(), &bounds);
    *ret_step = STEP_WAIT;
    return OK;
}

/* The CA is not done: the same state again, later. */
static struct err look_again(struct order *o, const struct fetch_reply *reply,
                             enum step *ret_step)
{
    if (clock_mono_ms() - o->phase_since_ms > order_states[o->state].limit_ms)
        return say(o, ERR_AGAIN, STR("the CA takes very long; it is asked again later"));
    uint64_t wait_ms = (uint64_t)POLL_STEP_MS * ++o->polls;
    return rest(o, wait_ms < POLL_MAX_MS ? wait_ms : POLL_MAX_MS, reply, ret_step);
}

/* ---- an order that failed ---- */

/* Why: each failed authorization says it, else the order does. */
static struct err explain(struct order *o, const struct wire_order *order)
{
    size_t count = o->row.authz_count, found = 0;
    struct named_problem *items = arena_array(o->scratch, struct named_problem, count + 1);
    struct str *failed_names = arena_array(o->scratch, struct str, count + 1);
    if (items == NULL || failed_names == NULL)
        return say(o, ERR_MEMORY, STR_NONE);
    o->failed_names = (struct str_list){.items = failed_names};
    for (size_t i = 0; i < count; i++) {
        struct wire_authz authz;
        struct fetch_reply reply;
        struct err e = read_authz(o, o->row.authzs[i].url, &authz, &reply);
        if (err_is(e, ERR_CANCELLED))
            return e;
        if (failed(e))
            continue;
        if (authz.status == WIRE_INVALID)
            failed_names[o->failed_names.count++] = authz.name;
        if (authz.status == WIRE_INVALID && authz.error.detail.len > 0)
            items[found++] = (struct named_problem){.name = authz.name, .problem = authz.error};
    }
    if (found > 0)
        problem_gather(o->scratch, items, found, &o->why);
    else if (order->error.detail.len > 0)
        o->why = order->error;
    else
        return say(o, ERR_ACME_INVALID, STR("the CA gave the order up without saying why"));
    return fail(ERR_ACME_INVALID, 0);
}

/* ---- where an order stands ---- */

static struct authz_row *find_authz(const struct order_row *row, struct str url)
{
    for (size_t i = 0; i < row->authz_count; i++) {
        if (str_eq(row->authzs[i].url, url))
            return &row->authzs[i];
    }
    return NULL;
}

/* Keeps what is known about authorizations that stay: their tokens are being served. */
static struct err keep_authorizations(struct order *o, const struct str_list *urls)
{
    struct authz_row *rows = arena_array(o->arena, struct authz_row, urls->count + 1);
    if (rows == NULL)
        return say(o, ERR_MEMORY, STR_NONE);
    for (size_t i = 0; i < urls->count; i++) {
        const struct authz_row *known = find_authz(&o->row, urls->items[i]);
        if (known != NULL)
            rows[i] = *known;
        else
            TRY(keep(o, urls->items[i], &rows[i].url));
    }
    o->row.authzs = rows;
    o->row.authz_count = urls->count;
    return OK;
}

/* A certificate can only come out of an order whose key we still have. */
static struct err go_on_with_key(struct order *o, enum order_state state)
{
    if (secret_is_empty(&o->row.key_der))
        return say(o, ERR_ACME_GONE, STR("the order was finished with a key we do not have"));
    o->state = state;
    return OK;
}

/* The next state is what the CA's view of the order says (RFC 8555 7.1.6). */
static struct err follow(struct order *o, const struct wire_order *order)
{
    TRY(keep(o, order->finalize, &o->row.finalize_url));
    TRY(keep(o, order->certificate, &o->row.certificate_url));
    TRY(keep_authorizations(o, &order->authorizations));
    o->row.expires_at = order->expires_at;
    switch (order->status) {
    case WIRE_PENDING:
        o->state = ORDER_AUTHORIZE;
        return OK;
    case WIRE_READY:
        o->state = secret_is_empty(&o->row.key_der) ? ORDER_FINALIZE : ORDER_SUBMIT;
        return OK;
    case WIRE_PROCESSING:
        return go_on_with_key(o, ORDER_AWAIT);
    case WIRE_VALID:
        return go_on_with_key(o, ORDER_DOWNLOAD);
    case WIRE_INVALID:
        return explain(o, order);
    case WIRE_OVER:
        break;
    }
    return say(o, ERR_ACME_GONE, STR("the CA has closed the order"));
}

/* ---- NEW ---- */

static bool is_listed(const struct str_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i], name))
            return true;
    }
    return false;
}

static struct err check_profile(struct order *o, const struct wire_directory *directory)
{
    struct str profile = ca_settings(o->ca)->profile;
    if (profile.len == 0 || is_listed(&directory->profiles, profile))
        return OK;
    return say(o, ERR_ACME_SETTINGS,
               arena_fmt(o->scratch,
                         "this CA has no profile \"%.*s\"; type: "
                         "gatehouse acme set profile=",
                         STR_ARG(profile)));
}

/* The certificate in service, if this CA made it for this account (RFC 9773 5); empty: none. */
static struct str replaced_by(struct order *o, const struct wire_directory *directory)
{
    struct str id = STR_NONE, account = ca_account(o->ca);
    if (directory->renewal_info.len == 0 || account.len == 0 || o->is_replacing_refused)
        return STR_NONE;
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(o->store);
    const struct cert *c = snapshot_cert_find(s, o->row.cert_id);
    if (c == NULL || !c->has_material || !str_eq(c->origin.directory, o->row.directory) ||
        !str_eq(c->origin.account, account) ||
        failed(ari_cert_id(o->scratch, c->chain_pem, &id)))
        return STR_NONE;
    return id;
}

static struct err send_new_order(struct order *o, struct str url, struct str replaces,
                                 struct fetch_reply *ret_reply)
{
    *ret_reply = (struct fetch_reply){.status = 0};
    struct wire_new_order wanted = {
        .names = &o->row.names, .profile = ca_settings(o->ca)->profile, .replaces = replaces};
    struct buf payload;
    buf_init(&payload, ACME_BODY_MAX_BYTES);
    struct err e = wire_write_new_order(&wanted, &payload);
    e = failed(e) ? say(o, e.kind, STR_NONE) : send_to(o, url, buf_view(&payload), ret_reply);
    buf_fini(&payload);
    return e;
}

static bool is_asked_for(const struct order *o)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(o->store);
    const struct cert *c = snapshot_cert_find(s, o->row.cert_id);
    return c != NULL && hold_is_exempt(c, o->row.directory, clock_now_at());
}

/* True if the refusal may be about what the order replaces: CAs disagree on the type, and some
 * fail over it (RFC 9773 5 knows alreadyReplaced with status 409 only). */
static bool may_be_about_replacing(const struct order *o, const struct fetch_reply *reply)
{
    static const char *const types[] = {"alreadyReplaced", "conflict", "malformed",
                                        "unauthorized", "serverInternal"};
    static const unsigned statuses[] = {400, 403, 404, 500};
    bool is_status = false, is_type = o->why.type.len == 0;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        is_status = is_status || reply->status == statuses[i];
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        is_type = is_type || problem_is(&o->why, types[i]);
    return reply->status == 409 || (is_status && is_type);
}

/* Once more without, when the CA minds what is said to be replaced: a renewal must not fail for
 * it. */
static struct err order_anew(struct order *o, const struct wire_directory *directory,
                             struct fetch_reply *ret_reply)
{
    struct str replaces = replaced_by(o, directory);
    o->row.is_exempt = replaces.len > 0 && is_asked_for(o);
    struct err e = send_new_order(o, directory->new_order, replaces, ret_reply);
    if (!failed(e) || replaces.len == 0 || !may_be_about_replacing(o, ret_reply))
        return e;
    log_info("order_without_replaces", KV_STR("certificate", o->row.cert_id),
             KV_STR("type", o->why.type), KV_STR("words", o->why.detail));
    o->is_replacing_refused = true;
    o->row.is_exempt = false;
    o->why = (struct problem){.status = 0};
    TRY(ca_prepare(o->ca, o->scratch, &directory, &o->why)); /* a 404 lets it be forgotten */
    return send_new_order(o, directory->new_order, STR_NONE, ret_reply);
}

/* Costs nothing at the CA, where a failed order counts. */
static struct err look_ahead(struct order *o, const struct wire_directory *directory)
{
    const struct acme_settings *settings = ca_settings(o->ca);
    if (settings->preflight == ACME_PREFLIGHT_OFF)
        return OK;
    struct preflight_request request = {.names = &o->row.names,
                                        .resolver = settings->resolver,
                                        .issuers = directory->issuers,
                                        .account_url = ca_account(o->ca),
                                        .is_cancelled = o->is_stopping};
    struct err e = preflight_check(o->scratch, &request, &o->why);
    if (!err_is(e, ERR_ACME_PREFLIGHT) || settings->preflight == ACME_PREFLIGHT_STRICT)
        return e;
    log_warn("preflight_failed", KV_STR("certificate", o->row.cert_id),
             KV_STR("names", o->label), KV_STR("why", o->why.detail));
    o->why = (struct problem){.status = 0};
    return OK;
}

static struct err place(struct order *o, enum step *ret_step)
{
    (void)ret_step;
    const struct wire_directory *directory;
    TRY(ca_prepare(o->ca, o->scratch, &directory, &o->why));
    TRY(check_profile(o, directory));
    TRY(look_ahead(o, directory));
    struct fetch_reply reply;
    TRY(order_anew(o, directory, &reply));
    struct wire_order order;
    struct err e = wire_read_order(o->scratch, reply.body, &order);
    if (failed(e) || !wire_is_url(reply.location))
        return say(o, ERR_ACME_PROTOCOL, STR("the CA's answer to newOrder makes no sense"));
    TRY(keep(o, reply.location, &o->row.url));
    o->is_count_due = !o->row.is_exempt;
    log_info("certificate_ordered", KV_STR("certificate", o->row.cert_id),
             KV_STR("names", o->label), KV_STR("ca", o->row.directory));
    return follow(o, &order);
}

/* ---- RESUME ---- */

static struct err resume(struct order *o, enum step *ret_step)
{
    (void)ret_step;
    struct wire_order order;
    struct fetch_reply reply;
    TRY(read_order_at(o, o->row.url, &order, &reply));
    return follow(o, &order);
}

/* ---- AUTHORIZE ---- */

/* Puts the answer to the authorization's challenge into the row: saving it publishes it. */
static struct err prepare_answer(struct order *o, const struct wire_authz *authz,
                                 struct authz_row *row)
{
    if (authz->challenge_url.len == 0)
        return say(o, ERR_ACME_SETTINGS,
                   arena_fmt(o->scratch,
                             "the CA offers no http-01 challenge for %.*s, and no "
                             "other kind is supported",
                             STR_ARG(authz->name)));
    struct str answer;
    struct err e = challenge_answer(o->scratch, authz->token, ca_thumbprint(o->ca), &answer);
    if (failed(e))
        return say(o, e.kind,
                   STR("the CA sent a token with characters that do not belong there"));
    TRY(keep(o, authz->challenge_url, &row->challenge_url));
    TRY(keep(o, authz->token, &row->token));
    return keep(o, answer, &row->key_authorization);
}

static void take_down_answer(struct authz_row *row)
{
    row->token = STR_NONE;
    row->key_authorization = STR_NONE;
}

static struct err authorize_name(struct order *o, struct authz_row *row)
{
    struct wire_authz authz;
    struct fetch_reply reply;
    TRY(read_authz(o, row->url, &authz, &reply));
    /* By name, not by position: the CA sorts, lower-cases and merges (RFC 8555 7.1.3). */
    if (!is_listed(&o->row.names, authz.name))
        return say(o, ERR_ACME_PROTOCOL, STR("the CA asks about a name we did not order"));
    TRY(keep(o, authz.name, &row->name));
    TRY(keep(o, str_from(wire_status_name(authz.status)), &row->state));
    switch (authz.status) {
    case WIRE_VALID:
        take_down_answer(row);
        return OK;
    case WIRE_PENDING:
    case WIRE_PROCESSING:
    case WIRE_READY:
        if (authz.challenge_status != WIRE_PENDING)
            TRY(keep(o, STR("processing"), &row->state));
        return prepare_answer(o, &authz, row);
    case WIRE_INVALID:
        return explain(o, &(struct wire_order){.status = WIRE_INVALID});
    case WIRE_OVER:
        break;
    }
    return say(o, ERR_ACME_GONE, STR("the CA has closed an authorization of the order"));
}

static struct err authorize(struct order *o, enum step *ret_step)
{
    (void)ret_step;
    for (size_t i = 0; i < o->row.authz_count; i++)
        TRY(authorize_name(o, &o->row.authzs[i]));
    o->state = ORDER_CHALLENGE;
    return OK;
}

/* ---- CHALLENGE ---- */

static struct err start_challenge(struct order *o, struct authz_row *row)
{
    struct fetch_reply reply;
    struct err e = send_to(o, row->challenge_url, STR("{}"), &reply);
    /* 400: it is under way already, because an earlier answer was lost; VALIDATE will see. */
    if (failed(e) && reply.status != 400)
        return gone(o, e, &reply);
    return keep(o, STR("processing"), &row->state);
}

static struct err challenge(struct order *o, enum step *ret_step)
{
    uint64_t count = 0;
    for (size_t i = 0; i < o->row.authz_count; i++) {
        struct authz_row *row = &o->row.authzs[i];
        if (str_eq(row->state, STR("pending"))) {
            TRY(start_challenge(o, row));
            count++;
        }
    }
    o->state = ORDER_VALIDATE;
    if (count == 0)
        return OK;
    log_info("challenge_published", KV_STR("certificate", o->row.cert_id),
             KV_STR("names", o->label), KV_U64("count", count));
    return rest(o, FIRST_LOOK_MS, &(struct fetch_reply){.status = 0}, ret_step);
}

/* ---- VALIDATE ---- */

/* *ret_is_valid false: the CA is still at it. */
static struct err look_at_name(struct order *o, struct authz_row *row, bool *ret_is_valid,
                               struct fetch_reply *ret_reply)
{
    struct wire_authz authz;
    *ret_is_valid = str_eq(row->state, STR("valid"));
    if (*ret_is_valid)
        return OK;
    TRY(read_authz(o, row->url, &authz, ret_reply));
    switch (authz.status) {
    case WIRE_VALID:
        *ret_is_valid = true;
        take_down_answer(row);
        return keep(o, STR("valid"), &row->state);
    case WIRE_PENDING:
    case WIRE_PROCESSING:
    case WIRE_READY:
        return OK;
    case WIRE_INVALID:
        return explain(o, &(struct wire_order){.status = WIRE_INVALID});
    case WIRE_OVER:
        break;
    }
    return say(o, ERR_ACME_GONE, STR("the CA has closed an authorization of the order"));
}

static struct err validate(struct order *o, enum step *ret_step)
{
    struct fetch_reply reply;
    for (size_t i = 0; i < o->row.authz_count; i++) {
        bool is_valid;
        TRY(look_at_name(o, &o->row.authzs[i], &is_valid, &reply));
        if (!is_valid)
            return look_again(o, &reply, ret_step);
    }
    struct wire_order order;
    TRY(read_order_at(o, o->row.url, &order, &reply));
    return order.status == WIRE_PENDING ? look_again(o, &reply, ret_step) : follow(o, &order);
}

/* ---- FINALIZE ---- */

static struct err make_csr(struct order *o, EVP_PKEY *key)
{
    struct buf der;
    buf_init(&der, ACME_BODY_MAX_BYTES);
    struct err e = csr_build(key, &o->row.names, &der);
    if (!failed(e))
        e = keep(o, buf_view(&der), &o->row.csr_der);
    buf_fini(&der);
    return e;
}

/* A new key for each certificate, stored before the CA sees the request: the certificate may
 * come out of it long after a crash. */
static struct err finalize(struct order *o, enum step *ret_step)
{
    (void)ret_step;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    struct err e = key_new(ca_settings(o->ca)->key_type, &key);
    if (!failed(e))
        e = make_csr(o, key);
    if (!failed(e)) {
        secret_fini(&o->row.key_der);
        e = key_to_der(key, &o->row.key_der);
    }
    if (failed(e))
        return say(o, e.kind, STR_NONE);
    o->state = ORDER_SUBMIT;
    return OK;
}

/* ---- SUBMIT ---- */

static struct err send_csr(struct order *o, struct fetch_reply *ret_reply)
{
    *ret_reply = (struct fetch_reply){.status = 0};
    struct buf payload;
    buf_init(&payload, ACME_BODY_MAX_BYTES);
    struct err e = wire_write_finalize(o->row.csr_der, &payload);
    e = failed(e) ? say(o, e.kind, STR_NONE)
                  : send_to(o, o->row.finalize_url, buf_view(&payload), ret_reply);
    buf_fini(&payload);
    return e;
}

/* Sent once per look at the order: a second time is an error at many CAs (RFC 8555 7.4). */
static struct err submit(struct order *o, enum step *ret_step)
{
    struct fetch_reply reply;
    struct err e = send_csr(o, &reply);
    if (failed(e) && problem_is(&o->why, "orderNotReady")) {
        o->state = ORDER_RESUME;
        return OK;
    }
    if (failed(e))
        return gone(o, e, &reply);
    o->state = ORDER_AWAIT;
    return rest(o, FIRST_LOOK_MS, &reply, ret_step);
}

/* ---- AWAIT ---- */

static struct err await(struct order *o, enum step *ret_step)
{
    struct wire_order order;
    struct fetch_reply reply;
    TRY(read_order_at(o, o->row.url, &order, &reply));
    bool is_working = order.status == WIRE_PROCESSING || order.status == WIRE_READY;
    return is_working ? look_again(o, &reply, ret_step) : follow(o, &order);
}

/* ---- DOWNLOAD ---- */

static struct err accept_chain(struct order *o, struct str pem)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    struct err e = key_from_der(secret_bytes(&o->row.key_der), &key);
    if (failed(e))
        return say(o, e.kind, STR_NONE);
    struct chain_wanted wanted = {.names = &o->row.names, .key = key, .now_at = clock_now_at()};
    struct str clean;
    e = chain_accept(o->scratch, pem, &wanted, &clean, &o->why);
    return failed(e) ? e : keep(o, clean, &o->row.chain_pem);
}

static struct err download(struct order *o, enum step *ret_step)
{
    (void)ret_step;
    struct fetch_reply reply;
    struct ca_request request = {.url = o->row.certificate_url,
                                 .accept = STR("application/pem-certificate-chain")};
    struct err e = ca_send(o->ca, o->scratch, &request, &reply, &o->why);
    if (failed(e))
        return gone(o, e, &reply);
    TRY(accept_chain(o, reply.body));
    o->state = ORDER_INSTALL;
    return OK;
}

/* ---- INSTALL ---- */

/* The pair, its renewal and the end of the order in one transaction. */
static struct err put_into_service(struct order *o, const struct cert_next *next)
{
    struct cert_origin origin = {.directory = o->row.directory,
                                 .account = ca_account(o->ca),
                                 .profile = ca_settings(o->ca)->profile};
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(o->store, &tx));
    const struct cert *old = snapshot_cert_find(tx_view(tx), o->row.cert_id);
    bool is_first = old == NULL || !old->has_material;
    if (!o->row.is_exempt)
        TRY(tx_ledger_certificate(tx, o->row.directory, &o->row.names, is_first));
    TRY(tx_cert_install(tx, o->row.cert_id, o->row.chain_pem, secret_bytes(&o->row.key_der),
                        &origin, next));
    TRY(tx_order_delete(tx, o->row.cert_id));
    return store_commit(&tx);
}

static struct err install(struct order *o, enum step *ret_step)
{
    struct cert_facts facts;
    struct err e = chain_facts(o->scratch, o->row.chain_pem, &facts);
    if (failed(e))
        return say(o, ERR_ACME_CERTIFICATE, STR_NONE);
    /* Until the CA has been asked when. */
    struct cert fresh = {
        .object.id = o->row.cert_id, .facts = facts, .installed_at = clock_now_at()};
    struct cert_next next;
    e = due_next_renewal(o->scratch, &fresh, &fresh.renewal, &next);
    if (!failed(e))
        e = put_into_service(o, &next);
    if (failed(e))
        return say(o, e.kind, STR_NONE);
    metric_add(METRIC_CERTIFICATES_ISSUED, 1);
    char until[UNITS_TIME_MAX], renewal[UNITS_TIME_MAX];
    units_format_time(facts.not_after_at, until);
    units_format_time(next.at, renewal);
    log_info("certificate_issued", KV_STR("certificate", o->row.cert_id),
             KV_STR("names", o->label), KV_STR("ca", o->row.directory),
             KV_STR("issuer", facts.issuer), KV_CSTR("not_after", until),
             KV_CSTR("renewal", renewal));
    *ret_step = STEP_END;
    return OK;
}

const struct order_state_row order_states[ORDER_STATE_COUNT] = {
#define ORDER_STATE(id, step, limit_s, restart_, next_, words_)                                \
    [ORDER_##id] = {.name = #step,                                                             \
                    .run = step,                                                               \
                    .limit_ms = (limit_s)*1000ull,                                             \
                    .restart = ORDER_##restart_,                                               \
                    .next = next_,                                                             \
                    .words = words_},
#include "acme/order_states.def"
#undef ORDER_STATE
};
