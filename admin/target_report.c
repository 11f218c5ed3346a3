#include "admin/target_report.h"

#include "store/error_text.h"

#include "gateway/base/units.h"

struct target_report target_report_read(const struct target *t)
{
    struct target_report r = {.state = TARGET_UNKNOWN};
    const struct target_live *live = t->live;
    if (live == NULL)
        return r;
    r.error = atomic_load_explicit(&live->error, memory_order_relaxed);
    r.error_detail = atomic_load_explicit(&live->error_detail, memory_order_relaxed);
    r.error_at = atomic_load_explicit(&live->error_at, memory_order_relaxed);
    r.ok_at = atomic_load_explicit(&live->ok_at, memory_order_relaxed);
    r.stale_at = atomic_load_explicit(&live->stale_at, memory_order_relaxed);
    r.requests = atomic_load_explicit(&live->requests, memory_order_relaxed);
    r.failures = atomic_load_explicit(&live->failures, memory_order_relaxed);
    r.retries = atomic_load_explicit(&live->retries, memory_order_relaxed);
    r.connections = atomic_load_explicit(&live->connections, memory_order_relaxed);
    /* Within one second nobody knows which came last; an answer counts for more. */
    if (r.error != NULL && r.error_at > r.ok_at)
        r.state = TARGET_DOWN;
    else if (r.ok_at > 0)
        r.state = TARGET_UP;
    return r;
}

const char *target_report_state_name(enum target_state state)
{
    switch (state) {
    case TARGET_UNKNOWN:
        return "unknown";
    case TARGET_UP:
        return "up";
    case TARGET_DOWN:
        return "down";
    }
    return "unknown";
}

struct str target_report_words(struct arena *a, const struct target_report *r)
{
    return r->error == NULL ? STR_NONE : error_text(fail(r->error, r->error_detail), a);
}

json_t *target_report_error_to_json(struct arena *a, const struct target_report *r)
{
    if (r->error == NULL)
        return json_null();
    char at[UNITS_TIME_MAX];
    units_format_time(r->error_at, at);
    struct str words = target_report_words(a, r);
    return json_pack("{s:s, s:s, s:o, s:s}", "error", r->error->name, "text", r->error->text,
                     "words", str_is_empty(words) ? json_null() : json_from_str(words), "at",
                     at);
}
