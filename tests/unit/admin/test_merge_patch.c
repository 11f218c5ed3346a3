/* The table of RFC 7396 appendix A, and what it leaves out. */
#include "admin/merge_patch.h"
#include "tests/support/unit.h"

/* clang-format off */
static const struct {
    const char *target, *patch, *want;
} cases[] = {
    {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
    {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
    {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
    {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
    {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
    {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
    {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
    {"{\"a\":\"foo\"}", "null", "null"},
    {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
    {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
    {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
    {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
};
/* clang-format on */

static json_t *load(const char *text)
{
    json_t *doc = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(doc);
    return doc;
}

static void test_the_table_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(json_decref) json_t *target = load(cases[i].target);
        AUTO(json_decref) json_t *untouched = load(cases[i].target);
        AUTO(json_decref) json_t *patch = load(cases[i].patch);
        AUTO(json_decref) json_t *want = load(cases[i].want);
        AUTO(json_decref) json_t *got = merge_patch(target, patch);
        if (!json_equal(got, want))
            fail_msg("%s + %s is not %s", cases[i].target, cases[i].patch, cases[i].want);
        assert_true(json_equal(target, untouched));
    }
}

static void test_without_target(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *patch = load("{\"a\":1,\"b\":null}");
    AUTO(json_decref) json_t *want = load("{\"a\":1}");
    AUTO(json_decref) json_t *got = merge_patch(NULL, patch);
    assert_true(json_equal(got, want));
}

/* A change of the result reaches neither the target nor the patch. */
static void test_result_shares_nothing(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *target = load("{\"a\":{\"x\":1}}");
    AUTO(json_decref) json_t *patch = load("{\"b\":{\"y\":1}}");
    AUTO(json_decref) json_t *got = merge_patch(target, patch);
    (void)json_object_clear(json_object_get(got, "a"));
    (void)json_object_clear(json_object_get(got, "b"));
    assert_int_equal(json_object_size(json_object_get(target, "a")), 1);
    assert_int_equal(json_object_size(json_object_get(patch, "b")), 1);
}

/* clang-format off */
static const struct {
    const char *name, *schema, *want;
} schemas[] = {
    {"what is required stays no null",
     "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"},"
     "\"b\":{\"type\":\"integer\",\"minimum\":1}}}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},"
     "\"b\":{\"type\":[\"integer\",\"null\"],\"minimum\":1}}}"},
    {"null stays null",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}"},
    {"choices",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[\"x\"]}}}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"],"
     "\"enum\":[\"x\",null]}}}"},
    {"members of members",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"object\",\"null\"],"
     "\"required\":[\"b\"],\"properties\":{\"b\":{\"type\":\"string\"},"
     "\"c\":{\"type\":\"boolean\"}}}}}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"object\",\"null\"],"
     "\"properties\":{\"b\":{\"type\":\"string\"},"
     "\"c\":{\"type\":[\"boolean\",\"null\"]}}}}}"},
    {"members of any name",
     "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
     "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"string\",\"null\"]}}"},
    {"no others",
     "{\"type\":\"object\",\"additionalProperties\":false,\"oneOf\":[{\"required\":[\"a\"]}]}",
     "{\"type\":\"object\",\"additionalProperties\":false}"},
    {"lists are replaced whole",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":"
     "{\"type\":\"object\",\"required\":[\"b\"],"
     "\"properties\":{\"b\":{\"type\":\"string\"}}}}}}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"array\",\"null\"],\"items\":"
     "{\"type\":\"object\",\"required\":[\"b\"],"
     "\"properties\":{\"b\":{\"type\":\"string\"}}}}}}"},
};
/* clang-format on */

static void test_schemas(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        AUTO(json_decref) json_t *schema = load(schemas[i].schema);
        AUTO(json_decref) json_t *untouched = load(schemas[i].schema);
        AUTO(json_decref) json_t *want = load(schemas[i].want);
        AUTO(json_decref) json_t *got = merge_patch_schema(schema);
        if (!json_equal(got, want))
            fail_msg("%s", schemas[i].name);
        assert_true(json_equal(schema, untouched));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_of_the_rfc),
        cmocka_unit_test(test_without_target),
        cmocka_unit_test(test_result_shares_nothing),
        cmocka_unit_test(test_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
