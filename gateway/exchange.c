/* exchange.c - the life of one request, in the order it happens:
 *   judge -> pick_target -> (queue) -> (connect) -> send_request -> relay -> end
 *     \-> an answer of our own -----------------------------------^
 * Steps are rows of exchange_steps.def; exchange_run is the one driver.  Events from the two
 * codecs move bytes at once and leave the ending to `work`, in the loop's deferred phase, so
 * that nobody frees a codec that is on the stack. */
#include "gateway/exchange_state.h"
#include "gateway/http/http_syntax.h"
#include "gateway/route/responder.h"
#include "gateway/route/route_choice.h"
#include "gateway/route/variables.h"
#include "gateway/upstream/health.h"
#include "gateway/upstream/stick.h"
#include "gateway/upstream/target_note.h"

#include "gateway/base/limits.h"

#include <assert.h>

static void on_work(struct deferred *d);

struct exchange *exchange_new(struct worker *w, struct conn *conn, uint32_t id)
{
    struct arena *arena = arena_pool_take(&w->arenas);
    struct exchange *x = arena == NULL ? NULL : arena_one(arena, struct exchange);
    if (x == NULL) {
        arena_free(arena);
        return NULL;
    }
    x->worker = w;
    x->conn = conn;
    x->client_leg = leg_of(conn_link(conn), id);
    x->arena = arena;
    x->pin = worker_pin(w);
    x->timer.on_fire = exchange_on_timer;
    x->waiter.on_turn = exchange_on_turn;
    x->work.on_run = on_work;
    /* A copy: the connection may be gone before the access line is written. */
    x->facts.address = arena_dup(arena, str_from(conn_peer(conn)->text));
    x->facts.port = conn_peer(conn)->port;
    x->tls = conn_tls_version(conn);
    x->facts.is_https = x->tls != NULL;
    x->start_us = loop_now_us(w->loop);
    x->is_early_whole = true;
    buf_init(&x->early, EARLY_BODY_MAX_BYTES);
    return x;
}

/* Counted as under way at the target, until the next one is chosen or it is over. */
static void set_target(struct exchange *x, const struct target *t)
{
    if (x->target != NULL)
        atomic_fetch_sub_explicit(&x->target->live->active, 1, memory_order_relaxed);
    if (t != NULL)
        atomic_fetch_add_explicit(&t->live->active, 1, memory_order_relaxed);
    x->target = t;
}

static void free_exchange(struct exchange *x)
{
    exchange_give_slot(x);
    set_target(x, NULL);
    loop_timer_stop(x->worker->loop, &x->timer);
    loop_undefer(&x->work);
    worker_unpin(x->worker, x->pin);
    buf_fini(&x->early);
    arena_pool_put(&x->worker->arenas, x->arena);
}

struct exchange *exchange_new_unasked(struct worker *w, struct conn *conn)
{
    struct exchange *x = exchange_new(w, conn, 0);
    if (x != NULL &&
        failed(codec_open(x->client_leg.link->codec, x->arena, x, &x->client_leg.id))) {
        free_exchange(x);
        return NULL;
    }
    return x;
}

struct list_node *exchange_node(struct exchange *x)
{
    return &x->node;
}

struct exchange *exchange_of_node(struct list_node *n)
{
    return container_of(n, struct exchange, node);
}

struct arena *exchange_arena(struct exchange *x)
{
    return x->arena;
}

/* ---- the end ---- */

void exchange_finish_soon(struct exchange *x)
{
    x->step = STEP_END;
    /* The codec is ready for the next request; the connection is not, until this one is
     * gone. */
    if (x->conn != NULL)
        leg_pause(&x->client_leg);
    loop_defer(x->worker->loop, &x->work);
    /* The end of the connection, if it is to end, leaves with the end of the answer. */
    if (x->conn != NULL && x->outbound == FLOW_DONE)
        link_flush_late(x->client_leg.link);
}

/* In the deferred phase: neither codec is on the stack. */
static void finish(struct exchange *x)
{
    bool is_cut = x->outbound != FLOW_DONE;
    exchange_report(x);
    if (is_cut || x->is_tunnel)
        target_call_abandon(&x->call);
    else if (x->call.conn != NULL)
        target_call_end(&x->call);
    if (x->conn != NULL) {
        leg_forget(&x->client_leg);
        conn_on_exchange_end(x->conn, x, is_cut);
    }
    free_exchange(x);
}

static void on_work(struct deferred *d)
{
    struct exchange *x = container_of(d, struct exchange, work);
    if (x->step == STEP_ANSWER) {
        struct err e = exchange_send_answer(x);
        if (failed(e))
            exchange_note_end(x, e);
    }
    finish(x);
}

bool exchange_is_over(const struct exchange *x)
{
    return x->step == STEP_ANSWER || x->step == STEP_END;
}

/* The answer is over, and in a tunnel also what the client said, to its last byte. */
void exchange_check_done(struct exchange *x)
{
    if (x->step != STEP_RELAY || x->outbound != FLOW_DONE)
        return;
    if (!x->is_tunnel || (x->inbound == FLOW_DONE && leg_is_flushed(&x->target_leg)))
        exchange_finish_soon(x);
}

/* ---- steps ---- */

/* Steps that wait for an event. */
static enum step stay(struct exchange *x)
{
    return x->step;
}

static uint16_t https_port(const struct worker *w)
{
    const struct listener_set *set = w->options.listeners;
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].kind == LISTENER_HTTPS)
            return set->items[i].port;
    }
    return 0;
}

/* What the templates of the route need, if it has any. */
static struct err gather_variables(struct exchange *x)
{
    const struct tls_choice *tls = conn_tls_choice(x->conn);
    if (x->route->variables == 0)
        return OK;
    struct variables_source from = {.route = x->route,
                                    .request = &x->request,
                                    .facts = &x->facts,
                                    .ssl = transport_ssl(&x->client_leg.link->transport),
                                    .sni = tls == NULL ? STR("") : str_from(tls->name)};
    if ((x->route->variables & 1u << TEMPLATE_REQUEST_ID) != 0)
        from.request_id = exchange_request_id(x);
    return variables_gather(x->arena, &from, &x->facts.variables);
}

/* The route takes the request: to a target, or with an answer of its own. */
static enum step follow_route(struct exchange *x)
{
    struct err e = gather_variables(x);
    if (!failed(e) && x->request.body == HTTP_BODY_LENGTH &&
        x->request.body_bytes > x->route->max_body_bytes)
        e = fail(ERR_BODY_TOO_LARGE, 0);
    if (failed(e)) {
        exchange_give_up(x, e);
        return x->step;
    }
    if (x->route->action == ROUTE_PROXY && !rewrite_ends_here(&x->request))
        return STEP_PICK;
    if (x->route->action == ROUTE_PROXY)
        exchange_answer_last_hop(x);
    else
        exchange_answer_route(x);
    return x->step;
}

static enum step judge(struct exchange *x)
{
    const struct snapshot *snap = x->pin->snapshot;
    const struct tls_choice *tls = conn_tls_choice(x->conn);
    x->facts.is_https = tls != NULL;
    client_facts_read(snapshot_settings(snap), conn_peer(x->conn)->address, &x->request,
                      &x->facts);
    x->request_id = x->facts.request_id;
    struct request_origin origin = {.is_tls = tls != NULL,
                                    .is_https = x->facts.is_https,
                                    .name = tls == NULL ? STR_NONE : str_from(tls->name),
                                    .cert = tls == NULL ? NULL : tls->cert,
                                    .https_port = https_port(x->worker)};
    struct verdict v;
    struct err e = responder_judge(x->arena, snap, &x->request, &origin, &v);
    if (failed(e))
        v = (struct verdict){.kind = VERDICT_ERROR, .error = e};
    x->route = v.route;
    if (x->route != NULL)
        route_live_begin(x->route->live, x->worker->options.index);
    switch (v.kind) {
    case VERDICT_CHALLENGE:
        exchange_answer_challenge(x, v.body);
        return x->step;
    case VERDICT_REDIRECT:
        exchange_answer_redirect(x, v.location);
        return x->step;
    case VERDICT_ERROR:
        exchange_give_up(x, v.error);
        return x->step;
    case VERDICT_ROUTE:
        return follow_route(x);
    }
    return x->step;
}

/* The head as this target gets it. */
static struct err prepare_request(struct exchange *x)
{
    x->request_out = x->request;
    TRY(rewrite_request(x->arena, x->route, x->target, &x->facts, &x->request_out));
    return stick_is_on(x->route) ? stick_hide(x->arena, x->route, &x->request_out) : OK;
}

/* What cannot be sent again is not entrusted to a connection whose end has come already. */
static enum target_conn_need connection_need(const struct exchange *x)
{
    if (x->is_repeated)
        return TARGET_CONN_FRESH;
    if (x->request.upgrade.len > 0)
        return TARGET_CONN_HTTP1;
    bool is_repeatable = x->request.body == HTTP_BODY_NONE && exchange_is_idempotent(x);
    return is_repeatable ? TARGET_CONN_ANY : TARGET_CONN_LIVE;
}

static enum step pick_target(struct exchange *x)
{
    const struct target *t;
    x->connected_us = 0; /* what a target tried before took is the connecting of the next */
    struct err e = exchange_choose_target(x, &t);
    if (err_is(e, ERR_AGAIN))
        return STEP_QUEUE;
    if (failed(e)) {
        exchange_give_up(x, e);
        return x->step;
    }
    set_target(x, t);
    e = prepare_request(x);
    if (failed(e)) {
        exchange_give_up(x, e);
        return x->step;
    }
    x->is_asked = true;
    if (failed(x->error)) {
        x->retries++;
        atomic_fetch_add_explicit(&t->live->retries, 1, memory_order_relaxed);
    }
    struct target_conn_options o = {.route = x->route,
                                    .target = t,
                                    .user = &exchange_target_user,
                                    .arg = x,
                                    .need = connection_need(x)};
    struct proxy_header client;
    if (x->route->upstream.proxy_protocol != PROXY_OFF) {
        conn_endpoints(x->conn, &client);
        o.client = &client;
    }
    e = target_call_begin(x->worker, &o, &x->call);
    if (failed(e)) {
        exchange_give_up(x, e);
        return x->step;
    }
    return target_call_is_ready(&x->call) ? STEP_SEND : STEP_CONNECT;
}

/* Whether this head, sent to ourselves, would take the same route again: without an end. */
static bool would_come_back(struct exchange *x, const struct http_head *head)
{
    struct http_authority at = {.host = x->request.host};
    bool is_preserved = str_eq(head->authority, x->request.authority);
    if (!is_preserved && failed(http_syntax_authority(head->authority, &at)))
        return false;
    struct str path = route_normal_path(x->arena, head->path);
    if (path.p == NULL || path.p[0] != '/')
        path = STR("/");
    return route_choose(x->pin->snapshot, at.host, path) == x->route;
}

/* The request as far as it is here, in one go: a small body rides in the same write as its
 * head. */
static struct err write_request(struct exchange *x)
{
    struct leg *l = &x->target_leg;
    if (target_call_leads_home(&x->call) && would_come_back(x, &x->request_out)) {
        target_note_failure(x->target, fail(ERR_TARGET_LOOP, 0));
        return fail(ERR_TARGET_LOOP, 0);
    }
    TRY(target_call_open(&x->call, x->arena, l));
    if (target_call_is_reused(&x->call))
        leg_expect_silence(l); /* what comes now answers nothing we have asked */
    bool is_end = x->request.body == HTTP_BODY_NONE;
    TRY(leg_send_head(l, &x->request_out, is_end));
    if (buf_len(&x->early) > 0)
        TRY(leg_send_body(l, buf_view(&x->early)));
    if (!is_end && x->inbound == FLOW_DONE)
        TRY(leg_send_end(l, x->trailers));
    return OK;
}

static enum step send_request(struct exchange *x)
{
    x->error = OK; /* of a target tried before this one */
    x->connected_us = loop_now_us(x->worker->loop);
    x->first_byte_us = 0;
    x->asked_ms = loop_now_ms(x->worker->loop);
    exchange_note_activity(x);
    exchange_arm_timer(x);
    struct err e = write_request(x);
    if (failed(e)) {
        exchange_give_up(x, e);
        return x->step;
    }
    if (!target_call_is_reused(&x->call) && x->request.body != HTTP_BODY_NONE) {
        buf_clear(&x->early);
        buf_release(&x->early);
        x->is_early_whole = false;
    }
    leg_resume(&x->client_leg);
    return STEP_RELAY;
}

/* ---- the driver ---- */

static enum step (*const steps[])(struct exchange *x) = {
#define EXCHANGE_STEP(id, fn, text) [STEP_##id] = (fn),
#include "gateway/exchange_steps.def"
#undef EXCHANGE_STEP
};
_Static_assert(ARRAY_LEN(steps) == STEP_COUNT, "every step has a row");

void exchange_run(struct exchange *x)
{
    for (;;) {
        assert(exchange_is_over(x) || x->conn != NULL);
        enum step next = steps[x->step](x);
        if (next == x->step)
            return;
        x->step = next;
    }
}

/* ---- events from the client ---- */

struct err exchange_on_head(struct exchange *x, struct http_head *head)
{
    x->request = *head;
    x->inbound = head->body == HTTP_BODY_NONE ? FLOW_DONE : FLOW_BODY;
    x->awaits_continue = head->expects_continue;
    x->step = STEP_JUDGE;
    exchange_run(x);
    return OK;
}

/* The refusal itself follows, with its reason. */
void exchange_on_refused(struct exchange *x, const struct http_head *head)
{
    x->request = *head;
}

/* Keeps body bytes until the target is ready, and then until the first of the request has
 * left. */
static struct err keep_early(struct exchange *x, struct str bytes)
{
    bool is_room = bytes.len <= buf_room(&x->early);
    if (x->step == STEP_RELAY && !(is_room && leg_is_unsent(&x->target_leg))) {
        x->is_early_whole = false;
        buf_clear(&x->early);
        buf_release(&x->early);
        return OK;
    }
    return buf_append(&x->early, bytes);
}

struct err exchange_on_body(struct exchange *x, struct str bytes)
{
    if (exchange_is_over(x))
        return OK;
    x->in_bytes += bytes.len;
    x->awaits_continue = false;
    exchange_note_activity(x);
    if (!x->is_tunnel && x->in_bytes > x->route->max_body_bytes) {
        exchange_give_up(x, fail(ERR_BODY_TOO_LARGE, 0));
        return OK;
    }
    struct err e = OK;
    if (x->is_early_whole && !x->is_tunnel)
        e = keep_early(x, bytes);
    if (x->step != STEP_RELAY)
        leg_pause(&x->client_leg);
    else if (!failed(e))
        e = leg_relay(&x->client_leg, &x->target_leg, bytes);
    if (failed(e))
        exchange_give_up(x, e);
    return OK;
}

struct err exchange_on_end(struct exchange *x, const struct http_fields *trailers)
{
    if (x->inbound == FLOW_DONE)
        return OK;
    x->inbound = FLOW_DONE;
    if (exchange_is_over(x))
        return OK; /* the client has said all: its connection can live on */
    x->trailers = trailers;
    x->asked_ms = loop_now_ms(x->worker->loop);
    if (x->step != STEP_RELAY) {
        leg_resume(&x->client_leg); /* only to hear whether the client stays */
        return OK;
    }
    struct err e =
        x->is_tunnel ? leg_end_tunnel(&x->target_leg) : leg_send_end(&x->target_leg, trailers);
    if (failed(e))
        exchange_give_up(x, e);
    else
        exchange_check_done(x);
    return OK;
}

void exchange_on_client_sent(struct exchange *x)
{
    exchange_note_activity(x);
    if (x->step == STEP_RELAY)
        leg_on_sent(&x->target_leg, &x->client_leg);
}

void exchange_refuse(struct exchange *x, struct err e)
{
    exchange_give_up(x, e);
}

void exchange_on_client_eof(struct exchange *x)
{
    if (x->step == STEP_QUEUE)
        exchange_give_up(x, fail(ERR_QUEUE_LEFT, 0));
}

/* Nobody is left to answer. */
static void let_go(struct exchange *x, struct err e)
{
    exchange_leave_queue(x);
    if (x->step != STEP_END)
        exchange_note_end(x, e);
    if (x->step != STEP_END && x->outbound == FLOW_BODY)
        exchange_note_good(x);
    if (x->outbound != FLOW_DONE)
        target_call_abandon(&x->call);
    exchange_finish_soon(x);
}

void exchange_on_client_gone(struct exchange *x, struct err e)
{
    x->conn = NULL;
    let_go(x, e);
}

void exchange_on_client_reset(struct exchange *x, struct err e)
{
    let_go(x, e);
}
