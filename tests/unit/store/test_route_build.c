#include "store/route_build.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/units.h"

#include <stdio.h>

#define UP    "'upstream': {'targets': [{'url': 'http://a'}]}"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct err build(const char *body, const struct route *previous, struct invalid *inv,
                        struct route **ret_route)
{
    struct trust trust = {.system = NULL};
    struct route_origin origin = {.trust = &trust, .previous = previous};
    struct json_path path = {.len = 0};
    AUTO(json_decref) json_t *json = temp_json(body);
    struct err e = route_build(&origin, json, &path, inv, ret_route);
    trust_fini(&trust);
    return e;
}

static struct route *must_build(const char *body, const struct route *previous)
{
    struct route *r = NULL;
    struct invalid inv;
    invalid_init(&inv);
    if (failed(build(body, previous, &inv, &r)))
        fail_msg("%s: %.*s %.*s", body, STR_ARG(inv.entries[0].field),
                 STR_ARG(inv.entries[0].message));
    invalid_fini(&inv);
    return r;
}

static const char contract[] =
    "{'hosts': ['cloud.example.org'], 'path': '/', 'enabled': true, 'certificate': 'auto',"
    " 'https': 'redirect', 'strip_prefix': false, 'add_prefix': null, 'host_header': "
    "'preserve',"
    " 'request_headers': {'set': {}, 'add': {}, 'remove': []},"
    " 'response_headers': {'set': {}, 'add': {}, 'remove': []}, 'hide_target': true,"
    " 'max_body': 'unlimited',"
    " 'upstream': {"
    "  'targets': [{'url': 'https://[fd00::10]:443', 'weight': 1, 'backup': false,"
    "               'drain': false}],"
    "  'balance': 'round_robin', 'protocol': 'auto', 'proxy_protocol': 'off',"
    "  'tls': {'verify': 'system', 'ca': null, 'pin_sha256': [], 'server_name': null,"
    "          'certificate': null},"
    "  'health': {'path': null, 'tcp': false, 'interval': '10s', 'timeout': '2s',"
    "             'healthy_after': 2, 'unhealthy_after': 3, 'expect': '2xx,3xx',"
    "             'slow_start': '0s'},"
    "  'sticky': null, 'max_connections': null, 'queue': {'size': 100, 'timeout': '5s'},"
    "  'retries': 2,"
    "  'timeouts': {'connect': '5s', 'response': '1h', 'idle': '1h'}},"
    " 'redirect': null, 'respond': null}";

static void what_is_left_out_is_as_the_contract_says(void **state)
{
    (void)state;
    struct route *r =
        must_build("{'hosts': ['Cloud.Example.org'],"
                   " 'upstream': {'targets': [{'url': 'https://[fd00::10]:443'}]}}",
                   NULL);
    AUTO(json_decref) json_t *want = temp_json(contract);
    AUTO(json_decref) json_t *got = shape_write(route_shape, r);
    assert_true(json_equal(got, want));
    assert_true(str_eq(r->managed_names, STR("cloud.example.org")));
    const struct target *t = upstream_targets(&r->upstream);
    assert_true(t->scheme == TARGET_HTTPS && t->host_kind == TARGET_HOST_IPV6 &&
                t->port == 443);
    assert_non_null(t->live);
    assert_non_null(r->upstream.tls.trust);
    assert_true(r->max_body_bytes == UNITS_UNLIMITED);
    route_unref(r);
}

static void printing_and_reading_is_a_circle(void **state)
{
    (void)state;
    struct route *r = must_build(
        "{'hosts': ['b\xc3\xbc"
        "cher.example', '*.x.org', '*'], 'path': '/a/', 'certificate': 'none',"
        " 'https': 'optional', 'strip_prefix': true, 'host_header': 'target',"
        " 'request_headers': {'set': {'X-A': '1'}, 'add': {'X-B': '2'}, 'remove': ['X-C']},"
        " 'max_body': '10MiB', 'enabled': false, 'id': 'ignored here', 'revision': 77,"
        " 'created_at': 'x', 'updated_at': 'y', 'hosts_unicode': [],"
        " 'upstream': {'targets': [{'url': 'unix:/run/a.sock', 'weight': 5, 'backup': true},"
        "                          {'url': 'https://b', 'drain': true}],"
        "  'tls': {'verify': 'pin', 'pin_sha256': ['" HEX64 "'], 'server_name': 'x.internal'},"
        "  'balance': 'hash_cookie:SID', 'sticky': {'cookie': 'gw', 'max_age': '8h'},"
        "  'health': {'path': '/up?x', 'slow_start': '30s'},"
        "  'retries': 0, 'timeouts': {'connect': '250ms'}}}",
        NULL);
    r->object.id = STR("x");
    AUTO(json_decref) json_t *printed = route_to_json(r);
    AUTO(json_decref) json_t *want = shape_write(route_shape, r);
    assert_string_equal(json_string_value(json_array_get(json_object_get(printed, "hosts"), 0)),
                        "xn--bcher-kva.example");
    assert_int_equal(json_array_size(json_object_get(printed, "hosts_unicode")), 3);
    struct trust trust = {.system = NULL};
    struct route_origin origin = {.trust = &trust};
    struct json_path path = {.len = 0};
    struct invalid inv;
    struct route *again;
    invalid_init(&inv);
    assert_false(failed(route_build(&origin, printed, &path, &inv, &again)));
    AUTO(json_decref) json_t *got = shape_write(route_shape, again);
    assert_true(json_equal(got, want));
    assert_true(again->upstream.tls.pin_digests[0][1] == 0x23);
    assert_null(again->upstream.tls.trust);
    assert_true(str_is_empty(again->managed_names));
    trust_fini(&trust);
    route_unref(again);
    route_unref(r);
}

/* clang-format off */
static const struct {
    const char *name, *body, *field, *words;
} bad[] = {
    {"no hosts", "{" UP "}", "/hosts", "required"},
    {"empty hosts", "{'hosts': [], " UP "}", "/hosts", "at least 1 entry"},
    {"no upstream", "{'hosts': ['a.org']}", "/upstream", "required"},
    {"upstream is null and nothing else is there", "{'hosts': ['a.org'], 'upstream': null}",
     "/upstream", "or else redirect"},
    {"upstream and redirect", "{'hosts': ['a.org'], " UP ", 'redirect': {'to': '/x'}}",
     "/redirect", "has one of upstream, redirect and respond"},
    {"upstream and an empty respond", "{'hosts': ['a.org'], " UP ", 'respond': {}}", "/respond",
     "has one of upstream, redirect and respond"},
    {"redirect and respond", "{'hosts': ['a.org'], 'redirect': {'to': '/x'}, 'respond': {}}",
     "/respond", "has one of upstream, redirect and respond"},
    {"redirect to nowhere", "{'hosts': ['a.org'], 'redirect': {}}", "/redirect/to", "required"},
    {"redirect to nothing", "{'hosts': ['a.org'], 'redirect': {'to': ''}}", "/redirect/to",
     "must not be empty"},
    {"redirect with a status that is none",
     "{'hosts': ['a.org'], 'redirect': {'to': '/x', 'status': 304}}", "/redirect/status",
     "301, 302, 303, 307 or 308"},
    {"redirect with another status",
     "{'hosts': ['a.org'], 'redirect': {'to': '/x', 'status': 200}}", "/redirect/status",
     "from 301 to 308"},
    {"redirect with an unknown variable",
     "{'hosts': ['a.org'], 'redirect': {'to': '/{nobody}'}}", "/redirect/to",
     "no variable {nobody}"},
    {"redirect whose host a client chooses",
     "{'hosts': ['a.org'], 'redirect': {'to': 'https://{query}'}}", "/redirect/to",
     "a client could choose"},
    {"an informational answer", "{'hosts': ['a.org'], 'respond': {'status': 103}}",
     "/respond/status", "from 200 to 599"},
    {"no content with content",
     "{'hosts': ['a.org'], 'respond': {'status': 204, 'body': 'x'}}", "/respond/body",
     "must be empty"},
    {"no media type", "{'hosts': ['a.org'], 'respond': {'content_type': 'text'}}",
     "/respond/content_type", "no media type"},
    {"a variable in a header that is none",
     "{'hosts': ['a.org'], " UP ", 'request_headers': {'set': {'X-A': 'x{who}'}}}",
     "/request_headers/set/X-A", "no variable {who}"},
    {"a prefix to add without a slash", "{'hosts': ['a.org'], " UP ", 'add_prefix': 'app'}",
     "/add_prefix", "must begin with"},
    {"no targets", "{'hosts': ['a.org'], 'upstream': {}}", "/upstream/targets", "required"},
    {"empty targets", "{'hosts': ['a.org'], 'upstream': {'targets': []}}", "/upstream/targets",
     "at least 1 entry"},
    {"host twice", "{'hosts': ['a.org', 'b.org', 'A.org'], " UP "}", "/hosts/2", "twice"},
    {"host twice in two scripts",
     "{'hosts': ['b\xc3\xbc"
     "cher.example', 'xn--bcher-kva.example'], " UP "}",
     "/hosts/1", "twice"},
    {"automatic wildcard", "{'hosts': ['*.a.org'], " UP "}", "/hosts/0", "HTTP-01"},
    {"automatic underscore", "{'hosts': ['a_b.org'], " UP "}", "/hosts/0", "underscore"},
    {"a bad id of a certificate", "{'hosts': ['a.org'], 'certificate': 'A B', " UP "}",
     "/certificate", "no id"},
    {"unknown https", "{'hosts': ['a.org'], 'https': 'always', " UP "}", "/https",
     "\"redirect\""},
    {"header with a line end",
     "{'hosts': ['a.org'], 'request_headers': {'set': {'X': 'a\\r\\nb'}}, " UP "}",
     "/request_headers/set/X", "line ends"},
    {"header of the connection",
     "{'hosts': ['a.org'], 'response_headers': {'remove': ['Connection']}, " UP "}",
     "/response_headers/remove/0", "gateway alone"},
    {"header twice",
     "{'hosts': ['a.org'], 'request_headers': {'set': {'X-a': '', 'x-A': ''}}, " UP "}",
     "/request_headers/set/x-A", "same header"},
    {"weight 0",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a', 'weight': 0}]}}",
     "/upstream/targets/0/weight", "from 1"},
    {"a target twice",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://b'},"
     " {'url': 'http://a'},"
     " {'url': 'http://a', 'weight': 2}]}}",
     "/upstream/targets/2/url", "same target"},
    {"a target twice, once with its port",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://b'},"
     " {'url': 'http://a'},"
     " {'url': 'http://A:80', 'weight': 2}]}}",
     "/upstream/targets/2/url", "same target"},
    {"a target twice, once with its TLS port",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://b'},"
     " {'url': 'https://a:443'},"
     " {'url': 'https://a', 'weight': 2}]}}",
     "/upstream/targets/2/url", "same target"},
    {"an address twice in two spellings",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://b'},"
     " {'url': 'http://[::1]:80'},"
     " {'url': 'http://[0:0::1]', 'weight': 2}]}}",
     "/upstream/targets/2/url", "same target"},
    {"a socket twice in two spellings",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://b'},"
     " {'url': 'unix:/run/a'},"
     " {'url': 'unix:///run/a', 'weight': 2}]}}",
     "/upstream/targets/2/url", "same target"},
    {"pins missing",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'https://a'}], 'tls': {'verify': "
     "'pin'}}}",
     "/upstream/tls/pin_sha256", "at least one pin"},
    {"ca missing",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'https://a'}], 'tls': {'verify': "
     "'ca'}}}",
     "/upstream/tls/ca", "needs PEM"},
    {"ca that is none",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'https://a'}],"
     " 'tls': {'verify': 'ca', 'ca': '<html>'}}}",
     "/upstream/tls/ca", "BEGIN CERTIFICATE"},
    {"ca that is none, though not used",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'https://a'}], 'tls': {'ca': "
     "'x'}}}",
     "/upstream/tls/ca", "BEGIN CERTIFICATE"},
    {"balance",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'balance': "
     "'hash_ips'}}",
     "/upstream/balance", "must be \"round_robin\""},
    {"a path to probe that is none",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'health': {'path': "
     "'health'}}}",
     "/upstream/health/path", "begin with"},
    {"a path to probe that breaks the request",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'health': {'path': "
     "'/ HTTP/1.1'}}}",
     "/upstream/health/path", "cannot hold"},
    {"statuses that are none",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'health': {'expect': "
     "'2xx,ok'}}}",
     "/upstream/health/expect", "status codes"},
    {"a range of statuses that is none",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'health': {'expect': "
     "'299-200'}}}",
     "/upstream/health/expect", "before it begins"},
    {"no connection at all",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'max_connections': "
     "0}}",
     "/upstream/max_connections", "from 1"},
    {"a queue without a length",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'queue': {'size': "
     "'many'}}}",
     "/upstream/queue/size", "whole number"},
    {"sticky without a cookie",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'sticky': {}}}",
     "/upstream/sticky/cookie", "is required"},
    {"sticky with an empty cookie",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'sticky': {'cookie': "
     "''}}}",
     "/upstream/sticky/cookie", "does not name a cookie"},
    {"sticky for no time",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'sticky': {'cookie': "
     "'x', 'max_age': '0s'}}}",
     "/upstream/sticky/max_age", "at least 1s"},
    {"PROXY",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'proxy_protocol': "
     "'v3'}}",
     "/upstream/proxy_protocol", "off"},
    {"HTTP/2",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'protocol': '3'}}",
     "/upstream/protocol", "1.1"},
    {"client certificate",
     "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}], 'tls': "
     "{'certificate': '../x'}}}",
     "/upstream/tls/certificate", "is no id"},
    {"rules are checked although fields are wrong", "{'hosts': ['*.a.org'], 'x': 1, " UP "}",
     "/hosts/0", "HTTP-01"},
    {"no object", "[]", "", "must be an object"},
    {"upstream is a list", "{'hosts': ['a.org'], 'upstream': []}", "/upstream",
     "must be an object"},
};
/* clang-format on */

static const struct {
    const char *name, *body; /* what stands beside hosts */
    enum route_action action;
    const char *want; /* redirect and respond as they are printed */
} actions[] = {
    {"an upstream", UP, ROUTE_PROXY, "{'redirect': null, 'respond': null}"},
    {"an upstream, and null for the rest", UP ", 'redirect': null, 'respond': null",
     ROUTE_PROXY, "{'redirect': null, 'respond': null}"},
    {"a redirect", "'redirect': {'to': 'https://b.org{uri}'}", ROUTE_REDIRECT,
     "{'redirect': {'to': 'https://b.org{uri}', 'status': 308}, 'respond': null}"},
    {"a redirect in place of an upstream",
     "'upstream': null, 'redirect': {'to': '/x', "
     "'status': 303}",
     ROUTE_REDIRECT, "{'redirect': {'to': '/x', 'status': 303}, 'respond': null}"},
    {"the standard answer", "'respond': {}", ROUTE_RESPOND,
     "{'redirect': null, 'respond': {'status': 200, 'body': '',"
     " 'content_type': 'text/plain; charset=utf-8'}}"},
    {"an answer", "'respond': {'status': 410, 'body': '<p>gone', 'content_type': 'text/html'}",
     ROUTE_RESPOND,
     "{'redirect': null, 'respond': {'status': 410, 'body': '<p>gone',"
     " 'content_type': 'text/html'}}"},
};

/* And what is printed is built again, to the same. */
static void a_route_does_one_of_three_things(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        char body[512];
        (void)snprintf(body, sizeof(body), "{'hosts': ['a.org'], %s}", actions[i].body);
        struct route *r = must_build(body, NULL), *again = NULL;
        struct trust trust = {.system = NULL};
        struct route_origin origin = {.trust = &trust};
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        AUTO(json_decref) json_t *want = temp_json(actions[i].want);
        AUTO(json_decref) json_t *got = shape_write(route_shape, r);
        bool is_right =
            r->action == actions[i].action && json_is_null(json_object_get(got, "upstream")) ==
                                                  (actions[i].action != ROUTE_PROXY);
        const char *member;
        json_t *value;
        json_object_foreach(want, member, value) is_right &=
            json_equal(value, json_object_get(got, member)) != 0;
        if (!is_right)
            fail_msg("%s: %s", actions[i].name, json_dumps(got, 0));
        if (failed(route_build(&origin, got, &path, &inv, &again)) ||
            again->action != r->action)
            fail_msg("%s: is not read back", actions[i].name);
        route_unref(r);
        route_unref(again);
        invalid_fini(&inv);
        trust_fini(&trust);
    }
}

static void variables_of_a_route_are_known(void **state)
{
    (void)state;
    struct route *r =
        must_build("{'hosts': ['a.org'], 'redirect': {'to': 'https://b.org{uri}'},"
                   " 'request_headers': {'set': {'X-A': '{client_ip}', 'X-B': '{{host}'}},"
                   " 'response_headers': {'add': {'X-C': 'a {sni} b'}}}",
                   NULL);
    assert_int_equal(r->variables,
                     1u << TEMPLATE_URI | 1u << TEMPLATE_CLIENT_IP | 1u << TEMPLATE_SNI);
    assert_int_equal(r->redirect.location.count, 2);
    assert_int_equal(r->response_headers.add_values[0].count, 3);
    assert_int_equal(r->request_headers.set_values[1].variables, 0);
    assert_true(str_eq(r->request_headers.set_values[1].parts[0].text, STR("{host}")));
    route_unref(r);
}

static void bad_routes_are_refused_with_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct route *r = NULL;
        struct invalid inv;
        invalid_init(&inv);
        struct err e = build(bad[i].body, NULL, &inv, &r);
        if (!err_is(e, ERR_INVALID) || !temp_says(&inv, bad[i].field, bad[i].words))
            fail_msg("%s: %s %.*s %.*s", bad[i].name, err_name(e),
                     STR_ARG(inv.kept_count ? inv.entries[0].field : STR("-")),
                     STR_ARG(inv.kept_count ? inv.entries[0].message : STR("-")));
        assert_null(r);
        invalid_fini(&inv);
    }
}

/* clang-format off */
static const struct {
    const char *name, *body, *names;
} managed[] = {
    {"sorted", "{'hosts': ['b.org', 'a.org'], " UP "}", "a.org\nb.org"},
    {"addresses and the catch-all need none",
     "{'hosts': ['*', '192.0.2.1', '::1', 'b.org'], " UP "}", "b.org"},
    {"nothing to prove", "{'hosts': ['*'], " UP "}", ""},
    {"disabled", "{'hosts': ['a.org'], 'enabled': false, " UP "}", ""},
    {"named certificate", "{'hosts': ['a.org'], 'certificate': 'x', " UP "}", ""},
};
/* clang-format on */

static void the_names_to_prove_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(managed); i++) {
        struct route *r = must_build(managed[i].body, NULL);
        if (!str_eq(r->managed_names, str_from(managed[i].names)))
            fail_msg("%s: %.*s", managed[i].name, STR_ARG(r->managed_names));
        route_unref(r);
    }
}

static const struct {
    const char *balance;
    enum balance_method method;
    const char *cookie;
} methods[] = {
    {"round_robin", BALANCE_ROUND_ROBIN, ""}, {"least_conn", BALANCE_LEAST_CONN, ""},
    {"random_two", BALANCE_RANDOM_TWO, ""},   {"hash_ip", BALANCE_HASH_IP, ""},
    {"hash_uri", BALANCE_HASH_URI, ""},       {"hash_cookie:SID", BALANCE_HASH_COOKIE, "SID"},
};

static void every_way_to_choose_is_known(void **state)
{
    (void)state;
    char body[256];
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        (void)snprintf(body, sizeof(body),
                       "{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}],"
                       " 'balance': '%s'}}",
                       methods[i].balance);
        struct route *r = must_build(body, NULL);
        assert_int_equal(r->upstream.method, methods[i].method);
        assert_true(str_eq(r->upstream.hash_cookie, str_from(methods[i].cookie)));
        route_unref(r);
    }
}

static void only_what_does_not_drain_is_a_choice(void **state)
{
    (void)state;
    struct route *two = must_build("{'hosts': ['a.org'], 'upstream': {'targets': ["
                                   "{'url': 'http://a'}, {'url': 'http://b'}]}}",
                                   NULL);
    struct route *one = must_build("{'hosts': ['a.org'], 'upstream': {'targets': ["
                                   "{'url': 'http://a'}, {'url': 'http://b', 'drain': true}]}}",
                                   NULL);
    assert_true(two->upstream.has_choice);
    assert_false(one->upstream.has_choice);
    assert_true(str_is_empty(upstream_targets(&two->upstream)[0].sticky_value));
    route_unref(two);
    route_unref(one);
}

/* What differs in scheme, port or case of a socket's path is another target. */
static void targets_that_resemble_each_other_are_several(void **state)
{
    (void)state;
    struct route *r =
        must_build("{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'},"
                   " {'url': 'https://a'}, {'url': 'http://a:443'}, {'url': 'https://a:80'},"
                   " {'url': 'unix:/a'}, {'url': 'unix:/A'}, {'url': 'http://b'}]}}",
                   NULL);
    assert_int_equal(r->upstream.targets_list.count, 7);
    route_unref(r);
}

static void live_cells_follow_their_url(void **state)
{
    (void)state;
    struct route *old = must_build("{'hosts': ['a.org'], 'upstream': {'targets': ["
                                   "{'url': 'http://one'}, {'url': 'http://two'}]}}",
                                   NULL);
    atomic_store(&upstream_targets(&old->upstream)[1].live->requests, 42);
    struct route *r = must_build("{'hosts': ['a.org'], 'upstream': {'targets': ["
                                 "{'url': 'http://TWO/'}, {'url': 'http://three'}]}}",
                                 old);
    assert_ptr_equal(upstream_targets(&r->upstream)[0].live,
                     upstream_targets(&old->upstream)[1].live);
    assert_ptr_not_equal(upstream_targets(&r->upstream)[1].live,
                         upstream_targets(&old->upstream)[0].live);
    route_unref(old);
    assert_int_equal(atomic_load(&upstream_targets(&r->upstream)[0].live->requests), 42);
    route_unref(r);
}

#define LIMITED "'upstream': {'targets': [{'url': 'http://a'}], 'max_connections': 2}"

static void a_queue_outlives_its_revision(void **state)
{
    (void)state;
    struct route *free_one = must_build("{'hosts': ['a.org'], " UP "}", NULL);
    assert_null(free_one->upstream.live);
    struct route *old = must_build("{'hosts': ['a.org'], " LIMITED "}", free_one);
    assert_non_null(old->upstream.live);
    struct route *r = must_build("{'hosts': ['b.org'], " LIMITED "}", old);
    assert_ptr_equal(r->upstream.live, old->upstream.live);
    route_unref(free_one);
    route_unref(old);
    route_unref(r);
}

static void a_check_knows_what_to_expect(void **state)
{
    (void)state;
    struct route *r =
        must_build("{'hosts': ['a.org'], 'upstream': {'targets': [{'url': 'http://a'}],"
                   " 'health': {'path': '/up?x=1', 'expect': '200-204,404'}}}",
                   NULL);
    assert_true(upstream_is_checked(&r->upstream));
    assert_true(status_set_has(&r->upstream.health.expected, 204));
    assert_true(status_set_has(&r->upstream.health.expected, 404));
    assert_false(status_set_has(&r->upstream.health.expected, 301));
    route_unref(r);
    r = must_build("{'hosts': ['a.org'], " UP "}", NULL);
    assert_false(upstream_is_checked(&r->upstream));
    route_unref(r);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_is_as_the_contract_says),
        cmocka_unit_test(printing_and_reading_is_a_circle),
        cmocka_unit_test(a_route_does_one_of_three_things),
        cmocka_unit_test(variables_of_a_route_are_known),
        cmocka_unit_test(bad_routes_are_refused_with_words),
        cmocka_unit_test(the_names_to_prove_are_known),
        cmocka_unit_test(every_way_to_choose_is_known),
        cmocka_unit_test(only_what_does_not_drain_is_a_choice),
        cmocka_unit_test(targets_that_resemble_each_other_are_several),
        cmocka_unit_test(live_cells_follow_their_url),
        cmocka_unit_test(a_queue_outlives_its_revision),
        cmocka_unit_test(a_check_knows_what_to_expect),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
