#include "store/model.h"
#include "tests/support/unit.h"

static const struct {
    const char *name, *block;
    const char *inside, *outside; /* addresses; NULL: none to try */
} good[] = {
    {"IPv4 block", "192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
    {"bits beyond the length do not count", "192.0.2.77/24", "192.0.2.1", "192.0.1.77"},
    {"one address", "192.0.2.7", "192.0.2.7", "192.0.2.8"},
    {"odd length", "10.0.0.128/25", "10.0.0.200", "10.0.0.127"},
    {"31", "10.0.0.2/31", "10.0.0.3", "10.0.0.4"},
    {"all of IPv4", "0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
    {"IPv6 block", "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"},
    {"everything", "::/0", "1.2.3.4", NULL},
    {"all mapped is all of IPv4", "::ffff:0:0/96", "9.9.9.9", "::1"},
};

static struct cidr must_parse(const char *text)
{
    struct cidr c = {.bits = 0};
    if (failed(cidr_parse(str_from(text), &c)))
        fail_msg("%s is refused", text);
    return c;
}

static void blocks_hold_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct cidr block = must_parse(good[i].block), in = must_parse(good[i].inside);
        if (!cidr_has(&block, in.address))
            fail_msg("%s: %s is outside", good[i].name, good[i].inside);
        if (good[i].outside == NULL)
            continue;
        struct cidr out = must_parse(good[i].outside);
        if (cidr_has(&block, out.address))
            fail_msg("%s: %s is inside", good[i].name, good[i].outside);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "/",         "1.2.3",         "1.2.3.4/33",
        "::/129",     "1.2.3.4/",  "1.2.3.4/-1",    "1.2.3.4/8/8",
        "1.2.3.4 /8", "[::1]/128", "example.org/8", "1.2.3.4/0x8"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct cidr c;
        if (!failed(cidr_parse(str_from(bad[i]), &c)))
            fail_msg("\"%s\" is accepted", bad[i]);
    }
    struct cidr c;
    assert_true(failed(cidr_parse(STR("1.2.3.4\0"), &c)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_what_they_say),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
