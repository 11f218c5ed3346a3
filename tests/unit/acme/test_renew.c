#include "acme/renew.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define HOUR 3600ll
#define DAY  (24 * HOUR)
#define T0   1790000000ll

/* The middle of the jitter: random % 2001 == 1000. */
#define NO_JITTER 1000u

/* clang-format off */
static const struct {
    const char *name;
    int64_t not_before_at, not_after_at, got_at, want_at;
} lives[] = {
    {"90 days: two thirds", T0, T0 + 90 * DAY, T0, T0 + 60 * DAY},
    {"45 days: two thirds", T0, T0 + 45 * DAY, T0, T0 + 30 * DAY},
    {"398 days: two thirds", T0, T0 + 399 * DAY, T0, T0 + 266 * DAY},
    {"160 hours: a half", T0, T0 + 160 * HOUR, T0, T0 + 80 * HOUR},
    {"one hour: a half", T0, T0 + HOUR, T0, T0 + HOUR / 2},
    {"20 seconds: a half", T0, T0 + 20, T0, T0 + 10},
    {"when it came is not known", T0, T0 + 90 * DAY, 0, T0 + 60 * DAY},
    {"it came before it began: by another clock", T0, T0 + 90 * DAY, T0 - DAY, T0 + 60 * DAY},
    {"it came after its end: by another clock", T0, T0 + 90 * DAY, T0 + 900 * DAY,
     T0 + 90 * DAY},
    {"backdated by most of its life: not at once, and not for ever", T0 - 90 * DAY,
     T0 + 3 * DAY, T0, T0 + DAY},
    {"expired", T0 - 90 * DAY, T0 - DAY, T0, T0 - DAY},
    {"ends before it begins", T0 + DAY, T0, T0, T0},
    {"after 2038", T0 + 20000 * DAY, T0 + 20090 * DAY, T0 + 20000 * DAY, T0 + 20060 * DAY},
};
/* clang-format on */

static const struct cert_renewal nothing_said;

static struct renew_life life_of(size_t i)
{
    return (struct renew_life){.not_before_at = lives[i].not_before_at,
                               .not_after_at = lives[i].not_after_at,
                               .got_at = lives[i].got_at};
}

static void renewal_comes_when_the_life_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        struct renew_life life = life_of(i);
        struct renew_plan plan = renew_plan(&life, &nothing_said, NO_JITTER);
        if (plan.at != lives[i].want_at)
            fail_msg("%s: off by %lld s", lives[i].name,
                     (long long)(plan.at - lives[i].want_at));
    }
}

static void jitter_is_two_percent_to_either_side(void **state)
{
    (void)state;
    struct renew_life life = {T0, T0 + 90 * DAY, T0};
    int64_t fiftieth = 90 * DAY / 50;
    assert_int_equal(renew_backstop_at(&life, 0), T0 + 60 * DAY - fiftieth);
    assert_int_equal(renew_backstop_at(&life, 2000), T0 + 60 * DAY + fiftieth);
    assert_int_equal(renew_backstop_at(&life, UINT64_MAX % 2001),
                     renew_backstop_at(&life, UINT64_MAX));
}

/* B7: dates at the ends of the scale. */
static void extreme_dates_do_not_overflow(void **state)
{
    (void)state;
    static const int64_t ends[] = {INT64_MIN, INT64_MIN / 2, -1,       0,
                                   1,         INT64_MAX / 2, INT64_MAX};
    size_t count = ARRAY_LEN(ends);
    for (size_t n = 0; n < count * count * count * count; n++) {
        struct renew_life life = {ends[n % count], ends[n / count % count],
                                  ends[n / count / count % count]};
        struct cert_renewal window = {.start_at = 1,
                                      .selected_at = ends[n / count / count / count]};
        int64_t at = renew_plan(&life, &window, UINT64_MAX).at;
        assert_true(at > INT64_MIN / 4 && at < INT64_MAX / 4);
        at = renew_plan(&life, &nothing_said, UINT64_MAX).at;
        assert_true(at > INT64_MIN / 4 && at < INT64_MAX / 4);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    int64_t life_s, want_left_s;
} emergencies[] = {
    {"20 seconds: a quarter, because five looks at the clock are longer", 20, 5},
    {"one hour: a quarter", HOUR, HOUR / 4},
    {"160 hours: a twentieth", 160 * HOUR, 8 * HOUR},
    {"45 days: a twentieth", 45 * DAY, 45 * DAY / 20},
    {"90 days: a twentieth", 90 * DAY, 90 * DAY / 20},
    {"398 days: a twentieth", 398 * DAY, 398 * DAY / 20},
};
/* clang-format on */

static void there_is_a_last_moment(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(emergencies); i++) {
        struct renew_life life = {T0, T0 + emergencies[i].life_s, T0};
        struct cert_renewal too_late = {.start_at = T0 + emergencies[i].life_s - 2,
                                        .end_at = T0 + emergencies[i].life_s + 2,
                                        .selected_at = T0 + emergencies[i].life_s};
        struct renew_plan plan = renew_plan(&life, &too_late, 0);
        if (life.not_after_at - plan.at != emergencies[i].want_left_s ||
            plan.reason != RENEW_EMERGENCY || plan.at != renew_emergency_at(&life))
            fail_msg("%s: %lld s are left", emergencies[i].name,
                     (long long)(life.not_after_at - plan.at));
    }
}

/* What was old when it came must not be in its last moments at once, again and again. */
static void the_last_moment_leaves_something_of_what_we_got(void **state)
{
    (void)state;
    struct renew_life life = {T0 - 90 * DAY, T0 + DAY, T0};
    assert_int_equal(renew_emergency_at(&life), T0 + DAY - DAY / 20);
}

/* clang-format off */
static const struct {
    const char *name;
    int64_t life_s, selected_s, want_s;
    enum renew_reason reason;
} windows[] = {
    {"later than two thirds", 90 * DAY, 70 * DAY, 70 * DAY, RENEW_ASKED},
    {"sooner", 90 * DAY, 3 * DAY, 3 * DAY, RENEW_ASKED},
    {"in the past: an hour after it came", 90 * DAY, -DAY, HOUR, RENEW_ASKED},
    {"in the past of a short one", 30, -DAY, 0, RENEW_ASKED},
    {"after its end: the last moment", 90 * DAY, 100 * DAY, 90 * DAY - 90 * DAY / 20,
     RENEW_EMERGENCY},
};
/* clang-format on */

static void the_word_of_the_ca_goes_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        struct renew_life life = {T0, T0 + windows[i].life_s, T0};
        struct cert_renewal window = {.start_at = T0 + windows[i].selected_s - 10,
                                      .end_at = T0 + windows[i].selected_s + 10,
                                      .selected_at = T0 + windows[i].selected_s};
        struct renew_plan plan = renew_plan(&life, &window, NO_JITTER);
        if (plan.at != T0 + windows[i].want_s || plan.reason != windows[i].reason)
            fail_msg("%s: after %lld s, because %s", windows[i].name, (long long)(plan.at - T0),
                     renew_words(plan.reason));
    }
}

/* Ten thousand certificates that came together: none of the 28 slots of three hours that the
 * jitter gives them holds much more than its share. */
static void renewals_are_spread_evenly(void **state)
{
    (void)state;
    enum { COUNT = 10000, SLOTS = 28 };
    struct renew_life life = {T0, T0 + 90 * DAY, T0};
    int64_t begin_at = T0 + 60 * DAY - 90 * DAY / 50, width_s = 2 * 90 * DAY / 50;
    unsigned slots[SLOTS + 1] = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        char id[32];
        int len = snprintf(id, sizeof(id), "host-%u.example.org", i);
        uint64_t seed = renew_seed(str_make(id, (size_t)len), STR("ab"));
        int64_t at = renew_plan(&life, &nothing_said, seed).at;
        assert_in_range(at, begin_at, begin_at + width_s);
        slots[(at - begin_at) * SLOTS / width_s]++;
    }
    slots[SLOTS - 1] += slots[SLOTS]; /* the very last moment */
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i] < COUNT / SLOTS * 7 / 10 || slots[i] > COUNT / SLOTS * 13 / 10)
            fail_msg("slot %u holds %u of %u", i, slots[i], (unsigned)COUNT);
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
    {"first", {PROBLEM_VALIDATION, 1, 0, 0}, 60},
    {"second", {PROBLEM_VALIDATION, 2, 0, 0}, 600},
    {"third", {PROBLEM_VALIDATION, 3, 0, 0}, 6000},
    {"fourth", {PROBLEM_VALIDATION, 4, 0, 0}, DAY},
    {"after a month", {PROBLEM_VALIDATION, 32, 0, 0}, DAY},
    {"thousandth", {PROBLEM_VALIDATION, 1000, 0, 90 * DAY}, 7 * DAY},
    {"a counter that ran over", {PROBLEM_VALIDATION, 0, 0, 0}, 60},
    {"a CA in trouble is asked every 100 minutes", {PROBLEM_SOON, 1000, 0, 0}, 6000},
    {"what we ask for is wrong: daily from the first time", {PROBLEM_INPUT, 1, 0, 0}, DAY},
    {"somebody is needed: daily", {PROBLEM_HUMAN, 1, 0, 0}, DAY},
    {"the CA says when", {PROBLEM_WAIT, 1, 5 * 60000, 0}, 300},
    {"the CA says wait, not how long", {PROBLEM_WAIT, 1, 0, 0}, 3600},
    {"a short life leaves no time to wait", {PROBLEM_VALIDATION, 3, 0, HOUR}, HOUR / 20},
    {"and never none at all", {PROBLEM_SOON, 1, 0, 5}, 1},
    {"a long life changes nothing", {PROBLEM_VALIDATION, 3, 0, 90 * DAY}, 6000},
    {"nor does a short one where asking again is of no use", {PROBLEM_INPUT, 1, 0, HOUR}, DAY},
    {"never sooner than the CA said", {PROBLEM_SOON, 1, 3 * HOUR * 1000, 0}, 3 * HOUR},
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
    struct renew_failure f = {PROBLEM_VALIDATION, 2, 0, 0};
    assert_int_equal(renew_retry_at(&f, T0, 0) - T0, 480);
    assert_int_equal(renew_retry_at(&f, T0, 2000) - T0, 720);
    struct renew_failure wait = {PROBLEM_WAIT, 1, 100000, 0};
    for (uint64_t random = 0; random < 3000; random++)
        assert_true(renew_retry_at(&wait, T0, random) >= T0 + 100);
}

static void words_fit_the_life(void **state)
{
    (void)state;
    struct renew_life life = {T0, T0 + 90 * DAY, T0};
    assert_int_equal(renew_plan(&life, &nothing_said, 0).reason, RENEW_TWO_THIRDS);
    life.not_after_at = T0 + 6 * DAY;
    assert_int_equal(renew_plan(&life, &nothing_said, 0).reason, RENEW_HALF);
    for (enum renew_reason r = RENEW_TWO_THIRDS; r <= RENEW_EMERGENCY; r++)
        assert_true(strlen(renew_words(r)) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewal_comes_when_the_life_says),
        cmocka_unit_test(jitter_is_two_percent_to_either_side),
        cmocka_unit_test(extreme_dates_do_not_overflow),
        cmocka_unit_test(there_is_a_last_moment),
        cmocka_unit_test(the_last_moment_leaves_something_of_what_we_got),
        cmocka_unit_test(the_word_of_the_ca_goes_first),
        cmocka_unit_test(renewals_are_spread_evenly),
        cmocka_unit_test(the_same_certificate_keeps_its_seed),
        cmocka_unit_test(failures_wait_longer_and_longer),
        cmocka_unit_test(retries_are_spread),
        cmocka_unit_test(words_fit_the_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
