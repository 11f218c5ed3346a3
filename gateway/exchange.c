/* exchange.c - the life of one request, in the order it happens:
 *   judge -> pick_target -> (connect) -> send_request -> relay -> end
 *     \-> an answer of our own -----------------------------------------^
 * Steps are rows of exchange_steps.def; run() is the one driver.  Events from the two codecs
 * move bytes at once and leave the ending to `work`, in the loop's deferred phase, so that
 * nobody frees a codec that is on the stack. */
#include "gateway/exchange.h"

#include "gateway/access_log.h"
#include "gateway/conn.h"
#include "gateway/http/http_reply.h"
#include "gateway/relay.h"
#include "gateway/request_id.h"
#include "gateway/route/responder.h"
#include "gateway/route/rewrite.h"
#include "gateway/upstream/balance.h"
#include "gateway/upstream/target_conn.h"
#include "store/error_text.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <assert.h>

enum step {
#define EXCHANGE_STEP(id, fn, text) STEP_##id,
#include "gateway/exchange_steps.def"
#undef EXCHANGE_STEP
    STEP_COUNT
};

/* One direction of the exchange. */
enum flow { FLOW_HEAD, FLOW_BODY, FLOW_DONE };

struct exchange {
    struct worker *worker;
    struct conn *conn; /* NULL: the client is gone */
    struct arena *arena;
    struct pin *pin;
    uint32_t id;
    enum step step;
    struct timer timer;
    struct deferred work;

    struct http_head request; /* as received */
    struct client_facts facts;
    enum flow inbound; /* client -> target */
    uint64_t in_bytes;
    struct buf early;    /* body bytes not yet sent, or kept because they may be repeated */
    bool is_early_whole; /* early holds all body bytes so far */

    const struct route *route;
    const struct target *target;
    struct target_conn *target_conn;
    uint32_t target_id;
    uint64_t tried; /* targets that could not be connected to */
    unsigned tries;
    bool is_repeated; /* sent a second time because a kept-alive connection was dead */

    enum flow outbound; /* target -> client; BODY once the final head went to the client */
    uint64_t out_bytes;
    unsigned status;
    bool is_tunnel;
    struct http_head answer; /* STEP_ANSWER: our own, with its body */
    struct str answer_body;
    struct err error;
    const char *ended_by;

    uint64_t start_us;
    uint64_t connected_us;
    uint64_t first_byte_us;
    uint64_t asked_ms; /* when the request was fully sent */
    struct str request_id;
};

static const struct target_user target_user;
static void run(struct exchange *x);
static void on_timer(struct timer *t);
static void on_work(struct deferred *d);

struct exchange *exchange_new(struct worker *w, struct conn *conn, uint32_t id)
{
    struct exchange *x = mem_new(struct exchange);
    struct arena *arena =
        x == NULL ? NULL : arena_new(EXCHANGE_ARENA_BYTES, EXCHANGE_ARENA_MAX_BYTES);
    if (arena == NULL) {
        mem_free(x);
        return NULL;
    }
    x->worker = w;
    x->conn = conn;
    x->arena = arena;
    x->id = id;
    x->pin = worker_pin(w);
    x->timer.on_fire = on_timer;
    x->work.on_run = on_work;
    x->ended_by = "done";
    /* A copy: the connection may be gone before the access line is written. */
    x->facts.address = arena_dup(arena, str_from(conn_peer(conn)->text));
    x->start_us = clock_mono_us();
    x->is_early_whole = true;
    buf_init(&x->early, EARLY_BODY_MAX_BYTES);
    return x;
}

static void free_exchange(struct exchange *x)
{
    loop_timer_stop(x->worker->loop, &x->timer);
    loop_undefer(&x->work);
    worker_unpin(x->worker, x->pin);
    buf_fini(&x->early);
    arena_free(x->arena);
    mem_free(x);
}

struct exchange *exchange_new_unasked(struct worker *w, struct conn *conn)
{
    struct exchange *x = exchange_new(w, conn, 0);
    if (x != NULL && failed(codec_open(conn_link(conn)->codec, x->arena, &x->id))) {
        free_exchange(x);
        return NULL;
    }
    return x;
}

struct arena *exchange_arena(struct exchange *x)
{
    return x->arena;
}

/* ---- the end ---- */

static void finish_soon(struct exchange *x)
{
    x->step = STEP_END;
    loop_defer(x->worker->loop, &x->work);
}

static struct str request_id(struct exchange *x)
{
    if (x->request_id.len == 0)
        x->request_id = request_id_make(x->arena);
    return x->request_id;
}

static void count(const struct exchange *x)
{
    static const enum metric by_class[] = {METRIC_REQUESTS_CUT, METRIC_REQUESTS_1XX,
                                           METRIC_REQUESTS_2XX, METRIC_REQUESTS_3XX,
                                           METRIC_REQUESTS_4XX, METRIC_REQUESTS_5XX};
    unsigned class = x->status / 100;
    metric_add(by_class[class < ARRAY_LEN(by_class) ? class : 0], 1);
    if (class != 0 && x->outbound != FLOW_DONE)
        metric_add(METRIC_REQUESTS_CUT, 1);
    metric_add(METRIC_BYTES_IN, (int64_t)x->in_bytes);
    metric_add(METRIC_BYTES_OUT, (int64_t)x->out_bytes);
}

static uint64_t since_start(const struct exchange *x, uint64_t at_us)
{
    return at_us == 0 ? 0 : at_us - x->start_us;
}

static void write_access_line(struct exchange *x)
{
    struct access_log *log = x->worker->options.access_log;
    if (!access_log_is_on(log))
        return;
    access_log_write(log, &(struct access_line){
                              .client = x->facts.address,
                              .method = x->request.method,
                              .host = x->request.host,
                              .path = x->request.path,
                              .version = x->request.version == HTTP_1_0 ? "1.0" : "1.1",
                              .is_tls = x->facts.is_https,
                              .status = x->status,
                              .in_bytes = x->in_bytes,
                              .out_bytes = x->out_bytes,
                              .total_us = clock_mono_us() - x->start_us,
                              .connect_us = since_start(x, x->connected_us),
                              .first_byte_us = since_start(x, x->first_byte_us),
                              .route = x->route == NULL ? STR_NONE : x->route->object.id,
                              .target = x->target == NULL ? STR_NONE : x->target->url,
                              .tries = x->tries,
                              .error = x->error,
                              .ended_by = x->ended_by,
                              .request_id = request_id(x),
                          });
}

/* In the deferred phase: neither codec is on the stack. */
static void finish(struct exchange *x)
{
    bool is_cut = x->outbound != FLOW_DONE;
    count(x);
    write_access_line(x);
    if (x->target_conn != NULL) {
        if (is_cut || x->is_tunnel)
            target_conn_abandon(x->target_conn);
        else
            target_conn_release(x->target_conn);
    }
    if (x->conn != NULL)
        conn_on_exchange_end(x->conn, is_cut);
    free_exchange(x);
}

/* ---- answers of our own ---- */

/* Writes a whole answer to the client.  Without the rest of the request the connection ends
 * with it. */
static struct err send_answer(struct exchange *x, struct http_head *head, struct str body)
{
    struct link *client = conn_link(x->conn);
    bool is_head_only = str_eq(x->request.method, STR("HEAD"));
    if (x->inbound != FLOW_DONE)
        codec_refuse_reuse(client->codec);
    TRY(http_fields_add_id(&head->fields, x->arena, HTTP_FIELD_DATE, worker_date(x->worker)));
    TRY(codec_send_head(client->codec, x->id, head, false));
    if (!is_head_only && body.len > 0) {
        TRY(codec_send_body(client->codec, x->id, body));
        x->out_bytes += body.len;
    }
    TRY(codec_send_end(client->codec, x->id, NULL));
    x->status = head->status;
    x->outbound = FLOW_DONE;
    link_flush_soon(client);
    return OK;
}

/* Sending is left to the deferred phase: in the codec's feed it would start the next request. */
static void answer_soon(struct exchange *x, const struct http_head *head, struct str body)
{
    x->answer = *head;
    x->answer_body = body;
    x->step = STEP_ANSWER;
    loop_defer(x->worker->loop, &x->work);
}

static void on_work(struct deferred *d)
{
    struct exchange *x = container_of(d, struct exchange, work);
    if (x->step == STEP_ANSWER) {
        struct err e = send_answer(x, &x->answer, x->answer_body);
        if (failed(e)) {
            x->error = e;
            x->ended_by = "gateway";
        }
    }
    finish(x);
}

static bool is_target_kind(const struct err_kind *kind)
{
    return kind->status == 502 || kind->status == 504 || kind == ERR_NO_TARGET;
}

/* The reason stands in the log; the client gets a status and an id to ask about. */
static void log_failure(struct exchange *x)
{
    if (!log_is_on(x->error.kind->level) || x->error.kind->level > LOG_LEVEL_WARN)
        return;
    log_err(x->error, "exchange_failed", KV_STR("request_id", request_id(x)),
            KV_STR("host", x->request.host),
            KV_STR("route", x->route == NULL ? STR_NONE : x->route->object.id),
            KV_STR("target", x->target == NULL ? STR_NONE : x->target->url),
            KV_STR("why", error_text(x->error, x->arena)));
}

/* Nothing that happens now changes what the client gets. */
static bool is_over(const struct exchange *x)
{
    return x->step == STEP_ANSWER || x->step == STEP_END;
}

/* Answers with an error page if no answer has begun, else leaves the answer visibly
 * incomplete. */
static void give_up(struct exchange *x, struct err e)
{
    if (is_over(x))
        return;
    x->error = e;
    if (str_eq(str_from(x->ended_by), STR("done")))
        x->ended_by = is_target_kind(e.kind) ? "target" : "gateway";
    log_failure(x);
    if (x->target_conn != NULL) {
        target_conn_abandon(x->target_conn);
        x->target_conn = NULL;
    }
    if (x->conn == NULL || x->outbound != FLOW_HEAD || e.kind->status == 0) {
        finish_soon(x);
        return;
    }
    struct http_head head;
    struct str body;
    struct err made =
        http_reply_error(x->arena, e.kind->status, &x->request, request_id(x), &head, &body);
    if (failed(made))
        finish_soon(x);
    else
        answer_soon(x, &head, body);
}

/* Steps that wait for an event. */
static enum step stay(struct exchange *x)
{
    return x->step;
}

/* ---- judge ---- */

static void answer_challenge(struct exchange *x, struct str body)
{
    /* RFC 8555 8.3; one request per connection, so that a CA's client has nothing to be
     * confused by. */
    struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .body_bytes = body.len};
    codec_refuse_reuse(conn_link(x->conn)->codec);
    metric_add(METRIC_CHALLENGES_ANSWERED, 1);
    struct err e =
        http_fields_add(&head.fields, x->arena, STR("Content-Type"), STR("text/plain"));
    if (failed(e))
        give_up(x, e);
    else
        answer_soon(x, &head, body);
}

static void answer_redirect(struct exchange *x, struct str location)
{
    struct http_head head;
    struct err e = http_reply_redirect(x->arena, 308, location, &head);
    if (failed(e))
        give_up(x, e);
    else
        answer_soon(x, &head, STR_NONE);
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

static enum step judge(struct exchange *x)
{
    const struct snapshot *snap = x->pin->snapshot;
    const struct tls_choice *tls = conn_tls_choice(x->conn);
    x->facts.is_https = tls != NULL;
    rewrite_client_facts(snapshot_settings(snap), conn_peer(x->conn)->address, &x->request,
                         &x->facts);
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
    switch (v.kind) {
    case VERDICT_CHALLENGE:
        answer_challenge(x, v.body);
        return x->step;
    case VERDICT_REDIRECT:
        answer_redirect(x, v.location);
        return x->step;
    case VERDICT_ERROR:
        give_up(x, v.error);
        return x->step;
    case VERDICT_ROUTE:
        break;
    }
    if (x->request.body == HTTP_BODY_LENGTH &&
        x->request.body_bytes > x->route->max_body_bytes) {
        give_up(x, fail(ERR_BODY_TOO_LARGE, 0));
        return x->step;
    }
    return STEP_PICK;
}

/* ---- towards the target ---- */

static enum step pick_target(struct exchange *x)
{
    const struct target *t = balancer_pick(x->worker->balancer, x->route, x->tried);
    if (t == NULL) {
        give_up(x, failed(x->error) ? x->error : fail(ERR_NO_TARGET, 0));
        return x->step;
    }
    x->target = t;
    x->tries++;
    struct target_conn_options o = {.route = x->route,
                                    .target = t,
                                    .user = &target_user,
                                    .arg = x,
                                    .must_be_fresh = x->is_repeated};
    struct err e = target_conn_get(x->worker, &o, &x->target_conn);
    if (failed(e)) {
        give_up(x, e);
        return x->step;
    }
    return target_conn_is_ready(x->target_conn) ? STEP_SEND : STEP_CONNECT;
}

static void arm_timer(struct exchange *x)
{
    const struct upstream_timeouts *t = &x->route->upstream.timeouts;
    loop_timer_set(x->worker->loop, &x->timer,
                   t->response_ms < t->idle_ms ? t->response_ms : t->idle_ms);
}

/* The request as far as it is here, in one go: a small body rides in the same write as its
 * head. */
static struct err write_request(struct exchange *x)
{
    struct link *l = target_conn_link(x->target_conn);
    struct http_head head = x->request;
    /* Rewriting changes the list; a second try starts from the request as it was. */
    head.fields.items = arena_array(x->arena, struct http_field, head.fields.room);
    if (head.fields.items == NULL)
        return fail(ERR_MEMORY, 0);
    memcpy(head.fields.items, x->request.fields.items,
           head.fields.count * sizeof(*head.fields.items));
    TRY(rewrite_request(x->arena, x->route, x->target, &x->facts, &head));
    TRY(codec_open(l->codec, x->arena, &x->target_id));
    bool is_end = x->request.body == HTTP_BODY_NONE;
    TRY(codec_send_head(l->codec, x->target_id, &head, is_end));
    if (buf_len(&x->early) > 0)
        TRY(codec_send_body(l->codec, x->target_id, buf_view(&x->early)));
    if (!is_end && x->inbound == FLOW_DONE)
        TRY(codec_send_end(l->codec, x->target_id, NULL));
    link_flush_soon(l);
    return OK;
}

static enum step send_request(struct exchange *x)
{
    x->connected_us = clock_mono_us();
    x->asked_ms = loop_now_ms(x->worker->loop);
    arm_timer(x);
    struct err e = write_request(x);
    if (failed(e)) {
        give_up(x, e);
        return x->step;
    }
    if (!target_conn_is_reused(x->target_conn)) {
        buf_clear(&x->early);
        buf_release(&x->early);
        x->is_early_whole = false;
    }
    link_resume(conn_link(x->conn));
    return STEP_RELAY;
}

/* ---- the driver ---- */

static const struct {
    const char *name;
    enum step (*run)(struct exchange *x);
} steps[] = {
#define EXCHANGE_STEP(id, fn, text) [STEP_##id] = {.name = #id, .run = (fn)},
#include "gateway/exchange_steps.def"
#undef EXCHANGE_STEP
};
_Static_assert(ARRAY_LEN(steps) == STEP_COUNT, "every step has a row");

static void run(struct exchange *x)
{
    for (;;) {
        assert(is_over(x) || x->conn != NULL);
        enum step next = steps[x->step].run(x);
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
    x->step = STEP_JUDGE;
    run(x);
    return OK;
}

/* Keeps body bytes until the target is ready, or while the request may have to be repeated. */
static struct err keep_early(struct exchange *x, struct str bytes)
{
    if (x->step == STEP_RELAY && bytes.len > buf_room(&x->early)) {
        x->is_early_whole = false;
        buf_clear(&x->early);
        buf_release(&x->early);
        return OK;
    }
    return buf_append(&x->early, bytes);
}

struct err exchange_on_body(struct exchange *x, struct str bytes)
{
    if (is_over(x))
        return OK;
    x->in_bytes += bytes.len;
    if (!x->is_tunnel && x->in_bytes > x->route->max_body_bytes) {
        give_up(x, fail(ERR_BODY_TOO_LARGE, 0));
        return OK;
    }
    struct err e = OK;
    if (x->is_early_whole && !x->is_tunnel)
        e = keep_early(x, bytes);
    struct link *client = conn_link(x->conn);
    if (x->step != STEP_RELAY)
        link_pause(client);
    else if (!failed(e))
        e = relay_body(client, target_conn_link(x->target_conn), x->target_id, bytes);
    if (failed(e))
        give_up(x, e);
    return OK;
}

/* Both directions are over: so is the exchange. */
static void check_done(struct exchange *x)
{
    if (x->step == STEP_RELAY && x->outbound == FLOW_DONE &&
        (!x->is_tunnel || x->inbound == FLOW_DONE))
        finish_soon(x);
}

struct err exchange_on_end(struct exchange *x, const struct http_fields *trailers)
{
    if (is_over(x) || x->inbound == FLOW_DONE)
        return OK;
    x->inbound = FLOW_DONE;
    x->asked_ms = loop_now_ms(x->worker->loop);
    if (x->step != STEP_RELAY)
        return OK;
    struct link *l = target_conn_link(x->target_conn);
    struct err e = codec_send_end(l->codec, x->target_id, trailers);
    if (failed(e)) {
        give_up(x, e);
        return OK;
    }
    if (x->is_tunnel)
        link_half_close(l);
    link_flush_soon(l);
    check_done(x);
    return OK;
}

void exchange_on_client_sent(struct exchange *x)
{
    if (x->step == STEP_RELAY)
        relay_on_sent(target_conn_link(x->target_conn), conn_link(x->conn));
}

void exchange_refuse(struct exchange *x, struct err e)
{
    x->ended_by = "client";
    give_up(x, e);
}

void exchange_on_client_gone(struct exchange *x, struct err e)
{
    x->conn = NULL;
    if (!is_over(x)) {
        x->error = e;
        x->ended_by = "client";
    }
    if (x->target_conn != NULL && x->outbound != FLOW_DONE) {
        target_conn_abandon(x->target_conn);
        x->target_conn = NULL;
    }
    finish_soon(x);
}

/* ---- events from the target ---- */

static void on_target_ready(void *arg)
{
    struct exchange *x = arg;
    x->step = STEP_SEND;
    run(x);
}

/* Methods that may be sent twice (RFC 9110 9.2.2). */
static bool is_idempotent(struct str method)
{
    static const struct str methods[] = {
        STR_LIT("GET"),    STR_LIT("HEAD"),     STR_LIT("OPTIONS"),   STR_LIT("PUT"),
        STR_LIT("DELETE"), STR_LIT("PROPFIND"), STR_LIT("PROPPATCH"), STR_LIT("REPORT")};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_eq(method, methods[i]))
            return true;
    }
    return false;
}

/* A kept-alive connection that the target closed just as we used it: RFC 9112 9.3.1. */
static bool may_repeat(const struct exchange *x, bool was_reused)
{
    return was_reused && !x->is_repeated && x->outbound == FLOW_HEAD && x->is_early_whole &&
           is_idempotent(x->request.method);
}

static void on_target_failed(void *arg, struct err e)
{
    struct exchange *x = arg;
    bool was_connecting = x->step == STEP_CONNECT;
    bool was_reused = target_conn_is_reused(x->target_conn);
    x->target_conn = NULL;
    if (is_over(x))
        return;
    if (was_connecting) {
        x->tried |= 1ull << (x->target - upstream_targets(&x->route->upstream));
        x->error = e;
    }
    if ((was_connecting && x->tries <= x->route->upstream.retries) ||
        may_repeat(x, was_reused)) {
        x->is_repeated = !was_connecting;
        x->step = STEP_PICK;
        run(x);
        return;
    }
    give_up(x, e);
}

static void on_target_sent(void *arg)
{
    struct exchange *x = arg;
    if (x->step == STEP_RELAY && x->conn != NULL)
        relay_on_sent(conn_link(x->conn), target_conn_link(x->target_conn));
}

static struct err on_target_head(void *arg, struct http_head *head)
{
    struct exchange *x = arg;
    if (is_over(x))
        return fail(ERR_CANCELLED, 0);
    struct link *client = conn_link(x->conn);
    if (x->first_byte_us == 0) {
        x->first_byte_us = clock_mono_us();
        target_note_answer(x->target);
    }
    TRY(rewrite_response(x->arena, x->route, worker_date(x->worker), head));
    if (x->worker->is_draining)
        codec_refuse_reuse(client->codec);
    TRY(codec_send_head(client->codec, x->id, head, false));
    link_flush_soon(client);
    if (http_is_interim(head))
        return OK;
    x->status = head->status;
    x->outbound = FLOW_BODY;
    if (head->status == 101) {
        x->is_tunnel = true;
        x->inbound = FLOW_BODY;
        link_read_soon(client); /* the client may have spoken behind its request */
    }
    return OK;
}

static struct err on_target_body(void *arg, struct str bytes)
{
    struct exchange *x = arg;
    if (is_over(x))
        return fail(ERR_CANCELLED, 0);
    x->out_bytes += bytes.len;
    return relay_body(target_conn_link(x->target_conn), conn_link(x->conn), x->id, bytes);
}

static struct err on_target_end(void *arg, const struct http_fields *trailers)
{
    struct exchange *x = arg;
    if (is_over(x))
        return fail(ERR_CANCELLED, 0);
    struct link *client = conn_link(x->conn);
    if (!x->is_tunnel && x->inbound != FLOW_DONE)
        codec_refuse_reuse(client->codec);
    TRY(codec_send_end(client->codec, x->id, trailers));
    if (x->is_tunnel)
        link_half_close(client);
    link_flush_soon(client);
    x->outbound = FLOW_DONE;
    check_done(x);
    return OK;
}

static const struct target_user target_user = {
    .on_ready = on_target_ready,
    .on_failed = on_target_failed,
    .on_sent = on_target_sent,
    .on_head = on_target_head,
    .on_body = on_target_body,
    .on_end = on_target_end,
};

/* ---- time ---- */

/* Whose silence it is. */
static struct err silence(const struct exchange *x)
{
    bool is_client_slow = link_queued(conn_link(x->conn)) > 0;
    if (x->inbound == FLOW_BODY && !x->is_tunnel)
        is_client_slow = link_queued(target_conn_link(x->target_conn)) == 0;
    return fail(is_client_slow ? ERR_CLIENT_TIMEOUT : ERR_TARGET_TIMEOUT, 0);
}

static void on_timer(struct timer *t)
{
    struct exchange *x = container_of(t, struct exchange, timer);
    if (x->step != STEP_RELAY)
        return;
    const struct upstream_timeouts *limits = &x->route->upstream.timeouts;
    bool is_waiting = x->inbound == FLOW_DONE && x->outbound == FLOW_HEAD;
    uint64_t client_ms = conn_link(x->conn)->active_ms;
    uint64_t target_ms = target_conn_link(x->target_conn)->active_ms;
    uint64_t since_ms = is_waiting              ? x->asked_ms
                        : client_ms > target_ms ? client_ms
                                                : target_ms;
    uint64_t limit_ms = is_waiting ? limits->response_ms : limits->idle_ms;
    uint64_t gone_ms = loop_now_ms(x->worker->loop) - since_ms;
    if (gone_ms < limit_ms) {
        loop_timer_set(x->worker->loop, t, limit_ms - gone_ms);
        return;
    }
    struct err e = silence(x);
    if (err_is(e, ERR_TARGET_TIMEOUT))
        target_note_failure(x->target, e);
    give_up(x, e);
}
