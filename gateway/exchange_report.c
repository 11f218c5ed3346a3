#include "gateway/exchange_state.h"
#include "gateway/request_id.h"
#include "store/error_text.h"

#include "gateway/base/metrics.h"

struct str exchange_request_id(struct exchange *x)
{
    if (x->request_id.len == 0)
        x->request_id = request_id_make(x->arena);
    return x->request_id;
}

static void count_route(const struct exchange *x, unsigned class, uint64_t now_us)
{
    if (x->route == NULL)
        return;
    struct route_outcome o = {
        .class = class < ROUTE_CLASS_COUNT ? (enum route_class) class : ROUTE_CLASS_NONE,
        .ended_by = x->ended_by,
        .in_bytes = x->in_bytes,
        .out_bytes = x->out_bytes,
        .total_us = now_us - x->start_us};
    route_live_end(x->route->live, x->worker->options.index, &o);
}

static void count(const struct exchange *x, uint64_t now_us)
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
    count_route(x, class, now_us);
}

/* NULL for a request that could not be read. */
static const char *version_of(const struct http_head *request)
{
    if (request->method.len == 0)
        return NULL;
    switch (request->version) {
    case HTTP_1_0:
        return "1.0";
    case HTTP_1_1:
        return "1.1";
    case HTTP_2:
        break;
    }
    return "2.0";
}

/* Of the request's head, where the form of the log shows it. */
static struct str field(const struct exchange *x, const struct access_log *log,
                        enum http_field_id id)
{
    const struct http_field *f =
        access_log_has_fields(log) ? http_fields_find(&x->request.fields, id) : NULL;
    return f == NULL ? STR_NONE : f->value;
}

static void write_access_line(struct exchange *x, uint64_t now_us)
{
    struct access_log *log = x->worker->options.access_log;
    if (!access_log_is_on(log))
        return;
    uint64_t asked_us = x->connected_us == 0 ? now_us : x->connected_us;
    access_log_write(
        log, &(struct access_line){
                 .client = x->facts.address,
                 .method = x->request.method,
                 .host = x->request.host,
                 .path = x->request.path,
                 .version = version_of(&x->request),
                 .is_https = x->facts.is_https,
                 .tls = x->tls,
                 .referer = field(x, log, HTTP_FIELD_REFERER),
                 .user_agent = field(x, log, HTTP_FIELD_USER_AGENT),
                 .status = x->status,
                 .in_bytes = x->in_bytes,
                 .out_bytes = x->out_bytes,
                 .total_us = now_us - x->start_us,
                 .wait_us = x->waited_us,
                 .connect_us = asked_us - x->start_us - x->waited_us,
                 .first_byte_us = x->first_byte_us == 0 ? 0 : x->first_byte_us - asked_us,
                 .route = x->route == NULL ? STR_NONE : x->route->object.id,
                 .target = x->target == NULL ? STR_NONE : x->target->url,
                 .is_asked = x->is_asked,
                 .retries = x->retries,
                 .error = x->error,
                 .ended_by = x->ended_by,
                 .ended_in = x->ended_in,
                 .request_id = exchange_request_id(x),
             });
}

void exchange_report(struct exchange *x)
{
    uint64_t now_us = loop_now_us(x->worker->loop);
    count(x, now_us);
    write_access_line(x, now_us);
}

void exchange_report_failure(struct exchange *x)
{
    if (!log_is_on(x->error.kind->level) || x->error.kind->level > LOG_LEVEL_WARN)
        return;
    log_err(x->error, "exchange_failed", KV_STR("request_id", exchange_request_id(x)),
            KV_STR("host", x->request.host),
            KV_STR("route", x->route == NULL ? STR_NONE : x->route->object.id),
            KV_STR("target", x->target == NULL ? STR_NONE : x->target->url),
            KV_STR("why", error_text(x->error, x->arena)));
}
