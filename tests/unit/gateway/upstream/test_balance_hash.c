#include "gateway/upstream/balance_hash.h"
#include "tests/support/asserts.h"

/* Every gateway, old and new, must give a key the same place. */
static void keys_are_the_same_everywhere(void **state)
{
    (void)state;
    assert_true(balance_hash_key(STR("/")) == balance_hash_key(STR("/")));
    assert_true(balance_hash_key(STR("/")) != balance_hash_key(STR("/a")));
    assert_true(balance_hash_key(STR("192.0.2.1")) == 0x7cfadfb3f455fdeu);
}

static void a_greater_weight_scores_higher(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        double one = balance_hash_score(i, 7, 100), two = balance_hash_score(i, 7, 200);
        assert_true(one > 0 && two > one);
        assert_true(balance_hash_score(i, i, 1) > 0); /* also where both are alike */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_the_same_everywhere),
        cmocka_unit_test(a_greater_weight_scores_higher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
