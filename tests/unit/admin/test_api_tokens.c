#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

static struct api_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    api_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    api_fixture_close(&fixture);
    return 0;
}

static void test_the_secret_is_shown_once(void **state)
{
    (void)state;
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/tokens",
                                          "{\"name\":\"ci\",\"scopes\":[\"write\"]}", NULL);
    assert_int_equal(a.status, 201);
    assert_true(str_starts(json_str(json_object_get(a.doc, "token")), STR("gh_")));
    assert_true(str_eq(api_answer_field(&a, "Location"), STR("/v1/tokens/ci")));
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "GET", "/v1/tokens/ci", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_null(json_object_get(a.doc, "token"));
    assert_string_equal(json_string_value(json_object_get(a.doc, "name")), "ci");
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "GET", "/v1/tokens", NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(a.doc, "items")), 1);
    api_answer_fini(&a);
}

static void test_the_same_name_twice(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "POST", "/v1/tokens", "{\"name\":\"ci\"}");
    api_fixture_expect(&fixture, 201, "POST", "/v1/tokens", "{\"name\":\"ci\"}");
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/tokens", NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(a.doc, "items")), 2);
    api_answer_fini(&a);
}

static void test_delete(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "POST", "/v1/tokens", "{\"name\":\"ci\"}");
    api_fixture_expect(&fixture, 204, "DELETE", "/v1/tokens/ci", NULL);
    api_fixture_expect(&fixture, 404, "DELETE", "/v1/tokens/ci", NULL);
    api_fixture_expect(&fixture, 422, "POST", "/v1/tokens", "{\"name\":\"\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_secret_is_shown_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_name_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delete, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
