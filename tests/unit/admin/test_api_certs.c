#include "tests/support/api_fixture.h"
#include "tests/support/pem_pair.h"
#include "tests/support/unit.h"

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

/* The body of an import; free() it. */
static char *make_body(const char *id, const char *names)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 1024 * 1024);
    struct pem_pair pair = pem_pair_make(a, names);
    AUTO(json_decref)
    json_t *doc = json_pack("{s:s*, s:s%, s:s%}", "id", id, "chain_pem", pair.chain.p,
                            pair.chain.len, "key_pem", pair.key.p, pair.key.len);
    return json_dumps(doc, 0);
}

static void import(const char *method, const char *target, unsigned status, const char *id)
{
    char *body = make_body(id, "DNS:a.example,DNS:b.example");
    api_fixture_expect(&fixture, status, method, target, body);
    free(body);
}

static void test_import(void **state)
{
    (void)state;
    char *body = make_body(NULL, "DNS:a.example");
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/certificates", body, NULL);
    assert_int_equal(a.status, 201);
    assert_true(str_eq(api_answer_field(&a, "Location"), STR("/v1/certificates/a.example")));
    assert_string_equal(json_string_value(json_object_get(a.doc, "source")), "imported");
    assert_string_equal(json_string_value(json_object_get(a.doc, "state")), "active");
    assert_null(json_object_get(a.doc, "key_pem"));
    struct str shown = buf_view(&a.reply.body);
    assert_null(memmem(shown.p, shown.len, "PRIVATE", strlen("PRIVATE")));
    api_answer_fini(&a);
    /* Without an id it is one more certificate, not the same one. */
    api_fixture_expect(&fixture, 201, "POST", "/v1/certificates", body);
    api_fixture_expect(&fixture, 200, "GET", "/v1/certificates/a.example-2", NULL);
    free(body);
}

static void test_put_replaces(void **state)
{
    (void)state;
    import("PUT", "/v1/certificates/mine", 201, NULL);
    import("PUT", "/v1/certificates/mine", 200, NULL);
    import("PUT", "/v1/certificates/mine", 422, "other");
    import("POST", "/v1/certificates", 409, "mine");
}

static void test_patch(void **state)
{
    (void)state;
    import("PUT", "/v1/certificates/mine", 201, NULL);
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/certificates/mine", "{}");
    import("PATCH", "/v1/certificates/mine", 200, NULL);
    struct api_answer a =
        api_fixture_ask(&fixture, "PATCH", "/v1/certificates/mine", "{\"state\":\"x\"}", NULL);
    assert_int_equal(a.status, 422);
    assert_true(api_answer_complains(&a, "/state"));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 422, "PATCH", "/v1/certificates/mine", "[]");
    import("PATCH", "/v1/certificates/nope", 404, NULL);
}

static void test_used_by(void **state)
{
    (void)state;
    import("PUT", "/v1/certificates/mine", 201, NULL);
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],\"certificate\":\"mine\","
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}");
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/certificates", NULL, NULL);
    const json_t *cert = json_array_get(json_object_get(a.doc, "items"), 0);
    const json_t *users = json_object_get(cert, "used_by");
    assert_string_equal(json_string_value(json_array_get(users, 0)), "r");
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 409, "DELETE", "/v1/certificates/mine", NULL);
    api_fixture_expect(&fixture, 204, "DELETE", "/v1/routes/r", NULL);
    api_fixture_expect(&fixture, 204, "DELETE", "/v1/certificates/mine", NULL);
}

#define CLIENT_ROUTE(certificate)                                                              \
    "{\"hosts\":[\"b.example\"],\"certificate\":\"none\",\"upstream\":{"                       \
    "\"targets\":[{\"url\":\"https://127.0.0.1:1\"}],"                                         \
    "\"tls\":{\"certificate\":\"" certificate "\"}}}"

/* What a route presents to its targets is used as much as what it shows to its clients. */
static void test_used_by_as_client_certificate(void **state)
{
    (void)state;
    import("PUT", "/v1/certificates/mine", 201, NULL);
    struct api_answer refused =
        api_fixture_ask(&fixture, "PUT", "/v1/routes/r", CLIENT_ROUTE("other"), NULL);
    assert_int_equal(refused.status, 422);
    const json_t *error = json_array_get(json_object_get(refused.doc, "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(error, "field")),
                        "/upstream/tls/certificate");
    api_answer_fini(&refused);
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r", CLIENT_ROUTE("mine"));
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/certificates/mine", NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(a.doc, "used_by")), 1);
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 409, "DELETE", "/v1/certificates/mine", NULL);
    api_fixture_expect(&fixture, 204, "DELETE", "/v1/routes/r", NULL);
    api_fixture_expect(&fixture, 204, "DELETE", "/v1/certificates/mine", NULL);
}

static void test_renew(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],"
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}");
    struct api_answer a =
        api_fixture_ask(&fixture, "POST", "/v1/certificates/a.example/renew", NULL, NULL);
    assert_int_equal(a.status, 202);
    const json_t *next = json_object_get(a.doc, "next_action");
    assert_string_equal(json_string_value(json_object_get(next, "what")), "issue");
    assert_string_equal(json_string_value(json_object_get(next, "why")),
                        "asked for by an administrator");
    assert_int_equal(json_array_size(json_object_get(a.doc, "used_by")), 1);
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 202, "POST", "/v1/certificates/a.example/renew", "{}");
    api_fixture_expect(&fixture, 422, "POST", "/v1/certificates/a.example/renew",
                       "{\"now\":1}");
    api_fixture_expect(&fixture, 404, "POST", "/v1/certificates/nope/renew", NULL);
}

static void test_limits(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],"
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}");
    import("PUT", "/v1/certificates/mine", 201, NULL);
    struct api_answer a =
        api_fixture_ask(&fixture, "GET", "/v1/certificates/a.example/limits", NULL, NULL);
    const json_t *items = json_object_get(a.doc, "items");
    assert_int_equal(json_array_size(items), 4);
    const json_t *orders = json_array_get(items, 0);
    assert_int_equal(json_integer_value(json_object_get(orders, "most")), 250);
    assert_true(json_is_null(json_object_get(orders, "free_at")));
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "GET", "/v1/certificates/mine/limits", NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(a.doc, "items")), 0);
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 404, "GET", "/v1/certificates/nope/limits", NULL);
}

static void test_what_cannot_be_done(void **state)
{
    (void)state;
    import("PUT", "/v1/certificates/mine", 201, NULL);
    api_fixture_expect(&fixture, 409, "POST", "/v1/certificates/mine/renew", NULL);
    api_fixture_expect(&fixture, 501, "POST", "/v1/certificates/mine/revoke", NULL);
    api_fixture_expect(&fixture, 404, "POST", "/v1/certificates/nope/revoke", NULL);
    api_fixture_expect(&fixture, 422, "POST", "/v1/certificates",
                       "{\"chain_pem\":\"x\",\"key_pem\":\"y\"}");
    api_fixture_expect(&fixture, 422, "POST", "/v1/certificates", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_used_by, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_used_by_as_client_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_done, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
