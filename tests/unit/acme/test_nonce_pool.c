#include "acme/nonce_pool.h"
#include "tests/support/unit.h"

#include <stdio.h>

static void the_newest_comes_out_first_and_once(void **state)
{
    (void)state;
    struct nonce_pool pool = {0};
    char text[ACME_NONCE_MAX_BYTES];
    nonce_pool_put(&pool, STR("one"), 1000);
    nonce_pool_put(&pool, STR("two"), 1000);
    assert_true(str_eq(nonce_pool_take(&pool, 1000, text), STR("two")));
    assert_true(str_eq(nonce_pool_take(&pool, 1000, text), STR("one")));
    assert_true(str_is_empty(nonce_pool_take(&pool, 1000, text)));
}

static void the_pool_is_bounded_and_loses_the_oldest(void **state)
{
    (void)state;
    struct nonce_pool pool = {0};
    char text[ACME_NONCE_MAX_BYTES], name[16];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        nonce_pool_put(&pool, str_from(name), 1000);
    }
    for (int i = 0; i < ACME_NONCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", 99 - i);
        assert_true(str_eq(nonce_pool_take(&pool, 1000, text), str_from(name)));
    }
    assert_true(str_is_empty(nonce_pool_take(&pool, 1000, text)));
}

static void an_old_nonce_is_forgotten(void **state)
{
    (void)state;
    struct nonce_pool pool = {0};
    char text[ACME_NONCE_MAX_BYTES];
    nonce_pool_put(&pool, STR("old"), 1000);
    assert_true(str_is_empty(nonce_pool_take(&pool, 1001 + ACME_NONCE_MAX_MS, text)));
}

static void what_is_no_nonce_is_not_kept(void **state)
{
    (void)state;
    struct nonce_pool pool = {0};
    char text[ACME_NONCE_MAX_BYTES], huge[ACME_NONCE_MAX_BYTES + 1];
    memset(huge, 'a', sizeof(huge));
    nonce_pool_put(&pool, STR(""), 0);
    nonce_pool_put(&pool, STR("a b"), 0);
    nonce_pool_put(&pool, STR("a\"b"), 0);
    nonce_pool_put(&pool, str_make(huge, sizeof(huge)), 0);
    assert_true(str_is_empty(nonce_pool_take(&pool, 0, text)));
    nonce_pool_put(&pool, str_make(huge, sizeof(huge) - 1), 0);
    assert_int_equal(nonce_pool_take(&pool, 0, text).len, ACME_NONCE_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_comes_out_first_and_once),
        cmocka_unit_test(the_pool_is_bounded_and_loses_the_oldest),
        cmocka_unit_test(an_old_nonce_is_forgotten),
        cmocka_unit_test(what_is_no_nonce_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
