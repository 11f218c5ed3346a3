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

static void read_token(const char *id, json_t **ret_doc)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/v1/tokens/%s", id);
    struct api_answer a = api_fixture_ask(&fixture, "GET", path, NULL, NULL);
    assert_int_equal(a.status, 200);
    *ret_doc = json_incref(a.doc);
    api_answer_fini(&a);
}

static void test_put(void **state)
{
    (void)state;
    struct api_answer a =
        api_fixture_ask(&fixture, "PUT", "/v1/tokens/ci", "{\"name\":\"CI\"}", NULL);
    assert_int_equal(a.status, 201);
    assert_true(json_is_string(json_object_get(a.doc, "token")));
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "PUT", "/v1/tokens/ci",
                        "{\"name\":\"CI 2\",\"scopes\":[\"write\"]}", NULL);
    assert_int_equal(a.status, 200);
    assert_null(json_object_get(a.doc, "token"));
    assert_true(str_eq(api_answer_field(&a, "ETag"), STR("\"2\"")));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 422, "PUT", "/v1/tokens/ci", "{\"name\":\"x\",\"id\":\"y\"}");
    api_fixture_expect(&fixture, 422, "PUT", "/v1/tokens/Not%20a%20slug", "{\"name\":\"x\"}");
    api_fixture_expect(&fixture, 409, "POST", "/v1/tokens", "{\"name\":\"x\",\"id\":\"ci\"}");
    api_fixture_expect(&fixture, 201, "POST", "/v1/tokens", "{\"name\":\"x\",\"id\":\"mine\"}");
    api_fixture_expect(&fixture, 200, "GET", "/v1/tokens/mine", NULL);
}

/* What was in the hands of somebody goes on working, with the new scopes. */
static void test_patch_keeps_the_secret(void **state)
{
    (void)state;
    static char token[128];
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/tokens",
                                          "{\"name\":\"ci\",\"scopes\":[\"admin\"]}", NULL);
    (void)snprintf(token, sizeof(token), "%s",
                   json_string_value(json_object_get(a.doc, "token")));
    api_answer_fini(&a);
    fixture.is_tcp = true;
    fixture.token = token;
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/tokens/ci", "{\"scopes\":[\"read\"]}");
    api_fixture_expect(&fixture, 200, "GET", "/v1/routes", NULL);
    api_fixture_expect(&fixture, 403, "PATCH", "/v1/tokens/ci", "{\"scopes\":[\"admin\"]}");
    fixture.is_tcp = false;
    json_t *doc;
    read_token("ci", &doc);
    assert_int_equal(json_array_size(json_object_get(doc, "scopes")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "revision")), 2);
    json_decref(doc);
    api_fixture_expect(&fixture, 404, "PATCH", "/v1/tokens/nope", "{}");
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/tokens/ci", "{\"name\":null}");
}

static void test_what_is_shown_can_be_put(void **state)
{
    (void)state;
    json_t *doc;
    api_fixture_expect(&fixture, 201, "POST", "/v1/tokens",
                       "{\"name\":\"ci\",\"expires_at\":\"2099-01-31T00:00:00Z\"}");
    read_token("ci", &doc);
    char *text = json_dumps(doc, 0);
    api_fixture_expect(&fixture, 200, "PUT", "/v1/tokens/ci", text);
    free(text);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_secret_is_shown_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_name_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patch_keeps_the_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_shown_can_be_put, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
