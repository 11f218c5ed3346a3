/* exchange_target.c - what the target and the clock say to an exchange. */
#include "gateway/exchange_state.h"
#include "gateway/route/public_origin.h"
#include "gateway/upstream/health.h"
#include "gateway/upstream/stick.h"
#include "gateway/upstream/target_note.h"

static void on_target_ready(void *arg)
{
    struct exchange *x = arg;
    x->step = STEP_SEND;
    exchange_run(x);
}

bool exchange_is_idempotent(const struct exchange *x)
{
    static const struct str methods[] = {
        STR_LIT("GET"),    STR_LIT("HEAD"),     STR_LIT("OPTIONS"),   STR_LIT("PUT"),
        STR_LIT("DELETE"), STR_LIT("PROPFIND"), STR_LIT("PROPPATCH"), STR_LIT("REPORT")};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_eq(x->request.method, methods[i]))
            return true;
    }
    return false;
}

/* How a target failed; read before its connection is forgotten. */
struct failure {
    struct err error;
    bool is_connecting; /* nothing could be sent yet */
    bool is_unsent;     /* no byte of the request was written */
    bool is_silent;     /* no byte of an answer came */
    bool is_refused;    /* the target says that it has done nothing about it */
    bool is_stale;      /* kept alive, and closed just as we used it (RFC 9112 9.3.1) */
};

static struct failure read_failure(const struct exchange *x, struct err e)
{
    const struct leg *l = &x->target_leg;
    bool is_connecting = x->step == STEP_CONNECT;
    bool is_silent = is_connecting || (l->is_shared ? x->first_byte_us == 0 : leg_is_silent(l));
    bool is_refused = err_is(e, ERR_TARGET_REFUSED);
    bool is_stale = !is_connecting && is_silent && target_call_is_reused(&x->call);
    return (struct failure){
        .error = e,
        .is_connecting = is_connecting,
        .is_unsent = is_connecting || leg_is_unsent(l),
        .is_silent = is_silent,
        .is_refused = is_refused,
        .is_stale = is_stale || is_refused,
    };
}

/* Whether the request may be sent again: nobody has seen it yet, and we still have all of it;
 * or it does no harm twice, and none of its body has left.  A stale connection is nobody's
 * failure and no try. */
static bool may_go_on(const struct exchange *x, const struct failure *f)
{
    bool is_harmless = f->is_silent && x->in_bytes == 0 && exchange_is_idempotent(x);
    bool is_untouched = f->is_refused && x->in_bytes == 0;
    bool is_safe = is_harmless || is_untouched || (f->is_unsent && x->is_early_whole);
    if (x->outbound != FLOW_HEAD || !is_safe)
        return false;
    return (f->is_stale && !x->is_repeated) || x->retries < x->route->upstream.retries;
}

static void note_error(const struct exchange *x, struct err e)
{
    if (x->outbound == FLOW_BODY)
        target_note_cut(x->target, e);
    else
        target_note_failure(x->target, e);
}

/* A further try is another target's, but for a stale connection: then it is a fresh one's. */
static void note_failure(struct exchange *x, const struct failure *f, bool goes_on)
{
    if (f->is_stale && goes_on) {
        x->is_repeated = true;
        return;
    }
    x->error = f->error;
    note_error(x, f->error);
    if (f->is_stale)
        return;
    x->tried |= 1ull << (x->target - upstream_targets(&x->route->upstream));
    health_note_failure(x->route, x->target, f->error, loop_now_ms(x->worker->loop));
}

static void on_target_failed(void *arg, struct err e)
{
    struct exchange *x = arg;
    struct failure f = read_failure(x, e);
    x->failed_in = exchange_where(x);
    if (exchange_is_over(x))
        return;
    bool goes_on = may_go_on(x, &f);
    note_failure(x, &f, goes_on);
    if (!goes_on) {
        exchange_give_up(x, e);
        return;
    }
    leg_pause(&x->client_leg); /* until the request is sent again */
    x->step = STEP_PICK;
    exchange_run(x);
}

static void on_target_sent(void *arg)
{
    struct exchange *x = arg;
    exchange_note_activity(x);
    if (x->step == STEP_RELAY && x->conn != NULL)
        leg_on_sent(&x->client_leg, &x->target_leg);
    exchange_check_done(x);
}

void exchange_note_good(const struct exchange *x)
{
    health_note_end(x->target);
    target_note_end(x->target);
}

/* The head as the client gets it. */
static struct err change_head(struct exchange *x, struct http_head *head)
{
    if (x->route->hide_target)
        TRY(public_origin_restore(x->arena,
                                  &(struct public_origin){.route = x->route,
                                                          .target = x->target,
                                                          .sent_host = x->request_out.authority,
                                                          .facts = &x->facts},
                                  &head->fields));
    TRY(rewrite_response(x->arena, x->route, x->facts.variables, worker_date(x->worker), head));
    if (!stick_is_on(x->route) || http_is_interim(head))
        return OK;
    return stick_set(x->arena, x->route, &x->request, x->target, x->facts.is_https, head);
}

static struct err on_target_head(void *arg, struct http_head *head)
{
    struct exchange *x = arg;
    if (exchange_is_over(x))
        return fail(ERR_CANCELLED, 0);
    struct leg *client = &x->client_leg;
    exchange_note_activity(x);
    if (x->first_byte_us == 0) {
        x->first_byte_us = loop_now_us(x->worker->loop);
        target_note_answer(x->target, loop_now_at(x->worker->loop));
        if (health_note_answer(x->route, x->target, loop_now_ms(x->worker->loop)))
            slot_queue_on_target_up(x->worker->slots, &x->route->upstream);
    }
    struct err e = change_head(x, head);
    if (failed(e))
        return err_is(e, ERR_HEAD_TOO_LARGE) ? fail(ERR_TARGET_HEAD_TOO_LARGE, 0) : e;
    if (x->worker->is_draining)
        leg_refuse_reuse(client);
    TRY(leg_send_head(client, head, false));
    if (head->status == 100)
        x->awaits_continue = false;
    if (http_is_interim(head))
        return OK;
    x->status = head->status;
    x->outbound = FLOW_BODY;
    if (head->status == 101) {
        x->is_tunnel = true;
        x->inbound = FLOW_BODY;
        exchange_note_good(x);
        link_read_soon(client->link); /* the client may have spoken behind its request */
    }
    return OK;
}

static struct err on_target_body(void *arg, struct str bytes)
{
    struct exchange *x = arg;
    if (exchange_is_over(x))
        return fail(ERR_CANCELLED, 0);
    x->out_bytes += bytes.len;
    exchange_note_activity(x);
    return leg_relay(&x->target_leg, &x->client_leg, bytes);
}

static struct err on_target_end(void *arg, const struct http_fields *trailers)
{
    struct exchange *x = arg;
    if (exchange_is_over(x))
        return fail(ERR_CANCELLED, 0);
    struct leg *client = &x->client_leg;
    if (!x->is_tunnel && x->inbound != FLOW_DONE)
        leg_refuse_reuse(client);
    TRY(x->is_tunnel ? leg_end_tunnel(client) : leg_send_end(client, trailers));
    x->outbound = FLOW_DONE;
    exchange_note_good(x);
    exchange_check_done(x);
    return OK;
}

const struct target_user exchange_target_user = {
    .on_ready = on_target_ready,
    .on_failed = on_target_failed,
    .on_sent = on_target_sent,
    .on_head = on_target_head,
    .on_body = on_target_body,
    .on_end = on_target_end,
};

/* ---- time ---- */

static uint64_t shorter_limit(const struct upstream_timeouts *t)
{
    return t->response_ms < t->idle_ms ? t->response_ms : t->idle_ms;
}

void exchange_arm_timer(struct exchange *x)
{
    loop_timer_set(x->worker->loop, &x->timer, shorter_limit(&x->route->upstream.timeouts));
}

/* Nothing of the request is due: the target has to speak. RFC 9110 10.1.1: a client may wait
 * for 100 Continue before its body as long as it likes. */
static bool is_target_due(const struct exchange *x)
{
    return x->outbound == FLOW_HEAD && (x->inbound == FLOW_DONE || x->awaits_continue);
}

/* Whose silence it is. */
static struct err silence(const struct exchange *x)
{
    bool is_client_slow = leg_queued(&x->client_leg) > 0;
    if (x->inbound == FLOW_BODY && !x->is_tunnel && !is_target_due(x))
        is_client_slow = leg_queued(&x->target_leg) == 0;
    return fail(is_client_slow ? ERR_CLIENT_TIMEOUT : ERR_TARGET_TIMEOUT, 0);
}

void exchange_on_timer(struct timer *t)
{
    struct exchange *x = container_of(t, struct exchange, timer);
    if (x->step == STEP_QUEUE)
        exchange_give_up(x, fail(ERR_QUEUE_TIMEOUT, 0));
    if (x->step != STEP_RELAY)
        return;
    const struct upstream_timeouts *limits = &x->route->upstream.timeouts;
    bool is_waiting = is_target_due(x);
    uint64_t since_ms = is_waiting ? x->asked_ms : x->active_ms;
    uint64_t limit_ms = is_waiting ? limits->response_ms : limits->idle_ms;
    uint64_t gone_ms = loop_now_ms(x->worker->loop) - since_ms;
    if (gone_ms < limit_ms) {
        /* Never longer than the shorter limit: the phase may change before. */
        uint64_t left_ms = limit_ms - gone_ms;
        uint64_t look_ms = shorter_limit(limits);
        loop_timer_set(x->worker->loop, t, left_ms < look_ms ? left_ms : look_ms);
        return;
    }
    struct err e = silence(x);
    /* Nobody need speak in a tunnel. */
    if (err_is(e, ERR_TARGET_TIMEOUT) && !x->is_tunnel) {
        note_error(x, e);
        health_note_failure(x->route, x->target, e, loop_now_ms(x->worker->loop));
    }
    exchange_give_up(x, e);
}
