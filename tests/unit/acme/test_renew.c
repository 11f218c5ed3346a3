#include "acme/renew.h"
#include "tests/support/unit.h"

#define HOUR 3600ll
#define DAY  (24 * HOUR)
#define T0   1790000000ll

/* The middle of the jitter: random % 2001 == 1000. */
#define NO_JITTER 1000u

/* clang-format off */
static const struct {
    const char *name;
    int64_t not_before_at, not_after_at, now_at, want_at;
} lives[] = {
    {"90 days: two thirds", T0, T0 + 90 * DAY, T0, T0 + 60 * DAY},
    {"45 days: two thirds", T0, T0 + 45 * DAY, T0, T0 + 30 * DAY},
    {"398 days: two thirds", T0, T0 + 399 * DAY, T0, T0 + 266 * DAY},
    {"160 hours: a half", T0, T0 + 160 * HOUR, T0, T0 + 80 * HOUR},
    {"one hour: a half", T0, T0 + HOUR, T0, T0 + HOUR / 2},
    {"20 seconds: a half", T0, T0 + 20, T0, T0 + 10},
    {"backdated by most of its life: not at once, and not for ever", T0 - 90 * DAY,
     T0 + 3 * DAY, T0, T0 + DAY},
    {"expired: now", T0 - 90 * DAY, T0 - DAY, T0, T0},
    {"ends before it begins: now", T0 + DAY, T0, T0, T0},
    {"after 2038", T0 + 20000 * DAY, T0 + 20090 * DAY, T0 + 20000 * DAY, T0 + 20060 * DAY},
};
/* clang-format on */

static void renewal_comes_when_the_life_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        int64_t got =
            renew_at(lives[i].not_before_at, lives[i].not_after_at, lives[i].now_at, NO_JITTER);
        if (got != lives[i].want_at)
            fail_msg("%s: off by %lld s", lives[i].name, (long long)(got - lives[i].want_at));
    }
}

static void jitter_is_two_percent_to_either_side(void **state)
{
    (void)state;
    int64_t life = 90 * DAY;
    assert_int_equal(renew_at(T0, T0 + life, T0, 0), T0 + 60 * DAY - life / 50);
    assert_int_equal(renew_at(T0, T0 + life, T0, 2000), T0 + 60 * DAY + life / 50);
    assert_int_equal(renew_at(T0, T0 + life, T0, UINT64_MAX % 2001),
                     renew_at(T0, T0 + life, T0, UINT64_MAX));
}

/* B7: dates at the ends of the scale. */
static void extreme_dates_do_not_overflow(void **state)
{
    (void)state;
    static const int64_t ends[] = {INT64_MIN, INT64_MIN / 2, -1,       0,
                                   1,         INT64_MAX / 2, INT64_MAX};
    for (size_t b = 0; b < ARRAY_LEN(ends); b++)
        for (size_t e = 0; e < ARRAY_LEN(ends); e++)
            for (size_t n = 0; n < ARRAY_LEN(ends); n++) {
                int64_t at = renew_at(ends[b], ends[e], ends[n], UINT64_MAX);
                assert_true(at > INT64_MIN / 4 && at < INT64_MAX / 4);
            }
}

static void the_same_certificate_keeps_its_seed(void **state)
{
    (void)state;
    uint64_t seed = renew_seed(STR("shop"), STR("aa"));
    assert_true(seed == renew_seed(STR("shop"), STR("aa")));
    assert_true(seed != renew_seed(STR("shop"), STR("ab")));
    assert_true(seed != renew_seed(STR("shoq"), STR("aa")));
}

/* clang-format off */
static const struct {
    const char *name;
    struct renew_failure failure;
    int64_t want_s;
} failures[] = {
    {"first", {PROBLEM_VALIDATION, 1, 0}, 60},
    {"second", {PROBLEM_VALIDATION, 2, 0}, 600},
    {"third", {PROBLEM_VALIDATION, 3, 0}, 6000},
    {"fourth", {PROBLEM_VALIDATION, 4, 0}, DAY},
    {"thousandth", {PROBLEM_VALIDATION, 1000, 0}, DAY},
    {"a counter that ran over", {PROBLEM_VALIDATION, 0, 0}, 60},
    {"a CA in trouble is asked every 100 minutes", {PROBLEM_SOON, 1000, 0}, 6000},
    {"what we ask for is wrong: daily from the first time", {PROBLEM_INPUT, 1, 0}, DAY},
    {"somebody is needed: daily", {PROBLEM_HUMAN, 1, 0}, DAY},
    {"the CA says when", {PROBLEM_WAIT, 1, 5 * 60000}, 300},
    {"the CA says wait, not how long", {PROBLEM_WAIT, 1, 0}, 3600},
    {"never sooner than the CA said", {PROBLEM_SOON, 1, 3 * HOUR * 1000}, 3 * HOUR},
};
/* clang-format on */

static void failures_wait_longer_and_longer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        int64_t got = renew_retry_at(&failures[i].failure, T0, NO_JITTER) - T0;
        int64_t most =
            failures[i].failure.wait_ms > 0 ? failures[i].want_s * 11 / 10 : failures[i].want_s;
        if (got < failures[i].want_s || got > most)
            fail_msg("%s: %lld s", failures[i].name, (long long)got);
    }
}

static void retries_are_spread(void **state)
{
    (void)state;
    struct renew_failure f = {PROBLEM_VALIDATION, 2, 0};
    assert_int_equal(renew_retry_at(&f, T0, 0) - T0, 480);
    assert_int_equal(renew_retry_at(&f, T0, 2000) - T0, 720);
    struct renew_failure wait = {PROBLEM_WAIT, 1, 100000};
    for (uint64_t random = 0; random < 3000; random++)
        assert_true(renew_retry_at(&wait, T0, random) >= T0 + 100);
}

static void words_fit_the_life(void **state)
{
    (void)state;
    assert_string_equal(renew_why(T0, T0 + 90 * DAY),
                        "two thirds of its lifetime have passed then");
    assert_string_equal(renew_why(T0, T0 + 6 * DAY), "half of its lifetime has passed then");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewal_comes_when_the_life_says),
        cmocka_unit_test(jitter_is_two_percent_to_either_side),
        cmocka_unit_test(extreme_dates_do_not_overflow),
        cmocka_unit_test(the_same_certificate_keeps_its_seed),
        cmocka_unit_test(failures_wait_longer_and_longer),
        cmocka_unit_test(retries_are_spread),
        cmocka_unit_test(words_fit_the_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
