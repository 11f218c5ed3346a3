#include "tests/support/asserts.h"

#include "gateway/base/secret.h"

static const struct {
    const char *name;
    struct str kept, tried;
    bool want;
} cases[] = {
    {"the same bytes", STR_LIT("hunter2"), STR_LIT("hunter2"), true},
    {"another last byte", STR_LIT("hunter2"), STR_LIT("hunter3"), false},
    {"another first byte", STR_LIT("hunter2"), STR_LIT("Hunter2"), false},
    {"only the highest bit differs", STR_LIT("a"), STR_LIT("\xe1"), false},
    {"a prefix", STR_LIT("hunter2"), STR_LIT("hunter"), false},
    {"a longer text", STR_LIT("hunter2"), STR_LIT("hunter22"), false},
    {"nothing against something", STR_LIT(""), STR_LIT("a"), false},
    {"something against nothing", STR_LIT("a"), STR_LIT(""), false},
    {"nothing against nothing", STR_LIT(""), STR_LIT(""), true},
    {"behind a NUL", STR_LIT("a\0b"), STR_LIT("a\0c"), false},
};

static void secrets_are_compared_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct secret s = {0};
        assert_ok(secret_init(&s, cases[i].kept));
        assert_row(cases[i].name, secret_eq(&s, cases[i].tried) == cases[i].want);
        assert_row(cases[i].name, str_eq(secret_bytes(&s), cases[i].kept));
        assert_row(cases[i].name, secret_is_empty(&s) == (cases[i].kept.len == 0));
        secret_fini(&s);
    }
}

static void a_finished_secret_is_empty_and_can_be_finished_again(void **state)
{
    (void)state;
    struct secret s = {0};
    secret_fini(&s);
    assert_ok(secret_init(&s, STR("key")));
    secret_fini(&s);
    assert_true(secret_is_empty(&s));
    assert_false(secret_eq(&s, STR("key")));
    secret_fini(&s);
}

static void a_secret_is_a_copy(void **state)
{
    (void)state;
    struct secret s = {0};
    char source[] = "key";
    assert_ok(secret_init(&s, str_from(source)));
    secret_wipe(source, sizeof(source));
    assert_true(secret_eq(&s, STR("key")));
    for (size_t i = 0; i < sizeof(source); i++)
        assert_int_equal(source[i], 0);
    secret_wipe(NULL, 0);
    secret_fini(&s);
}

static void without_memory_nothing_is_kept(void **state)
{
    (void)state;
    struct secret s = {0};
    mem_fault_arm(1);
    assert_err(secret_init(&s, STR("key")), ERR_MEMORY);
    assert_true(secret_is_empty(&s));
    secret_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_compared_byte_by_byte),
        cmocka_unit_test(a_finished_secret_is_empty_and_can_be_finished_again),
        cmocka_unit_test(a_secret_is_a_copy),
        cmocka_unit_test(without_memory_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
