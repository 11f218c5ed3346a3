#include "gateway/route/route_choice.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include <stdio.h>

/* ---- paths ---- */

static const struct {
    const char *name, *target, *want;
} paths[] = {
    {"already normal", "/a/b", "/a/b"},
    {"the root", "/", "/"},
    {"the query is not part of it", "/a?b=/../c", "/a"},
    {"a trailing slash stays", "/a/", "/a/"},
    {"a dot segment", "/a/./b", "/a/b"},
    {"a dot segment at the end leaves a slash", "/a/.", "/a/"},
    {"two dots", "/a/b/../c", "/a/c"},
    {"two dots at the end leave a slash", "/a/b/..", "/a/"},
    {"two dots eat the last segment", "/a/..", "/"},
    {"above the root is the root", "/../../a", "/a"},
    {"only above the root", "/..", "/"},
    {"far above and back", "/a/../../../b/../c", "/c"},
    {"runs of slashes are one", "//a///b//", "/a/b/"},
    {"only slashes", "////", "/"},
    {"two dots behind an empty segment", "/a//../b", "/b"},
    {"three dots are a name", "/a/.../b", "/a/.../b"},
    {"a name that begins with dots", "/a/..b/.c", "/a/..b/.c"},
    {"a name that ends with dots", "/a../b./", "/a../b./"},
    {"escaped dots are dots", "/a/%2e%2e/b", "/b"},
    {"escaped dots in either case, mixed", "/a/.%2E/%2e/b", "/b"},
    {"escaped letters are letters", "/%61/%41%7a%7E", "/a/Az~"},
    {"an escaped slash is no separator", "/a%2f..%2fb", "/a%2f..%2fb"},
    {"an escaped slash guards its neighbours", "/a/..%2fb", "/a/..%2fb"},
    {"other escapes stay", "/a%20b%00%c3%a9", "/a%20b%00%c3%a9"},
    {"decoded once, not twice", "/%252e%252e/a", "/%252e%252e/a"},
    {"an escaped percent hides nothing", "/%25%32%65", "/%252e"},
    {"a cut escape stays", "/a%", "/a%"},
    {"a cut escape of one digit stays", "/a%2", "/a%2"},
    {"a malformed escape stays", "/%zz/%4g", "/%zz/%4g"},
    {"a backslash is no slash", "/a\\..\\b", "/a\\..\\b"},
    {"a semicolon hides no dots", "/a/..;/b", "/a/..;/b"},
    {"an empty query", "/a?", "/a"},
    {"the asterisk of OPTIONS", "*", "*"},
};

static void paths_have_one_normal_form(void **state)
{
    (void)state;
    struct arena *a = arena_new(256, 64 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct str once = route_normal_path(a, str_from(paths[i].target));
        assert_row_str(paths[i].name, once, paths[i].want);
    }
    arena_free(a);
}

/* What a path is made of does not matter: normal is normal, and never longer than before. */
static void normal_paths_stay_as_they_are(void **state)
{
    static const char *const parts[] = {"/", ".", "..", "%2e", "a", "%2f", "//", "%"};
    (void)state;
    struct arena *a = arena_new(4096, 64 * 1024);
    for (unsigned n = 0; n < 8 * 8 * 8 * 8 * 8; n++) {
        char path[32] = "/";
        size_t len = 1;
        for (unsigned k = n; k > 0; k /= 8)
            len += (size_t)snprintf(path + len, sizeof(path) - len, "%s", parts[k % 8]);
        struct str once = route_normal_path(a, str_make(path, len));
        assert_row(path, once.len <= len && once.p[0] == '/');
        struct str inside = str_skip(once, 1);
        assert_row(path, !str_starts(inside, STR("../")) && !str_eq(inside, STR("..")));
        /* An escaped percent may decode to a further escape; that is not looked into again. */
        if (memmem(path, len, "%", 1) == NULL)
            assert_row(path, str_eq(route_normal_path(a, once), once));
        arena_reset(a);
    }
    arena_free(a);
}

static void without_room_there_is_no_path(void **state)
{
    (void)state;
    struct arena *a = arena_new(4, 4);
    assert_null(route_normal_path(a, STR("/a/../b")).p);
    assert_str(route_normal_path(a, STR("/a/b")), "/a/b"); /* needs none */
    arena_free(a);
}

static const struct {
    const char *name, *prefix, *path;
    bool want;
} prefixes[] = {
    {"everything lies under the root", "/", "/a", true},
    {"the root itself", "/", "/", true},
    {"itself", "/a", "/a", true},
    {"with a slash behind", "/a", "/a/", true},
    {"below", "/a", "/a/b", true},
    {"not inside a segment", "/a", "/ab", false},
    {"not a shorter path", "/a/b", "/a", false},
    {"case matters", "/a", "/A/b", false},
    {"not an escaped slash", "/a", "/a%2f", false},
    {"not above", "/a", "/", false},
};

static void prefixes_match_on_segment_boundaries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        assert_row(prefixes[i].name,
                   route_path_matches(str_from(prefixes[i].prefix),
                                      str_from(prefixes[i].path)) == prefixes[i].want);
}

/* ---- choice ---- */

static const struct {
    const char *id, *host, *path;
    bool is_enabled;
} routes[] = {
    {"exact", "a.example.org", "/", true},
    {"exact-deep", "a.example.org", "/app/admin", true},
    {"exact-app", "a.example.org", "/app", true},
    {"wild", "*.example.org", "/", true},
    {"wild-only", "*.example.org", "/only-wild", true},
    {"any", "*", "/", true},
    {"any-health", "*", "/health", true},
    {"part", "b.example.org", "/part", true},
    {"off", "c.example.org", "/", false},
    {"address", "192.0.2.1", "/", true},
    {"address-6", "2001:db8::1", "/", true},
};

static const struct {
    const char *name, *host, *path, *want;
} choices[] = {
    {"the exact host", "a.example.org", "/", "exact"},
    {"the longest prefix", "a.example.org", "/app/admin/x", "exact-deep"},
    {"the next longest", "a.example.org", "/app/adminx", "exact-app"},
    {"a prefix ends at a segment", "a.example.org", "/apple", "exact"},
    {"exact beats a longer path of a wildcard", "a.example.org", "/only-wild", "exact"},
    {"exact beats a longer path of any", "a.example.org", "/health", "exact"},
    {"a wildcard", "x.example.org", "/", "wild"},
    {"a wildcard's longer path", "x.example.org", "/only-wild/1", "wild-only"},
    {"a wildcard beats any", "x.example.org", "/health", "wild"},
    {"a wildcard is one label", "x.y.example.org", "/", "any"},
    {"a wildcard needs its label", "example.org", "/", "any"},
    {"an exact host without that path: wildcard", "b.example.org", "/other", "wild"},
    {"an exact host with that path", "b.example.org", "/part/1", "part"},
    {"a disabled route claims nothing", "c.example.org", "/", "wild"},
    {"any host", "other.test", "/", "any"},
    {"any host, longer path", "other.test", "/health", "any-health"},
    {"no host at all", "", "/health", "any-health"},
    {"an IPv4 address", "192.0.2.1", "/", "address"},
    {"an IPv6 address", "2001:db8::1", "/", "address-6"},
    {"a wildcard is not asked for by name", "*.example.org", "/", "wild"},
};

static struct temp_store t;
static const struct snapshot *snap;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        char body[512];
        (void)snprintf(body, sizeof(body),
                       "{'hosts': ['%s'], 'path': '%s', 'enabled': %s, 'certificate': 'none',"
                       " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}}",
                       routes[i].host, routes[i].path, routes[i].is_enabled ? "true" : "false");
        temp_config_route(&t, routes[i].id, body);
    }
    snap = store_snapshot(t.store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snapshot_unref(snap);
    temp_store_fini(&t);
    return 0;
}

static void the_most_specific_route_is_chosen(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        const struct route *r =
            route_choose(snap, str_from(choices[i].host), str_from(choices[i].path));
        assert_row_str(choices[i].name, r == NULL ? STR("none") : r->object.id,
                       choices[i].want);
    }
}

static void a_host_of_any_length_can_be_asked_for(void **state)
{
    (void)state;
    static char host[70000];
    memset(host, 'a', sizeof(host));
    host[1] = '.';
    for (size_t len = 250; len < 260; len++)
        assert_str(route_choose(snap, str_make(host, len), STR("/"))->object.id, "any");
    assert_str(route_choose(snap, str_make(host, sizeof(host)), STR("/"))->object.id, "any");
}

static void without_any_route_there_is_none(void **state)
{
    (void)state;
    struct temp_store empty;
    temp_store_init(&empty);
    const struct snapshot *s = store_snapshot(empty.store);
    assert_null(route_choose(s, STR("a.example.org"), STR("/")));
    snapshot_unref(s);
    temp_store_fini(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_one_normal_form),
        cmocka_unit_test(normal_paths_stay_as_they_are),
        cmocka_unit_test(without_room_there_is_no_path),
        cmocka_unit_test(prefixes_match_on_segment_boundaries),
        cmocka_unit_test(the_most_specific_route_is_chosen),
        cmocka_unit_test(a_host_of_any_length_can_be_asked_for),
        cmocka_unit_test(without_any_route_there_is_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
