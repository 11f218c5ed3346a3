#include "gateway/route/rewrite.h"
#include "gateway/route/variables.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include <stdio.h>

static struct temp_store t;
static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    a = arena_new(64 * 1024, 1024 * 1024);
    temp_config_settings(&t,
                         "{'trusted_proxies': ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']}");
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    temp_store_fini(&t);
    return 0;
}

/* "Name: value\nName: value" to a list. */
static struct http_fields read_fields(const char *text)
{
    struct http_fields f = {0};
    struct str rest = str_from(text), line, name, value;
    while (str_next(&rest, '\n', &line)) {
        if (str_split(line, ':', &name, &value))
            assert_ok(http_fields_add(&f, a, name, str_trim(value)));
    }
    return f;
}

static struct str show_fields(const struct http_fields *f)
{
    struct str text = STR("");
    for (size_t i = 0; i < f->count; i++)
        text = arena_fmt(a, "%.*s%.*s: %.*s\n", STR_ARG(text), STR_ARG(f->items[i].name),
                         STR_ARG(f->items[i].value));
    return text;
}

static struct str value_of(const struct http_fields *f, const char *name)
{
    const struct http_field *field = http_fields_find_name(f, str_from(name));
    return field == NULL ? STR("(absent)") : field->value;
}

/* ---- requests ---- */

/* A route with members added to its JSON; the snapshot keeps it alive. */
static const struct route *use_route(const char *members, const char *target,
                                     const struct snapshot **ret_snap)
{
    char body[2048];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['a.example'], 'certificate': 'none'%s,"
                   " 'upstream': {'targets': [{'url': '%s'}]}}",
                   members, target);
    temp_config_route(&t, "r", body);
    *ret_snap = store_snapshot(t.store);
    return snapshot_route_find(*ret_snap, STR("r"));
}

static const struct client_facts plain_facts = {
    .address = STR_LIT("198.51.100.7"), .host = STR_LIT("a.example"), .is_https = true};

static void rewrite(const char *members, const char *target, const struct client_facts *facts,
                    struct http_head *head)
{
    const struct snapshot *snap;
    const struct route *r = use_route(members, target, &snap);
    assert_ok(rewrite_request(a, r, upstream_targets(&r->upstream), facts, head));
    head->authority = arena_dup(a, head->authority); /* what comes of it outlives the route */
    head->path = arena_dup(a, head->path);
    for (size_t i = 0; i < head->fields.count; i++) {
        head->fields.items[i].name = arena_dup(a, head->fields.items[i].name);
        head->fields.items[i].value = arena_dup(a, head->fields.items[i].value);
    }
    snapshot_unref(snap);
}

static struct http_head new_request(const char *path, const char *fields)
{
    return (struct http_head){.method = STR("GET"),
                              .authority = STR("a.example"),
                              .host = STR("a.example"),
                              .path = str_from(path),
                              .fields = read_fields(fields)};
}

static void forwarded_fields_are_rebuilt_and_spoofed_ones_dropped(void **state)
{
    (void)state;
    struct http_head head = new_request(
        "/", "Accept: a\nX-Forwarded-For: 6.6.6.6\nx_forwarded_for: 6.6.6.6\n"
             "X.Forwarded.For: 6.6.6.6\nx-forwarded_PROTO: http\nX_Real_IP: 6.6.6.6\n"
             "FORWARDED: for=6.6.6.6\nX-Forwarded-Prefix: /evil\nX-Forwarded-Server: evil\n"
             "X-Forwarded-By: evil\nCookie: b");
    rewrite("", "http://127.0.0.1:1", &plain_facts, &head);
    assert_str(show_fields(&head.fields),
               "Accept: a\n"
               "Cookie: b\n"
               "X-Forwarded-For: 198.51.100.7\n"
               "X-Forwarded-Proto: https\n"
               "X-Forwarded-Host: a.example\n"
               "X-Forwarded-Port: 443\n"
               "X-Real-IP: 198.51.100.7\n"
               "Forwarded: for=198.51.100.7;host=\"a.example\";proto=https\n");
}

static const struct {
    const char *name;
    struct client_facts facts;
    const char *want_port, *want_forwarded;
} forwarded_rows[] = {
    {"plain HTTP",
     {.address = STR_LIT("1.2.3.4"), .host = STR_LIT("a.example")},
     "80",
     "for=1.2.3.4;host=\"a.example\";proto=http"},
    {"a port in the authority",
     {.address = STR_LIT("1.2.3.4"), .host = STR_LIT("a.example:8443"), .is_https = true},
     "8443",
     "for=1.2.3.4;host=\"a.example:8443\";proto=https"},
    {"an IPv6 client is quoted",
     {.address = STR_LIT("2001:db8::1"), .host = STR_LIT("a.example")},
     "80",
     "for=\"[2001:db8::1]\";host=\"a.example\";proto=http"},
    {"an IPv6 host is not a port",
     {.address = STR_LIT("1.2.3.4"), .host = STR_LIT("[2001:db8::80]")},
     "80",
     "for=1.2.3.4;host=\"[2001:db8::80]\";proto=http"},
    {"an IPv6 host with a port",
     {.address = STR_LIT("1.2.3.4"), .host = STR_LIT("[2001:db8::80]:81")},
     "81",
     "for=1.2.3.4;host=\"[2001:db8::80]:81\";proto=http"},
    {"a name of digits",
     {.address = STR_LIT("1.2.3.4"), .host = STR_LIT("12345")},
     "80",
     "for=1.2.3.4;host=\"12345\";proto=http"},
};

static void forwarded_fields_tell_what_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forwarded_rows); i++) {
        struct http_head head = new_request("/", "");
        rewrite("", "http://127.0.0.1:1", &forwarded_rows[i].facts, &head);
        assert_row_str(forwarded_rows[i].name, value_of(&head.fields, "X-Forwarded-Port"),
                       forwarded_rows[i].want_port);
        assert_row_str(forwarded_rows[i].name, value_of(&head.fields, "Forwarded"),
                       forwarded_rows[i].want_forwarded);
    }
}

static void hop_by_hop_fields_stay_behind(void **state)
{
    (void)state;
    struct http_head head = new_request(
        "/", "Connection: keep-alive, X-Private, Cookie\nKeep-Alive: 5\nX-Private: x\n"
             "TE: gzip\nProxy-Connection: y\nUpgrade: websocket\nTransfer-Encoding: chunked\n"
             "Cookie: kept\nX-Mine: kept");
    rewrite("", "http://127.0.0.1:1", &plain_facts, &head);
    static const char *const gone[] = {"Connection", "Keep-Alive",       "X-Private",
                                       "TE",         "Proxy-Connection", "Transfer-Encoding"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        assert_row_str(gone[i], value_of(&head.fields, gone[i]), "(absent)");
    assert_str(value_of(&head.fields, "Cookie"), "kept");
    assert_str(value_of(&head.fields, "X-Mine"), "kept");
}

/* For a target that speaks HTTP/2: gRPC's insist on it. */
static void a_client_that_takes_trailers_is_told_of(void **state)
{
    (void)state;
    struct http_head head = new_request("/", "TE: trailers");
    rewrite("", "http://127.0.0.1:1", &plain_facts, &head);
    assert_str(value_of(&head.fields, "TE"), "trailers");
}

static const struct {
    const char *name, *prefix, *path, *want;
} prefix_rows[] = {
    {"the prefix goes", "/app", "/app/x/y", "/x/y"},
    {"the prefix alone", "/app", "/app", "/"},
    {"the prefix and a slash", "/app", "/app/", "/"},
    {"the prefix and a query", "/app", "/app?q=/app", "/?q=/app"},
    {"the rest is kept byte for byte", "/app", "/app/%2f%2F/%zz//x?a%20b#",
     "/%2f%2F/%zz//x?a%20b#"},
    {"an empty segment behind the prefix", "/app", "/app//x", "//x"},
    {"the root takes nothing away", "/", "/app/x?q", "/app/x?q"},
    {"only the normal form begins with it", "/app", "/%61pp/x%2Fy?q=%61", "/x%2Fy?q=%61"},
    {"dots before the prefix", "/app", "/x/../app/y", "/y"},
    {"slashes before the prefix", "/app", "//app//y", "/y"},
};

static void a_prefix_is_stripped_and_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prefix_rows); i++) {
        char members[128];
        struct http_head head = new_request(prefix_rows[i].path, "");
        (void)snprintf(members, sizeof(members), ", 'path': '%s', 'strip_prefix': true",
                       prefix_rows[i].prefix);
        rewrite(members, "http://127.0.0.1:1", &plain_facts, &head);
        assert_row_str(prefix_rows[i].name, head.path, prefix_rows[i].want);
        assert_row_str(prefix_rows[i].name, value_of(&head.fields, "X-Forwarded-Prefix"),
                       prefix_rows[i].prefix);
    }
}

static const struct {
    const char *name, *members, *path, *want;
} add_rows[] = {
    {"before the path", ", 'add_prefix': '/app'", "/x?q", "/app/x?q"},
    {"before the root", ", 'add_prefix': '/app'", "/", "/app/"},
    {"byte for byte", ", 'add_prefix': '/app'", "//%2f./.x%41?/../", "/app//%2f./.x%41?/../"},
    {"no way out", ", 'add_prefix': '/app'", "/../secret?q", "/app/secret?q"},
    {"no escaped way out", ", 'add_prefix': '/app'", "/x/%2e%2E/.%2e/secret", "/app/secret"},
    {"no way out behind a prefix that goes",
     ", 'path': '/pub', 'strip_prefix': true, 'add_prefix': '/app'", "/pub/../../pub/secret",
     "/app/secret"},
    {"of the host as a whole nothing is asked elsewhere", ", 'add_prefix': '/app'", "*", "*"},
    {"in place of what was cut",
     ", 'path': '/old', 'strip_prefix': true, 'add_prefix': '/new/v2'", "/old/x?q",
     "/new/v2/x?q"},
    {"in place of all that was there",
     ", 'path': '/old', 'strip_prefix': true, 'add_prefix': '/new'", "/old", "/new/"},
    {"the root adds nothing", ", 'add_prefix': '/'", "/x", "/x"},
};

static void a_prefix_is_put_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(add_rows); i++) {
        struct http_head head = new_request(add_rows[i].path, "");
        rewrite(add_rows[i].members, "http://127.0.0.1:1", &plain_facts, &head);
        assert_row_str(add_rows[i].name, head.path, add_rows[i].want);
    }
}

static void variables_in_values_are_filled_in(void **state)
{
    (void)state;
    const struct snapshot *snap;
    const struct variables *v;
    const struct route *r =
        use_route(", 'request_headers': {'set': {'X-Client': '{client_ip} on {route}'},"
                  " 'add': {'X-Plain': '{{client_ip}'}},"
                  " 'response_headers': {'set': {'X-Host': '{host}'}}",
                  "http://127.0.0.1:1", &snap);
    struct http_head head = new_request("/", "X-Client: spoofed"), answer = {.status = 200};
    struct client_facts facts = plain_facts;
    struct variables_source from = {.route = r, .request = &head, .facts = &facts};
    assert_ok(variables_gather(a, &from, &v));
    facts.variables = v;
    assert_ok(rewrite_request(a, r, upstream_targets(&r->upstream), &facts, &head));
    assert_str(value_of(&head.fields, "X-Client"), "198.51.100.7 on r");
    assert_str(value_of(&head.fields, "X-Plain"), "{client_ip}");
    assert_ok(rewrite_response(a, r, v, STR("now"), &answer));
    assert_str(value_of(&answer.fields, "X-Host"), "a.example");
    snapshot_unref(snap);
}

static void without_stripping_the_path_is_untouched(void **state)
{
    (void)state;
    static const char *const same[] = {"/app/../%2e%2e//x?y", "*", "/app"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct http_head head = new_request(same[i], "");
        rewrite(", 'path': '/app'", "http://127.0.0.1:1", &plain_facts, &head);
        assert_row_str(same[i], head.path, same[i]);
        assert_row_str(same[i], value_of(&head.fields, "X-Forwarded-Prefix"), "(absent)");
    }
    struct http_head head = new_request("*", "");
    rewrite(", 'path': '/', 'strip_prefix': true", "http://127.0.0.1:1", &plain_facts, &head);
    assert_str(head.path, "*");
}

static const struct {
    const char *name, *host_header, *authority, *target, *want;
} host_rows[] = {
    {"the client's, with its port", "preserve", "a.example:81", "http://10.0.0.1",
     "a.example:81"},
    {"no Host at all: the target's", "preserve", "", "http://10.0.0.1:8080", "10.0.0.1:8080"},
    {"the target's own", "target", "a.example", "http://b.example", "b.example"},
    {"the target's own, with a port", "target", "a.example", "http://b.example:81",
     "b.example:81"},
    {"443 is a port for http", "target", "a.example", "http://b.example:443", "b.example:443"},
    {"443 is understood for https", "target", "a.example", "https://b.example:443",
     "b.example"},
    {"80 is a port for https", "target", "a.example", "https://b.example:80", "b.example:80"},
    {"an IPv6 target is bracketed", "target", "a.example", "http://[2001:db8::1]",
     "[2001:db8::1]"},
    {"an IPv6 target with a port", "target", "a.example", "http://[2001:db8::1]:81",
     "[2001:db8::1]:81"},
    {"a unix socket has no name", "target", "a.example", "unix:/run/x.sock", "localhost"},
    {"a name of the user's", "c.example", "a.example", "http://b.example", "c.example"},
};

static void the_host_is_as_the_route_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(host_rows); i++) {
        char members[128];
        struct http_head head = new_request("/", "");
        head.authority = str_from(host_rows[i].authority);
        (void)snprintf(members, sizeof(members), ", 'host_header': '%s'",
                       host_rows[i].host_header);
        rewrite(members, host_rows[i].target, &plain_facts, &head);
        assert_row_str(host_rows[i].name, head.authority, host_rows[i].want);
    }
}

static void the_routes_own_changes_come_last(void **state)
{
    (void)state;
    struct http_head head =
        new_request("/", "X-Old: 1\nx-old: 2\nX-Set: before\nX-SET: again\nX-Add: before");
    rewrite(", 'request_headers': {'set': {'X-Set': 'after', 'X-Real-IP': 'hidden'},"
            " 'add': {'X-Add': 'after'}, 'remove': ['X-Old', 'Forwarded']}",
            "http://127.0.0.1:1", &plain_facts, &head);
    assert_str(show_fields(&head.fields), "X-Add: before\n"
                                          "X-Forwarded-For: 198.51.100.7\n"
                                          "X-Forwarded-Proto: https\n"
                                          "X-Forwarded-Host: a.example\n"
                                          "X-Forwarded-Port: 443\n"
                                          "X-Set: after\n"
                                          "X-Real-IP: hidden\n"
                                          "X-Add: after\n");
}

/* ---- responses ---- */

static const struct {
    const char *name;
    unsigned status;
    const char *fields, *want;
} response_rows[] = {
    {"a Date is added", 200, "Server: x", "Server: x\nDate: now\nX-Ours: 1\n"},
    {"a Date is kept", 200, "Date: then", "Date: then\nX-Ours: 1\n"},
    {"changes of the route", 404, "Date: then\nX-Powered-By: x", "Date: then\nX-Ours: 1\n"},
    {"hop-by-hop fields go", 200, "Date: then\nKeep-Alive: 1\nConnection: X-A\nX-A: b",
     "Date: then\nX-Ours: 1\n"},
    {"an interim answer is only cleaned", 103, "Link: a\nKeep-Alive: 1", "Link: a\n"},
    {"a switch of protocols is final", 101, "Server: x", "Server: x\nDate: now\nX-Ours: 1\n"},
};

static void responses_are_cleaned_dated_and_changed(void **state)
{
    (void)state;
    const struct snapshot *snap;
    const struct route *r =
        use_route(", 'response_headers': {'set': {'X-Ours': '1'}, 'remove': ['X-Powered-By']}",
                  "http://127.0.0.1:1", &snap);
    for (size_t i = 0; i < ARRAY_LEN(response_rows); i++) {
        struct http_head head = {.status = response_rows[i].status,
                                 .fields = read_fields(response_rows[i].fields)};
        assert_ok(rewrite_response(a, r, NULL, STR("now"), &head));
        assert_row_str(response_rows[i].name, show_fields(&head.fields), response_rows[i].want);
    }
    snapshot_unref(snap);
}

/* ---- limits ---- */

static void without_room_the_request_is_refused(void **state)
{
    (void)state;
    const struct snapshot *snap;
    const struct route *r =
        use_route(", 'path': '/app', 'strip_prefix': true, 'host_header': 'target'",
                  "http://127.0.0.1:8081", &snap);
    struct http_fields fields = read_fields("X-A: 1\nX-B: 2");
    size_t refused = 0;
    for (size_t room = 16;; room += 16) {
        struct arena *tiny = arena_new(room, room);
        struct http_head head = new_request("/%61pp/x?y", "");
        head.fields = fields;
        struct err e =
            rewrite_request(tiny, r, upstream_targets(&r->upstream), &plain_facts, &head);
        arena_free(tiny);
        if (!failed(e))
            break;
        assert_err(e, ERR_MEMORY);
        refused++;
        fields = read_fields("X-A: 1\nX-B: 2");
    }
    assert_true(refused > 3);
    snapshot_unref(snap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarded_fields_are_rebuilt_and_spoofed_ones_dropped),
        cmocka_unit_test(forwarded_fields_tell_what_is_known),
        cmocka_unit_test(hop_by_hop_fields_stay_behind),
        cmocka_unit_test(a_client_that_takes_trailers_is_told_of),
        cmocka_unit_test(a_prefix_is_stripped_and_told),
        cmocka_unit_test(a_prefix_is_put_before),
        cmocka_unit_test(variables_in_values_are_filled_in),
        cmocka_unit_test(without_stripping_the_path_is_untouched),
        cmocka_unit_test(the_host_is_as_the_route_says),
        cmocka_unit_test(the_routes_own_changes_come_last),
        cmocka_unit_test(responses_are_cleaned_dated_and_changed),
        cmocka_unit_test(without_room_the_request_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
