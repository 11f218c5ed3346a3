/* api_metrics.c - GET /metrics: the process, its routes, their targets, its certificates.
 *
 * Only routes that have had requests are shown, and of targets those about which something is
 * known: with 100,000 routes the others would be all there is to read. */
#include "admin/api.h"
#include "admin/metrics_text.h"
#include "admin/process_report.h"
#include "admin/target_report.h"

#include "gateway/base/limits.h"
#include "gateway/base/metrics.h"

#include <openssl/crypto.h>

/* ---- the process ---- */

static struct err put_counters(struct buf *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        TRY(metrics_text_family(out, row->name, row->type, row->help));
        TRY(metrics_text_integer(out, &(struct metrics_series){row->name, "", NULL},
                                 metric_read((enum metric)i)));
    }
    return OK;
}

static struct err put_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    TRY(metrics_text_family(out, name, "gauge", help));
    return metrics_text_integer(out, &(struct metrics_series){name, "", NULL}, (int64_t)value);
}

static struct err put_build(struct buf *out)
{
    static const char name[] = "gatehouse_build_info";
    const struct metrics_label labels[] = {
        {"version", STR(GW_VERSION)},
        {"openssl", str_from(OpenSSL_version(OPENSSL_VERSION_STRING))},
        {NULL, STR_NONE}};
    TRY(metrics_text_family(out, name, "gauge", "Always 1; what runs is in the labels"));
    return metrics_text_integer(out, &(struct metrics_series){name, "", labels}, 1);
}

static struct err put_cpu(struct buf *out, int64_t cpu_us)
{
    static const char name[] = "process_cpu_seconds_total";
    if (cpu_us == PROCESS_UNKNOWN)
        return OK;
    TRY(metrics_text_family(out, name, "counter", "CPU time of all threads"));
    return metrics_text_seconds(out, &(struct metrics_series){name, "", NULL},
                                (uint64_t)cpu_us);
}

/* Under the names that all programs have in common, so that dashboards know them. */
static struct err put_process(struct buf *out, int64_t started_at)
{
    struct process_report r = process_report_read();
    const struct {
        const char *name;
        const char *help;
        int64_t value;
    } gauges[] = {
        {"process_start_time_seconds", "When the process started, in seconds since 1970",
         started_at},
        {"process_resident_memory_bytes", "Memory in use", r.resident_bytes},
        {"process_open_fds", "Open descriptors", r.open_fds},
        {"process_max_fds", "How many descriptors may be open", r.max_fds},
    };
    TRY(put_cpu(out, r.cpu_us));
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        if (gauges[i].value != PROCESS_UNKNOWN)
            TRY(put_gauge(out, gauges[i].name, gauges[i].help, (uint64_t)gauges[i].value));
    }
    return OK;
}

/* ---- what there is to show ---- */

struct seen_route {
    struct str id;
    uint64_t waiting; /* for a slot of a target */
    struct route_numbers numbers;
};

struct seen_target {
    struct str route_id;
    struct str url;
    struct target_report report;
};

/* Read once, so that the families agree with each other. */
struct seen {
    struct seen_route *routes;
    size_t route_count;
    struct seen_target *targets;
    size_t target_count;
    size_t omitted_count; /* routes and targets beyond the limits */
};

static bool is_known(const struct target_report *r)
{
    return r->state != TARGET_UNKNOWN || r->requests > 0 || r->failures > 0 ||
           r->connections != 0;
}

static void see_targets(struct seen *seen, const struct route *r)
{
    const struct upstream *u = &r->upstream;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        const struct target *t = &upstream_targets(u)[i];
        struct target_report report = target_report_read(u, t);
        if (!is_known(&report))
            continue;
        if (seen->target_count == METRICS_TARGETS_MAX)
            seen->omitted_count++;
        else
            seen->targets[seen->target_count++] =
                (struct seen_target){r->object.id, t->url, report};
    }
}

static void see_route(struct seen *seen, const struct route *r)
{
    struct route_numbers numbers;
    if (!route_live_read(r->live, &numbers))
        return;
    if (seen->route_count == METRICS_ROUTES_MAX)
        seen->omitted_count++;
    else
        seen->routes[seen->route_count++] =
            (struct seen_route){r->object.id, upstream_waiting(&r->upstream), numbers};
}

static size_t count_targets(const struct route *const *routes, size_t count)
{
    size_t targets = 0;
    for (size_t i = 0; i < count; i++)
        targets += routes[i]->upstream.targets_list.count;
    return targets < METRICS_TARGETS_MAX ? targets : METRICS_TARGETS_MAX;
}

static struct err look(struct arena *a, const struct route *const *routes, size_t count,
                       struct seen *ret_seen)
{
    size_t room = count < METRICS_ROUTES_MAX ? count : METRICS_ROUTES_MAX;
    *ret_seen = (struct seen){
        .routes = arena_array(a, struct seen_route, room),
        .targets = arena_array(a, struct seen_target, count_targets(routes, count))};
    if (ret_seen->routes == NULL || ret_seen->targets == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++) {
        see_route(ret_seen, routes[i]);
        see_targets(ret_seen, routes[i]);
    }
    return OK;
}

/* ---- routes ---- */

/* One number for each value of a second label; 0 is left out. */
static struct err put_each(struct buf *out, const char *name, const char *label,
                           const char *const *values, const struct seen_route *r,
                           const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metrics_label labels[] = {
            {"route", r->id}, {label, str_from(values[i])}, {NULL, STR_NONE}};
        if (numbers[i] > 0)
            TRY(metrics_text_integer(out, &(struct metrics_series){name, "", labels},
                                     (int64_t)numbers[i]));
    }
    return OK;
}

static struct err put_classes(struct buf *out, const struct seen *seen)
{
    static const char name[] = "gatehouse_route_requests_total";
    static const char *const classes[ROUTE_CLASS_COUNT] = {"none", "1xx", "2xx",
                                                           "3xx",  "4xx", "5xx"};
    TRY(metrics_text_family(out, name, "counter",
                            "Requests by class of their answer; none: there was none"));
    for (size_t i = 0; i < seen->route_count; i++)
        TRY(put_each(out, name, "class", classes, &seen->routes[i],
                     seen->routes[i].numbers.requests, ROUTE_CLASS_COUNT));
    return OK;
}

static struct err put_endings(struct buf *out, const struct seen *seen)
{
    static const char name[] = "gatehouse_route_requests_ended_total";
    static const char *const enders[ENDED_BY_COUNT] = {"", "client", "target", "gateway"};
    TRY(metrics_text_family(out, name, "counter",
                            "Requests that somebody ended before they were done"));
    for (size_t i = 0; i < seen->route_count; i++)
        TRY(put_each(out, name, "by", &enders[1], &seen->routes[i],
                     &seen->routes[i].numbers.ended[1], ENDED_BY_COUNT - 1));
    return OK;
}

static struct err put_times_of(struct buf *out, const char *name, const struct seen_route *r)
{
    const struct route_numbers *n = &r->numbers;
    const struct metrics_label labels[] = {{"route", r->id}, {NULL, STR_NONE}};
    uint64_t below = 0;
    for (size_t i = 0; i < ROUTE_LIVE_BUCKETS; i++) {
        char text[METRICS_SECONDS_MAX];
        struct str bound = i + 1 == ROUTE_LIVE_BUCKETS
                               ? STR("+Inf")
                               : metrics_text_from_us(route_live_bounds_us[i], text);
        const struct metrics_label with_bound[] = {
            {"route", r->id}, {"le", bound}, {NULL, STR_NONE}};
        below += n->buckets[i];
        TRY(metrics_text_integer(out, &(struct metrics_series){name, "_bucket", with_bound},
                                 (int64_t)below));
    }
    TRY(metrics_text_seconds(out, &(struct metrics_series){name, "_sum", labels}, n->timed_us));
    return metrics_text_integer(out, &(struct metrics_series){name, "_count", labels},
                                (int64_t)n->timed);
}

static struct err put_times(struct buf *out, const struct seen *seen)
{
    static const char name[] = "gatehouse_route_request_seconds";
    TRY(metrics_text_family(out, name, "histogram",
                            "From the request's head to its end; without tunnels"));
    for (size_t i = 0; i < seen->route_count; i++)
        TRY(put_times_of(out, name, &seen->routes[i]));
    return OK;
}

static const struct {
    const char *name;
    const char *type;
    const char *help;
    size_t offset; /* of a uint64_t in struct seen_route */
} route_families[] = {
    {"gatehouse_route_requests_open", "gauge", "Requests under way now",
     offsetof(struct seen_route, numbers.open)},
    {"gatehouse_route_requests_waiting", "gauge", "Requests in the queue for a target now",
     offsetof(struct seen_route, waiting)},
    {"gatehouse_route_bytes_in_total", "counter", "Body bytes received from clients",
     offsetof(struct seen_route, numbers.in_bytes)},
    {"gatehouse_route_bytes_out_total", "counter", "Body bytes sent to clients",
     offsetof(struct seen_route, numbers.out_bytes)},
};

static struct err put_routes(struct buf *out, const struct seen *seen)
{
    TRY(put_classes(out, seen));
    TRY(put_endings(out, seen));
    TRY(put_times(out, seen));
    for (size_t f = 0; f < ARRAY_LEN(route_families); f++) {
        TRY(metrics_text_family(out, route_families[f].name, route_families[f].type,
                                route_families[f].help));
        for (size_t i = 0; i < seen->route_count; i++) {
            const struct metrics_label labels[] = {{"route", seen->routes[i].id},
                                                   {NULL, STR_NONE}};
            uint64_t value;
            memcpy(&value, (const char *)&seen->routes[i] + route_families[f].offset,
                   sizeof(value));
            TRY(metrics_text_integer(
                out, &(struct metrics_series){route_families[f].name, "", labels},
                (int64_t)value));
        }
    }
    return OK;
}

/* ---- targets ---- */

enum target_family {
    FAMILY_UP,
    FAMILY_REQUESTS,
    FAMILY_FAILURES,
    FAMILY_PROBE_FAILURES,
    FAMILY_RETRIES,
    FAMILY_EJECTIONS,
    FAMILY_ACTIVE,
    FAMILY_CONNECTIONS,
    FAMILY_COUNT
};

static const struct {
    const char *name;
    const char *type;
    const char *help;
} target_families[FAMILY_COUNT] = {
    [FAMILY_UP] = {"gatehouse_target_up", "gauge",
                   "1: it serves, 0: it does not, absent: not asked yet"},
    [FAMILY_REQUESTS] = {"gatehouse_target_requests_total", "counter",
                         "Requests that the target began to answer"},
    [FAMILY_FAILURES] = {"gatehouse_target_failures_total", "counter",
                         "Requests and connections that the target failed"},
    [FAMILY_PROBE_FAILURES] = {"gatehouse_target_probe_failures_total", "counter",
                               "Health checks of the target that failed"},
    [FAMILY_RETRIES] = {"gatehouse_target_retries_total", "counter",
                        "Attempts with the target that followed a failed one"},
    [FAMILY_EJECTIONS] = {"gatehouse_target_ejections_total", "counter",
                          "How often the target was left out after failures in a row"},
    [FAMILY_ACTIVE] = {"gatehouse_target_requests_open", "gauge",
                       "Requests under way with the target"},
    [FAMILY_CONNECTIONS] = {"gatehouse_target_connections", "gauge",
                            "Connections to the target open now"},
};

static int64_t value_of(enum target_family f, const struct target_report *r)
{
    switch (f) {
    case FAMILY_UP:
        return target_report_serves(r);
    case FAMILY_REQUESTS:
        return (int64_t)r->requests;
    case FAMILY_FAILURES:
        return (int64_t)r->failures;
    case FAMILY_PROBE_FAILURES:
        return (int64_t)r->probe_failures;
    case FAMILY_RETRIES:
        return (int64_t)r->retries;
    case FAMILY_EJECTIONS:
        return (int64_t)r->ejections;
    case FAMILY_ACTIVE:
        return r->active;
    case FAMILY_CONNECTIONS:
        return r->connections;
    case FAMILY_COUNT:
        break;
    }
    return 0;
}

static struct err put_targets(struct buf *out, const struct seen *seen)
{
    for (enum target_family f = 0; f < FAMILY_COUNT; f++) {
        const char *name = target_families[f].name;
        TRY(metrics_text_family(out, name, target_families[f].type, target_families[f].help));
        for (size_t i = 0; i < seen->target_count; i++) {
            const struct seen_target *t = &seen->targets[i];
            const struct metrics_label labels[] = {
                {"route", t->route_id}, {"target", t->url}, {NULL, STR_NONE}};
            if (f == FAMILY_UP && t->report.state == TARGET_UNKNOWN)
                continue;
            TRY(metrics_text_integer(out, &(struct metrics_series){name, "", labels},
                                     value_of(f, &t->report)));
        }
    }
    return OK;
}

/* ---- all of it ---- */

static struct err put_certs(struct buf *out, const struct cert *const *certs, size_t count)
{
    static const char name[] = "gatehouse_certificate_not_after_seconds";
    TRY(metrics_text_family(out, name, "gauge",
                            "When the certificate expires, in seconds since 1970"));
    for (size_t i = 0; i < count; i++) {
        const struct metrics_label labels[] = {{"certificate", certs[i]->object.id},
                                               {NULL, STR_NONE}};
        if (certs[i]->has_material)
            TRY(metrics_text_integer(out, &(struct metrics_series){name, "", labels},
                                     certs[i]->facts.not_after_at));
    }
    return OK;
}

struct err api_metrics_show(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct admin_ports *ports = &call->api->ports;
    struct arena *a = call->request->arena;
    struct buf *out = &call->reply->body;
    const struct route *const *routes;
    const struct cert *const *certs;
    size_t route_count;
    size_t cert_count;
    struct seen seen;
    TRY(snapshot_routes(s, a, &routes, &route_count));
    TRY(snapshot_certs(s, a, &certs, &cert_count));
    TRY(look(a, routes, route_count, &seen));
    TRY(put_build(out));
    TRY(put_process(out, call->api->started_at));
    TRY(put_counters(out));
    TRY(put_gauge(out, "gatehouse_routes", "Routes, disabled ones included", route_count));
    TRY(put_gauge(out, "gatehouse_certificates", "Certificates in any state", cert_count));
    TRY(put_gauge(out, "gatehouse_metrics_omitted",
                  "Routes and targets with traffic that are left out here: too many",
                  seen.omitted_count));
    TRY(put_routes(out, &seen));
    TRY(put_targets(out, &seen));
    TRY(put_certs(out, certs, cert_count));
    if (ports->metrics != NULL)
        ports->metrics(ports->arg, out);
    return admin_reply_text(call->reply, 200, METRICS_TEXT_TYPE, STR(""));
}
