#include "gateway/http/h2_memory.h"
#include "tests/support/asserts.h"

#include "gateway/base/mem.h"

#include <stdint.h>

static struct h2_shared shared;
static struct h2_memory memory;
static nghttp2_mem calls;
static const char *block; /* memory's */

static int set_up(void **state)
{
    (void)state;
    h2_shared_init(&shared);
    struct h2_block first = h2_shared_take(&shared);
    block = first.bytes;
    h2_shared_give(&shared, first); /* the next one gets it */
    h2_memory_open(&memory, &shared);
    calls = h2_memory_calls(&memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    h2_memory_close(&memory);
    h2_shared_fini(&shared);
    return 0;
}

static bool is_inside(const void *p)
{
    return (const char *)p >= block && (const char *)p < block + H2_BLOCK_BYTES;
}

static void a_session_stands_in_its_block(void **state)
{
    (void)state;
    char *small = calls.malloc(100, &memory);
    char *zeroed = calls.calloc(10, 10, &memory);
    char *frames = calls.realloc(NULL, 16394, &memory);
    assert_true(is_inside(small) && is_inside(zeroed) && is_inside(frames));
    assert_int_equal(zeroed[99], 0);
    memset(small, 1, 100);
    memset(frames, 2, 16394);
    assert_int_equal(zeroed[0] | zeroed[99], 0);
    calls.free(small, &memory);
    calls.free(frames, &memory);
    calls.free(NULL, &memory);
}

static void what_grows_moves_out_of_it(void **state)
{
    (void)state;
    char *p = calls.malloc(4, &memory);
    memcpy(p, "abc", 4);
    char *moved = calls.realloc(p, 1000, &memory);
    assert_false(is_inside(moved));
    assert_string_equal(moved, "abc");
    moved = calls.realloc(moved, 2000, &memory);
    assert_string_equal(moved, "abc");
    calls.free(moved, &memory);
}

static void what_comes_later_or_does_not_fit_is_the_heaps(void **state)
{
    (void)state;
    void *frames = calls.malloc(16394, &memory), *second = calls.malloc(16394, &memory);
    void *large = calls.malloc(12000, &memory);
    assert_true(is_inside(frames));
    assert_false(is_inside(second) || is_inside(large));
    h2_memory_settle(&memory);
    void *later = calls.malloc(8, &memory);
    assert_false(is_inside(later));
    calls.free(second, &memory);
    calls.free(large, &memory);
    calls.free(later, &memory);
    assert_null(calls.calloc(SIZE_MAX, 2, &memory));
}

static void without_a_block_all_is_the_heaps(void **state)
{
    struct h2_shared empty;
    struct h2_memory poor;
    (void)state;
    h2_shared_init(&empty);
    mem_fault_arm(1);
    h2_memory_open(&poor, &empty);
    mem_fault_arm(0);
    nghttp2_mem of_poor = h2_memory_calls(&poor);
    void *p = of_poor.malloc(16, &poor);
    assert_non_null(p);
    p = of_poor.realloc(p, 32, &poor);
    of_poor.free(p, &poor);
    h2_memory_close(&poor);
    h2_shared_fini(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_stands_in_its_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_grows_moves_out_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_later_or_does_not_fit_is_the_heaps, set_up,
                                        tear_down),
        cmocka_unit_test(without_a_block_all_is_the_heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
