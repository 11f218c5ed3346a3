#include "admin/target_report.h"
#include "tests/support/unit.h"

#include <errno.h>

static const struct {
    const char *name;
    const struct err_kind *error;
    int64_t error_at, ok_at;
    const char *state;
} cases[] = {
    {"nothing happened", NULL, 0, 0, "unknown"},
    {"only answers", NULL, 0, 100, "up"},
    {"only a failure", ERR_TARGET_CONNECT, 100, 0, "down"},
    {"failed since", ERR_TARGET_CONNECT, 101, 100, "down"},
    {"recovered", ERR_TARGET_CONNECT, 100, 101, "up"},
    {"within one second", ERR_TARGET_CONNECT, 100, 100, "up"},
};

static void test_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target_live live = {
            .error = cases[i].error, .error_at = cases[i].error_at, .ok_at = cases[i].ok_at};
        const struct target t = {.live = &live};
        struct target_report r = target_report_read(&t);
        assert_string_equal(target_report_state_name(r.state), cases[i].state);
    }
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
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
