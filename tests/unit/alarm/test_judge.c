#include "alarm/judge.h"
#include "tests/support/unit.h"

#define HOUR 3600ll
#define DAY  (24 * HOUR)
#define END  1800000000ll

/* ---- the end ---- */

/* clang-format off */
static const struct {
    const char *name;
    int64_t life_s, left_s, renew_in_s; /* renew_in_s 0: not by itself; from now */
    enum judge_step want;
} ends[] = {
    {"90 days, half left", 90 * DAY, 45 * DAY, 0, JUDGE_FAR},
    {"90 days, just more than a third", 90 * DAY, 30 * DAY + 1, 0, JUDGE_FAR},
    {"90 days, a third", 90 * DAY, 30 * DAY, 0, JUDGE_THIRD},
    {"90 days, more than a tenth", 90 * DAY, 9 * DAY + 1, 0, JUDGE_THIRD},
    {"90 days, a tenth", 90 * DAY, 9 * DAY, 0, JUDGE_TENTH},
    {"90 days, 3 days", 90 * DAY, 3 * DAY, 0, JUDGE_THREE_DAYS},
    {"90 days, 1 day", 90 * DAY, DAY, 0, JUDGE_ONE_DAY},
    {"90 days, a second", 90 * DAY, 1, 0, JUDGE_ONE_DAY},
    {"90 days, over", 90 * DAY, 0, 0, JUDGE_EXPIRED},
    {"90 days, long over", 90 * DAY, -900 * DAY, 0, JUDGE_EXPIRED},
    {"398 days, a tenth", 398 * DAY, 39 * DAY, 0, JUDGE_TENTH},
    {"45 days, a tenth", 45 * DAY, 4 * DAY, 0, JUDGE_TENTH},
    {"45 days, 3 days", 45 * DAY, 3 * DAY, 0, JUDGE_THREE_DAYS},
    {"20 days: 3 days are more than a tenth", 20 * DAY, 3 * DAY, 0, JUDGE_THIRD},
    {"20 days, a tenth", 20 * DAY, 2 * DAY, 0, JUDGE_TENTH},
    {"20 days, 1 day", 20 * DAY, DAY, 0, JUDGE_ONE_DAY},
    {"160 hours, a day: neither a tenth nor a step", 160 * HOUR, 24 * HOUR, 0, JUDGE_THIRD},
    {"160 hours, a tenth", 160 * HOUR, 16 * HOUR, 0, JUDGE_TENTH},
    {"160 hours, an hour", 160 * HOUR, HOUR, 0, JUDGE_TENTH},
    {"20 seconds, half", 20, 10, 0, JUDGE_FAR},
    {"20 seconds, a tenth", 20, 2, 0, JUDGE_TENTH},
    {"20 seconds, over", 20, 0, 0, JUDGE_EXPIRED},
    {"a renewal ahead: a third is no news", 90 * DAY, 29 * DAY, 5 * DAY, JUDGE_FAR},
    {"a renewal under way", 90 * DAY, 29 * DAY, -HOUR, JUDGE_FAR},
    {"a renewal long overdue", 90 * DAY, 28 * DAY, -2 * DAY, JUDGE_THIRD},
    {"a renewal ahead, but a tenth is left", 90 * DAY, 9 * DAY, 5 * DAY, JUDGE_TENTH},
    {"a short life, a renewal under way", 20, 6, -4, JUDGE_FAR},
    {"ends before it begins", -DAY, 0, 0, JUDGE_EXPIRED},
};
/* clang-format on */

static struct judge_life life_of(size_t i, int64_t now_at)
{
    return (struct judge_life){.not_before_at = END - ends[i].life_s,
                               .not_after_at = END,
                               .renew_at =
                                   ends[i].renew_in_s == 0 ? 0 : now_at + ends[i].renew_in_s};
}

static void the_end_comes_in_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        int64_t now_at = END - ends[i].left_s;
        struct judge_life life = life_of(i, now_at);
        enum judge_step got = judge_step(&life, now_at);
        if (got != ends[i].want)
            fail_msg("%s: \"%s\"", ends[i].name, judge_step_name(got));
    }
}

static void each_step_is_taken_when_it_was_announced(void **state)
{
    (void)state;
    static const enum judge_step order[] = {JUDGE_THIRD, JUDGE_TENTH, JUDGE_THREE_DAYS,
                                            JUDGE_ONE_DAY, JUDGE_EXPIRED};
    struct judge_life life = {.not_before_at = END - 90 * DAY, .not_after_at = END};
    int64_t now_at = life.not_before_at;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        now_at = judge_next_step_at(&life, now_at);
        assert_int_equal(judge_step(&life, now_at), order[i]);
        assert_true(judge_step(&life, now_at - 1) < order[i]);
    }
    assert_true(judge_next_step_at(&life, now_at) == INT64_MAX);
}

static void extreme_dates_do_not_overflow(void **state)
{
    (void)state;
    static const int64_t values[] = {INT64_MIN, INT64_MIN / 2, -1,       0,
                                     1,         INT64_MAX / 2, INT64_MAX};
    size_t count = ARRAY_LEN(values);
    for (size_t n = 0; n < count * count * count * count; n++) {
        struct judge_life life = {values[n % count], values[n / count % count],
                                  values[n / count / count % count]};
        int64_t now_at = values[n / count / count / count];
        assert_true(judge_step(&life, now_at) < JUDGE_STEP_COUNT);
        (void)judge_next_step_at(&life, now_at);
    }
}

/* ---- certificates ---- */

#define PROBLEM(class) "{\"class\": \"" class "\", \"title\": \"T\", \"detail\": \"D\"}"
#define SUM            "f00d"

/* A managed certificate with 60 of 90 days left; rows say what is different. */
struct cert_case {
    const char *name;
    int64_t left_s; /* 0: 60 days */
    const char *error;
    uint32_t failures;
    struct cert_renewal renewal;
    enum condition_state served;
    bool is_imported, is_unused, has_no_material;
    enum judge_state want[JUDGE_CERT_KINDS];
    const char *level;
};

/* clang-format off */
static const struct cert_case cases[] = {
    {.name = "all is well", .want = {[ALARM_NOT_SERVED] = JUDGE_KEEP}},
    {.name = "served", .served = CONDITION_GOOD},
    {.name = "not served", .served = CONDITION_BAD, .want = {[ALARM_NOT_SERVED] = JUDGE_ON}},
    {.name = "nobody uses it", .served = CONDITION_BAD, .is_unused = true, .left_s = DAY,
     .error = PROBLEM("human")},
    {.name = "validation failed", .error = PROBLEM("validation"), .failures = 1,
     .served = CONDITION_GOOD, .want = {[ALARM_FAILED] = JUDGE_ON}},
    {.name = "blocked without an attempt", .error = PROBLEM("human"), .served = CONDITION_GOOD,
     .want = {[ALARM_FAILED] = JUDGE_ON}},
    {.name = "the first certificate failed", .error = PROBLEM("input"), .failures = 1,
     .has_no_material = true, .want = {[ALARM_FAILED] = JUDGE_ON}},
    {.name = "the CA is down: not yet", .error = PROBLEM("soon"), .failures = 2,
     .served = CONDITION_GOOD},
    {.name = "the CA is down for long", .error = PROBLEM("soon"), .failures = 3,
     .served = CONDITION_GOOD, .want = {[ALARM_FAILED] = JUDGE_ON}},
    {.name = "the CA is down, and the end is near", .error = PROBLEM("wait"), .failures = 1,
     .left_s = 8 * DAY, .served = CONDITION_GOOD, .level = "tenth",
     .want = {[ALARM_FAILED] = JUDGE_ON, [ALARM_EXPIRING] = JUDGE_ON}},
    {.name = "an error that cannot be read", .error = "{", .failures = 1,
     .served = CONDITION_GOOD, .want = {[ALARM_FAILED] = JUDGE_ON}},
    {.name = "imported, with a third left", .left_s = 20 * DAY, .is_imported = true,
     .served = CONDITION_GOOD, .level = "third", .want = {[ALARM_EXPIRING] = JUDGE_ON}},
    {.name = "expired", .left_s = -1, .is_imported = true, .served = CONDITION_GOOD,
     .level = "expired", .want = {[ALARM_EXPIRING] = JUDGE_ON}},
    {.name = "a window ahead", .renewal = {END - 31 * DAY, END - 30 * DAY},
     .served = CONDITION_GOOD},
    {.name = "a window of the past", .renewal = {END - 61 * DAY, END - 60 * DAY - 1},
     .served = CONDITION_GOOD, .want = {[ALARM_REVOKED] = JUDGE_ON}},
    {.name = "the window of a renewal that failed", .left_s = 28 * DAY, .failures = 1,
     .error = PROBLEM("soon"), .renewal = {END - 31 * DAY, END - 30 * DAY},
     .served = CONDITION_GOOD, .level = "third", .want = {[ALARM_EXPIRING] = JUDGE_ON}},
    {.name = "a window of the past, explained", .left_s = 28 * DAY, .failures = 1,
     .error = PROBLEM("soon"),
     .renewal = {END - 31 * DAY, END - 30 * DAY, .explanation = STR_LIT("https://x")},
     .served = CONDITION_GOOD, .level = "third",
     .want = {[ALARM_EXPIRING] = JUDGE_ON, [ALARM_REVOKED] = JUDGE_ON}},
};
/* clang-format on */

static struct judge_question question_of(const struct cert_case *c, struct cert *cert)
{
    int64_t left_s = c->left_s == 0 ? 60 * DAY : c->left_s;
    cert->source = c->is_imported ? CERT_IMPORTED : CERT_ACME;
    cert->has_material = !c->has_no_material;
    cert->facts.not_before_at = END - 90 * DAY;
    cert->facts.not_after_at = END;
    cert->facts.fingerprint_sha256 = STR(SUM);
    cert->next = (struct cert_next){.what = STR("renew"), .at = END - 30 * DAY};
    cert->last_error = str_from(c->error);
    cert->failures = c->failures;
    cert->renewal = c->renewal;
    return (struct judge_question){
        .cert = cert,
        .is_used = !c->is_unused,
        .served = {.kind = CONDITION_SERVED, .state = c->served, .about = STR(SUM)},
        .now_at = END - left_s};
}

static void each_certificate_is_judged(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 65536);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cert cert = {.arena = NULL};
        struct judge_verdict got[JUDGE_CERT_KINDS];
        struct judge_question q = question_of(&cases[i], &cert);
        assert_false(failed(judge_cert(&q, a, got)));
        for (int kind = 0; kind < JUDGE_CERT_KINDS; kind++) {
            if (got[kind].state != cases[i].want[kind])
                fail_msg("%s: %s is %d", cases[i].name, alarm_kinds[kind].name,
                         (int)got[kind].state);
        }
        if (!str_eq(got[ALARM_EXPIRING].level, str_from(cases[i].level)))
            fail_msg("%s: level %.*s", cases[i].name, STR_ARG(got[ALARM_EXPIRING].level));
        arena_reset(a);
    }
    arena_free(a);
}

static void another_pair_than_was_looked_at_is_not_judged(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 65536);
    struct cert cert = {.arena = NULL};
    struct judge_verdict got[JUDGE_CERT_KINDS];
    struct judge_question q = question_of(&cases[2], &cert);
    q.served.about = STR("else");
    assert_false(failed(judge_cert(&q, a, got)));
    assert_int_equal(got[ALARM_NOT_SERVED].state, JUDGE_KEEP);
    arena_free(a);
}

static void the_cas_words_are_passed_on(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 65536);
    struct cert cert = {.arena = NULL};
    struct judge_verdict got[JUDGE_CERT_KINDS];
    struct judge_question q = question_of(&cases[4], &cert);
    assert_false(failed(judge_cert(&q, a, got)));
    assert_true(str_eq(got[ALARM_FAILED].words, STR("D")));
    cert.last_error = STR("{\"class\": \"human\", \"title\": \"T\"}");
    assert_false(failed(judge_cert(&q, a, got)));
    assert_true(str_eq(got[ALARM_FAILED].words, STR("T")));
    arena_free(a);
}

static void conditions_of_the_gateway_are_alarms(void **state)
{
    (void)state;
    static const struct {
        enum condition_state known;
        enum judge_state want;
    } rows[] = {{CONDITION_UNKNOWN, JUDGE_KEEP},
                {CONDITION_GOOD, JUDGE_OFF},
                {CONDITION_BAD, JUDGE_ON}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct condition c = {.kind = CONDITION_CLOCK, .state = rows[i].known};
        assert_int_equal(judge_condition(&c).state, rows[i].want);
    }
}

static void what_clients_notice_is_critical(void **state)
{
    (void)state;
    static const struct {
        enum alarm_kind kind;
        const char *level, *want;
    } rows[] = {{ALARM_FAILED, "", "warning"},         {ALARM_EXPIRING, "third", "warning"},
                {ALARM_EXPIRING, "tenth", "critical"}, {ALARM_EXPIRING, "expired", "critical"},
                {ALARM_REVOKED, "", "critical"},       {ALARM_NOT_SERVED, "", "critical"},
                {ALARM_CLOCK_SKEW, "", "warning"},     {ALARM_CA_FAILOVER, "", "warning"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(judge_severity(rows[i].kind, str_from(rows[i].level)),
                            rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_comes_in_steps),
        cmocka_unit_test(each_step_is_taken_when_it_was_announced),
        cmocka_unit_test(extreme_dates_do_not_overflow),
        cmocka_unit_test(each_certificate_is_judged),
        cmocka_unit_test(another_pair_than_was_looked_at_is_not_judged),
        cmocka_unit_test(the_cas_words_are_passed_on),
        cmocka_unit_test(conditions_of_the_gateway_are_alarms),
        cmocka_unit_test(what_clients_notice_is_critical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
