/* api_health.c - what monitoring asks without a token: healthz, readyz, metrics. */
#include "admin/api.h"
#include "admin/target_report.h"

#include "gateway/base/metrics.h"

#define TEXT_TYPE    "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct err api_health_live(struct api_call *call)
{
    return admin_reply_text(call->reply, 200, TEXT_TYPE, STR("ok\n"));
}

struct err api_health_ready(struct api_call *call)
{
    const struct admin_ports *ports = &call->api->ports;
    if (ports->is_ready == NULL || ports->is_ready(ports->arg))
        return admin_reply_text(call->reply, 200, TEXT_TYPE, STR("ready\n"));
    return admin_reply_text(call->reply, 503, TEXT_TYPE, STR("not ready\n"));
}

/* A label value: backslash, quote and line feed are escaped (Prometheus text format
 * 0.0.4). */
static struct err put_label(struct buf *out, const char *name, struct str value)
{
    TRY(buf_append_fmt(out, "%s=\"", name));
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        if (c == '\n')
            TRY(buf_append(out, STR("\\n")));
        else if (c == '"' || c == '\\')
            TRY(buf_append_fmt(out, "\\%c", c));
        else
            TRY(buf_append(out, str_make(&c, 1)));
    }
    return buf_append(out, STR("\""));
}

static struct err put_head(struct buf *out, const char *name, const char *type,
                           const char *help)
{
    return buf_append_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static struct err put_counters(struct buf *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        TRY(put_head(out, row->name, row->type, row->help));
        TRY(buf_append_fmt(out, "%s %lld\n", row->name,
                           (long long)metric_read((enum metric)i)));
    }
    return OK;
}

/* What is said about each target: one family after the other, as the format demands. */
enum family { FAMILY_UP, FAMILY_REQUESTS, FAMILY_FAILURES, FAMILY_CONNECTIONS, FAMILY_COUNT };

static const struct {
    const char *name;
    const char *type;
    const char *help;
} families[FAMILY_COUNT] = {
    [FAMILY_UP] = {.name = "gatehouse_target_up",
                   .type = "gauge",
                   .help = "1: the last answer came, 0: the last attempt failed, "
                           "absent: not asked yet"},
    [FAMILY_REQUESTS] = {.name = "gatehouse_target_requests_total",
                         .type = "counter",
                         .help = "Requests sent to the target"},
    [FAMILY_FAILURES] = {.name = "gatehouse_target_failures_total",
                         .type = "counter",
                         .help = "Requests that the target failed"},
    [FAMILY_CONNECTIONS] = {.name = "gatehouse_target_connections",
                            .type = "gauge",
                            .help = "Connections to the target open now"},
};

static long long value_of(enum family f, const struct target_report *r)
{
    switch (f) {
    case FAMILY_UP:
        return r->state == TARGET_UP;
    case FAMILY_REQUESTS:
        return (long long)r->requests;
    case FAMILY_FAILURES:
        return (long long)r->failures;
    case FAMILY_CONNECTIONS:
        return r->connections;
    case FAMILY_COUNT:
        break;
    }
    return 0;
}

static struct err put_target(struct buf *out, enum family f, const struct route *r,
                             const struct target *t)
{
    struct target_report report = target_report_read(t);
    if (f == FAMILY_UP && report.state == TARGET_UNKNOWN)
        return OK;
    TRY(buf_append_fmt(out, "%s{", families[f].name));
    TRY(put_label(out, "route", r->object.id));
    TRY(buf_append(out, STR(",")));
    TRY(put_label(out, "target", t->url));
    return buf_append_fmt(out, "} %lld\n", value_of(f, &report));
}

static struct err put_targets(struct buf *out, const struct route *const *routes, size_t count)
{
    for (enum family f = 0; f < FAMILY_COUNT; f++) {
        TRY(put_head(out, families[f].name, families[f].type, families[f].help));
        for (size_t i = 0; i < count; i++) {
            const struct upstream *u = &routes[i]->upstream;
            for (size_t k = 0; k < u->targets_list.count; k++)
                TRY(put_target(out, f, routes[i], &upstream_targets(u)[k]));
        }
    }
    return OK;
}

static struct err put_certs(struct buf *out, const struct cert *const *certs, size_t count)
{
    static const char name[] = "gatehouse_certificate_not_after_seconds";
    TRY(put_head(out, name, "gauge", "When the certificate expires, in seconds since 1970"));
    for (size_t i = 0; i < count; i++) {
        if (!certs[i]->has_material)
            continue;
        TRY(buf_append_fmt(out, "%s{", name));
        TRY(put_label(out, "certificate", certs[i]->object.id));
        TRY(buf_append_fmt(out, "} %lld\n", (long long)certs[i]->facts.not_after_at));
    }
    return OK;
}

static struct err put_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    TRY(put_head(out, name, "gauge", help));
    return buf_append_fmt(out, "%s %llu\n", name, (unsigned long long)value);
}

struct err api_metrics_show(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct admin_ports *ports = &call->api->ports;
    struct buf *out = &call->reply->body;
    const struct route *const *routes;
    const struct cert *const *certs;
    size_t route_count;
    size_t cert_count;
    TRY(snapshot_routes(s, call->request->arena, &routes, &route_count));
    TRY(snapshot_certs(s, call->request->arena, &certs, &cert_count));
    TRY(put_counters(out));
    TRY(put_gauge(out, "gatehouse_routes", "Routes, disabled ones included", route_count));
    TRY(put_gauge(out, "gatehouse_certificates", "Certificates in any state", cert_count));
    TRY(put_gauge(out, "gatehouse_start_time_seconds", "When the process started",
                  (uint64_t)call->api->started_at));
    TRY(put_targets(out, routes, route_count));
    TRY(put_certs(out, certs, cert_count));
    if (ports->metrics != NULL)
        ports->metrics(ports->arg, out);
    return admin_reply_text(call->reply, 200, METRICS_TYPE, STR(""));
}
