#include "gateway/http/h2_shared.h"
#include "tests/support/asserts.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <stdint.h>

enum { COUNT = 3 * H2_CHUNK_BLOCKS + 1 };

static struct h2_shared shared;
static struct h2_block blocks[COUNT];

static void take_all(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = h2_shared_take(&shared);
        assert_non_null(blocks[i].bytes);
        assert_int_equal((uintptr_t)blocks[i].bytes % 4096, 0);
        memset(blocks[i].bytes, (int)i, H2_BLOCK_BYTES);
    }
}

/* Nobody writes where another one is: each still holds what was written there. */
static void blocks_are_apart(void **state)
{
    (void)state;
    h2_shared_init(&shared);
    take_all();
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal((unsigned char)blocks[i].bytes[0], i & 0xff);
        assert_int_equal((unsigned char)blocks[i].bytes[H2_BLOCK_BYTES - 1], i & 0xff);
        h2_shared_give(&shared, blocks[i]);
    }
    h2_shared_fini(&shared);
}

static void blocks_are_used_again_in_any_order(void **state)
{
    (void)state;
    h2_shared_init(&shared);
    take_all();
    for (size_t i = 0; i < COUNT; i += 2)
        h2_shared_give(&shared, blocks[i]);
    for (size_t i = 0; i < COUNT; i += 2)
        blocks[i] = h2_shared_take(&shared);
    for (size_t i = COUNT; i > 0; i--)
        h2_shared_give(&shared, blocks[i - 1]);
    assert_ptr_equal(list_first(&shared.chunks), list_last(&shared.chunks));
    h2_shared_give(&shared, (struct h2_block){0});
    h2_shared_fini(&shared);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    h2_shared_init(&shared);
    mem_fault_arm(1);
    assert_null(h2_shared_take(&shared).bytes);
    mem_fault_arm(0);
    h2_shared_fini(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart),
        cmocka_unit_test(blocks_are_used_again_in_any_order),
        cmocka_unit_test(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
