#include "admin/metrics_text.h"
#include "tests/support/asserts.h"

static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 64 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void a_family_says_what_it_is(void **state)
{
    (void)state;
    assert_ok(metrics_text_family(&out, "x_total", "counter", "What it counts"));
    assert_str(buf_view(&out), "# HELP x_total What it counts\n# TYPE x_total counter\n");
}

static const struct {
    const char *name;
    struct metrics_label labels[3];
    const char *suffix;
    int64_t value;
    const char *want;
} rows[] = {
    {"no labels", {{NULL}}, "", 7, "x 7\n"},
    {"one label", {{"a", STR_LIT("b")}, {NULL}}, "", -1, "x{a=\"b\"} -1\n"},
    {"two labels and a suffix",
     {{"a", STR_LIT("b")}, {"c", STR_LIT("")}, {NULL}},
     "_sum",
     0,
     "x_sum{a=\"b\",c=\"\"} 0\n"},
    {"a quote ends no label",
     {{"a", STR_LIT("\"} 1\nx 2")}, {NULL}},
     "",
     3,
     "x{a=\"\\\"} 1\\nx 2\"} 3\n"},
    {"a backslash escapes nothing",
     {{"a", STR_LIT("\\\"\\n\\")}, {NULL}},
     "",
     3,
     "x{a=\"\\\\\\\"\\\\n\\\\\"} 3\n"},
    {"other bytes stand for themselves",
     {{"a", STR_LIT("\xc3\xa9,}{=")}, {NULL}},
     "",
     3,
     "x{a=\"\xc3\xa9,}{=\"} 3\n"},
    {"the largest", {{NULL}}, "", INT64_MAX, "x 9223372036854775807\n"},
};

static void labels_cannot_end_their_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        struct metrics_series s = {"x", rows[i].suffix, rows[i].labels};
        assert_row_err(rows[i].name, metrics_text_integer(&out, &s, rows[i].value), NULL);
        assert_row_str(rows[i].name, buf_view(&out), rows[i].want);
    }
}

static const struct {
    uint64_t us;
    const char *want;
} times[] = {
    {0, "0"},        {1, "0.000001"},  {500, "0.0005"},
    {1000000, "1"},  {10000000, "10"}, {60500000, "60.5"},
    {100, "0.0001"}, {2500, "0.0025"}, {UINT64_MAX, "18446744073709.551615"},
};

static void microseconds_are_written_as_seconds(void **state)
{
    (void)state;
    char text[METRICS_SECONDS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        assert_row_str(times[i].want, metrics_text_from_us(times[i].us, text), times[i].want);
    assert_ok(metrics_text_seconds(&out, &(struct metrics_series){"x", "_sum", NULL}, 1500));
    assert_str(buf_view(&out), "x_sum 0.0015\n");
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct buf small;
    buf_init(&small, 8);
    const struct metrics_label labels[] = {{"label", STR("value")}, {NULL, STR_NONE}};
    assert_err(metrics_text_integer(&small, &(struct metrics_series){"x", "", labels}, 1),
               ERR_LIMIT);
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_family_says_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_cannot_end_their_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(microseconds_are_written_as_seconds, set_up, tear_down),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
