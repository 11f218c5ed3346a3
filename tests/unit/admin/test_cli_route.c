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

/* A member of the route as the API has it, along a path of names. */
static json_t *member(const char *id, const char *const *names)
{
    static json_t *kept;
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/routes/%s", id);
    struct api_answer a = api_fixture_ask(&fixture.api, "GET", path, NULL, NULL);
    assert_int_equal(a.status, 200);
    json_decref(kept);
    kept = json_incref(a.doc);
    api_answer_fini(&a);
    json_t *at = kept;
    for (; *names != NULL; names++)
        at = json_object_get(at, *names);
    return at;
}

#define MEMBER(id, ...) member((id), (const char *const[]){__VA_ARGS__, NULL})

static void assert_json(json_t *got, const char *want_text)
{
    AUTO(json_decref) json_t *want = json_loads(want_text, JSON_DECODE_ANY, NULL);
    if (!json_equal(got, want))
        fail_msg("not %s", want_text);
}

static void test_empty_list_says_how_to_begin(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route list");
    assert_true(cli_fixture_said(&fixture, "gatehouse route add"));
}

static void test_add_understands_short_targets(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add www.example.org,example.org/app 8080 [::1]:443");
    assert_true(cli_fixture_said(&fixture, "Target 8080 is read as http://127.0.0.1:8080"));
    assert_true(cli_fixture_said(&fixture, "gatehouse cert show"));
    assert_true(cli_fixture_said(&fixture, "tos_agreed=true"));
    struct api_answer a = api_fixture_ask(&fixture.api, "GET", "/v1/routes", NULL, NULL);
    const json_t *route = json_array_get(json_object_get(a.doc, "items"), 0);
    assert_json(json_object_get(route, "hosts"), "[\"www.example.org\",\"example.org\"]");
    assert_json(json_object_get(route, "path"), "\"/app\"");
    api_answer_fini(&a);
}

static void test_add_with_all_flags(void **state)
{
    (void)state;
    cli_fixture_ok(
        &fixture,
        "route add a.example https://10.0.0.5:8443 --id r --certificate none "
        "--https only --strip-prefix --host-header target --max-body 10GiB --verify off "
        "--server-name in.lan --balance round_robin --retries 3 --connect-timeout 1s "
        "--response-timeout 2m --idle-timeout 3h --set-header X-A:+b+c "
        "--set-header X-D:e --remove-header X-F --disabled");
    assert_json(MEMBER("r", "certificate"), "\"none\"");
    assert_json(MEMBER("r", "https"), "\"only\"");
    assert_json(MEMBER("r", "enabled"), "false");
    assert_json(MEMBER("r", "strip_prefix"), "true");
    assert_json(MEMBER("r", "host_header"), "\"target\"");
    assert_json(MEMBER("r", "max_body"), "\"10GiB\"");
    assert_json(MEMBER("r", "upstream", "tls", "verify"), "\"off\"");
    assert_json(MEMBER("r", "upstream", "tls", "server_name"), "\"in.lan\"");
    assert_json(MEMBER("r", "upstream", "retries"), "3");
    assert_json(MEMBER("r", "upstream", "timeouts"),
                "{\"connect\":\"1s\",\"response\":\"2m\",\"idle\":\"3h\"}");
    assert_json(MEMBER("r", "request_headers"),
                "{\"set\":{\"X-A\":\"b c\",\"X-D\":\"e\"},\"add\":{},\"remove\":[\"X-F\"]}");
    assert_true(cli_fixture_said(&fixture, "stored, disabled"));
}

static void test_flags_of_the_upstream(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture,
                   "route add a.example 8080 8081 --id r --certificate none --backup 9000 "
                   "--backup 9001 --balance hash_cookie:id --sticky session --health /healthz "
                   "--max-connections 20 --proxy-protocol v2");
    assert_int_equal(json_array_size(MEMBER("r", "upstream", "targets")), 4);
    const json_t *last = json_array_get(MEMBER("r", "upstream", "targets"), 3);
    assert_true(json_is_true(json_object_get(last, "backup")));
    assert_json(MEMBER("r", "upstream", "balance"), "\"hash_cookie:id\"");
    assert_json(MEMBER("r", "upstream", "sticky", "cookie"), "\"session\"");
    assert_json(MEMBER("r", "upstream", "health", "path"), "\"/healthz\"");
    assert_json(MEMBER("r", "upstream", "max_connections"), "20");
    assert_json(MEMBER("r", "upstream", "proxy_protocol"), "\"v2\"");
    cli_fixture_ok(&fixture, "route set r upstream.sticky=null upstream.health.slow_start=10s "
                             "upstream.queue.size=5 upstream.health.path=null "
                             "upstream.health.tcp=true upstream.max_connections=null");
    assert_json(MEMBER("r", "upstream", "sticky"), "null");
    assert_json(MEMBER("r", "upstream", "health", "slow_start"), "\"10s\"");
    assert_json(MEMBER("r", "upstream", "health", "tcp"), "true");
    assert_json(MEMBER("r", "upstream", "queue", "size"), "5");
    assert_json(MEMBER("r", "upstream", "max_connections"), "null");
    assert_int_equal(
        cli_fixture_run(&fixture, "route add b.example 8080 --max-connections many"), 2);
    assert_int_equal(cli_fixture_run(&fixture, "route add b.example 8080 --balance best"), 1);
}

static void test_show_tells_what_is_unusual(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example https://10.0.0.5 --id r --certificate none");
    cli_fixture_ok(&fixture, "route show r");
    assert_true(cli_fixture_said(&fixture, "round_robin"));
    assert_false(cli_fixture_said(&fixture, "health"));
    assert_false(cli_fixture_said(&fixture, "tls."));
    assert_false(cli_fixture_said(&fixture, "weight"));
    cli_fixture_ok(&fixture, "route set r "
                             "upstream.health.path=/up upstream.health.interval=3s "
                             "upstream.sticky.cookie=gw upstream.max_connections=20 "
                             "upstream.queue.size=7 upstream.proxy_protocol=v1 "
                             "upstream.tls.server_name=in.lan upstream.protocol=1.1");
    static const char *const words[] = {
        "health.path",     "/up",    "health.interval", "3s",  "sticky.cookie",  "gw",
        "max_connections", "20",     "queue.size",      "7",   "proxy_protocol", "v1",
        "tls.server_name", "in.lan", "protocol",        "1.1",
    };
    cli_fixture_ok(&fixture, "route show r");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!cli_fixture_said(&fixture, words[i]))
            fail_msg("no %s in: %s", words[i], fixture.out);
    }
    assert_false(cli_fixture_said(&fixture, "unhealthy_after"));
}

static void test_show_marks_targets(void **state)
{
    (void)state;
    api_fixture_expect(&fixture.api, 201, "PUT", "/v1/routes/r",
                       "{\"hosts\":[\"a.example\"],\"certificate\":\"none\","
                       "\"upstream\":{\"targets\":[{\"url\":\"http://a\",\"weight\":3},"
                       "{\"url\":\"http://b\",\"drain\":true},"
                       "{\"url\":\"http://c\",\"backup\":true}]}}");
    static const char *const commands[] = {"route show r", "route list"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        cli_fixture_ok(&fixture, commands[i]);
        assert_true(cli_fixture_said(
            &fixture, "http://a (weight 3), http://b (drain), http://c (backup)"));
    }
}

static void test_international_names_stand_for_their_ids(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add B\xc3\xbc"
                             "cher.example 8080 --certificate none");
    assert_true(cli_fixture_said(&fixture, "\"xn--bcher-kva.example\""));
    cli_fixture_ok(&fixture, "route set b\xc3\xbc"
                             "cher.example https=optional");
    cli_fixture_ok(&fixture, "route show B\xc3\xbc"
                             "cher.example");
    assert_true(cli_fixture_said(&fixture, "optional"));
    cli_fixture_ok(&fixture, "route rm b\xc3\xbc"
                             "cher.example");
    assert_int_equal(cli_fixture_run(&fixture, "route show \xff"), 1);
}

static void test_routes_without_targets(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example --id r --certificate none "
                             "--redirect https://b.example{uri} --status 301");
    assert_json(MEMBER("r", "redirect"), "{\"to\":\"https://b.example{uri}\",\"status\":301}");
    assert_json(MEMBER("r", "upstream"), "null");
    cli_fixture_ok(&fixture, "route show r");
    assert_true(cli_fixture_said(&fixture, "redirect 301 to https://b.example{uri}"));
    cli_fixture_ok(&fixture, "route add c.example --id s --certificate none --respond 410 "
                             "--body gone");
    assert_json(MEMBER("s", "respond", "status"), "410");
    assert_json(MEMBER("s", "respond", "body"), "\"gone\"");
    cli_fixture_ok(&fixture, "route show s");
    assert_true(cli_fixture_said(&fixture, "answer 410"));
    assert_int_equal(cli_fixture_run(&fixture, "route add d.example"), 2);
    assert_int_equal(cli_fixture_run(&fixture, "route add d.example --respond soon"), 2);
    static const char *const misuses[][2] = {
        {"80 --respond 200", "there is no TARGET"},
        {"--backup 80 --redirect https://a", "there is no TARGET"},
        {"--respond 200 --redirect https://a", "exclude each other"},
        {"80 --status 301", "--status needs --redirect"},
        {"--respond 200 --status 301", "takes the status itself"},
        {"80 --body x", "--body needs --respond"},
        {"--redirect https://a --body x", "--body needs --respond"},
    };
    for (size_t i = 0; i < ARRAY_LEN(misuses); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "route add d.example %s", misuses[i][0]);
        assert_int_equal(cli_fixture_run(&fixture, line), 2);
        assert_non_null(strstr(fixture.err, misuses[i][1]));
    }
}

static void test_add_prefix(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture,
                   "route add a.example 8080 --id r --certificate none --add-prefix /app");
    assert_json(MEMBER("r", "add_prefix"), "\"/app\"");
    cli_fixture_ok(&fixture, "route show r");
    assert_true(cli_fixture_said(&fixture, "add_prefix"));
    assert_true(cli_fixture_said(&fixture, "/app"));
}

static void test_a_pin_says_how_to_verify(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture,
                   "route add a.example https://10.0.0.5 --id r --certificate none --pin "
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_json(MEMBER("r", "upstream", "tls", "verify"), "\"pin\"");
    assert_int_equal(json_array_size(MEMBER("r", "upstream", "tls", "pin_sha256")), 1);
}

static void test_every_complaint_is_shown(void **state)
{
    (void)state;
    assert_int_equal(cli_fixture_run(&fixture, "route add a.example ftp://x --https maybe"), 1);
    assert_true(cli_fixture_complained(&fixture, "2 things are wrong"));
    assert_true(cli_fixture_complained(&fixture, "/https: "));
    assert_true(cli_fixture_complained(&fixture, "/upstream/targets/0/url: "));
}

static void test_set(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate none");
    cli_fixture_ok(&fixture, "route set r upstream.timeouts.idle=10m hosts=a.example,b.example "
                             "upstream.targets=9000,unix:/run/x.sock enabled=false");
    assert_true(cli_fixture_said(&fixture, "revision 2"));
    assert_json(MEMBER("r", "upstream", "timeouts", "idle"), "\"10m\"");
    assert_json(MEMBER("r", "hosts"), "[\"a.example\",\"b.example\"]");
    assert_json(MEMBER("r", "enabled"), "false");
    assert_int_equal(json_array_size(MEMBER("r", "upstream", "targets")), 2);
}

static void test_list_and_show(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add b\xc3\xbc"
                             "cher.example 8080 --id r --certificate none --set-header X-A:+b");
    cli_fixture_ok(&fixture, "route list");
    assert_true(cli_fixture_said(&fixture, "b\xc3\xbc"
                                           "cher.example (xn--bcher-kva.example)"));
    cli_fixture_ok(&fixture, "route show r");
    assert_true(cli_fixture_said(&fixture, "set X-A: b"));
    cli_fixture_ok(&fixture, "route list --json");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(doc, "items")), 1);
}

static void test_rm(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate none");
    cli_fixture_ok(&fixture, "route rm r");
    assert_int_equal(cli_fixture_run(&fixture, "route rm r"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_list_says_how_to_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_add_understands_short_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_add_with_all_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flags_of_the_upstream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_routes_without_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_show_tells_what_is_unusual, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_show_marks_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_international_names_stand_for_their_ids, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_add_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_pin_says_how_to_verify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_complaint_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_and_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
