#include "tests/support/asserts.h"

#include "gateway/base/arena.h"

#include <stdalign.h>

static char names[] = "123";
static char order[8];
static size_t order_len;

static void note(void *object)
{
    order[order_len++] = *(char *)object;
}

static void memory_is_zeroed_and_aligned_for_any_type(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 4096);
    char *odd = arena_bytes(a, 3);
    memset(odd, 0xff, 3);
    for (size_t size = 1; size < 200; size += 7) {
        const char *p = arena_alloc(a, 1, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
    }
    arena_free(a);
}

/* Memory that was used before is handed out again after a reset: it must be clean again. */
static void memory_is_zeroed_after_a_reset_too(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 64);
    memset(arena_bytes(a, 64), 0xff, 64);
    arena_reset(a);
    const char *p = arena_alloc(a, 64, 1);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
    arena_free(a);
}

static const struct {
    const char *name;
    size_t count, size;
    bool fits;
} sizes[] = {
    {"nothing at all is an address", 0, 8, true},
    {"exactly what is left", 1000, 1, true},
    {"one byte too many", 1001, 1, false},
    {"all there is in the address space", 1, SIZE_MAX, false},
    {"a product that overflows", SIZE_MAX / 2, 3, false},
    {"a product that wraps to 0", SIZE_MAX / 2 + 1, 2, false},
};

static void the_ceiling_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct arena *a = arena_new(16, 1016);
        assert_non_null(arena_bytes(a, 16)); /* the first block is full: 1000 are left */
        const void *p = arena_alloc(a, sizes[i].count, sizes[i].size);
        assert_row(sizes[i].name, (p != NULL) == sizes[i].fits);
        assert_row(sizes[i].name, arena_used(a) <= 1016);
        arena_free(a);
    }
}

static void a_refusal_leaves_the_arena_usable(void **state)
{
    (void)state;
    struct arena *a = arena_new(16, 64);
    assert_null(arena_alloc(a, 1, 65));
    assert_null(arena_dup(a, str_make("x", SIZE_MAX)).p);
    assert_null(arena_fmt(a, "%0100d", 1).p);
    assert_str(arena_dup(a, STR("still")), "still");
    arena_free(a);
}

static void copies_are_terminated_and_apart(void **state)
{
    (void)state;
    struct arena *a = arena_new(8, 4096);
    char text[] = "one";
    struct str copy = arena_dup(a, str_from(text));
    struct str empty = arena_dup(a, STR_NONE);
    struct str formatted = arena_fmt(a, "%s-%d", text, 7);
    text[0] = 'X';
    assert_string_equal(copy.p, "one");
    assert_string_equal(empty.p, "");
    assert_int_equal(empty.len, 0);
    assert_string_equal(formatted.p, "one-7");
    assert_int_equal(formatted.len, 5);
    assert_true(str_eq(arena_dup(a, str_make("a\0b", 3)), str_make("a\0b", 3)));
    arena_free(a);
}

static void numbers_are_written_in_decimal(void **state)
{
    (void)state;
    struct arena *a = arena_new(16, 4096);
    assert_str(arena_decimal(a, 0), "0");
    assert_str(arena_decimal(a, 200), "200");
    assert_str(arena_decimal(a, UINT64_MAX), "18446744073709551615");
    arena_free(a);
}

static void joined_parts_stand_behind_each_other(void **state)
{
    (void)state;
    struct arena *a = arena_new(16, 64);
    const struct str parts[] = {STR_LIT("one"), STR_LIT(""), {.p = NULL}, STR_LIT("=1")};
    struct str joined = arena_join(a, parts, ARRAY_LEN(parts));
    assert_str(joined, "one=1");
    assert_int_equal(joined.p[joined.len], '\0');
    assert_str(arena_join(a, parts, 0), "");
    const struct str much[] = {{.p = names, .len = 60}};
    assert_null(arena_join(a, much, 1).p);
    arena_free(a);
}

static void disposers_run_once_and_the_last_one_first(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 4096);
    order_len = 0;
    assert_true(arena_on_reset(a, note, &names[0]));
    assert_true(arena_on_reset(a, note, &names[1]));
    arena_reset(a);
    assert_memory_equal(order, "21", 2);
    assert_true(arena_on_reset(a, note, &names[2]));
    arena_free(a);
    assert_int_equal(order_len, 3);
    assert_memory_equal(order, "213", 3);
}

static void a_disposer_without_room_is_refused_and_not_called(void **state)
{
    (void)state;
    struct arena *a = arena_new(8, 8);
    order_len = 0;
    assert_false(arena_on_reset(a, note, &names[0]));
    arena_free(a);
    assert_int_equal(order_len, 0);
}

static void a_reset_gives_the_room_back(void **state)
{
    (void)state;
    struct arena *a = arena_new(16, 1024);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 10; i++)
            assert_non_null(arena_alloc(a, 1, 48));
        assert_true(arena_used(a) >= 480);
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
    arena_free(a);
    arena_free(NULL);
}

/* What is kept comes back empty; what is too much goes. */
static void a_pool_hands_arenas_on(void **state)
{
    (void)state;
    struct arena_pool pool = {.first_bytes = 16, .max_bytes = 1024, .max_count = 1};
    struct arena *a = arena_pool_take(&pool);
    struct arena *b = arena_pool_take(&pool);
    order_len = 0;
    assert_true(arena_on_reset(a, note, &names[0]));
    assert_non_null(arena_alloc(a, 1, 100));
    arena_pool_put(&pool, a);
    assert_int_equal(order_len, 1);
    arena_pool_put(&pool, b);
    assert_int_equal(pool.count, 1);
    assert_ptr_equal(arena_pool_take(&pool), a);
    assert_int_equal(arena_used(a), 0);
    arena_pool_put(&pool, a);
    arena_pool_fini(&pool);
    assert_int_equal(pool.count, 0);
}

static void each_failing_allocation_is_answered(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        struct arena *a = arena_new(16, 4096);
        const void *p = a == NULL ? NULL : arena_alloc(a, 100, 1);
        const void *q = a == NULL ? NULL : arena_dup(a, str_make(order, 1)).p;
        assert_int_equal(mem_fault_fired(), p == NULL || q == NULL);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_for_any_type),
        cmocka_unit_test(memory_is_zeroed_after_a_reset_too),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(a_refusal_leaves_the_arena_usable),
        cmocka_unit_test(copies_are_terminated_and_apart),
        cmocka_unit_test(joined_parts_stand_behind_each_other),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(disposers_run_once_and_the_last_one_first),
        cmocka_unit_test(a_disposer_without_room_is_refused_and_not_called),
        cmocka_unit_test(a_reset_gives_the_room_back),
        cmocka_unit_test(a_pool_hands_arenas_on),
        cmocka_unit_test(each_failing_allocation_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
