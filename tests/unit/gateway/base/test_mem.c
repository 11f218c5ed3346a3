#include "tests/support/asserts.h"

static void memory_is_zeroed_and_a_product_may_not_overflow(void **state)
{
    (void)state;
    unsigned char *p = mem_alloc(100, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    /* The product is 0 modulo the size of an address. */
    volatile size_t half = SIZE_MAX / 2 + 1;
    assert_null(mem_alloc(half, 2));
    mem_free(NULL);
}

static void a_resized_block_keeps_its_bytes(void **state)
{
    (void)state;
    char *p = mem_dup("abc", 3);
    assert_string_equal(p, "abc");
    p = mem_resize(p, 1000);
    assert_non_null(p);
    assert_string_equal(p, "abc");
    p = mem_resize(p, 0); /* not a hidden free */
    assert_non_null(p);
    mem_free(p);
}

static void a_copy_is_terminated_and_may_hold_nothing(void **state)
{
    (void)state;
    AUTO(mem_free_chars) char *empty = mem_dup(NULL, 0);
    AUTO(mem_free_chars) char *part = mem_dup("abcdef", 2);
    assert_string_equal(empty, "");
    assert_string_equal(part, "ab");
    assert_null(mem_dup("x", SIZE_MAX));
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 4; nth++) {
        mem_fault_arm(nth);
        for (unsigned i = 1; i <= 5; i++) {
            void *p = i % 2 == 0 ? mem_alloc(1, 1) : mem_resize(NULL, 1);
            assert_int_equal(p == NULL, i == nth);
            assert_int_equal(mem_fault_fired(), i >= nth);
            mem_free(p);
        }
    }
    mem_fault_arm(0);
    assert_false(mem_fault_fired());
    void *p = mem_alloc(1, 1);
    assert_non_null(p);
    mem_free(p);
}

/* Nothing of it is seen but time: what is kept stays as it was. */
static void settling_leaves_blocks_alone(void **state)
{
    (void)state;
    enum { COUNT = 1000, LEN = 200 };
    char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = mem_alloc(LEN, 1);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i % 128), LEN);
    }
    for (size_t i = 0; i < COUNT; i += 2)
        mem_free(blocks[i]);
    mem_settle();
    for (size_t i = 1; i < COUNT; i += 2) {
        assert_int_equal(blocks[i][0], (int)(i % 128));
        assert_memory_equal(blocks[i], blocks[i] + 1, LEN - 1);
        mem_free(blocks[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_a_product_may_not_overflow),
        cmocka_unit_test(a_resized_block_keeps_its_bytes),
        cmocka_unit_test(a_copy_is_terminated_and_may_hold_nothing),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(settling_leaves_blocks_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
