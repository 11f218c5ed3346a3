#include "store/public_suffix.h"
#include "tests/support/asserts.h"
#include "tests/support/unit.h"

/* clang-format off */
static const struct {
    const char *name, *want;
} rows[] = {
    {"example.org", "example.org"},
    {"a.b.example.org", "example.org"},
    {"shop.example.co.uk", "example.co.uk"},
    {"user.github.io", "user.github.io"},     /* a suffix of the private part */
    {"www.user.github.io", "user.github.io"},
    {"www.city.kawasaki.jp", "city.kawasaki.jp"}, /* an exception */
    {"a.b.unknown-suffix", "b.unknown-suffix"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example"},
    {"co.uk", "co.uk"},                       /* nobody registered it: its own */
    {"localhost", "localhost"},
    {"", ""},
    {".", "."},
    {"..", ".."},
    {"*.example.org", "example.org"},
};
/* clang-format on */

static void the_registered_part_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = public_suffix_registered(str_from(rows[i].name));
        if (!str_eq(got, str_from(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, STR_ARG(got));
    }
}

static void what_is_no_name_stays_as_it_is(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof(text));
    assert_int_equal(public_suffix_registered(str_make(text, sizeof(text))).len, sizeof(text));
    struct str nul = STR("a\0b.example.org");
    assert_int_equal(public_suffix_registered(nul).len, nul.len);
}

static const struct {
    const char *name;
    enum public_suffix want;
} standings[] = {
    {"www.example.org", PUBLIC_SUFFIX_BELOW},
    {"example.org", PUBLIC_SUFFIX_BELOW},
    {"org", PUBLIC_SUFFIX_ITSELF},
    {"co.uk", PUBLIC_SUFFIX_ITSELF},
    {"a.b.example.co.uk", PUBLIC_SUFFIX_BELOW},
    {"xn--bcher-kva.de", PUBLIC_SUFFIX_BELOW},
    {"me.github.io", PUBLIC_SUFFIX_BELOW},
    {"nas.lan", PUBLIC_SUFFIX_NONE},
    {"a.test", PUBLIC_SUFFIX_NONE},
    {"localhost", PUBLIC_SUFFIX_NONE},
    {"", PUBLIC_SUFFIX_NONE},
};

static void names_stand_below_a_suffix_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(standings); i++)
        assert_row_u64(standings[i].name, public_suffix_judge(str_from(standings[i].name)),
                       standings[i].want);
    assert_int_equal(public_suffix_judge(str_make("co.ukx", 5)), PUBLIC_SUFFIX_ITSELF);
    assert_int_equal(public_suffix_judge(str_make("a\0.org", 6)), PUBLIC_SUFFIX_NONE);
    char endless[300];
    memset(endless, 'a', sizeof(endless));
    memcpy(endless + 290, ".org", 4);
    assert_int_equal(public_suffix_judge(str_make(endless, 294)), PUBLIC_SUFFIX_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_below_a_suffix_or_not),
        cmocka_unit_test(the_registered_part_is_found),
        cmocka_unit_test(what_is_no_name_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
