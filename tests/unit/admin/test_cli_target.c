#include "admin/cli_target.h"
#include "tests/support/unit.h"

static const struct {
    const char *typed, *url; /* NULL: refused */
} targets[] = {
    {"http://10.0.0.5:8080", "http://10.0.0.5:8080"},
    {"https://[fd00::10]:443", "https://[fd00::10]:443"},
    {"h2c://app:80", "h2c://app:80"},
    {"unix:/run/app.sock", "unix:/run/app.sock"},
    {"/run/app.sock", "unix:/run/app.sock"},
    {"8080", "http://127.0.0.1:8080"},
    {":8080", "http://127.0.0.1:8080"},
    {"443", "https://127.0.0.1:443"},
    {"127.0.0.1:8080", "http://127.0.0.1:8080"},
    {"app:3000", "http://app:3000"},
    {"app", "http://app"},
    {"app.lan:443", "https://app.lan:443"},
    {"app.lan:8443", "http://app.lan:8443"},
    {"[::1]:8080", "http://[::1]:8080"},
    {"[::1]", "http://[::1]"},
    {"::1", NULL},
    {"fd00::10:8080", NULL},
    {"app:0", NULL},
    {"app:x", NULL},
    {"app:", NULL},
    {"app:65536", NULL},
    {"", NULL},
};

static void test_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        struct str url = STR_NONE;
        struct str words = STR_NONE;
        struct err e = cli_target_url(a, str_from(targets[i].typed), &url, &words);
        if (failed(e) != (targets[i].url == NULL) ||
            (!failed(e) && !str_eq(url, str_from(targets[i].url))))
            fail_msg("%s is read as %.*s", targets[i].typed, STR_ARG(url));
        if (failed(e))
            assert_true(words.len > 0);
    }
}

static const struct {
    const char *typed, *hosts, *path; /* hosts NULL: refused */
} sites[] = {
    {"a.example", "[\"a.example\"]", "/"},
    {"a.example/", "[\"a.example\"]", "/"},
    {"a.example/app/x", "[\"a.example\"]", "/app/x"},
    {"a.example,b.example/app", "[\"a.example\",\"b.example\"]", "/app"},
    {"https://a.example/app", "[\"a.example\"]", "/app"},
    {"*", "[\"*\"]", "/"},
    {"*.example.org", "[\"*.example.org\"]", "/"},
    {"", NULL, NULL},
    {"/app", NULL, NULL},
    {"a.example,", NULL, NULL},
};

static void test_sites(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sites); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        AUTO(json_decref) json_t *hosts = NULL;
        struct str path = STR_NONE;
        struct str words = STR_NONE;
        struct err e = cli_target_site(a, str_from(sites[i].typed), &hosts, &path, &words);
        if (sites[i].hosts == NULL) {
            assert_true(err_is(e, ERR_SYNTAX));
            continue;
        }
        AUTO(json_decref) json_t *want = json_loads(sites[i].hosts, 0, NULL);
        if (failed(e) || !json_equal(hosts, want) || !str_eq(path, str_from(sites[i].path)))
            fail_msg("%s", sites[i].typed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
