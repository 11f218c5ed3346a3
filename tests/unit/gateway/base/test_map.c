#include "tests/support/asserts.h"

#include "gateway/base/map.h"

#include <stdio.h>

enum { MANY = 2000 };

static struct map *m;
static char keys[MANY][16];

static int set_up(void **state)
{
    (void)state;
    m = map_new();
    for (size_t i = 0; i < MANY; i++)
        (void)snprintf(keys[i], sizeof(keys[i]), "key-%zu", i);
    return m == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    map_free(m);
    return 0;
}

static void an_empty_map_finds_nothing(void **state)
{
    (void)state;
    size_t cursor = 0;
    struct str key;
    void *value;
    assert_int_equal(map_count(m), 0);
    assert_null(map_find(m, STR("a")));
    assert_null(map_take(m, STR("a")));
    assert_false(map_next(m, &cursor, &key, &value));
    map_free(NULL);
}

static void a_value_is_replaced_and_the_old_one_told(void **state)
{
    (void)state;
    int one, two;
    void *old = &one;
    assert_ok(map_put(m, STR("k"), &one, &old));
    assert_null(old);
    assert_ok(map_put(m, STR("k"), &two, &old));
    assert_ptr_equal(old, &one);
    assert_int_equal(map_count(m), 1);
    assert_ptr_equal(map_find(m, STR("k")), &two);
    assert_ptr_equal(map_take(m, STR("k")), &two);
    assert_int_equal(map_count(m), 0);
}

static void keys_are_bytes_and_are_copied(void **state)
{
    (void)state;
    int values[4];
    char text[] = "abc";
    assert_ok(map_put(m, STR_NONE, &values[0], NULL));
    assert_ok(map_put(m, str_make("\0", 1), &values[1], NULL));
    assert_ok(map_put(m, str_make("\0\0", 2), &values[2], NULL));
    assert_ok(map_put(m, str_from(text), &values[3], NULL));
    text[0] = 'X';
    assert_ptr_equal(map_find(m, STR("")), &values[0]);
    assert_ptr_equal(map_find(m, str_make("\0", 1)), &values[1]);
    assert_ptr_equal(map_find(m, str_make("\0\0", 2)), &values[2]);
    assert_ptr_equal(map_find(m, STR("abc")), &values[3]);
    assert_null(map_find(m, STR("Xbc")));
}

static void many_keys_survive_growth_and_removal(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        assert_ok(map_put(m, str_from(keys[i]), keys[i], NULL));
    assert_int_equal(map_count(m), MANY);
    for (size_t i = 0; i < MANY; i += 3)
        assert_ptr_equal(map_take(m, str_from(keys[i])), keys[i]);
    for (size_t i = 0; i < MANY; i++) {
        const void *want = i % 3 == 0 ? NULL : keys[i];
        assert_ptr_equal(map_find(m, str_from(keys[i])), want);
    }
}

static void a_visit_meets_every_entry_once(void **state)
{
    (void)state;
    static bool is_seen[MANY];
    size_t cursor = 0, count = 0;
    struct str key;
    void *value;
    for (size_t i = 0; i < MANY; i++)
        assert_ok(map_put(m, str_from(keys[i]), keys[i], NULL));
    while (map_next(m, &cursor, &key, &value)) {
        size_t i = (size_t)((char(*)[16])value - keys);
        assert_true(i < MANY && !is_seen[i]);
        assert_true(str_eq(key, str_from(keys[i])));
        is_seen[i] = true;
        count++;
    }
    assert_int_equal(count, MANY);
}

static void without_memory_the_map_is_unchanged(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        struct map *t = map_new();
        size_t count = 0;
        for (size_t i = 0; t != NULL && i < 20; i++) {
            struct err e = map_put(t, str_from(keys[i]), keys[i], NULL);
            assert_true(!failed(e) || (err_is(e, ERR_MEMORY) && mem_fault_fired()));
            assert_int_equal(map_find(t, str_from(keys[i])) == NULL, failed(e));
            count += !failed(e);
        }
        assert_true(t == NULL || map_count(t) == count);
        map_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_map_finds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_is_replaced_and_the_old_one_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_are_bytes_and_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_keys_survive_growth_and_removal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_visit_meets_every_entry_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_the_map_is_unchanged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
