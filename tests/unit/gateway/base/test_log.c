#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"

#include <stdio.h>

static struct fake_clock fake;
static char lines[64][LOG_LINE_MAX_BYTES];
static size_t lens[64];
static size_t count;

static void keep(void *arg, enum log_level level, struct str line)
{
    (void)arg;
    (void)level;
    assert_true(count < ARRAY_LEN(lines));
    assert_true(line.len <= LOG_LINE_MAX_BYTES);
    memcpy(lines[count], line.p, line.len);
    lens[count++] = line.len;
}

static struct str line(size_t i)
{
    assert_true(i < count);
    return str_make(lines[i], lens[i]);
}

static void use(enum log_format format, enum log_level level)
{
    log_setup(&(struct log_options){.format = format, .level = level, .sink = keep});
}

/* 2026-11-23T17:52:00.000Z.  Each test comes long after the one before: no repeats are
 * remembered. */
static int set_up(void **state)
{
    static int64_t tests;
    (void)state;
    fake_clock_use(&fake, 1795456320);
    atomic_store(&fake.mono_ms, (uint64_t)++tests * 10 * LOG_BURST_MS);
    count = 0;
    use(LOG_FORMAT_JSON, LOG_LEVEL_DEBUG);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_setup(&(struct log_options){.level = LOG_LEVEL_INFO});
    fake_clock_restore();
    return 0;
}

static void a_json_line_has_the_event_and_typed_values(void **state)
{
    (void)state;
    log_warn("thing_happened", KV_STR("host", STR("a.example")), KV_U64("bytes", UINT64_MAX),
             KV_I64("at", INT64_MIN), KV_BOOL("is_new", true), KV_CSTR("none", NULL));
    assert_str(line(0), "{\"time\":\"2026-11-23T17:52:00.000Z\",\"level\":\"warn\",\"event\":"
                        "\"thing_happened\",\"host\":\"a.example\","
                        "\"bytes\":18446744073709551615,\"at\":-9223372036854775808,"
                        "\"is_new\":true,\"none\":\"\"}\n");
}

static void an_event_may_have_no_values(void **state)
{
    (void)state;
    log_info("started");
    assert_str(line(0), "{\"time\":\"2026-11-23T17:52:00.000Z\",\"level\":\"info\","
                        "\"event\":\"started\"}\n");
}

static void people_get_aligned_text(void **state)
{
    (void)state;
    use(LOG_FORMAT_HUMAN, LOG_LEVEL_DEBUG);
    log_info("route_added", KV_STR("id", STR("cloud")), KV_U64("n", 3));
    assert_str(line(0), "17:52:00.000 INFO  route_added id=\"cloud\" n=3\n");
    use(LOG_FORMAT_COLOUR, LOG_LEVEL_DEBUG);
    log_error("disk_full");
    assert_str(line(1), "17:52:00.000 \033[31mERROR\033[0m disk_full\n");
}

/* clang-format off */
static const struct {
    const char *name;
    struct str value;
    const char *want; /* between the quotes */
} escapes[] = {
    {"a quote and a backslash", STR_LIT("\"\\"), "\\\"\\\\"},
    {"a line break cannot end the line", STR_LIT("a\r\nb"), "a\\u000d\\u000ab"},
    {"a NUL", STR_LIT("a\0b"), "a\\u0000b"},
    {"an escape sequence of a terminal", STR_LIT("\033[2J"), "\\u001b[2J"},
    {"DEL", STR_LIT("\x7f"), "\\u007f"},
    {"text in UTF-8 stays", STR_LIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a byte that is not UTF-8", STR_LIT("a\xffz"), "a\\u00ffz"},
    {"a sequence cut short", STR_LIT("a\xe2\x82"), "a\\u00e2\\u0082"},
    {"a sequence cut by a letter", STR_LIT("\xe2\x82z"), "\\u00e2\\u0082z"},
    {"a continuation alone", STR_LIT("\x80"), "\\u0080"},
    {"overlong, two bytes", STR_LIT("\xc0\xaf"), "\\u00c0\\u00af"},
    {"overlong, three bytes", STR_LIT("\xe0\x80\xaf"), "\\u00e0\\u0080\\u00af"},
    {"overlong, four bytes", STR_LIT("\xf0\x80\x80\xaf"), "\\u00f0\\u0080\\u0080\\u00af"},
    {"a surrogate", STR_LIT("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080"},
    {"beyond Unicode", STR_LIT("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080"},
    {"the last character", STR_LIT("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf"},
    {"a control of eight bits, in UTF-8",
     STR_LIT("\xc2\x9b"
             "2J"),
     "\\u00c2\\u009b2J"},
};
/* clang-format on */

static void what_comes_from_outside_is_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        AUTO(json_decref) json_t *doc = NULL;
        char want[256];
        set_up(NULL);
        log_info("e", KV_STR("v", escapes[i].value));
        (void)snprintf(want, sizeof(want), "\"v\":\"%s\"}\n", escapes[i].want);
        if (!str_ends(line(0), str_from(want)))
            assert_row_str(escapes[i].name, line(0), want);
        doc = json_loadb(line(0).p, line(0).len, JSON_ALLOW_NUL, NULL);
        assert_row(escapes[i].name, doc != NULL);
        use(LOG_FORMAT_HUMAN, LOG_LEVEL_DEBUG);
        log_info("e", KV_STR("v", escapes[i].value));
        (void)snprintf(want, sizeof(want), " v=\"%s\"\n", escapes[i].want);
        if (!str_ends(line(1), str_from(want)))
            assert_row_str(escapes[i].name, line(1), want);
    }
}

static void a_line_too_long_is_cut_marked_and_still_json(void **state)
{
    (void)state;
    static char big[2 * LOG_LINE_MAX_BYTES];
    static const char fillers[] = {'a', '"', '\n', '\xff'};
    for (size_t f = 0; f < ARRAY_LEN(fillers); f++) {
        memset(big, fillers[f], sizeof(big));
        for (size_t len = LOG_LINE_MAX_BYTES - 300; len <= sizeof(big);
             len += len < LOG_LINE_MAX_BYTES ? 13 : 4099) {
            AUTO(json_decref) json_t *doc = NULL;
            set_up(NULL);
            log_info("e", KV_U64("first", 1), KV_STR("v", str_make(big, len)),
                     KV_U64("last", 2));
            assert_ok(json_read(line(0), &doc));
            bool is_cut = json_is_true(json_object_get(doc, "cut"));
            bool is_whole =
                json_object_get(doc, "v") != NULL && json_object_get(doc, "last") != NULL;
            assert_int_equal(is_whole, !is_cut);
            assert_non_null(json_object_get(doc, "first"));
            use(LOG_FORMAT_HUMAN, LOG_LEVEL_DEBUG);
            log_info("e", KV_STR("v", str_make(big, len)));
            assert_true(str_ends(line(1), STR("\n")));
            assert_int_equal(str_index(line(1), '\n'), line(1).len - 1);
        }
    }
}

static void lines_above_the_level_are_not_built(void **state)
{
    (void)state;
    use(LOG_FORMAT_JSON, LOG_LEVEL_WARN);
    assert_true(log_is_on(LOG_LEVEL_WARN));
    assert_false(log_is_on(LOG_LEVEL_INFO));
    log_info("quiet");
    log_debug("quieter");
    assert_int_equal(count, 0);
    log_error("loud");
    assert_int_equal(count, 1);
    log_setup(&(struct log_options){.level = LOG_LEVEL_DEBUG});
    assert_false(log_is_on(LOG_LEVEL_ERROR)); /* no sink: nothing is on */
    log_error("nowhere");
    assert_int_equal(count, 1);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_INFO;
    assert_true(log_level_parse(STR("error"), &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_true(log_level_parse(STR("debug"), &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse(STR("Debug"), &level));
    assert_false(log_level_parse(STR("debugx"), &level));
    assert_false(log_level_parse(STR_NONE, &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void an_error_brings_its_row_with_it(void **state)
{
    (void)state;
    log_err(fail(ERR_TARGET_CONNECT, 111), "exchange_failed", KV_STR("host", STR("a")));
    AUTO(json_decref) json_t *doc = NULL;
    assert_ok(json_read(line(0), &doc));
    assert_str(json_str(json_object_get(doc, "level")), "warn");
    assert_str(json_str(json_object_get(doc, "error")), "target_connect");
    assert_str(json_str(json_object_get(doc, "reason")), "cannot connect to the target");
    assert_int_equal(json_integer_value(json_object_get(doc, "detail")), 111);
}

static void repeats_are_counted_and_told_later(void **state)
{
    (void)state;
    for (int i = 0; i < LOG_BURST_MAX + 7; i++)
        log_info("storm");
    assert_int_equal(count, LOG_BURST_MAX);
    log_info("another_event");
    assert_int_equal(count, LOG_BURST_MAX + 1);
    fake_clock_advance(&fake, LOG_BURST_MS);
    log_info("storm");
    assert_int_equal(count, LOG_BURST_MAX + 1); /* not before the time is over */
    fake_clock_advance(&fake, 1);
    log_info("storm");
    assert_int_equal(count, LOG_BURST_MAX + 3);
    AUTO(json_decref) json_t *doc = NULL;
    assert_ok(json_read(line(count - 2), &doc));
    assert_str(json_str(json_object_get(doc, "event")), "repeats_suppressed");
    assert_str(json_str(json_object_get(doc, "of")), "storm");
    assert_int_equal(json_integer_value(json_object_get(doc, "count")), 8);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_json_line_has_the_event_and_typed_values, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_event_may_have_no_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(people_get_aligned_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_from_outside_is_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_cut_marked_and_still_json, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lines_above_the_level_are_not_built, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels_have_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_brings_its_row_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_counted_and_told_later, set_up, tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
