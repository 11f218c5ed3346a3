#include "store/target_url.h"
#include "tests/support/unit.h"

/* clang-format off */
static const struct {
    const char *name, *in;
    const char *url, *host; /* want; NULL: refused */
    unsigned port;
    enum target_scheme scheme;
    enum target_host kind;
} good[] = {
    {"name, standard port", "http://app", "http://app", "app", 80, TARGET_HTTP,
     TARGET_HOST_NAME},
    {"https, standard port", "https://App.Internal", "https://app.internal", "app.internal",
     443, TARGET_HTTPS, TARGET_HOST_NAME},
    {"an explicit port stays", "https://a:443", "https://a:443", "a", 443, TARGET_HTTPS,
     TARGET_HOST_NAME},
    {"a lonely slash goes", "http://a:8080/", "http://a:8080", "a", 8080, TARGET_HTTP,
     TARGET_HOST_NAME},
    {"scheme in capitals", "HTTP://a", "http://a", "a", 80, TARGET_HTTP, TARGET_HOST_NAME},
    {"IPv4", "http://192.0.2.1:81", "http://192.0.2.1:81", "192.0.2.1", 81, TARGET_HTTP,
     TARGET_HOST_IPV4},
    {"IPv6", "https://[FD00:0::10]:8443", "https://[fd00::10]:8443", "fd00::10", 8443,
     TARGET_HTTPS, TARGET_HOST_IPV6},
    {"IPv6 without port", "http://[::1]", "http://[::1]", "::1", 80, TARGET_HTTP,
     TARGET_HOST_IPV6},
    {"underscore, as containers are called", "http://my_app_1:3000", "http://my_app_1:3000",
     "my_app_1", 3000, TARGET_HTTP, TARGET_HOST_NAME},
    {"international",
     "http://b\xc3\xbc"
     "cher.example",
     "http://xn--bcher-kva.example", "xn--bcher-kva.example", 80, TARGET_HTTP,
     TARGET_HOST_NAME},
    {"socket", "unix:/run/app.sock", "unix:/run/app.sock", "/run/app.sock", 0, TARGET_HTTP,
     TARGET_HOST_UNIX},
    {"socket with an empty authority", "unix:///run/app.sock", "unix:/run/app.sock",
     "/run/app.sock", 0, TARGET_HTTP, TARGET_HOST_UNIX},
    {"largest port", "http://a:65535", "http://a:65535", "a", 65535, TARGET_HTTP,
     TARGET_HOST_NAME},
};
/* clang-format on */

static void good_urls_fall_into_their_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        struct target t = {.weight = 7};
        const char *words = target_url_parse(a, str_from(good[i].in), &t);
        if (words != NULL || !str_eq(t.url, str_from(good[i].url)) ||
            !str_eq(t.host, str_from(good[i].host)) || t.port != good[i].port ||
            t.scheme != good[i].scheme || t.host_kind != good[i].kind || t.weight != 7)
            fail_msg("%s: %s, %.*s", good[i].name, words ? words : "wrong", STR_ARG(t.url));
        /* What is stored is read again at each start. */
        struct target again = {.weight = 7};
        assert_null(target_url_parse(a, t.url, &again));
        assert_true(str_eq(again.url, t.url));
    }
}

#define P53 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct {
    const char *name, *in, *words;
} bad[] = {
    {"empty", "", "must begin with"},
    {"no scheme", "127.0.0.1:8080", "must begin with"},
    {"another scheme", "ftp://a", "must begin with"},
    {"h2c with a path", "h2c://a/b", "path"},
    {"no host", "http://", "no host"},
    {"no host but a port", "http://:80", "empty"},
    {"no host but a path", "http:///x", "path"},
    {"path", "http://a/b", "path"},
    {"path on the root", "http://a//", "path"},
    {"query", "http://a?x", "query"},
    {"query after a slash", "http://a/?x", "query"},
    {"fragment", "http://a#x", "fragment"},
    {"user", "http://u:p@a", "user"},
    {"port 0", "http://a:0", "port"},
    {"port 65536", "http://a:65536", "port"},
    {"port of letters", "http://a:http", "port"},
    {"signed port", "http://a:+80", "port"},
    {"port missing", "http://a:", "no port"},
    {"port missing after brackets", "http://[::1]:", "no port"},
    {"bare IPv6", "http://::1", "colons"},
    {"bracket not closed", "http://[::1", "]"},
    {"garbage after brackets", "http://[::1]x", "after"},
    {"IPv4 in brackets", "http://[127.0.0.1]", "brackets"},
    {"name in brackets", "http://[name]", "brackets"},
    {"no address in brackets", "http://[::zz]", "port"},
    {"zone", "http://[fe80::1%25eth0]", "port"},
    {"wildcard", "http://*.a", "*"},
    {"space", "http://a b", "letters"},
    {"line end", "http://a\r\nHost: b", "letters"},
    {"relative socket", "unix:run/app.sock", "absolute"},
    {"socket in an authority", "unix://run/app.sock", "absolute"},
    {"no socket", "unix:", "absolute"},
    {"a folder", "unix:/run/", "directory"},
    {"the root", "unix:/", "directory"},
    {"control character in a path", "unix:/run/a\nb", "control"},
    {"108 bytes", "unix:/" P53 "/" P53, "107"},
};
/* clang-format on */

static void bad_urls_are_refused_with_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        struct target t = {.weight = 7};
        const char *words = target_url_parse(a, str_from(bad[i].in), &t);
        if (words == NULL || strstr(words, bad[i].words) == NULL)
            fail_msg("%s: %s", bad[i].name, words ? words : "is accepted");
        assert_null(t.url.p);
    }
}

static void a_zero_byte_is_no_end(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct target t = {.weight = 0};
    assert_non_null(target_url_parse(a, STR("unix:/run/a\0b"), &t));
    assert_non_null(target_url_parse(a, STR("http://a\0b"), &t));
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_fall_into_their_parts),
        cmocka_unit_test(bad_urls_are_refused_with_words),
        cmocka_unit_test(a_zero_byte_is_no_end),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
