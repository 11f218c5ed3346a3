#include "acme/renew.h"

#include "gateway/base/hash.h"
#include "gateway/base/limits.h"

#define MINUTE_S     60ll
#define HOUR_S       (60 * MINUTE_S)
#define DAY_S        (24 * HOUR_S)
#define WEEK_S       (7 * DAY_S)
#define SHORT_LIFE_S (10 * DAY_S)

/* Until the clock is looked at again, at most. */
#define LOOK_S (ACME_SLEEP_MAX_MS / 1000)

/* Year 280,000: sums of a few of these stay far from the ends of int64_t. */
#define AT_MAX ((int64_t)1 << 43)

static int64_t clamp(int64_t at)
{
    if (at > AT_MAX)
        return AT_MAX;
    return at < -AT_MAX ? -AT_MAX : at;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

uint64_t renew_seed(struct str cert_id, struct str fingerprint)
{
    static const struct hash_key key = {.k0 = 0x67617465, .k1 = 0x686f757365};
    return hash_str(&key, cert_id) ^ hash_str(&key, fingerprint);
}

/* value moved by up to percent of it, to either side; random decides. */
static int64_t jitter(int64_t value, int64_t percent, uint64_t random)
{
    int64_t per_mille = (int64_t)(random % 2001) - 1000; /* -1000 .. 1000 */
    return value / 100000 * percent * per_mille + value % 100000 * percent * per_mille / 100000;
}

/* ---- renewal ---- */

/* A life without surprises: begin_at <= got_at <= end_at. */
struct span {
    int64_t begin_at;
    int64_t got_at;
    int64_t end_at;
};

static struct span span_of(const struct renew_life *life)
{
    struct span s = {.end_at = clamp(life->not_after_at)};
    s.begin_at = smaller(clamp(life->not_before_at), s.end_at);
    s.got_at = life->got_at == 0 ? s.begin_at : clamp(life->got_at);
    s.got_at = smaller(larger(s.got_at, s.begin_at), s.end_at);
    return s;
}

static bool is_short_lived(const struct span *s)
{
    return s->end_at - s->begin_at < SHORT_LIFE_S;
}

int64_t renew_backstop_at(const struct renew_life *life, uint64_t seed)
{
    struct span s = span_of(life);
    int64_t life_s = s.end_at - s.begin_at;
    int64_t at = s.begin_at + (is_short_lived(&s) ? life_s / 2 : life_s / 3 * 2);
    at += jitter(life_s, 2, seed);
    return larger(at, s.got_at + (s.end_at - s.got_at) / 3);
}

int64_t renew_emergency_at(const struct renew_life *life)
{
    struct span s = span_of(life);
    int64_t left_s = s.end_at - s.got_at;
    int64_t looks_s = smaller(5ll * LOOK_S, left_s / 4);
    return s.end_at - larger(left_s / 20, looks_s);
}

static struct renew_plan suggested(const struct span *s, const struct cert_renewal *window)
{
    int64_t soonest_at = s->got_at + smaller((s->end_at - s->got_at) / 50, HOUR_S);
    return (struct renew_plan){.at = larger(clamp(window->selected_at), soonest_at),
                               .reason = RENEW_ASKED};
}

struct renew_plan renew_plan(const struct renew_life *life, const struct cert_renewal *window,
                             uint64_t seed)
{
    struct span s = span_of(life);
    struct renew_plan plan = {.reason = is_short_lived(&s) ? RENEW_HALF : RENEW_TWO_THIRDS};
    if (window->start_at != 0)
        plan = suggested(&s, window);
    else
        plan.at = renew_backstop_at(life, seed);
    int64_t last_at = renew_emergency_at(life);
    return plan.at <= last_at ? plan
                              : (struct renew_plan){.at = last_at, .reason = RENEW_EMERGENCY};
}

const char *renew_words(enum renew_reason reason)
{
    switch (reason) {
    case RENEW_TWO_THIRDS:
        return "two thirds of its lifetime have passed then";
    case RENEW_HALF:
        return "half of its lifetime has passed then";
    case RENEW_ASKED:
        return "the CA asks for it then";
    case RENEW_EMERGENCY:
        return "its end is near then";
    }
    return "";
}

/* ---- failures ---- */

static int64_t back_off_s(const struct renew_failure *failure)
{
    static const int64_t steps_s[] = {MINUTE_S, 10 * MINUTE_S, 100 * MINUTE_S, DAY_S};
    size_t last = ARRAY_LEN(steps_s) - 1;
    size_t index = failure->failures > 0 ? failure->failures - 1 : 0;
    switch (failure->class) {
    case PROBLEM_INPUT:
    case PROBLEM_HUMAN:
        return steps_s[last];
    case PROBLEM_WAIT:
        return failure->wait_ms > 0 ? 0 : HOUR_S;
    case PROBLEM_SOON:
        last--;
        break;
    case PROBLEM_VALIDATION:
        break;
    }
    if (failure->class == PROBLEM_VALIDATION && failure->failures > RENEW_GIVEN_UP)
        return WEEK_S;
    int64_t step_s = steps_s[index < last ? index : last];
    if (failure->life_s <= 0)
        return step_s;
    return smaller(step_s, larger(failure->life_s / 20, 1));
}

int64_t renew_retry_at(const struct renew_failure *failure, int64_t now_at, uint64_t random)
{
    int64_t base_s = back_off_s(failure);
    int64_t delay_s = base_s + jitter(base_s, 20, random);
    /* What needs somebody waits for a day at least. */
    if (failure->class == PROBLEM_HUMAN)
        delay_s = larger(delay_s, base_s);
    int64_t wait_s = (int64_t)(failure->wait_ms / 1000 % (uint64_t)AT_MAX);
    if (delay_s < wait_s) /* the jitter of a wait only ever adds */
        delay_s = wait_s + (int64_t)(random % (uint64_t)(wait_s / 10 + 1));
    return clamp(now_at) + delay_s;
}
