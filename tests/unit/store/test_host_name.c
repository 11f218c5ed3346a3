#include "store/host_name.h"
#include "tests/support/unit.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct {
    const char *name, *in;
    const char *want;  /* normal form, or NULL */
    const char *words; /* part of the complaint */
} hosts[] = {
    {"lower case", "Cloud.Example.ORG", "cloud.example.org", NULL},
    {"a single label", "localhost", "localhost", NULL},
    {"any", "*", "*", NULL},
    {"wildcard", "*.Example.org", "*.example.org", NULL},
    {"wildcard above an international name",
     "*.b\xc3\xbc"
     "cher.example",
     "*.xn--bcher-kva.example", NULL},
    {"international",
     "b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example", NULL},
    {"international, upper case",
     "B\xc3\x9c"
     "CHER.example",
     "xn--bcher-kva.example", NULL},
    {"sharp s stays sharp s: non-transitional",
     "stra\xc3\x9f"
     "e.example",
     "xn--strae-oqa.example", NULL},
    {"A-label", "XN--BCHER-KVA.example", "xn--bcher-kva.example", NULL},
    {"A-label that decodes to nothing sensible", "xn--zzzzzzzz99999.example", NULL, "xn--"},
    {"A-label of plain ASCII", "xn--abc-.example", NULL, "hyphen"},
    {"underscore", "my_app.internal", "my_app.internal", NULL},
    {"IPv4", "192.0.2.7", "192.0.2.7", NULL},
    {"IPv6", "2001:DB8:0::1", "2001:db8::1", NULL},
    {"IPv6 in brackets", "[::1]", "::1", NULL},
    {"label of 63", L63 ".org", L63 ".org", NULL},
    {"label of 64", L63 "a.org", NULL, "63"},
    {"253 bytes",
     L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     NULL},
    {"254 bytes",
     L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     NULL, "253"},
    {"empty", "", NULL, "empty"},
    {"trailing dot", "example.org.", NULL, "dot"},
    {"leading dot", ".example.org", NULL, "empty label"},
    {"two dots", "a..b", NULL, "empty label"},
    {"a port", "example.org:8080", NULL, "without a port"},
    {"IPv4 and a port", "192.0.2.1:80", NULL, "without a port"},
    {"IPv6 in brackets and a port", "[::1]:80", NULL, "without a port"},
    {"a scheme", "https://example.org", NULL, "without a scheme"},
    {"a path", "example.org/x", NULL, "path"},
    {"two stars", "*.*.example.org", NULL, "*"},
    {"star in the middle", "a.*.org", NULL, "*"},
    {"star in a label", "a*.example.org", NULL, "*"},
    {"star and nothing", "*.", NULL, "empty"},
    {"leading hyphen", "-a.org", NULL, "hyphen"},
    {"trailing hyphen", "a-.org", NULL, "hyphen"},
    {"space", "a b.org", NULL, "letters"},
    {"percent", "a%41.org", NULL, "letters"},
    {"control", "a\x01.org", NULL, "letters"},
    {"line end", "a.org\n", NULL, "letters"},
    {"user", "u@a.org", NULL, "letters"},
    {"not UTF-8", "\xff\xfe.org", NULL, "international"},
    {"five numbers", "1.2.3.4.5", NULL, "IPv4"},
    {"too large a number", "256.1.1.1", NULL, "IPv4"},
    {"an IPv4 address in brackets", "[192.0.2.1]", NULL, "letters"},
    {"wildcard of an address", "*.192.0.2.1", NULL, "IPv4"},
    {"a number at the end", "host.1", NULL, "IPv4"},
};
/* clang-format on */

static void hosts_get_their_normal_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        struct str host = str_from(hosts[i].in);
        const char *words = host_name_check_host(a, &host);
        if (hosts[i].want != NULL && (words != NULL || !str_eq(host, str_from(hosts[i].want))))
            fail_msg("%s: %s, %.*s", hosts[i].name, words ? words : "fine", STR_ARG(host));
        if (hosts[i].want == NULL && (words == NULL || strstr(words, hosts[i].words) == NULL))
            fail_msg("%s: %s", hosts[i].name, words ? words : "is accepted");
    }
}

static void zero_bytes_are_no_end(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct str host = STR("good.org\0.evil.org");
    assert_non_null(host_name_check_host(a, &host));
    host = STR("b\xc3\xbc.org\0x");
    assert_non_null(host_name_check_host(a, &host));
    host = STR("1.2.3.4\0");
    assert_non_null(host_name_check_host(a, &host));
}

/* clang-format off */
static const struct {
    const char *host;
    enum host_kind kind;
    bool is_provable;
} kinds[] = {
    {"*", HOST_ANY, false},           {"*.example.org", HOST_WILDCARD, false},
    {"example.org", HOST_NAME, true}, {"my_app.org", HOST_NAME, false},
    {"192.0.2.7", HOST_IPV4, false},  {"2001:db8::1", HOST_IPV6, false},
    {"x1", HOST_NAME, true},          {"a.x1", HOST_NAME, true},
    {"1a.2b", HOST_NAME, true},       {"localhost", HOST_NAME, true},
};
/* clang-format on */

static void kinds_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct str host = str_from(kinds[i].host);
        if (host_name_kind(host) != kinds[i].kind ||
            host_name_is_provable(host) != kinds[i].is_provable)
            fail_msg("%s: kind %d", kinds[i].host, (int)host_name_kind(host));
    }
}

static void targets_know_no_patterns(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct str host = STR("*");
    assert_non_null(host_name_check_target(a, &host));
    host = STR("*.example.org");
    assert_non_null(host_name_check_target(a, &host));
    host = STR("App_1");
    assert_null(host_name_check_target(a, &host));
    assert_true(str_eq(host, STR("app_1")));
}

static void people_read_unicode(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct str plain = STR("example.org");
    assert_ptr_equal(host_name_to_unicode(a, plain).p, plain.p);
    assert_true(
        str_eq(host_name_to_unicode(a, STR("*.xn--bcher-kva.example")), STR("*.b\xc3\xbc"
                                                                            "cher.example")));
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_get_their_normal_form),
        cmocka_unit_test(zero_bytes_are_no_end),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(targets_know_no_patterns),
        cmocka_unit_test(people_read_unicode),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
