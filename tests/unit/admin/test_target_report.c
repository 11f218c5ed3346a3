#include "admin/target_report.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include <errno.h>

static struct fake_clock fake;

enum { NOW_AT = 1795456320, NOW_MS = 500000 };

static const struct {
    const char *name;
    const struct err_kind *error;
    int64_t error_at, ok_at;
    enum target_trouble trouble;
    bool has_choice, is_checked;
    uint64_t ejected_until;
    int32_t probes;
    bool is_probe_down;
    const char *state;
    bool serves;
} cases[] = {
    {"nothing happened", NULL, 0, 0, TROUBLE_NONE, false, false, 0, 0, false, "unknown", true},
    {"only answers", NULL, 0, 100, TROUBLE_NONE, false, false, 0, 0, false, "up", true},
    {"only a failure", ERR_TARGET_CONNECT, 100, 0, TROUBLE_SILENT, false, false, 0, 0, false,
     "down", false},
    {"failed since", ERR_TARGET_CONNECT, 101, 100, TROUBLE_SILENT, false, false, 0, 0, false,
     "down", false},
    {"recovered", ERR_TARGET_CONNECT, 100, 101, TROUBLE_NONE, false, false, 0, 0, false, "up",
     true},
    {"recovered within one second", ERR_TARGET_CONNECT, 100, 100, TROUBLE_NONE, false, false, 0,
     0, false, "up", true},
    {"failed within one second", ERR_TARGET_CONNECT, 100, 100, TROUBLE_SILENT, false, false, 0,
     0, false, "down", false},
    {"its last answer was cut", ERR_TARGET_RESET, 100, 100, TROUBLE_CUT, false, false, 0, 0,
     false, "down", false},
    {"one of several whose last answer was cut", ERR_TARGET_RESET, 100, 100, TROUBLE_CUT, true,
     false, 0, 0, false, "failing", true},
    {"answers begin, and none came to its end since", ERR_TARGET_RESET, NOW_AT - 9, NOW_AT,
     TROUBLE_DOUBT, false, false, 0, 0, false, "down", false},
    {"answers begin, and the clock was set back", ERR_TARGET_RESET, NOW_AT + 60, NOW_AT,
     TROUBLE_DOUBT, false, false, 0, 0, false, "up", true},
    {"answers begin, and none was cut for long", ERR_TARGET_RESET, NOW_AT - 10, NOW_AT,
     TROUBLE_DOUBT, false, false, 0, 0, false, "up", true},
    {"one of several", ERR_TARGET_CONNECT, 101, 100, TROUBLE_SILENT, true, false, 0, 0, false,
     "failing", true},
    {"ejected", ERR_TARGET_CONNECT, 101, 100, TROUBLE_SILENT, true, false, NOW_MS + 1, 0, false,
     "ejected", false},
    {"ejected long enough", ERR_TARGET_CONNECT, 101, 100, TROUBLE_SILENT, true, false, NOW_MS,
     0, false, "trial", true},
    {"ejected long enough, with probes", ERR_TARGET_CONNECT, 101, 100, TROUBLE_SILENT, true,
     true, NOW_MS, 0, false, "ejected", false},
    {"ejected when it was not alone", ERR_TARGET_CONNECT, 100, 101, TROUBLE_NONE, false, false,
     NOW_MS + 1, 0, false, "up", true},
    {"good probes alone", NULL, 0, 0, TROUBLE_NONE, false, true, 0, 3, false, "up", true},
    {"a bad probe, not yet enough of them", NULL, 0, 0, TROUBLE_NONE, false, true, 0, -1, false,
     "unknown", true},
    {"down by probes", ERR_TARGET_CONNECT, 100, 101, TROUBLE_NONE, true, true, 0, -3, true,
     "down", false},
    {"probes that are over", NULL, 0, 100, TROUBLE_NONE, true, false, 0, -3, true, "up", true},
    {"failed once with good probes", ERR_TARGET_RESET, 101, 100, TROUBLE_SILENT, false, true, 0,
     3, false, "failing", true},
    {"a bad probe is not yet a verdict", ERR_TARGET_PROBE, 101, 100, TROUBLE_SILENT, false,
     true, 0, -1, false, "failing", true},
};

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, NOW_AT);
    fake.mono_ms = NOW_MS;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    return 0;
}

static void test_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target_live live = {
            .error = cases[i].error,
            .error_at = cases[i].error_at,
            .ok_at = cases[i].ok_at,
            .trouble = cases[i].trouble,
            .health = {.ejected_until = cases[i].ejected_until,
                       .probes = cases[i].probes,
                       .is_probe_down = cases[i].is_probe_down},
        };
        const struct target t = {.live = &live};
        const struct upstream u = {
            .has_choice = cases[i].has_choice,
            .health = {.is_tcp = cases[i].is_checked, .interval_ms = 10000}};
        struct target_report r = target_report_read(&u, &t);
        assert_row_str(cases[i].name, str_from(target_report_state_name(r.state)),
                       cases[i].state);
        assert_row(cases[i].name, target_report_serves(&r) == cases[i].serves);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct str url = STR("http://a");
    struct target_live live = {.error = ERR_TARGET_CONNECT,
                               .error_detail = ECONNREFUSED,
                               .error_at = NOW_AT,
                               .health = {.ejected_until = NOW_MS + 60000}};
    const struct target t = {.live = &live};
    struct upstream u = {.has_choice = true, .health.slow_start_ms = 5000};
    struct target_report r = target_report_read(&u, &t);
    assert_str(target_report_reason(a, &r, url),
               "http://a is left out until 2026-11-23T17:53:00Z: cannot connect to the target: "
               "Connection refused");
    atomic_store(&live.health.ejected_until, 1);
    r = target_report_read(&u, &t);
    assert_str(target_report_reason(a, &r, url),
               "http://a was left out and is tried again: cannot connect to the target: "
               "Connection refused");
    u.health.is_tcp = true;
    r = target_report_read(&u, &t);
    assert_int_equal(r.ejected_until, 0);
    assert_str(target_report_reason(a, &r, url),
               "http://a is left out until its health checks succeed: cannot connect to the "
               "target: Connection refused");
    u.health.is_tcp = false;
    atomic_store(&live.health.ejected_until, 0);
    atomic_store(&live.health.back_at, NOW_MS - 1000);
    atomic_store(&live.stale_at, NOW_AT - 60);
    r = target_report_read(&u, &t);
    assert_int_equal(r.slow_start_until, NOW_AT + 4);
    assert_str(target_report_reason(a, &r, url),
               "http://a: its name no longer resolves; last addresses in use since "
               "2026-11-23T17:51:00Z");
    atomic_store(&live.stale_at, 0);
    r = target_report_read(&u, &t);
    assert_true(str_is_empty(target_report_reason(a, &r, url)));
    u = (struct upstream){.health.is_tcp = true};
    atomic_store(&live.health.is_probe_down, true);
    r = target_report_read(&u, &t);
    assert_str(target_report_reason(a, &r, url),
               "http://a is down, say its health checks: cannot connect to the target: "
               "Connection refused");
}

static void test_words(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct target_report r = {
        .error = ERR_TARGET_CONNECT, .error_detail = ECONNREFUSED, .error_at = 1800000000};
    assert_true(str_eq(target_report_words(a, &r), STR("Connection refused")));
    AUTO(json_decref) json_t *doc = target_report_error_to_json(a, &r);
    assert_string_equal(json_string_value(json_object_get(doc, "error")), "target_connect");
    assert_string_equal(json_string_value(json_object_get(doc, "words")), "Connection refused");
    assert_string_equal(json_string_value(json_object_get(doc, "at")), "2027-01-15T08:00:00Z");
    r.error = ERR_TARGET_PIN;
    AUTO(json_decref) json_t *pin = target_report_error_to_json(a, &r);
    assert_true(json_is_null(json_object_get(pin, "words")));
    r.error = NULL;
    AUTO(json_decref) json_t *none = target_report_error_to_json(a, &r);
    assert_true(json_is_null(none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
