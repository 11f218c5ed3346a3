#include "admin/target_report.h"

#include "store/error_text.h"

#include "gateway/base/clock.h"
#include "gateway/base/units.h"

/* Nothing is published through these cells but themselves. */
#define load(cell) atomic_load_explicit(cell, memory_order_relaxed)

/* Answers that begin are no proof while others break off; after a while they are, or one that
 * streams without an end would be in doubt for ever. */
static bool is_in_trouble(const struct upstream *u, const struct target *t,
                          const struct target_report *r)
{
    uint32_t trouble = load(&t->live->trouble);
    int64_t since_s = clock_now_at() - r->error_at;
    /* A clock that was set back ends the doubt. */
    if (trouble == TROUBLE_DOUBT)
        return since_s >= 0 && since_s < (int64_t)(u->health.interval_ms / 1000);
    return trouble != TROUBLE_NONE;
}

/* What gateway/upstream/health.h makes of the same cells decides; a choice of targets is what
 * makes one dispensable. */
static enum target_state judge(const struct upstream *u, const struct target *t,
                               const struct target_report *r, uint64_t now_ms)
{
    const struct target_health *h = &t->live->health;
    bool is_checked = upstream_is_checked(u);
    uint64_t until = target_ejected_until(u, t);
    if (is_checked && load(&h->is_probe_down))
        return TARGET_DOWN;
    if (until != 0)
        return now_ms < until || is_checked ? TARGET_EJECTED : TARGET_TRIAL;
    if (is_in_trouble(u, t, r))
        return u->has_choice || is_checked ? TARGET_FAILING : TARGET_DOWN;
    return r->ok_at > 0 || (is_checked && load(&h->probes) > 0) ? TARGET_UP : TARGET_UNKNOWN;
}

/* A time of the monotonic clock on the wall. */
static int64_t wall_time(uint64_t mono_ms, uint64_t now_ms)
{
    return clock_now_at() + ((int64_t)mono_ms - (int64_t)now_ms) / 1000;
}

static void read_health(const struct upstream *u, const struct target *t, uint64_t now_ms,
                        struct target_report *r)
{
    const struct target_health *h = &t->live->health;
    uint64_t back_at = load(&h->back_at);
    r->state = judge(u, t, r, now_ms);
    r->is_probed = r->state == TARGET_DOWN && upstream_is_checked(u);
    r->ejections = load(&h->ejections);
    uint64_t until = target_ejected_until(u, t);
    if (r->state == TARGET_EJECTED && now_ms < until)
        r->ejected_until = wall_time(until, now_ms);
    if (back_at != 0 && now_ms < back_at + u->health.slow_start_ms)
        r->slow_start_until = wall_time(back_at + u->health.slow_start_ms, now_ms);
}

struct target_report target_report_read(const struct upstream *u, const struct target *t)
{
    struct target_report r = {.state = TARGET_UNKNOWN};
    const struct target_live *live = t->live;
    if (live == NULL)
        return r;
    r.error = load(&live->error);
    r.error_detail = load(&live->error_detail);
    r.error_at = load(&live->error_at);
    r.ok_at = load(&live->ok_at);
    r.stale_at = load(&live->stale_at);
    r.requests = load(&live->requests);
    r.failures = load(&live->failures);
    r.probe_failures = load(&live->probe_failures);
    r.retries = load(&live->retries);
    r.connections = load(&live->connections);
    r.active = load(&live->active);
    read_health(u, t, clock_mono_ms(), &r);
    return r;
}

bool target_report_serves(const struct target_report *r)
{
    return r->state != TARGET_DOWN && r->state != TARGET_EJECTED;
}

const char *target_report_state_name(enum target_state state)
{
    static const char *const names[] = {
        [TARGET_UNKNOWN] = "unknown", [TARGET_UP] = "up",
        [TARGET_FAILING] = "failing", [TARGET_DOWN] = "down",
        [TARGET_EJECTED] = "ejected", [TARGET_TRIAL] = "trial",
    };
    return names[state];
}

struct str target_report_words(struct arena *a, const struct target_report *r)
{
    return r->error == NULL ? STR_NONE : error_text(fail(r->error, r->error_detail), a);
}

/* ": cannot connect to the target: Connection refused" */
static struct str failure(struct arena *a, const struct target_report *r)
{
    struct str words = target_report_words(a, r);
    if (r->error == NULL)
        return STR("");
    return arena_fmt(a, ": %s%s%.*s", r->error->text, str_is_empty(words) ? "" : ": ",
                     STR_ARG(words));
}

struct str target_report_reason(struct arena *a, const struct target_report *r, struct str url)
{
    struct str why = failure(a, r);
    char at[UNITS_TIME_MAX];
    switch (r->state) {
    case TARGET_DOWN:
        return arena_fmt(a, "%.*s is down%s%.*s", STR_ARG(url),
                         r->is_probed ? ", say its health checks" : "", STR_ARG(why));
    case TARGET_EJECTED:
        if (r->ejected_until == 0)
            return arena_fmt(a, "%.*s is left out until its health checks succeed%.*s",
                             STR_ARG(url), STR_ARG(why));
        units_format_time(r->ejected_until, at);
        return arena_fmt(a, "%.*s is left out until %s%.*s", STR_ARG(url), at, STR_ARG(why));
    case TARGET_TRIAL:
        return arena_fmt(a, "%.*s was left out and is tried again%.*s", STR_ARG(url),
                         STR_ARG(why));
    case TARGET_UNKNOWN:
    case TARGET_UP:
    case TARGET_FAILING:
        break;
    }
    if (r->stale_at == 0)
        return STR_NONE;
    units_format_time(r->stale_at, at);
    return arena_fmt(a, "%.*s: its name no longer resolves; last addresses in use since %s",
                     STR_ARG(url), at);
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
