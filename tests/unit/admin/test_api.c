/* Dispatch: what is decided before a handler runs. */
#include "admin/api.h"
#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdio.h>

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

static const struct {
    const char *name, *method, *target, *body;
    unsigned status;
} cases[] = {
    {"a list", "GET", "/v1/routes", NULL, 200},
    {"HEAD is GET", "HEAD", "/v1/routes", NULL, 200},
    {"no such path", "GET", "/v1/nothing", NULL, 404},
    {"the root", "GET", "/", NULL, 404},
    {"a slash too many", "GET", "/v1/routes/", NULL, 404},
    {"deeper than there is", "GET", "/v1/routes/x/y", NULL, 404},
    {"no such object", "GET", "/v1/routes/x", NULL, 404},
    {"other version", "GET", "/v2/routes", NULL, 404},
    {"method of no path", "BREW", "/v1/routes", NULL, 405},
    {"methods are exact", "get", "/v1/routes", NULL, 405},
    {"DELETE of a list", "DELETE", "/v1/routes", NULL, 405},
    {"PATCH of no certificate", "PATCH", "/v1/certificates/x", "{}", 404},
    {"POST of an object", "POST", "/v1/tokens/x", "{}", 405},
    {"unknown query parameter", "GET", "/v1/routes?page=2", NULL, 400},
    {"a typing error is no import", "PUT", "/v1/config?dryrun=true", "{}", 400},
    {"bad escape in an id", "GET", "/v1/routes/%zz", NULL, 400},
    {"body where none belongs", "GET", "/v1/routes", "{}", 400},
    {"no body where one belongs", "POST", "/v1/routes", NULL, 400},
    {"malformed body", "POST", "/v1/routes", "{", 400},
    {"body that is no object", "POST", "/v1/routes", "[]", 422},
    {"alive", "GET", "/healthz", NULL, 200},
    {"streams are refused honestly", "POST", "/v1/streams", "{}", 501},
};

static void test_statuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_answer a =
            api_fixture_ask(&fixture, cases[i].method, cases[i].target, cases[i].body, NULL);
        if (a.status != cases[i].status)
            fail_msg("%s: %u", cases[i].name, a.status);
        if (a.status >= 400) {
            assert_string_equal(a.reply.content_type, "application/problem+json");
            assert_int_equal(json_integer_value(json_object_get(a.doc, "status")), a.status);
            assert_true(json_string_length(json_object_get(a.doc, "detail")) > 0);
        }
        api_answer_fini(&a);
    }
}

static void test_allow(void **state)
{
    (void)state;
    struct api_answer a = api_fixture_ask(&fixture, "BREW", "/v1/routes", NULL, NULL);
    assert_true(str_eq(api_answer_field(&a, "Allow"), STR("GET, HEAD, POST, OPTIONS")));
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "OPTIONS", "/v1/settings", NULL, NULL);
    assert_int_equal(a.status, 204);
    assert_true(str_eq(api_answer_field(&a, "Allow"), STR("GET, HEAD, PUT, PATCH, OPTIONS")));
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "OPTIONS", "/nowhere", NULL, NULL);
    assert_int_equal(a.status, 404);
    api_answer_fini(&a);
}

static void test_web_pages_are_refused(void **state)
{
    (void)state;
    const char *const origin[] = {"Origin", "https://evil.example", NULL};
    const char *const site[] = {"Sec-Fetch-Site", "cross-site", NULL};
    const char *const simple[] = {"Content-Type", "text/plain", NULL};
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes", NULL, origin);
    assert_int_equal(a.status, 403);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "GET", "/healthz", NULL, site);
    assert_int_equal(a.status, 403);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "OPTIONS", "/v1/routes", NULL, origin);
    assert_int_equal(a.status, 403);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "POST", "/v1/routes", "{}", simple);
    assert_int_equal(a.status, 415);
    api_answer_fini(&a);
}

static void test_announced_length_is_checked_first(void **state)
{
    (void)state;
    const char *const huge[] = {"Content-Length", "1048577", "Content-Type", "application/json",
                                NULL};
    const char *const odd[] = {"Content-Length", "-1", "Content-Type", "application/json",
                               NULL};
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/routes", NULL, huge);
    assert_int_equal(a.status, 413);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "PUT", "/v1/config?dry_run=true", NULL, huge);
    assert_int_equal(a.status, 400); /* allowed here; but then there was no body */
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "POST", "/v1/routes", NULL, odd);
    assert_int_equal(a.status, 413);
    api_answer_fini(&a);
}

/* Every row can be reached: nothing in the table hides anything else. */
static void test_every_row_matches_itself(void **state)
{
    (void)state;
    size_t count;
    const struct api_row *rows = api_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char path[128];
        const char *brace = strstr(rows[i].pattern, "{id}");
        size_t before =
            brace == NULL ? strlen(rows[i].pattern) : (size_t)(brace - rows[i].pattern);
        (void)snprintf(path, sizeof(path), "%.*s%s%s", (int)before, rows[i].pattern,
                       brace == NULL ? "" : "some%2Fid", brace == NULL ? "" : brace + 4);
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        const struct admin_field host = {STR("Host"), STR("localhost")};
        struct admin_request rq = {.arena = a,
                                   .method = str_from(rows[i].method),
                                   .path = str_from(path),
                                   .fields = &host,
                                   .field_count = 1,
                                   .source = {.is_unix = true}};
        struct admin_reply reply;
        struct api_call call;
        admin_reply_init(&reply);
        api_call_init(&call, &fixture.api, &rq, &reply);
        api_begin(&call);
        assert_false(failed(call.error));
        assert_ptr_equal(call.row, &rows[i]);
        if (brace != NULL)
            assert_true(str_eq(call.id, STR("some/id")));
        assert_int_equal(api_body_limit(&call) > 0, rows[i].body != API_BODY_NONE);
        api_call_fini(&call);
        admin_reply_fini(&reply);
    }
}

static char *make_token(const char *body)
{
    static char token[128];
    bool was_tcp = fixture.is_tcp;
    fixture.is_tcp = false;
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/tokens", body, NULL);
    assert_int_equal(a.status, 201);
    (void)snprintf(token, sizeof(token), "%s",
                   json_string_value(json_object_get(a.doc, "token")));
    api_answer_fini(&a);
    fixture.is_tcp = was_tcp;
    return token;
}

static void test_tokens_over_tcp(void **state)
{
    (void)state;
    fixture.is_tcp = true;
    api_fixture_expect(&fixture, 401, "GET", "/v1/routes", NULL);
    api_fixture_expect(&fixture, 401, "GET", "/v1/nothing", NULL);
    api_fixture_expect(&fixture, 401, "BREW", "/v1/routes", NULL);
    api_fixture_expect(&fixture, 200, "GET", "/healthz", NULL);
    api_fixture_expect(&fixture, 200, "GET", "/readyz", NULL);
    api_fixture_expect(&fixture, 200, "GET", "/metrics", NULL);
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/routes", NULL, NULL);
    assert_true(str_starts(api_answer_field(&a, "WWW-Authenticate"), STR("Bearer")));
    api_answer_fini(&a);
}

static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *scopes;
        unsigned read, write, tokens, acme;
    } rows[] = {
        {"[\"read\"]", 200, 403, 403, 403},
        {"[\"write\"]", 200, 200, 403, 403},
        {"[\"admin\"]", 200, 200, 200, 200},
        {"[\"read\",\"admin\"]", 200, 200, 200, 200},
    };
    fixture.is_tcp = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"name\":\"t\",\"scopes\":%s}", rows[i].scopes);
        fixture.token = make_token(body);
        api_fixture_expect(&fixture, rows[i].read, "GET", "/v1/routes", NULL);
        api_fixture_expect(&fixture, rows[i].read, "GET", "/v1/acme", NULL);
        api_fixture_expect(&fixture, rows[i].write, "PATCH", "/v1/settings", "{}");
        api_fixture_expect(&fixture, rows[i].tokens, "GET", "/v1/tokens", NULL);
        api_fixture_expect(&fixture, rows[i].acme, "PATCH", "/v1/acme", "{}");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_allow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_web_pages_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_announced_length_is_checked_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_every_row_matches_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens_over_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scopes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
