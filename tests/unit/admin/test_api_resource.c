/* What routes and the two settings objects have in common. */
#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

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

static struct api_answer ask_with(const char *method, const char *target, const char *body,
                                  const char *name, const char *value)
{
    const char *const fields[] = {name, value, NULL};
    return api_fixture_ask(&fixture, method, target, body, fields);
}

static void expect_with(unsigned status, const char *method, const char *target,
                        const char *body, const char *name, const char *value)
{
    struct api_answer a = ask_with(method, target, body, name, value);
    if (a.status != status)
        fail_msg("%s %s with %s %s: %u", method, target, name, value, a.status);
    api_answer_fini(&a);
}

static void test_create(void **state)
{
    (void)state;
    const char *route = api_fixture_route("a.example");
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/routes", route, NULL);
    assert_int_equal(a.status, 201);
    assert_true(str_eq(api_answer_field(&a, "ETag"), STR("\"1\"")));
    assert_true(str_eq(api_answer_field(&a, "Location"), STR("/v1/routes/a.example")));
    assert_int_equal(json_integer_value(json_object_get(a.doc, "revision")), 1);
    api_answer_fini(&a);
    /* An identical object under the same id is still no creation. */
    api_fixture_expect(&fixture, 409, "POST", "/v1/routes", route);
    api_fixture_expect(
        &fixture, 409, "POST", "/v1/routes",
        "{\"id\":\"a.example\",\"hosts\":[\"a.example\"],\"certificate\":\"none\","
        "\"https\":\"optional\","
        "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:3000\"}]}}");
    expect_with(412, "POST", "/v1/routes", api_fixture_route("b.example"), "If-Match", "*");
    expect_with(201, "POST", "/v1/routes", api_fixture_route("b.example"), "If-None-Match",
                "*");
}

static void test_put_creates_and_replaces(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r", api_fixture_route("a.example"));
    api_fixture_expect(&fixture, 200, "PUT", "/v1/routes/r", api_fixture_route("b.example"));
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes/r", NULL, NULL);
    const json_t *hosts = json_object_get(a.doc, "hosts");
    assert_string_equal(json_string_value(json_array_get(hosts, 0)), "b.example");
    assert_true(str_eq(api_answer_field(&a, "ETag"), STR("\"2\"")));
    api_answer_fini(&a);
}

static void test_what_is_shown_can_be_put(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       api_fixture_route("b\xc3\xbc"
                                         "cher.example"));
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes/r", NULL, NULL);
    char *text = json_dumps(a.doc, 0);
    api_fixture_expect(&fixture, 200, "PUT", "/v1/routes/r", text);
    free(text);
    api_answer_fini(&a);
}

static void test_patch(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r", api_fixture_route("a.example"));
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/routes/r",
                       "{\"path\":\"/x\",\"request_headers\":{\"set\":{\"X-A\":\"b\"}}}");
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/routes/r",
                       "{\"path\":null,\"request_headers\":{\"set\":{\"X-C\":\"d\"}}}");
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes/r", NULL, NULL);
    assert_string_equal(json_string_value(json_object_get(a.doc, "path")), "/");
    const json_t *set = json_object_get(json_object_get(a.doc, "request_headers"), "set");
    assert_int_equal(json_object_size(set), 2);
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 404, "PATCH", "/v1/routes/nope", "{}");
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/routes/r", "{\"hosts\":null}");
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/routes/r", "{\"id\":\"other\"}");
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/routes/r", "[7]");
}

static void test_all_complaints_at_once(void **state)
{
    (void)state;
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/routes",
                                          "{\"hosts\":[\"a..b\"],\"bogus\":1,\"https\":"
                                          "\"maybe\",\"upstream\":{\"targets\":[{\"url\":"
                                          "\"ftp://x\"}]}}",
                                          NULL);
    assert_int_equal(a.status, 422);
    assert_true(api_answer_complains(&a, "/hosts/0"));
    assert_true(api_answer_complains(&a, "/bogus"));
    assert_true(api_answer_complains(&a, "/https"));
    assert_true(api_answer_complains(&a, "/upstream/targets/0/url"));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 404, "GET", "/v1/routes/a-b", NULL);
}

static void test_preconditions(void **state)
{
    (void)state;
    const char *body = "{\"path\":\"/x\"}";
    expect_with(412, "PUT", "/v1/routes/r", api_fixture_route("a.example"), "If-Match", "*");
    expect_with(201, "PUT", "/v1/routes/r", api_fixture_route("a.example"), "If-None-Match",
                "*");
    expect_with(412, "PUT", "/v1/routes/r", api_fixture_route("a.example"), "If-None-Match",
                "*");
    expect_with(412, "PATCH", "/v1/routes/r", body, "If-Match", "\"2\"");
    expect_with(200, "PATCH", "/v1/routes/r", body, "If-Match", "\"1\"");
    expect_with(412, "DELETE", "/v1/routes/r", NULL, "If-Match", "\"1\"");
    expect_with(304, "GET", "/v1/routes/r", NULL, "If-None-Match", "\"2\"");
    expect_with(200, "GET", "/v1/routes/r", NULL, "If-None-Match", "\"1\"");
    expect_with(204, "DELETE", "/v1/routes/r", NULL, "If-Match", "\"2\"");
    api_fixture_expect(&fixture, 404, "DELETE", "/v1/routes/r", NULL);
}

static void test_a_conflict_names_the_other(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/first",
                       api_fixture_route("a.example"));
    struct api_answer a = api_fixture_ask(&fixture, "PUT", "/v1/routes/second",
                                          api_fixture_route("a.example"), NULL);
    assert_int_equal(a.status, 409);
    assert_non_null(strstr(json_string_value(json_object_get(a.doc, "detail")), "\"first\""));
    api_answer_fini(&a);
}

static void test_lists_are_in_order(void **state)
{
    (void)state;
    static const char *const ids[] = {"b", "c", "a"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char path[32];
        char host[32];
        (void)snprintf(path, sizeof(path), "/v1/routes/%s", ids[i]);
        (void)snprintf(host, sizeof(host), "%s.example", ids[i]);
        api_fixture_expect(&fixture, 201, "PUT", path, api_fixture_route(host));
    }
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes", NULL, NULL);
    const json_t *items = json_object_get(a.doc, "items");
    assert_int_equal(json_array_size(items), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *id = json_object_get(json_array_get(items, i), "id");
        assert_int_equal(json_string_value(id)[0], 'a' + (int)i);
    }
    api_answer_fini(&a);
}

static void test_settings(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/settings", "{\"unknown_host\":\"404\"}");
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/settings", "{\"tls_min_version\":\"1.0\"}");
    expect_with(412, "PUT", "/v1/settings", "{}", "If-Match", "\"1\"");
    expect_with(200, "PUT", "/v1/settings", "{}", "If-Match", "\"2\"");
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/settings", NULL, NULL);
    assert_string_equal(json_string_value(json_object_get(a.doc, "unknown_host")), "reject");
    assert_true(str_eq(api_answer_field(&a, "ETag"), STR("\"3\"")));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 405, "DELETE", "/v1/settings", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_creates_and_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_shown_can_be_put, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_complaints_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_preconditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_conflict_names_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
