#include "acme/retry_after.h"
#include "tests/support/unit.h"

#define NOW_AT 1445412480 /* Wed, 21 Oct 2015 07:28:00 GMT */

static const struct retry_after_bounds bounds = {
    .standard_ms = 7000, .min_ms = 1000, .max_ms = 60000};

static const struct {
    const char *name, *field;
    uint64_t want_ms;
} cases[] = {
    {"seconds", "3", 3000},
    {"seconds with white space around", "  3\t", 3000},
    {"zero is raised to the minimum", "0", 1000},
    {"more than the maximum is clamped", "3600", 60000},
    {"a date", "Wed, 21 Oct 2015 07:28:10 GMT", 10000},
    {"a date far away is clamped", "Sun, 21 Oct 2035 07:28:10 GMT", 60000},
    {"the present is raised to the minimum", "Wed, 21 Oct 2015 07:28:00 GMT", 1000},
    {"absent", "", 7000},
    {"negative", "-5", 7000},
    {"a sign", "+5", 7000},
    {"a fraction", "1.5", 7000},
    {"overflow of 64 bits", "99999999999999999999999", 7000},
    {"overflow when made milliseconds", "18446744073709551", 7000},
    {"ten centuries", "31557600000", 7000},
    {"garbage", "soon", 7000},
    {"digits and garbage", "5 apples", 7000},
    {"a date in the past", "Wed, 21 Oct 2015 07:27:59 GMT", 7000},
    {"a date with garbage", "Wed, 21 Oct 2015 07:28:10 GMT!", 7000},
};

static void every_form_becomes_a_safe_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t got = retry_after_ms(str_from(cases[i].field), NOW_AT, &bounds);
        if (got != cases[i].want_ms)
            fail_msg("%s: %llu", cases[i].name, (unsigned long long)got);
    }
}

/* B5: the field is a view, not a terminated string. */
static void bytes_behind_the_field_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(retry_after_ms(str_make("39", 1), NOW_AT, &bounds), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_becomes_a_safe_wait),
        cmocka_unit_test(bytes_behind_the_field_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
