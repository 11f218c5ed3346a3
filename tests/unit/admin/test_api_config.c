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

#define ROUTE(id, host)                                                                        \
    "{\"id\":\"" id "\",\"hosts\":[\"" host "\"],\"certificate\":\"none\","                    \
    "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}"

/* "create route a; update settings settings /unknown_host; ..." */
static char *put(const char *target, const char *body)
{
    static char text[512];
    struct api_answer a = api_fixture_ask(&fixture, "PUT", target, body, NULL);
    const json_t *changes = json_object_get(a.doc, "changes");
    size_t len = 0;
    if (a.status != 200)
        fail_msg("%.*s", STR_ARG(buf_view(&a.reply.body)));
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(changes); i++) {
        json_t *c = json_array_get(changes, i);
        const json_t *field = json_array_get(json_object_get(c, "fields"), 0);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %s%s;",
                                json_string_value(json_object_get(c, "change")),
                                json_string_value(json_object_get(c, "kind")),
                                json_string_value(json_object_get(c, "id")),
                                field == NULL ? "" : json_string_value(field));
    }
    api_answer_fini(&a);
    return text;
}

static void test_round_trip_changes_nothing(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "POST", "/v1/routes", ROUTE("a", "a.example"));
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/config", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_true(api_answer_field(&a, "ETag").len > 10);
    char *text = json_dumps(a.doc, 0);
    assert_string_equal(put("/v1/config", text), "");
    free(text);
    api_answer_fini(&a);
}

static void test_changes_are_listed(void **state)
{
    (void)state;
    assert_string_equal(put("/v1/config", "{\"routes\":[" ROUTE("b", "b.example") "," ROUTE(
                                              "a", "a.example") "]}"),
                        "create route a;create route b;");
    const char *next = "{\"settings\":{\"unknown_host\":\"404\"},\"routes\":[" ROUTE(
        "b", "bb.example") "," ROUTE("c", "c.example") "]}";
    const char *want = "update settings settings/unknown_host;delete route a;"
                       "update route b/hosts;create route c;";
    assert_string_equal(put("/v1/config?dry_run=true", next), want);
    api_fixture_expect(&fixture, 200, "GET", "/v1/routes/a", NULL);
    assert_string_equal(put("/v1/config?dry_run=false", next), want);
    api_fixture_expect(&fixture, 404, "GET", "/v1/routes/a", NULL);
    assert_string_equal(put("/v1/config", next), "");
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    struct api_answer a = api_fixture_ask(
        &fixture, "PUT", "/v1/config",
        "{\"routes\":[" ROUTE("a", "a.example") ",{\"hosts\":[\"b.example\"]}],\"bogus\":1}",
        NULL);
    assert_int_equal(a.status, 422);
    assert_true(api_answer_complains(&a, "/routes/1/upstream"));
    assert_true(api_answer_complains(&a, "/bogus"));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 404, "GET", "/v1/routes/a", NULL);
    api_fixture_expect(&fixture, 400, "PUT", "/v1/config?dry_run=yes", "{}");
}

static void test_entity_tag(void **state)
{
    (void)state;
    char tag[64];
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/config", NULL, NULL);
    struct str etag = api_answer_field(&a, "ETag");
    (void)snprintf(tag, sizeof(tag), "%.*s", STR_ARG(etag));
    api_answer_fini(&a);
    const char *const match[] = {"If-Match", tag, NULL};
    const char *const none[] = {"If-None-Match", tag, NULL};
    const char *body = "{\"settings\":{\"unknown_host\":\"404\"}}";
    a = api_fixture_ask(&fixture, "GET", "/v1/config", NULL, none);
    assert_int_equal(a.status, 304);
    assert_int_equal(buf_len(&a.reply.body), 0);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "PUT", "/v1/config", body, match);
    assert_int_equal(a.status, 200);
    api_answer_fini(&a);
    a = api_fixture_ask(&fixture, "PUT", "/v1/config", body, match);
    assert_int_equal(a.status, 412);
    api_answer_fini(&a);
}

/* A token that may write routes may not exchange the certificate authority by this door. */
static void test_acme_needs_admin(void **state)
{
    (void)state;
    char token[128];
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/tokens",
                                          "{\"name\":\"t\",\"scopes\":[\"write\"]}", NULL);
    (void)snprintf(token, sizeof(token), "%s",
                   json_string_value(json_object_get(a.doc, "token")));
    api_answer_fini(&a);
    fixture.is_tcp = true;
    fixture.token = token;
    api_fixture_expect(&fixture, 200, "PUT", "/v1/config",
                       "{\"routes\":[" ROUTE("a", "a.example") "]}");
    api_fixture_expect(&fixture, 403, "PUT", "/v1/config",
                       "{\"acme\":{\"contact\":[\"mailto:x@example.org\"]}}");
    api_fixture_expect(
        &fixture, 403, "PUT", "/v1/config?dry_run=true",
        "{\"acme\":{\"eab\":{\"kid\":\"k\",\"hmac\":\"c2VjcmV0c2VjcmV0c2VjcmV0\"}}}");
    api_fixture_expect(&fixture, 403, "PUT", "/v1/config",
                       "{\"alarms\":{\"webhook\":{\"url\":\"https://x\"}}}");
    api_fixture_expect(&fixture, 200, "GET", "/v1/routes/a", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entity_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_acme_needs_admin, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
