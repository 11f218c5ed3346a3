#include "admin/admin_request.h"
#include "tests/support/unit.h"

static const struct admin_field fields[] = {
    {STR_LIT("Host"), STR_LIT("a")},
    {STR_LIT("X"), STR_LIT("1")},
    {STR_LIT("x"), STR_LIT("2")},
};

static void test_fields(void **state)
{
    (void)state;
    struct admin_request rq = {.fields = fields, .field_count = ARRAY_LEN(fields)};
    assert_true(str_eq(admin_request_field(&rq, "X")->value, STR("1")));
    assert_true(str_eq(admin_request_field(&rq, "hOST")->value, STR("a")));
    assert_null(admin_request_field(&rq, "Hos"));
    assert_int_equal(admin_request_count(&rq, "x"), 2);
    assert_int_equal(admin_request_count(&rq, "y"), 0);
}

static void test_query_names_are_exact(void **state)
{
    (void)state;
    struct admin_request rq = {.query = fields, .query_count = ARRAY_LEN(fields)};
    assert_true(str_eq(admin_request_query(&rq, "x")->value, STR("2")));
    assert_null(admin_request_query(&rq, "host"));
}

static const struct {
    const char *name, *value;
    bool has_body;
} heads[] = {
    {"Content-Length", "0", false},   {"Content-Length", "1", true},
    {"content-length", " 12 ", true}, {"Transfer-Encoding", "chunked", true},
    {"Accept", "*/*", false},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct admin_field field = {str_from(heads[i].name), str_from(heads[i].value)};
        struct admin_request rq = {.fields = &field, .field_count = 1};
        assert_int_equal(admin_request_has_body(&rq), heads[i].has_body);
    }
}

static void test_decode(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(256, 4096);
    struct str text = STR("a%2Fb%20c");
    assert_false(failed(admin_request_decode(a, &text)));
    assert_true(str_eq(text, STR("a/b c")));
    text = STR("plain");
    assert_false(failed(admin_request_decode(a, &text)));
    assert_true(str_eq(text, STR("plain")));
    text = STR_NONE;
    assert_false(failed(admin_request_decode(a, &text)));
    text = STR("%zz");
    assert_true(err_is(admin_request_decode(a, &text), ERR_BAD_REQUEST));
    text = STR("%4");
    assert_true(err_is(admin_request_decode(a, &text), ERR_BAD_REQUEST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_query_names_are_exact),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
