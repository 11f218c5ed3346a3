#include "tests/support/asserts.h"

#include "gateway/base/rand.h"

/* One byte behind the end is watched; 4096 equal bits in a row would be no accident. */
static void exactly_the_asked_bytes_are_filled(void **state)
{
    (void)state;
    unsigned char bytes[513] = {0}, any = 0, all = 0xff;
    rand_fill(bytes, 0);
    assert_int_equal(bytes[0], 0);
    rand_fill(bytes, 512);
    for (size_t i = 0; i < 512; i++) {
        any |= bytes[i];
        all &= bytes[i];
    }
    assert_int_equal(any, 0xff);
    assert_int_equal(all, 0);
    assert_int_equal(bytes[512], 0);
}

/* getrandom(2) gives at most 32 MiB - 1 at a time and may be interrupted beyond 256 bytes. */
static void long_requests_are_filled_to_their_end(void **state)
{
    (void)state;
    enum { LONG = 40 * 1024 * 1024 };
    unsigned char *bytes = mem_alloc(LONG, 1), any = 0;
    rand_fill(bytes, LONG);
    for (size_t i = LONG - 512; i < LONG; i++)
        any |= bytes[i];
    assert_int_equal(any, 0xff);
    mem_free(bytes);
}

static void numbers_do_not_repeat(void **state)
{
    (void)state;
    uint64_t seen[64];
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        seen[i] = rand_u64();
        for (size_t other = 0; other < i; other++)
            assert_true(seen[other] != seen[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_asked_bytes_are_filled),
        cmocka_unit_test(long_requests_are_filled_to_their_end),
        cmocka_unit_test(numbers_do_not_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
