#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

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

static bool said(const struct api_answer *a, const char *words)
{
    struct str body = buf_view(&a->reply.body);
    return memmem(body.p, body.len, words, strlen(words)) != NULL;
}

static void test_ready_and_not(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 200, "GET", "/readyz", NULL);
    fixture.is_ready = false;
    api_fixture_expect(&fixture, 503, "GET", "/readyz", NULL);
    api_fixture_expect(&fixture, 200, "GET", "/healthz", NULL);
}

static void count_up(const char *host, uint64_t requests, uint64_t failures)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    const struct route *r = snapshot_route_find(s, str_from(host));
    assert_non_null(r);
    struct target_live *live = upstream_targets(&r->upstream)[0].live;
    atomic_store(&live->requests, requests);
    atomic_store(&live->failures, failures);
    atomic_store(&live->ok_at, 1);
}

static void test_metrics(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "POST", "/v1/routes", api_fixture_route("a.example"));
    api_fixture_expect(&fixture, 201, "POST", "/v1/routes", api_fixture_route("b.example"));
    count_up("a.example", 7, 2);
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/metrics", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_true(said(&a, "# TYPE gatehouse_connections_total counter\n"));
    assert_true(said(&a, "\ngatehouse_routes 2\n"));
    assert_true(said(&a, "\ngatehouse_target_requests_total{route=\"a.example\","
                         "target=\"http://127.0.0.1:3000\"} 7\n"));
    assert_true(said(&a, "\ngatehouse_target_failures_total{route=\"a.example\","
                         "target=\"http://127.0.0.1:3000\"} 2\n"));
    assert_true(said(&a, "\ngatehouse_target_up{route=\"a.example\","));
    assert_false(said(&a, "\ngatehouse_target_up{route=\"b.example\","));
    api_answer_fini(&a);
}

static void test_labels_are_escaped(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 201, "POST", "/v1/routes",
                       "{\"id\":\"r\",\"hosts\":[\"a.example\"],\"certificate\":\"none\","
                       "\"upstream\":{\"targets\":[{\"url\":\"unix:/run/a\\\"b.sock\"}]}}");
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/metrics", NULL, NULL);
    assert_true(said(&a, "target=\"unix:/run/a\\\"b.sock\""));
    api_answer_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready_and_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
