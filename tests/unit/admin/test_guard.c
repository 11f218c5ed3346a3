#include "admin/guard.h"
#include "tests/support/unit.h"

/* clang-format off */
static const struct {
    const char *name, *host, *origin, *site;
    bool is_ok;
} cases[] = {
    {"a program", "127.0.0.1:8088", NULL, NULL, true},
    {"without port", "127.0.0.1", NULL, NULL, true},
    {"localhost", "localhost:8088", NULL, NULL, true},
    {"localhost in capitals", "LocalHost", NULL, NULL, true},
    {"IPv6", "[::1]:8088", NULL, NULL, true},
    {"IPv6 without port", "[fd00::1]", NULL, NULL, true},
    {"this machine", "gate.lan:8088", NULL, NULL, true},
    {"a name that the operator gave", "gateway:9000", NULL, NULL, true},
    {"own page under that name", "gateway:9000", "http://gateway:9000", NULL, true},
    {"page elsewhere under that name", "gateway:9000", "http://gate.lan:9000", NULL, false},
    {"a name below one of ours", "a.gate.lan", NULL, NULL, false},
    {"a name that begins like one of ours", "gateway.evil.example", NULL, NULL, false},
    {"a port alone", ":9000", NULL, NULL, false},
    {"no host", NULL, NULL, NULL, false},
    {"empty host", "", NULL, NULL, false},
    {"a name rebound to us", "evil.example:8088", NULL, NULL, false},
    {"a name that begins like an address", "127.0.0.1.evil.example", NULL, NULL, false},
    {"a name that ends like localhost", "evil.localhost", NULL, NULL, false},
    {"bare IPv6", "::1", NULL, NULL, false},
    {"IPv4 in brackets", "[127.0.0.1]", NULL, NULL, false},
    {"port that is none", "127.0.0.1:x", NULL, NULL, false},
    {"port too large", "127.0.0.1:65536", NULL, NULL, false},
    {"open bracket", "[::1", NULL, NULL, false},
    {"after the bracket", "[::1]x", NULL, NULL, false},
    {"user before the host", "a@127.0.0.1", NULL, NULL, false},
    {"own page", "127.0.0.1:8088", "http://127.0.0.1:8088", NULL, true},
    {"own page behind TLS", "127.0.0.1:8088", "https://127.0.0.1:8088", NULL, true},
    {"page of another port", "127.0.0.1:8088", "http://127.0.0.1:3000", NULL, false},
    {"page elsewhere", "127.0.0.1:8088", "https://evil.example", NULL, false},
    {"opaque origin", "127.0.0.1:8088", "null", NULL, false},
    {"empty origin", "127.0.0.1:8088", "", NULL, false},
    {"typed by a person", "127.0.0.1:8088", NULL, "none", true},
    {"same origin", "127.0.0.1:8088", NULL, "same-origin", true},
    {"same site is another origin", "127.0.0.1:8088", NULL, "same-site", false},
    {"cross site", "127.0.0.1:8088", NULL, "cross-site", false},
    {"unknown site", "127.0.0.1:8088", NULL, "", false},
};
/* clang-format on */

static const struct str names[] = {STR_LIT("gate.lan"), STR_LIT("Gateway"), STR_LIT("")};
static const struct own_names ours = {.items = names, .count = ARRAY_LEN(names)};
static const struct own_names none = {.count = 0};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct admin_field fields[3];
        size_t count = 0;
        const char *why = NULL;
        if (cases[i].host != NULL)
            fields[count++] = (struct admin_field){STR("Host"), str_from(cases[i].host)};
        if (cases[i].origin != NULL)
            fields[count++] = (struct admin_field){STR("origin"), str_from(cases[i].origin)};
        if (cases[i].site != NULL)
            fields[count++] =
                (struct admin_field){STR("sec-fetch-site"), str_from(cases[i].site)};
        struct admin_request rq = {.fields = fields, .field_count = count};
        struct err e = guard_check(&rq, &ours, &why);
        if (failed(e) == cases[i].is_ok)
            fail_msg("%s", cases[i].name);
        if (failed(e))
            assert_non_null(why);
    }
}

static void test_two_hosts(void **state)
{
    (void)state;
    const char *why = NULL;
    const struct admin_field fields[] = {{STR_LIT("Host"), STR_LIT("localhost")},
                                         {STR_LIT("host"), STR_LIT("localhost")}};
    struct admin_request rq = {.fields = fields, .field_count = 2};
    assert_true(err_is(guard_check(&rq, &none, &why), ERR_WRONG_ORIGIN));
}

static void test_without_own_name(void **state)
{
    (void)state;
    const char *why = NULL;
    const struct admin_field fields[] = {{STR_LIT("Host"), STR_LIT("gate.lan")}};
    struct admin_request rq = {.fields = fields, .field_count = 1};
    assert_true(err_is(guard_check(&rq, &none, &why), ERR_WRONG_ORIGIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_two_hosts),
        cmocka_unit_test(test_without_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
