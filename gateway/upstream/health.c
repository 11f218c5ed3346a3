#include "gateway/upstream/health.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

#include <errno.h>

enum { FULL_SHARE = 100, FIRST_SHARE = 10 }; /* hundredths of the weight */

/* Nothing is published through these cells but themselves. */
#define load(cell)         atomic_load_explicit(cell, memory_order_relaxed)
#define store(cell, value) atomic_store_explicit(cell, value, memory_order_relaxed)

/* ---- questions ---- */

static bool is_probe_down(const struct upstream *u, const struct target *t)
{
    return upstream_is_checked(u) && load(&t->live->health.is_probe_down);
}

enum health_state health_read(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    if (is_probe_down(u, t))
        return HEALTH_DOWN;
    uint64_t until = target_ejected_until(u, t);
    if (until == 0)
        return HEALTH_UP;
    return now_ms < until || upstream_is_checked(u) ? HEALTH_DOWN : HEALTH_TRIAL;
}

bool health_claim_trial(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    uint64_t until = target_ejected_until(u, t);
    if (until == 0)
        return true; /* it is back meanwhile */
    if (now_ms < until || !atomic_compare_exchange_strong_explicit(
                              &h->ejected_until, &until, now_ms + u->health.interval_ms,
                              memory_order_relaxed, memory_order_relaxed))
        return false;
    store(&h->is_on_trial, true);
    return true;
}

static uint32_t share(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    uint64_t slow_ms = u->health.slow_start_ms;
    uint64_t back_at = slow_ms == 0 ? 0 : load(&t->live->health.back_at);
    if (back_at == 0 || now_ms >= back_at + slow_ms)
        return FULL_SHARE;
    uint64_t since_ms = now_ms > back_at ? now_ms - back_at : 0;
    return (uint32_t)(FIRST_SHARE + (FULL_SHARE - FIRST_SHARE) * since_ms / slow_ms);
}

uint32_t health_weight(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    return t->weight * share(u, t, now_ms);
}

uint64_t health_wait_ms(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    uint64_t until = target_ejected_until(u, t);
    uint64_t wait_ms = until > now_ms ? until - now_ms : 0;
    bool is_over = until != 0 && wait_ms == 0 && upstream_is_checked(u); /* a probe ends it */
    if ((is_probe_down(u, t) || is_over) && wait_ms < u->health.interval_ms)
        wait_ms = u->health.interval_ms;
    return wait_ms;
}

/* ---- changes ---- */

static void say_down(const struct route *r, const struct target *t, struct err e)
{
    metric_add(METRIC_TARGET_DOWNS, 1);
    log_err(e, "target_down", KV_STR("route", r->object.id), KV_STR("target", t->url));
}

static void say_up(const struct route *r, const struct target *t, const char *why)
{
    metric_add(METRIC_TARGET_UPS, 1);
    log_info("target_up", KV_STR("route", r->object.id), KV_STR("target", t->url),
             KV_CSTR("why", why));
}

/* A shortage or a certificate of our own says nothing about the target. */
static bool is_targets_fault(struct err e)
{
    static const int own[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
    if ((e.kind->status != 502 && e.kind->status != 504) || err_is(e, ERR_TARGET_CLIENT_CERT))
        return false;
    for (size_t i = 0; err_is(e, ERR_TARGET_CONNECT) && i < ARRAY_LEN(own); i++) {
        if (e.detail == own[i])
            return false;
    }
    return true;
}

static bool has_other(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    for (size_t i = 0; i < u->targets_list.count; i++) {
        const struct target *other = &upstream_targets(u)[i];
        if (other != t && !other->is_draining && health_read(u, other, now_ms) == HEALTH_UP)
            return true;
    }
    return false;
}

/* Nobody is left to serve meanwhile: those that were to stay out for long are tried soon. */
static void hasten_others(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    uint64_t soon_ms = now_ms + u->health.interval_ms;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        const struct target *other = &upstream_targets(u)[i];
        uint64_t until = other == t ? 0 : target_ejected_until(u, other);
        if (until > soon_ms)
            (void)atomic_compare_exchange_strong_explicit(&other->live->health.ejected_until,
                                                          &until, soon_ms, memory_order_relaxed,
                                                          memory_order_relaxed);
    }
}

/* Twice the last, unless it has been well for as long as that lasted, or is reached in another
 * way since. */
static uint64_t next_length(const struct upstream *u, const struct target *t, uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    uint64_t interval_ms = u->health.interval_ms;
    uint64_t last_ms = load(&h->ejection_ms), back_at = load(&h->back_at);
    bool was_well = load(&h->ejected_until) == 0 && now_ms >= back_at + last_ms;
    bool is_edited = load(&h->ejected_in) < t->edition;
    uint64_t next_ms = last_ms == 0 || was_well || is_edited ? interval_ms : 2 * last_ms;
    uint64_t max_ms = interval_ms > EJECTION_MAX_MS ? interval_ms : EJECTION_MAX_MS;
    return next_ms < max_ms ? next_ms : max_ms;
}

/* expected_until: of the ejection that was found, whatever it is worth. */
static void eject(const struct route *r, const struct target *t, uint64_t expected_until,
                  struct err e, uint64_t now_ms)
{
    const struct upstream *u = &r->upstream;
    struct target_health *h = &t->live->health;
    bool is_spared = has_other(u, t, now_ms);
    uint64_t length_ms = is_spared ? next_length(u, t, now_ms) : u->health.interval_ms;
    if (!atomic_compare_exchange_strong_explicit(&h->ejected_until, &expected_until,
                                                 now_ms + length_ms, memory_order_relaxed,
                                                 memory_order_relaxed))
        return; /* another worker was faster */
    store(&h->ejected_in, t->edition);
    store(&h->ejection_ms, length_ms);
    atomic_fetch_add_explicit(&h->ejections, 1, memory_order_relaxed);
    store(&h->failures, 0);
    if (!is_spared)
        hasten_others(u, t, now_ms);
    say_down(r, t, e);
}

/* False: another worker was faster. */
static bool readmit(const struct route *r, const struct target *t, const char *why,
                    uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    store(&h->failures, 0);
    store(&h->back_at, now_ms);
    if (atomic_exchange_explicit(&h->ejected_until, 0, memory_order_relaxed) == 0)
        return false;
    say_up(r, t, why);
    return true;
}

static bool end_trial(struct target_health *h)
{
    return load(&h->is_on_trial) &&
           atomic_exchange_explicit(&h->is_on_trial, false, memory_order_relaxed);
}

/* ---- requests ---- */

void health_note_failure(const struct route *r, const struct target *t, struct err e,
                         uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    if (!r->upstream.has_choice || !is_targets_fault(e))
        return;
    uint64_t until = load(&h->ejected_until);
    if (target_ejected_until(&r->upstream, t) != 0) {
        /* Requests from before the ejection may still fail: only the trial counts. */
        if (end_trial(h))
            eject(r, t, until, e, now_ms);
        return;
    }
    uint32_t count = atomic_fetch_add_explicit(&h->failures, 1, memory_order_relaxed) + 1;
    if (count >= r->upstream.health.unhealthy_after)
        eject(r, t, until, e, now_ms);
}

bool health_note_answer(const struct route *r, const struct target *t, uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    return load(&h->ejected_until) != 0 && end_trial(h) &&
           readmit(r, t, "its trial succeeded", now_ms);
}

void health_note_end(const struct target *t)
{
    struct target_health *h = &t->live->health;
    if (load(&h->failures) != 0)
        store(&h->failures, 0);
}

/* ---- probes ---- */

/* Good ones upwards from 1, bad ones downwards from -1; stops at its ends. */
static int32_t count_probe(struct target_health *h, bool is_good)
{
    int32_t n = load(&h->probes);
    if (is_good)
        n = n < 0 ? 1 : n < INT32_MAX ? n + 1 : n;
    else
        n = n > 0 ? -1 : n > INT32_MIN ? n - 1 : n;
    store(&h->probes, n);
    return n;
}

static bool note_good_probe(const struct route *r, const struct target *t, uint64_t now_ms)
{
    struct target_health *h = &t->live->health;
    bool is_back = false;
    uint64_t until = load(&h->ejected_until);
    int32_t count = count_probe(h, true);
    if (load(&h->is_probe_down) && (uint32_t)count >= r->upstream.health.healthy_after) {
        store(&h->is_probe_down, false);
        store(&h->back_at, now_ms);
        say_up(r, t, "its probes succeed");
        is_back = true;
    }
    if (until != 0 && now_ms >= until)
        is_back |= readmit(r, t, "its probe succeeded", now_ms);
    return is_back;
}

static void note_bad_probe(const struct route *r, const struct target *t, struct err e)
{
    struct target_health *h = &t->live->health;
    if (!is_targets_fault(e))
        return;
    int64_t count = -(int64_t)count_probe(h, false);
    if (load(&h->is_probe_down) || count < r->upstream.health.unhealthy_after)
        return;
    store(&h->is_probe_down, true);
    say_down(r, t, e);
}

bool health_note_probe(const struct route *r, const struct target *t, struct err e,
                       uint64_t now_ms)
{
    if (!failed(e))
        return note_good_probe(r, t, now_ms);
    note_bad_probe(r, t, e);
    return false;
}
