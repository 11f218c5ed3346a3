#include "admin/route_report.h"

/* {"2xx": 7, ...}: what there was. */
static json_t *count_each(const char *const *names, const uint64_t *numbers, size_t count)
{
    AUTO(json_decref) json_t *doc = json_object();
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] > 0 &&
            json_object_set_new(doc, names[i], json_integer((json_int_t)numbers[i])) != 0)
            return NULL;
    }
    return TAKE(doc);
}

static json_t *percentile(const struct route_numbers *n, unsigned percent)
{
    uint64_t us;
    return route_numbers_percentile_us(n, percent, &us) ? json_integer((json_int_t)us)
                                                        : json_null();
}

json_t *route_report_to_json(const struct route_live *live)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    static const char *const enders[] = {"client", "target", "gateway"};
    struct route_numbers n;
    uint64_t requests = 0;
    if (!route_live_read(live, &n))
        return json_null();
    for (size_t i = 0; i < ROUTE_CLASS_COUNT; i++)
        requests += n.requests[i];
    return json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:o, s:o}", "requests",
                     (json_int_t)requests, "open", (json_int_t)n.open, "classes",
                     count_each(classes, n.requests, ARRAY_LEN(classes)), "ended_by",
                     count_each(enders, &n.ended[1], ARRAY_LEN(enders)), "in_bytes",
                     (json_int_t)n.in_bytes, "out_bytes", (json_int_t)n.out_bytes, "p50_us",
                     percentile(&n, 50), "p99_us", percentile(&n, 99));
}
