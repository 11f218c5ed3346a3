#include "tests/support/api_fixture.h"
#include "tests/support/pem_pair.h"
#include "tests/support/unit.h"

#include <errno.h>
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

static const struct target_live *live_of(const char *id, struct target_live **ret_live)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    const struct route *r = snapshot_route_find(s, str_from(id));
    assert_non_null(r);
    *ret_live = upstream_targets(&r->upstream)[0].live;
    return *ret_live;
}

static json_t *route_status(struct api_answer *a)
{
    *a = api_fixture_ask(&fixture, "GET", "/v1/status", NULL, NULL);
    assert_int_equal(a->status, 200);
    return json_array_get(json_object_get(a->doc, "routes"), 0);
}

static const char *text(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(doc, name));
}

static void test_a_target_that_fails(void **state)
{
    (void)state;
    struct target_live *live;
    struct api_answer a;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r", api_fixture_route("a.example"));
    json_t *route = route_status(&a);
    assert_string_equal(text(route, "state"), "ok");
    assert_string_equal(text(json_array_get(json_object_get(route, "targets"), 0), "state"),
                        "unknown");
    api_answer_fini(&a);

    (void)live_of("r", &live);
    atomic_store(&live->error_detail, ECONNREFUSED);
    atomic_store(&live->error_at, 1800000000);
    atomic_store(&live->error, ERR_TARGET_CONNECT);
    atomic_store(&live->trouble, TROUBLE_SILENT);
    route = route_status(&a);
    assert_string_equal(text(route, "state"), "degraded");
    const json_t *target = json_array_get(json_object_get(route, "targets"), 0);
    assert_string_equal(text(target, "state"), "down");
    assert_string_equal(text(json_object_get(target, "last_error"), "words"),
                        "Connection refused");
    const json_t *reasons = json_object_get(route, "reasons");
    assert_string_equal(json_string_value(json_array_get(reasons, 0)),
                        "http://127.0.0.1:3000 is down: cannot connect to the target: "
                        "Connection refused");
    api_answer_fini(&a);

    atomic_store(&live->ok_at, 1800000001);
    atomic_store(&live->trouble, TROUBLE_NONE);
    route = route_status(&a);
    assert_string_equal(text(route, "state"), "ok");
    api_answer_fini(&a);
}

static void test_a_certificate_that_is_not_there_yet(void **state)
{
    (void)state;
    struct api_answer a;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],"
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}");
    const json_t *route = route_status(&a);
    assert_string_equal(text(route, "state"), "degraded");
    assert_string_equal(text(route, "certificate"), "a.example");
    assert_non_null(strstr(
        json_string_value(json_array_get(json_object_get(route, "reasons"), 0)), "pending"));
    const json_t *cert = json_array_get(json_object_get(a.doc, "certificates"), 0);
    assert_string_equal(text(cert, "state"), "pending");
    api_answer_fini(&a);
}

static void import_cert(const char *id, const char *names)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 1024 * 1024);
    struct pem_pair pair = pem_pair_make(a, names);
    AUTO(json_decref)
    json_t *doc = json_pack("{s:s, s:s%, s:s%}", "id", id, "chain_pem", pair.chain.p,
                            pair.chain.len, "key_pem", pair.key.p, pair.key.len);
    char *body = json_dumps(doc, 0);
    api_fixture_expect(&fixture, 201, "POST", "/v1/certificates", body);
    free(body);
}

static void test_a_certificate_for_other_names(void **state)
{
    (void)state;
    static const struct {
        const char *hosts;
        const char *reason; /* NULL: none */
    } rows[] = {
        {"\"a.test\"", NULL},
        {"\"a.test\",\"x.b.test\",\"*.b.test\"", NULL},
        {"\"*\"", NULL},
        {"\"a.test\",\"b.test\"", "certificate \"c\" does not cover b.test"},
        {"\"*.test\"", "certificate \"c\" does not cover *.test"},
        {"\"x.y.b.test\"", "certificate \"c\" does not cover x.y.b.test"},
    };
    import_cert("c", "DNS:a.test,DNS:*.b.test");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[256];
        struct api_answer a;
        (void)snprintf(body, sizeof(body),
                       "{\"hosts\":[%s],\"certificate\":\"c\","
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}",
                       rows[i].hosts);
        api_fixture_expect(&fixture, i == 0 ? 201 : 200, "PUT", "/v1/routes/r", body);
        const json_t *route = route_status(&a);
        const json_t *reasons = json_object_get(route, "reasons");
        assert_int_equal(json_array_size(reasons), rows[i].reason != NULL);
        assert_string_equal(text(route, "state"), rows[i].reason != NULL ? "degraded" : "ok");
        if (rows[i].reason != NULL)
            assert_string_equal(json_string_value(json_array_get(reasons, 0)), rows[i].reason);
        api_answer_fini(&a);
    }
}

static void test_a_disabled_route_is_nobodys_trouble(void **state)
{
    (void)state;
    struct api_answer a;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],\"enabled\":false,"
                       "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:1\"}]}}");
    const json_t *route = route_status(&a);
    assert_string_equal(text(route, "state"), "disabled");
    assert_int_equal(json_array_size(json_object_get(route, "reasons")), 0);
    api_answer_fini(&a);
}

static void test_the_whole(void **state)
{
    (void)state;
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/status", NULL, NULL);
    assert_string_equal(text(a.doc, "version"), GW_VERSION);
    assert_true(json_is_true(json_object_get(a.doc, "ready")));
    assert_int_equal(json_array_size(json_object_get(a.doc, "listeners")), 1);
    assert_true(json_is_array(json_object_get(a.doc, "last_errors")));
    assert_true(json_integer_value(json_object_get(a.doc, "generation")) > 0);
    api_answer_fini(&a);
}

static const char *warning_with(const char *settings)
{
    static char words[256];
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/settings", settings);
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/status", NULL, NULL);
    const json_t *list = json_object_get(a.doc, "warnings");
    assert_true(json_array_size(list) <= 1);
    (void)snprintf(words, sizeof(words), "%s",
                   json_array_size(list) == 0 ? ""
                                              : json_string_value(json_array_get(list, 0)));
    api_answer_fini(&a);
    return words;
}

static void test_settings_that_lead_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        const char *words; /* NULL: nothing to say */
    } rows[] = {
        {"{\"trusted_proxies\":[\"10.0.0.0/8\"]}", NULL},
        {"{\"proxy_protocol\":[\"127.0.0.1:8080\"]}", NULL},
        {"{\"proxy_protocol\":[\"127.0.0.1:8081\"]}", "names 127.0.0.1:8081,"},
        {"{\"proxy_protocol\":[\":8080\"]}", "names :8080,"},
        {"{\"proxy_protocol\":[\"127.0.0.1:8080\"],\"trusted_proxies\":[]}",
         "trusted_proxies is empty"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *words = warning_with(rows[i].settings);
        if (rows[i].words == NULL)
            assert_string_equal(words, "");
        else
            assert_non_null(strstr(words, rows[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_target_that_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_that_is_not_there_yet, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_for_other_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_disabled_route_is_nobodys_trouble, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_settings_that_lead_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
