#include "gateway/route/public_origin.h"
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
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    temp_store_fini(&t);
    return 0;
}

struct asked {
    const char *target;  /* NULL: http://10.0.0.5:8080 */
    const char *members; /* of the route; NULL: none */
    const char *host;    /* that the client asked for; NULL: a.example */
    const char *sent;    /* Host that the target got; NULL: the same */
    bool is_http;
};

/* What becomes of one field. */
static struct str restore(const struct asked *q, const char *name, const char *value)
{
    char body[1024];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['*'], 'certificate': 'none'%s,"
                   " 'upstream': {'targets': [{'url': '%s'}]}}",
                   q->members == NULL ? "" : q->members,
                   q->target == NULL ? "http://10.0.0.5:8080" : q->target);
    temp_config_route(&t, "r", body);
    const struct snapshot *snap = store_snapshot(t.store);
    const struct route *route = snapshot_route_find(snap, STR("r"));
    struct client_facts facts = {.host = q->host == NULL ? STR("a.example") : str_from(q->host),
                                 .is_https = !q->is_http};
    struct http_fields f = {0};
    assert_ok(http_fields_add(&f, a, str_from(name), str_from(value)));
    assert_ok(public_origin_restore(
        a,
        &(struct public_origin){.route = route,
                                .target = upstream_targets(&route->upstream),
                                .sent_host = q->sent == NULL ? facts.host : str_from(q->sent),
                                .facts = &facts},
        &f));
    struct str result = arena_dup(a, f.items[0].value);
    snapshot_unref(snap);
    return result;
}

/* ---- references ---- */

static const struct {
    const char *name;
    struct asked asked;
    const char *in;
    const char *want; /* NULL: the same */
} references[] = {
    /* whose origin it is */
    {"address and port", {0}, "http://10.0.0.5:8080/x?y#z", "https://a.example/x?y#z"},
    {"the other scheme", {0}, "https://10.0.0.5:8080/x", "https://a.example/x"},
    {"no scheme", {0}, "//10.0.0.5:8080/x", "https://a.example/x"},
    {"scheme in capitals", {0}, "HTTP://10.0.0.5:8080/x", "https://a.example/x"},
    {"no path", {0}, "http://10.0.0.5:8080", "https://a.example"},
    {"no path but a query", {0}, "http://10.0.0.5:8080?q", "https://a.example?q"},
    {"the path as it is",
     {0},
     "http://10.0.0.5:8080/%2f//../x%zz",
     "https://a.example/%2f//../x%zz"},
    {"asked for over http", {.is_http = true}, "http://10.0.0.5:8080/", "http://a.example/"},
    {"asked for on a port",
     {.host = "a.example:8443"},
     "http://10.0.0.5:8080/",
     "https://a.example:8443/"},
    {"another port", {0}, "http://10.0.0.5:9090/", NULL},
    {"no port where it has one", {0}, "http://10.0.0.5/", NULL},
    {"another address", {0}, "http://10.0.0.50:8080/", NULL},
    {"a longer name", {.target = "http://app:80"}, "http://app.example/", NULL},
    {"another scheme", {0}, "ftp://10.0.0.5:8080/", NULL},
    {"user information", {0}, "http://10.0.0.5:8080@evil.example/", NULL},
    {"a user name before it", {0}, "http://u@10.0.0.5:8080/", NULL},
    {"in a query", {0}, "/login?to=http://10.0.0.5:8080/", NULL},
    {"a path alone", {0}, "/x", NULL},
    {"nothing", {0}, "", NULL},
    {"a scheme alone", {0}, "http:", NULL},
    {"no host", {0}, "http:///x", NULL},
    {"a backslash", {0}, "http:\\\\10.0.0.5:8080\\x", NULL},
    {"the public origin", {0}, "https://a.example/x", NULL},
    /* ports of their own */
    {"port of https", {.target = "https://app"}, "https://app/x", "https://a.example/x"},
    {"... in numbers", {.target = "https://app"}, "https://app:443/x", "https://a.example/x"},
    {"... written in the url",
     {.target = "https://app:443"},
     "https://app/x",
     "https://a.example/x"},
    {"... said with http", {.target = "https://app"}, "http://app/x", "https://a.example/x"},
    {"... said with http and its port",
     {.target = "https://app"},
     "http://app:80/x",
     "https://a.example/x"},
    {"... http on 443", {.target = "https://app"}, "http://app:443/x", "https://a.example/x"},
    {"... on another", {.target = "https://app"}, "https://app:444/x", NULL},
    {"no scheme and no port", {.target = "https://app"}, "//app/x", "https://a.example/x"},
    {"port of http", {.target = "http://app"}, "https://app/x", "https://a.example/x"},
    {"a name in capitals", {.target = "http://app:81"}, "http://APP:81/", "https://a.example/"},
    {"a name with its dot",
     {.target = "http://app:81"},
     "http://app.:81/",
     "https://a.example/"},
    /* addresses and sockets */
    {"IPv6",
     {.target = "http://[fd00::10]:81"},
     "http://[fd00::10]:81/x",
     "https://a.example/x"},
    {"IPv6 spelled out",
     {.target = "http://[fd00::10]:81"},
     "http://[FD00:0:0:0:0:0:0:0010]:81/x",
     "https://a.example/x"},
    {"another IPv6", {.target = "http://[fd00::10]:81"}, "http://[fd00::1]:81/x", NULL},
    {"a socket is localhost",
     {.target = "unix:/run/app.sock"},
     "http://localhost/x",
     "https://a.example/x"},
    {"a socket has no port", {.target = "unix:/run/app.sock"}, "http://localhost:8080/x", NULL},
    {"h2c", {.target = "h2c://10.0.0.5:81"}, "http://10.0.0.5:81/x", "https://a.example/x"},
    /* the Host that it got */
    {"the Host it got", {.sent = "inner.lan"}, "http://inner.lan/x", "https://a.example/x"},
    {"... with its port",
     {.sent = "inner.lan:81"},
     "http://inner.lan:81/x",
     "https://a.example/x"},
    {"... and another", {.sent = "inner.lan:81"}, "http://inner.lan:82/x", NULL},
    /* when inside and outside have one name */
    {"one name, another port",
     {.target = "http://a.example:8080"},
     "http://a.example:8080/x",
     "https://a.example/x"},
    {"one name, http for https", {.target = "http://a.example"}, "http://a.example/x", NULL},
    {"one name, https for http",
     {.target = "https://a.example", .is_http = true},
     "https://a.example/x",
     NULL},
    {"the name in other letters", {.host = "A.Example"}, "http://a.example/", NULL},
    /* nobody asked for a host */
    {"no public name",
     {.host = "", .sent = "10.0.0.5:8080"},
     "http://10.0.0.5:8080/x?y",
     "/x?y"},
    {"no public name, and a path like a host",
     {.host = "", .sent = "10.0.0.5:8080"},
     "http://10.0.0.5:8080//evil.example/x",
     "/.//evil.example/x"},
    {"... with the other slash",
     {.host = "", .sent = "10.0.0.5:8080"},
     "http://10.0.0.5:8080/\\evil.example/x",
     "/./\\evil.example/x"},
    {"no public name and no path",
     {.host = "", .sent = "10.0.0.5:8080"},
     "http://10.0.0.5:8080?q",
     "/?q"},
};

static const char strip[] = ", 'path': '/pub', 'strip_prefix': true";
static const char add[] = ", 'add_prefix': '/app'";
static const char both[] = ", 'path': '/pub', 'strip_prefix': true, 'add_prefix': '/app'";
static const char root[] = ", 'path': '/', 'strip_prefix': true";

static const struct {
    const char *name;
    const char *members;
    const char *in;
    const char *want;
} paths[] = {
    {"put back", strip, "/x?q", "/pub/x?q"},
    {"the root", strip, "/", "/pub/"},
    {"no path", strip, "", "/pub/"},
    {"only a query", strip, "?q", "/pub/?q"},
    {"only a fragment", strip, "#f", "/pub/#f"},
    {"known to the target", strip, "/pub/x", "/pub/x"},
    {"known to the target, alone", strip, "/pub", "/pub"},
    {"another beginning", strip, "/public", "/pub/public"},
    {"dots", strip, "/../x", "/../x"},
    {"escaped dots", strip, "/%2e%2e/x", "/%2e%2e/x"},
    {"dots in the query", strip, "/x?/../", "/pub/x?/../"},
    {"taken away", add, "/app/x?q", "/x?q"},
    {"taken away as a whole", add, "/app", "/"},
    {"taken away up to the slash", add, "/app/", "/"},
    {"outside", add, "/login", "/login"},
    {"not on a segment", add, "/apple", "/apple"},
    {"dots behind it", add, "/app/../x", "/app/../x"},
    {"one for the other", both, "/app/x", "/pub/x"},
    {"one for the other, the root", both, "/app", "/pub/"},
    {"outside of both", both, "/login", "/login"},
    {"known to the target behind the other", both, "/app/pub/x", "/pub/pub/x"},
    {"nothing was cut", root, "/x", "/x"},
    {"no prefix, no path", "", "", ""},
};

static const char *const reference_fields[] = {"Location", "content-location"};

static void a_reference_to_the_target_is_one_to_us(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(references); i++) {
        const char *want = references[i].want == NULL ? references[i].in : references[i].want;
        for (size_t k = 0; k < ARRAY_LEN(reference_fields); k++) {
            struct str got =
                restore(&references[i].asked, reference_fields[k], references[i].in);
            if (!str_eq(got, str_from(want)))
                fail_msg("%s: %s -> %.*s", references[i].name, references[i].in, STR_ARG(got));
        }
    }
}

static void a_path_is_mapped_back_where_that_is_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char in[256], want[256];
        (void)snprintf(in, sizeof(in), "http://10.0.0.5:8080%s", paths[i].in);
        (void)snprintf(want, sizeof(want), "https://a.example%s", paths[i].want);
        struct str got = restore(&(struct asked){.members = paths[i].members}, "Location", in);
        if (!str_eq(got, str_from(want)))
            fail_msg("%s: %s -> %.*s", paths[i].name, in, STR_ARG(got));
    }
}

/* ---- the others ---- */

static const struct {
    const char *name;
    const char *in;
    const char *want; /* NULL: the same */
} refreshes[] =
    {
        {"plain", "5; url=http://10.0.0.5:8080/x", "5; url=https://a.example/x"},
        {"quoted", "0;URL='http://10.0.0.5:8080/x'", "0;URL='https://a.example/x'"},
        {"in double quotes, and more", "0, url = \"http://10.0.0.5:8080/\" ; z",
         "0, url = \"https://a.example/\" ; z"},
        {"a quote without its end", "0;url='http://10.0.0.5:8080/x",
         "0;url='https://a.example/x"},
        {"another host", "5; url=http://other/x", NULL},
        {"time alone", "5", NULL},
        {"nothing behind", "5;", NULL},
        {"no url", "5; http://10.0.0.5:8080/x", NULL},
        {"no equals sign", "5; url http://10.0.0.5:8080/x", NULL},
        {"nothing", "", NULL},
},
  cookies[] = {
      {"the host", "a=b; Domain=10.0.0.5; Path=/", "a=b; Domain=a.example; Path=/"},
      {"with a dot", "a=b;domain=.10.0.0.5", "a=b; Domain=a.example"},
      {"the Host it got", "a=b; Domain=Inner.lan;Secure", "a=b; Domain=a.example;Secure"},
      {"twice", "a=b; Domain=10.0.0.5; Domain=inner.lan",
       "a=b; Domain=a.example; Domain=a.example"},
      {"spaces", "a=b;  DOMAIN = inner.lan ;x", "a=b; Domain=a.example;x"},
      {"a parent", "a=b; Domain=lan", NULL},
      {"the public name", "a=b; Domain=a.example", NULL},
      {"another", "a=b; Domain=other.example", NULL},
      {"none", "a=b; Path=/; Secure; HttpOnly", NULL},
      {"empty", "a=b; Domain=; Domain", NULL},
      {"in the value", "Domain=10.0.0.5", NULL},
      {"nothing", "", NULL},
      {"only ends", ";;", NULL},
};

static void refresh_and_cookies_follow(void **state)
{
    (void)state;
    static const struct asked asked = {.sent = "inner.lan"};
    for (size_t i = 0; i < ARRAY_LEN(refreshes); i++) {
        const char *want = refreshes[i].want == NULL ? refreshes[i].in : refreshes[i].want;
        struct str got = restore(&asked, "Refresh", refreshes[i].in);
        if (!str_eq(got, str_from(want)))
            fail_msg("%s: %s -> %.*s", refreshes[i].name, refreshes[i].in, STR_ARG(got));
    }
    for (size_t i = 0; i < ARRAY_LEN(cookies); i++) {
        const char *want = cookies[i].want == NULL ? cookies[i].in : cookies[i].want;
        struct str got = restore(&asked, "Set-Cookie", cookies[i].in);
        if (!str_eq(got, str_from(want)))
            fail_msg("%s: %s -> %.*s", cookies[i].name, cookies[i].in, STR_ARG(got));
    }
}

static void where_no_domain_can_be_said_none_is(void **state)
{
    (void)state;
    static const char *const hosts[] = {"192.0.2.1", "[2001:db8::1]:8443", ""};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_str(restore(&(struct asked){.host = hosts[i], .sent = "x"}, "Set-Cookie",
                           "a=b; Domain=10.0.0.5; Path=/"),
                   "a=b; Path=/");
    assert_str(restore(&(struct asked){.host = "a.example:8443"}, "Set-Cookie",
                       "a=b; Domain=10.0.0.5"),
               "a=b; Domain=a.example");
}

static void other_fields_and_long_values_are_left_alone(void **state)
{
    (void)state;
    static const struct asked asked = {0};
    assert_str(restore(&asked, "Link", "<http://10.0.0.5:8080/x>"), "<http://10.0.0.5:8080/x>");
    /* As many domains as a head can hold cost a few times their length. */
    static char value[60000];
    size_t len = (size_t)snprintf(value, sizeof(value), "a=b");
    while (len + 20 < sizeof(value))
        len += (size_t)snprintf(value + len, sizeof(value) - len, ";Domain=10.0.0.5");
    struct str got = restore(&asked, "Set-Cookie", value);
    assert_true(str_starts(got, STR("a=b; Domain=a.example; Domain=a.example;")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reference_to_the_target_is_one_to_us, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_path_is_mapped_back_where_that_is_clear, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(refresh_and_cookies_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_no_domain_can_be_said_none_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_fields_and_long_values_are_left_alone, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
