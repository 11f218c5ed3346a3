#include "tests/support/asserts.h"

#include "gateway/base/units.h"

enum { DAY_MS = 86400000 };

/* shown NULL: as it was written. */
/* clang-format off */
static const struct {
    const char *name, *text;
    const struct err_kind *want_error;
    uint64_t want;
    const char *shown;
} durations[] = {
    {"milliseconds", "250ms", NULL, 250, NULL},
    {"seconds", "30s", NULL, 30000, NULL},
    {"minutes", "5m", NULL, 300000, NULL},
    {"hours", "1h", NULL, 3600000, NULL},
    {"days", "90d", NULL, 90ull * DAY_MS, NULL},
    {"the largest unit is shown", "3600000ms", NULL, 3600000, "1h"},
    {"hours that are days", "48h", NULL, 2ull * DAY_MS, "2d"},
    {"no larger unit divides it", "61s", NULL, 61000, NULL},
    {"zero", "0ms", NULL, 0, "0s"},
    {"ten years", "3650d", NULL, 3650ull * DAY_MS, NULL},
    {"more than ten years", "3651d", ERR_SYNTAX, 0, NULL},
    {"more than ten years in ms", "315360000001ms", ERR_SYNTAX, 0, NULL},
    {"overflow by the factor", "213503982335d", ERR_SYNTAX, 0, NULL},
    {"overflow by the digits", "99999999999999999999s", ERR_SYNTAX, 0, NULL},
    {"no unit", "30", ERR_SYNTAX, 0, NULL},
    {"no number", "s", ERR_SYNTAX, 0, NULL},
    {"nothing", "", ERR_SYNTAX, 0, NULL},
    {"a blank between", "30 s", ERR_SYNTAX, 0, NULL},
    {"a fraction", "1.5s", ERR_SYNTAX, 0, NULL},
    {"a sign", "-1s", ERR_SYNTAX, 0, NULL},
    {"two units", "1h30m", ERR_SYNTAX, 0, NULL},
    {"another case", "30S", ERR_SYNTAX, 0, NULL},
    {"a size", "1KiB", ERR_SYNTAX, 0, NULL},
};
/* clang-format on */

/* clang-format off */
static const struct {
    const char *name, *text;
    const struct err_kind *want_error;
    uint64_t want;
    const char *shown;
} sizes[] = {
    {"bytes", "17B", NULL, 17, NULL},
    {"kibibytes", "64KiB", NULL, 64 << 10, NULL},
    {"gibibytes", "10GiB", NULL, 10ull << 30, NULL},
    {"tebibytes", "3TiB", NULL, 3ull << 40, NULL},
    {"unlimited", "unlimited", NULL, UNITS_UNLIMITED, NULL},
    {"the largest unit is shown", "1048576B", NULL, 1 << 20, "1MiB"},
    {"zero", "0TiB", NULL, 0, "0B"},
    {"an exbibyte", "1048576TiB", NULL, 1ull << 60, NULL},
    {"more than an exbibyte", "1048577TiB", ERR_SYNTAX, 0, NULL},
    {"overflow by the factor", "16777216TiB", ERR_SYNTAX, 0, NULL},
    {"what unlimited is inside", "18446744073709551615B", ERR_SYNTAX, 0, NULL},
    {"decimal units", "1MB", ERR_SYNTAX, 0, NULL},
    {"no unit", "1024", ERR_SYNTAX, 0, NULL},
    {"another case", "Unlimited", ERR_SYNTAX, 0, NULL},
    {"nothing", "", ERR_SYNTAX, 0, NULL},
};
/* clang-format on */

static void durations_are_read_and_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        uint64_t ms = 4711;
        char shown[UNITS_QUANTITY_MAX];
        const char *row = durations[i].name;
        struct err e = units_parse_duration(str_from(durations[i].text), &ms);
        assert_row_err(row, e, durations[i].want_error);
        assert_row_u64(row, ms, failed(e) ? 4711 : durations[i].want);
        if (failed(e))
            continue;
        units_format_duration(ms, shown);
        assert_row_str(row, str_from(shown),
                       durations[i].shown == NULL ? durations[i].text : durations[i].shown);
    }
}

static void sizes_are_read_and_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t bytes = 4711;
        char shown[UNITS_QUANTITY_MAX];
        const char *row = sizes[i].name;
        struct err e = units_parse_size(str_from(sizes[i].text), &bytes);
        assert_row_err(row, e, sizes[i].want_error);
        assert_row_u64(row, bytes, failed(e) ? 4711 : sizes[i].want);
        if (failed(e))
            continue;
        units_format_size(bytes, shown);
        assert_row_str(row, str_from(shown),
                       sizes[i].shown == NULL ? sizes[i].text : sizes[i].shown);
    }
}

static void the_largest_numbers_fit_where_they_are_shown(void **state)
{
    (void)state;
    char shown[UNITS_QUANTITY_MAX];
    units_format_duration(UINT64_MAX, shown);
    assert_string_equal(shown, "18446744073709551615ms");
    units_format_size(UINT64_MAX - 1, shown);
    assert_string_equal(shown, "18446744073709551614B");
}

/* clang-format off */
static const struct {
    const char *name, *text;
    const struct err_kind *want_error;
    int64_t want;
} times[] = {
    {"the epoch", "1970-01-01T00:00:00Z", NULL, 0},
    {"lower case", "1970-01-01t00:00:00z", NULL, 0},
    {"a blank in place of the T", "1970-01-01 00:00:00Z", NULL, 0},
    {"a moment", "2026-11-23T17:52:00Z", NULL, 1795456320},
    {"fractions are dropped", "2026-11-23T17:52:00.999999999Z", NULL, 1795456320},
    {"east of Greenwich", "2026-11-23T18:52:00+01:00", NULL, 1795456320},
    {"west, half an hour", "2026-11-23T14:22:00-03:30", NULL, 1795456320},
    {"before the epoch", "1969-12-31T23:59:59Z", NULL, -1},
    {"the last second we write", "9999-12-31T23:59:59Z", NULL, 253402300799},
    {"the first year", "0000-01-01T00:00:00Z", NULL, -62167219200},
    {"a leap day", "2024-02-29T00:00:00Z", NULL, 1709164800},
    {"a leap second", "2016-12-31T23:59:60Z", NULL, 1483228800},
    {"no leap day that year", "2023-02-29T00:00:00Z", ERR_SYNTAX, 0},
    {"no leap day in a century", "2100-02-29T00:00:00Z", ERR_SYNTAX, 0},
    {"a leap day every 400 years", "2000-02-29T00:00:00Z", NULL, 951782400},
    {"31st of April", "2026-04-31T00:00:00Z", ERR_SYNTAX, 0},
    {"day 0", "2026-04-00T00:00:00Z", ERR_SYNTAX, 0},
    {"month 0", "2026-00-01T00:00:00Z", ERR_SYNTAX, 0},
    {"month 13", "2026-13-01T00:00:00Z", ERR_SYNTAX, 0},
    {"hour 24", "2026-01-01T24:00:00Z", ERR_SYNTAX, 0},
    {"minute 60", "2026-01-01T00:60:00Z", ERR_SYNTAX, 0},
    {"second 61", "2026-01-01T00:00:61Z", ERR_SYNTAX, 0},
    {"no zone", "2026-01-01T00:00:00", ERR_SYNTAX, 0},
    {"an offset without a colon", "2026-01-01T00:00:00+0100", ERR_SYNTAX, 0},
    {"an offset of a day", "2026-01-01T00:00:00+24:00", ERR_SYNTAX, 0},
    {"an offset of 60 minutes", "2026-01-01T00:00:00+00:60", ERR_SYNTAX, 0},
    {"a point without a fraction", "2026-01-01T00:00:00.Z", ERR_SYNTAX, 0},
    {"a short year", "926-01-01T00:00:00Z", ERR_SYNTAX, 0},
    {"a sign in the year", "-926-01-01T00:00:00Z", ERR_SYNTAX, 0},
    {"bytes behind the zone", "2026-01-01T00:00:00Zz", ERR_SYNTAX, 0},
    {"a date alone", "2026-01-01", ERR_SYNTAX, 0},
    {"nothing", "", ERR_SYNTAX, 0},
};
/* clang-format on */

static void times_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int64_t at = 4711;
        struct err e = units_parse_time(str_from(times[i].text), &at);
        assert_row_err(times[i].name, e, times[i].want_error);
        assert_row_u64(times[i].name, (uint64_t)at,
                       (uint64_t)(failed(e) ? 4711 : times[i].want));
    }
}

static void times_are_shown(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *name;
        int64_t at;
        const char *want;
    } rows[] = {
        {"the epoch", 0, "1970-01-01T00:00:00Z"},
        {"a moment", 1795456320, "2026-11-23T17:52:00Z"},
        {"the last second", 253402300799, "9999-12-31T23:59:59Z"},
        {"later is cut", INT64_MAX, "9999-12-31T23:59:59Z"},
    };
    /* clang-format on */
    char shown[UNITS_TIME_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        units_format_time(rows[i].at, shown);
        assert_row_str(rows[i].name, str_from(shown), rows[i].want);
    }
    units_format_time(INT64_MIN, shown); /* only must not go wrong */
    units_format_time_ms(1795456320007, shown);
    assert_string_equal(shown, "2026-11-23T17:52:00.007Z");
    units_format_time_ms(INT64_MAX, shown);
    assert_string_equal(shown, "9999-12-31T23:59:59.807Z");
    units_format_time_ms(-1, shown);
    assert_string_equal(shown, "1969-12-31T23:59:59.999Z");
}

/* clang-format off */
static const struct {
    const char *name, *text;
    const struct err_kind *want_error;
    int64_t want;
} dates[] = {
    {"the form of today", "Sun, 06 Nov 1994 08:49:37 GMT", NULL, 784111777},
    {"the form of RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", NULL, 784111777},
    {"the form of asctime", "Sun Nov  6 08:49:37 1994", NULL, 784111777},
    {"asctime, two digits of day", "Mon Nov 23 17:52:00 2026", NULL, 1795456320},
    {"a year of two digits, this century", "Monday, 23-Nov-26 17:52:00 GMT", NULL, 1795456320},
    {"no such day", "Wed, 31 Feb 2026 08:49:37 GMT", ERR_SYNTAX, 0},
    {"no such month", "Sun, 06 Nox 1994 08:49:37 GMT", ERR_SYNTAX, 0},
    {"a month in another case", "Sun, 06 NOV 1994 08:49:37 GMT", ERR_SYNTAX, 0},
    {"another zone", "Sun, 06 Nov 1994 08:49:37 CET", ERR_SYNTAX, 0},
    {"one digit of day", "Sun, 6 Nov 1994 08:49:37 GMT", ERR_SYNTAX, 0},
    {"a NUL in the month", "Sun, 06 N", ERR_SYNTAX, 0},
    {"bytes behind", "Sun, 06 Nov 1994 08:49:37 GMT, x", ERR_SYNTAX, 0},
    {"a number", "784111777", ERR_SYNTAX, 0},
    {"only a comma", ",", ERR_SYNTAX, 0},
    {"nothing", "", ERR_SYNTAX, 0},
};
/* clang-format on */

static void http_dates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        int64_t at = 4711;
        struct err e = units_parse_http_date(str_from(dates[i].text), &at);
        assert_row_err(dates[i].name, e, dates[i].want_error);
        assert_row_u64(dates[i].name, (uint64_t)at,
                       (uint64_t)(failed(e) ? 4711 : dates[i].want));
    }
    int64_t at;
    static const char with_nul[] = "Sun, 06 N\0v 1994 08:49:37 GMT";
    assert_err(units_parse_http_date(str_make(with_nul, sizeof(with_nul) - 1), &at),
               ERR_SYNTAX);
}

/* Every day of a leap cycle: what is shown is read back. */
static void dates_survive_the_way_there_and_back(void **state)
{
    (void)state;
    char shown[UNITS_HTTP_DATE_MAX], time[UNITS_TIME_MAX];
    for (int64_t at = 0; at < 4 * 366 * 86400LL; at += 86400 + 3601) {
        int64_t back;
        units_format_http_date(at, shown);
        assert_ok(units_parse_http_date(str_from(shown), &back));
        assert_int_equal(back, at);
        units_format_time(at, time);
        assert_ok(units_parse_time(str_from(time), &back));
        assert_int_equal(back, at);
    }
    units_format_http_date(784111777, shown);
    assert_string_equal(shown, "Sun, 06 Nov 1994 08:49:37 GMT");
    units_format_http_date(INT64_MAX, shown);
    assert_string_equal(shown, "Fri, 31 Dec 9999 23:59:59 GMT");
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_and_shown),
        cmocka_unit_test(sizes_are_read_and_shown),
        cmocka_unit_test(the_largest_numbers_fit_where_they_are_shown),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(times_are_shown),
        cmocka_unit_test(http_dates_are_read),
        cmocka_unit_test(dates_survive_the_way_there_and_back),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
