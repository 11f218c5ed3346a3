#include "admin/cli_table.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct cli_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    cli_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cli_fixture_close(&fixture);
    return 0;
}

static void test_nothing_yet(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "serving"));
    assert_true(cli_fixture_said(&fixture, "0 routes, 0 certificates, 0 tokens"));
    assert_true(cli_fixture_said(&fixture, "127.0.0.1:8080"));
    assert_true(cli_fixture_said(&fixture, "gatehouse route add"));
    fixture.api.is_ready = false;
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "NOT READY"));
}

static void test_a_setting_without_effect(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "status");
    assert_false(cli_fixture_said(&fixture, "Warnings"));
    api_fixture_expect(&fixture.api, 200, "PATCH", "/v1/settings",
                       "{\"proxy_protocol\":[\"127.0.0.1:8080\"]}");
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "Warnings"));
    assert_true(cli_fixture_said(&fixture, "trusted_proxies is empty"));
}

static void test_one_route(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r");
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "1 route, 1 certificate, 0 tokens"));
    assert_true(cli_fixture_said(&fixture, "degraded"));
    assert_true(cli_fixture_said(&fixture, "unknown"));
    assert_true(cli_fixture_said(&fixture, "r: certificate \"a.example\" is pending"));
    cli_fixture_ok(&fixture, "status --json");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(doc, "routes")), 1);
}

static void test_many_routes_stay_one_screen(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        char line[96];
        (void)snprintf(line, sizeof(line), "route add h%d.example 8080 --certificate none", i);
        cli_fixture_ok(&fixture, line);
    }
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "30 more routes"));
    assert_false(cli_fixture_said(&fixture, "h7.example"));
}

static void test_times_and_counts(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate none");
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.api.store);
    const struct route *r = snapshot_route_find(s, STR("r"));
    route_live_begin(r->live, 0);
    route_live_end(r->live, 0,
                   &(struct route_outcome){.class = ROUTE_CLASS_2XX, .total_us = 2000000});
    struct target_live *live = upstream_targets(&r->upstream)[0].live;
    atomic_store(&live->requests, 1234567);
    atomic_store(&live->failures, 12345);
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "1.2M"));
    assert_true(cli_fixture_said(&fixture, "12.3k"));
    assert_true(cli_fixture_said(&fixture, "2.5s"));
}

static void test_watching_repaints_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(cli_fixture_run(&fixture, "status --watch"), 2);
    assert_true(cli_fixture_complained(&fixture, "terminal"));
    fixture.is_terminal = true;
    assert_int_equal(cli_fixture_run(&fixture, "status --watch --json"), 2);
    fixture.pauses = 2;
    cli_fixture_ok(&fixture, "status --watch");
    unsigned screens = 0;
    for (const char *at = fixture.out; (at = strstr(at, "\033[H\033[2J")) != NULL; at++)
        screens++;
    assert_int_equal(screens, 3);
    fixture.screen.lines = 3;
    cli_fixture_ok(&fixture, "status --watch");
    assert_true(cli_fixture_said(&fixture, "0 routes"));
    assert_false(cli_fixture_said(&fixture, "127.0.0.1:8080"));
}

/* Of the lines of a screen, colours left out. */
static size_t longest(struct str screen)
{
    size_t longest = 0;
    struct str line;
    while (str_split(screen, '\n', &line, &screen)) {
        size_t len = cli_table_width(line);
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* No line wraps, however long, and a terminal made smaller is seen at once. */
static void test_watching_fits_the_terminal(void **state)
{
    (void)state;
    static const char *const plain[] = {"NO_COLOR", "1", NULL};
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r");
    fixture.variables = plain;
    fixture.is_terminal = true;
    fixture.screen = (struct cli_screen){.columns = 64, .lines = 50};
    fixture.next_screen = (struct cli_screen){.columns = 30, .lines = 50};
    fixture.pauses = 1;
    cli_fixture_ok(&fixture, "status --watch");
    const char *second = strstr(fixture.out + 1, "\033[H\033[2J");
    assert_non_null(second);
    static const char clear[] = "\033[H\033[2J";
    struct str first = str_make(fixture.out, (size_t)(second - fixture.out));
    assert_int_equal(longest(str_skip(first, sizeof(clear) - 1)), 64);
    assert_int_equal(longest(str_skip(str_from(second), sizeof(clear) - 1)), 30);
}

static void test_colours_only_on_a_terminal_that_wants_them(void **state)
{
    (void)state;
    static const char *const unwanted[][3] = {{"NO_COLOR", "1", NULL}, {"TERM", "dumb", NULL}};
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate none");
    fixture.is_terminal = true;
    cli_fixture_ok(&fixture, "status");
    assert_true(cli_fixture_said(&fixture, "\033["));
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
        fixture.variables = unwanted[i];
        cli_fixture_ok(&fixture, "status");
        assert_false(cli_fixture_said(&fixture, "\033["));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_setting_without_effect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_route, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_routes_stay_one_screen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times_and_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watching_repaints_a_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watching_fits_the_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_colours_only_on_a_terminal_that_wants_them, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
