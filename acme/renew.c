#include "acme/renew.h"

#include "gateway/base/hash.h"

#define MINUTE_S     60ll
#define DAY_S        (1440 * MINUTE_S)
#define SHORT_LIFE_S (10 * DAY_S)

/* Year 280,000: sums of a few of these stay far from the ends of int64_t. */
#define AT_MAX ((int64_t)1 << 43)

static int64_t clamp(int64_t at)
{
    if (at > AT_MAX)
        return AT_MAX;
    return at < -AT_MAX ? -AT_MAX : at;
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

static bool is_short_lived(int64_t not_before_at, int64_t not_after_at)
{
    return clamp(not_after_at) - clamp(not_before_at) < SHORT_LIFE_S;
}

int64_t renew_at(int64_t not_before_at, int64_t not_after_at, int64_t now_at, uint64_t seed)
{
    int64_t begin_at = clamp(not_before_at);
    int64_t end_at = clamp(not_after_at);
    int64_t now = clamp(now_at);
    if (end_at <= begin_at || end_at <= now)
        return now;
    int64_t life_s = end_at - begin_at;
    int64_t at = begin_at + (is_short_lived(begin_at, end_at) ? life_s / 2 : life_s / 3 * 2);
    at += jitter(life_s, 2, seed);
    int64_t soonest_at = now + (end_at - now) / 3;
    return at > soonest_at ? at : soonest_at;
}

const char *renew_why(int64_t not_before_at, int64_t not_after_at)
{
    return is_short_lived(not_before_at, not_after_at)
               ? "half of its lifetime has passed then"
               : "two thirds of its lifetime have passed then";
}

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
        return failure->wait_ms > 0 ? 0 : 60 * MINUTE_S;
    case PROBLEM_SOON:
        last--;
        break;
    case PROBLEM_VALIDATION:
        break;
    }
    return steps_s[index < last ? index : last];
}

int64_t renew_retry_at(const struct renew_failure *failure, int64_t now_at, uint64_t random)
{
    int64_t base_s = back_off_s(failure);
    int64_t delay_s = base_s + jitter(base_s, 20, random);
    int64_t wait_s = (int64_t)(failure->wait_ms / 1000 % (uint64_t)AT_MAX);
    if (delay_s < wait_s) /* the jitter of a wait only ever adds */
        delay_s = wait_s + (int64_t)(random % (uint64_t)(wait_s / 10 + 1));
    return clamp(now_at) + delay_s;
}
