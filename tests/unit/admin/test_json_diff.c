#include "admin/json_diff.h"
#include "tests/support/unit.h"

#include <stdio.h>

/* clang-format off */
static const struct {
    const char *name, *before, *after, *want;
} cases[] = {
    {"equal", "{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}", "[]"},
    {"a value", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", "[\"/b\"]"},
    {"deep inside", "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":2}}}", "[\"/a/b/c\"]"},
    {"a list is one value", "{\"a\":[1,2]}", "{\"a\":[2,1]}", "[\"/a\"]"},
    {"gone", "{\"a\":1}", "{}", "[\"/a\"]"},
    {"new", "{}", "{\"a\":{\"b\":1}}", "[\"/a\"]"},
    {"null is a value", "{\"a\":null}", "{}", "[\"/a\"]"},
    {"slash and tilde", "{\"a/~b\":1}", "{\"a/~b\":2}", "[\"/a~1~0b\"]"},
    {"other kinds", "{\"a\":{}}", "{\"a\":[]}", "[\"/a\"]"},
};
/* clang-format on */

static json_t *load(const char *text)
{
    json_t *doc = json_loads(text, 0, NULL);
    assert_non_null(doc);
    return doc;
}

static void test_pointers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(json_decref) json_t *before = load(cases[i].before);
        AUTO(json_decref) json_t *after = load(cases[i].after);
        AUTO(json_decref) json_t *want = load(cases[i].want);
        AUTO(json_decref) json_t *got = json_diff(before, after);
        if (!json_equal(got, want))
            fail_msg("%s: not %s", cases[i].name, cases[i].want);
    }
}

static void test_many_differences_are_cut(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *before = json_object();
    AUTO(json_decref) json_t *after = json_object();
    for (int i = 0; i < 3 * JSON_DIFF_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(json_object_set_new(before, key, json_integer(i)), 0);
    }
    AUTO(json_decref) json_t *got = json_diff(before, after);
    assert_int_equal(json_array_size(got), JSON_DIFF_MAX + 1);
    assert_string_equal(json_string_value(json_array_get(got, JSON_DIFF_MAX)), "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_many_differences_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
