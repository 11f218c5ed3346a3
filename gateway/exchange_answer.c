/* exchange_answer.c - answers without a target: prepared at once, sent in the deferred
 * phase. */
#include "gateway/exchange_state.h"
#include "gateway/http/http_reply.h"
#include "gateway/route/variables.h"

#include "gateway/base/metrics.h"

/* Writes a whole answer to the client.  Without the rest of the request the connection ends
 * with it. */
struct err exchange_send_answer(struct exchange *x)
{
    struct http_head *head = &x->answer;
    struct str body = x->answer_body;
    struct leg *client = &x->client_leg;
    bool is_head_only = str_eq(x->request.method, STR("HEAD"));
    if (x->inbound != FLOW_DONE)
        leg_refuse_reuse(client);
    if (http_fields_find(&head->fields, HTTP_FIELD_DATE) == NULL)
        TRY(http_fields_add_id(&head->fields, x->arena, HTTP_FIELD_DATE,
                               worker_date(x->worker)));
    TRY(leg_send_head(client, head, false));
    if (!is_head_only && body.len > 0) {
        TRY(leg_send_body(client, body));
        x->out_bytes += body.len;
    }
    TRY(leg_send_end(client, NULL));
    x->status = head->status;
    x->outbound = FLOW_DONE;
    return OK;
}

void exchange_answer(struct exchange *x, const struct http_head *head, struct str body)
{
    x->answer = *head;
    x->answer_body = body;
    x->step = STEP_ANSWER;
    loop_defer(x->worker->loop, &x->work);
}

void exchange_answer_challenge(struct exchange *x, struct str body)
{
    /* RFC 8555 8.3; one request per connection, so that a CA's client has nothing to be
     * confused by. */
    struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .body_bytes = body.len};
    leg_refuse_reuse(&x->client_leg);
    metric_add(METRIC_CHALLENGES_ANSWERED, 1);
    struct err e =
        http_fields_add(&head.fields, x->arena, STR("Content-Type"), STR("text/plain"));
    if (failed(e))
        exchange_give_up(x, e);
    else
        exchange_answer(x, &head, body);
}

void exchange_answer_redirect(struct exchange *x, struct str location)
{
    struct http_head head;
    struct err e = http_reply_redirect(x->arena, 308, location, &head);
    if (failed(e))
        exchange_give_up(x, e);
    else
        exchange_answer(x, &head, STR_NONE);
}

/* RFC 9110 9.3.7: an empty answer, with a length. */
void exchange_answer_last_hop(struct exchange *x)
{
    static const struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH};
    exchange_answer(x, &head, STR_NONE);
}

static struct err make_redirect(struct exchange *x, struct http_head *head)
{
    const struct route_redirect *r = &x->route->redirect;
    struct str location;
    TRY(variables_expand_location(x->arena, &r->location, x->facts.variables, &location));
    return http_reply_redirect(x->arena, r->status, location, head);
}

/* RFC 9110 6.4.1: 204 and 304 have no content, and say nothing of any. */
static struct err make_respond(struct exchange *x, struct http_head *head)
{
    const struct route_respond *r = &x->route->respond;
    bool has_content = r->status != 204 && r->status != 304;
    *head = (struct http_head){.status = r->status,
                               .body = has_content ? HTTP_BODY_LENGTH : HTTP_BODY_NONE,
                               .body_bytes = r->body.len};
    if (r->body.len == 0)
        return OK;
    return http_fields_add_id(&head->fields, x->arena, HTTP_FIELD_CONTENT_TYPE,
                              r->content_type);
}

void exchange_answer_route(struct exchange *x)
{
    bool is_redirect = x->route->action == ROUTE_REDIRECT;
    struct http_head head;
    struct err e = is_redirect ? make_redirect(x, &head) : make_respond(x, &head);
    if (!failed(e))
        e = rewrite_answer(x->arena, x->route, x->facts.variables, &head);
    if (failed(e))
        exchange_give_up(x, e);
    else
        exchange_answer(x, &head, is_redirect ? STR_NONE : x->route->respond.body);
}

/* RFC 9110 10.2.3: a slot frees any moment; a target has a time. */
static struct err add_retry_after(struct exchange *x, struct err e, struct http_head *head)
{
    struct str seconds = STR("1");
    if (err_is(e, ERR_TARGETS_DOWN))
        seconds = arena_fmt(x->arena, "%d", (int)e.detail);
    else if (!err_is(e, ERR_QUEUE_FULL) && !err_is(e, ERR_QUEUE_TIMEOUT) &&
             !err_is(e, ERR_QUEUE_LEFT))
        return OK;
    if (seconds.p == NULL)
        return fail(ERR_MEMORY, 0);
    return http_fields_add_id(&head->fields, x->arena, HTTP_FIELD_RETRY_AFTER, seconds);
}

void exchange_give_up(struct exchange *x, struct err e)
{
    if (exchange_is_over(x))
        return;
    exchange_leave_queue(x);
    exchange_note_end(x, e);
    exchange_report_failure(x);
    target_call_abandon(&x->call);
    if (x->conn == NULL || x->outbound != FLOW_HEAD || e.kind->status == 0) {
        exchange_finish_soon(x);
        return;
    }
    if (err_is(e, ERR_BODY_TOO_LARGE)) /* whether or not the rest is here already */
        leg_refuse_reuse(&x->client_leg);
    struct http_head head;
    struct str body;
    struct err made = http_reply_error(x->arena, e.kind->status, &x->request,
                                       exchange_request_id(x), &head, &body);
    if (!failed(made))
        made = add_retry_after(x, e, &head);
    if (failed(made))
        exchange_finish_soon(x);
    else
        exchange_answer(x, &head, body);
}
