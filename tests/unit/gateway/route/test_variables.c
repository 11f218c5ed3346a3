#include "gateway/route/variables.h"
#include "tests/support/asserts.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(64 * 1024, 1024 * 1024);
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const struct client_facts facts = {.address = STR_LIT("192.0.2.1"),
                                          .port = 4711,
                                          .host = STR_LIT("A.example:8443"),
                                          .is_https = true};

/* What text comes to for a request of a path and a TLS name. */
static struct str expand(const char *text, const char *path, const char *sni, bool is_location)
{
    struct template t;
    struct str words, out;
    struct http_head request = {.method = STR("GET"), .path = str_from(path)};
    struct route route = {.object = {.id = STR("r")}};
    struct variables_source from = {.route = &route,
                                    .request = &request,
                                    .facts = &facts,
                                    .request_id = STR("id-7"),
                                    .sni = str_from(sni)};
    const struct variables *v = NULL;
    assert_ok(template_parse(a, str_from(text), &t, &words));
    route.variables = t.variables;
    if (t.variables != 0)
        assert_ok(variables_gather(a, &from, &v));
    assert_ok(is_location ? variables_expand_location(a, &t, v, &out)
                          : variables_expand(a, &t, v, &out));
    return out;
}

static const struct {
    const char *name, *text, *path, *sni, *want;
} values[] = {
    {"no variables", "plain", "/", "", "plain"},
    {"nothing", "", "/", "", ""},
    {"who", "{client_ip} {client_port}", "/", "", "192.0.2.1 4711"},
    {"where", "{scheme}://{host}:{port}{uri}", "/a/b?c=d", "",
     "https://A.example:8443/a/b?c=d"},
    {"path and query", "{method} {path} [{query}]", "/a?b?c", "", "GET /a [b?c]"},
    {"no query", "[{query}]", "/a", "", "[]"},
    {"an empty query", "{uri} [{query}]", "/a?", "", "/a? []"},
    {"byte for byte", "{uri}", "/%2e%2E/\xc3\xa4?\"<", "", "/%2e%2E/\xc3\xa4?\"<"},
    {"the host as a whole", "{path}{uri}", "*", "", "//"},
    {"ours", "{request_id}@{route}", "/", "", "id-7@r"},
    {"without TLS", "[{tls_version}{tls_cipher}{sni}]", "/", "", "[]"},
    {"a TLS name", "{sni}", "/", "b.example", "b.example"},
    {"a TLS name that is no host name", "[{sni}]", "/", "b.example\r\nX: y", "[]"},
    {"a TLS name with a space", "[{sni}]", "/", "b example", "[]"},
};

static void values_are_filled_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_row_str(values[i].name,
                       expand(values[i].text, values[i].path, values[i].sni, false),
                       values[i].want);
}

static const struct {
    const char *name, *to, *path, *want;
} locations[] = {
    {"literal", "https://new.example/", "/x", "https://new.example/"},
    {"path and query move along", "https://new.example{uri}", "/a?b",
     "https://new.example/a?b"},
    {"a second host stays a path", "https://new.example{uri}", "//evil.example",
     "https://new.example//evil.example"},
    {"a path that looks like a host", "{path}", "//evil.example/x", "/evil.example/x"},
    {"... by many slashes", "{uri}", "////evil.example", "/evil.example"},
    {"... by a backslash", "{uri}", "/\\evil.example", "/%5Cevil.example"},
    {"... by slash and backslash", "{uri}", "/\\/evil.example", "/%5C/evil.example"},
    {"... behind a literal slash", "/{query}", "/?/evil.example", "/evil.example"},
    {"... behind a literal slash and backslash", "/{query}", "/?\\evil.example",
     "/%5Cevil.example"},
    {"what a URI cannot hold is escaped", "/x{uri}", "/\xc3\xa4<\"`{|}^>",
     "/x/%C3%A4%3C%22%60%7B%7C%7D%5E%3E"},
    {"what is escaped already is not escaped again", "/x{uri}", "/%0d%0aX:%20y",
     "/x/%0d%0aX:%20y"},
    {"the host as a whole", "https://new.example{uri}", "*", "https://new.example/"},
    {"the same place by TLS", "https://{host}{uri}", "/a", "https://A.example/a"},
};

static void a_location_leads_where_the_route_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(locations); i++)
        assert_row_str(locations[i].name, expand(locations[i].to, locations[i].path, "", true),
                       locations[i].want);
}

static void only_what_is_asked_for_is_gathered(void **state)
{
    (void)state;
    struct http_head request = {.method = STR("GET"), .path = STR("/")};
    struct route route = {.variables = 1u << TEMPLATE_METHOD};
    struct variables_source from = {.route = &route, .request = &request, .facts = &facts};
    const struct variables *v;
    assert_ok(variables_gather(a, &from, &v));
    for (size_t i = 0; i < TEMPLATE_VARIABLE_COUNT; i++)
        assert_true((v->values[i].len > 0) == (i == TEMPLATE_METHOD));
}

static void without_room_it_fails(void **state)
{
    (void)state;
    struct template t;
    struct str words, out;
    struct variables v = {.values = {[TEMPLATE_URI] = STR("/a\\")}};
    assert_ok(template_parse(a, STR("/x{uri}"), &t, &words));
    for_each_fault(n)
    {
        struct arena *small = arena_new(8, 64 * 1024);
        if (small != NULL) {
            assert_non_null(arena_bytes(small, 6)); /* the next bytes need a block */
            struct err e = variables_expand_location(small, &t, &v, &out);
            assert_err(e, mem_fault_fired() ? ERR_MEMORY : NULL);
        }
        arena_free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_filled_in),
        cmocka_unit_test(a_location_leads_where_the_route_says),
        cmocka_unit_test(only_what_is_asked_for_is_gathered),
        cmocka_unit_test(without_room_it_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
