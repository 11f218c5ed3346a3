#include "tests/support/asserts.h"

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"
#include "gateway/base/rand.h"

static struct buf b;

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&b);
    return 0;
}

static void bytes_leave_in_the_order_they_came(void **state)
{
    (void)state;
    buf_init(&b, 100);
    assert_ok(buf_append(&b, STR("abc")));
    assert_ok(buf_append(&b, STR("def")));
    buf_consume(&b, 2);
    assert_str(buf_view(&b), "cdef");
    assert_ok(buf_append_fmt(&b, "%d", 42));
    assert_str(buf_view(&b), "cdef42");
    buf_consume(&b, 6);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(buf_room(&b), 100);
}

static const struct {
    const char *name;
    size_t max, have, more;
    const struct err_kind *want;
} ceilings[] = {
    {"exactly full", 10, 4, 6, NULL},
    {"one byte too many", 10, 4, 7, ERR_LIMIT},
    {"a length near the end of address space", 10, 4, SIZE_MAX, ERR_LIMIT},
    {"a ceiling of nothing", 0, 0, 1, ERR_LIMIT},
    {"a ceiling of one", 1, 0, 1, NULL},
    {"nothing fits into a full one", 4, 4, 0, NULL},
};

static void the_ceiling_holds_and_a_refusal_appends_nothing(void **state)
{
    (void)state;
    static const char bytes[16] = "0123456789abcdef";
    for (size_t i = 0; i < ARRAY_LEN(ceilings); i++) {
        buf_init(&b, ceilings[i].max);
        assert_ok(buf_append(&b, str_make(bytes, ceilings[i].have)));
        struct err e = buf_append(&b, str_make(bytes, ceilings[i].more));
        assert_row_err(ceilings[i].name, e, ceilings[i].want);
        size_t want = ceilings[i].have + (failed(e) ? 0 : ceilings[i].more);
        assert_row_u64(ceilings[i].name, buf_len(&b), want);
        buf_fini(&b);
    }
}

static void what_is_consumed_makes_room_again(void **state)
{
    (void)state;
    buf_init(&b, 8);
    assert_ok(buf_append(&b, STR("12345678")));
    assert_int_equal(buf_room(&b), 0);
    buf_consume(&b, 5);
    assert_int_equal(buf_room(&b), 5);
    assert_ok(buf_append(&b, STR("abcde")));
    assert_str(buf_view(&b), "678abcde");
    assert_err(buf_append(&b, STR("f")), ERR_LIMIT);
}

static void formatted_text_needs_a_byte_for_its_terminator(void **state)
{
    (void)state;
    buf_init(&b, 5);
    assert_err(buf_append_fmt(&b, "%s", "12345"), ERR_LIMIT);
    assert_int_equal(buf_len(&b), 0);
    assert_ok(buf_append_fmt(&b, "%s", "1234"));
    assert_str(buf_view(&b), "1234");
}

static void reserved_room_is_not_content_until_committed(void **state)
{
    (void)state;
    char *tail;
    size_t room;
    buf_init(&b, 1000);
    assert_ok(buf_append(&b, STR("head ")));
    assert_ok(buf_reserve(&b, 10, &tail, &room));
    assert_true(room >= 10 && room <= 995);
    memcpy(tail, "tail-------", 10);
    assert_str(buf_view(&b), "head ");
    buf_commit(&b, 4);
    assert_str(buf_view(&b), "head tail");
    assert_err(buf_reserve(&b, 992, &tail, &room), ERR_LIMIT);
    assert_ok(buf_reserve(&b, 991, &tail, &room));
    assert_int_equal(room, 991);
}

static void an_empty_released_buffer_starts_again(void **state)
{
    (void)state;
    buf_init(&b, 1000);
    assert_ok(buf_append(&b, STR("x")));
    buf_release(&b); /* not empty: keeps what it has */
    assert_str(buf_view(&b), "x");
    buf_clear(&b);
    buf_release(&b);
    buf_release(&b);
    assert_int_equal(buf_len(&b), 0);
    assert_ok(buf_append(&b, STR("y")));
    assert_str(buf_view(&b), "y");
}

/* Against a model: a plain array with memmove. */
static void many_small_steps_keep_the_bytes(void **state)
{
    enum { MAX = 5000 };
    static char model[MAX];
    size_t len = 0;
    (void)state;
    buf_init(&b, MAX);
    for (int step = 0; step < 20000; step++) {
        uint64_t dice = rand_u64();
        size_t n = (dice >> 8) % 700;
        if (dice % 2 == 0) {
            char bytes[700];
            memset(bytes, (char)(dice >> 32), sizeof(bytes));
            bool fits = n <= MAX - len;
            assert_int_equal(failed(buf_append(&b, str_make(bytes, n))), !fits);
            if (fits) {
                memcpy(model + len, bytes, n);
                len += n;
            }
        } else {
            n = n < len ? n : len;
            buf_consume(&b, n);
            memmove(model, model + n, len - n);
            len -= n;
        }
        assert_int_equal(buf_len(&b), len);
        assert_int_equal(buf_room(&b), MAX - len);
        assert_true(str_eq(buf_view(&b), str_make(model, len)));
    }
}

static void buffers_of_a_pool_leave_their_storage_to_each_other(void **state)
{
    static const char large[BUF_BLOCK_BYTES + 1];
    struct buf_pool pool = {0};
    struct buf second;
    (void)state;
    buf_init_pooled(&b, 2 * sizeof(large), &pool);
    buf_init_pooled(&second, 2 * sizeof(large), &pool);
    assert_ok(buf_append(&b, STR("first")));
    const char *storage = buf_view(&b).p;
    buf_consume(&b, 5);
    buf_release(&b);
    assert_ok(buf_append(&second, STR("second")));
    assert_ptr_equal(buf_view(&second).p, storage);
    /* One that needs more than a block leaves it, and its own goes back to the heap. */
    assert_ok(buf_append(&second, str_make(large, sizeof(large))));
    assert_int_equal(buf_len(&second), 6 + sizeof(large));
    assert_ok(buf_append(&b, STR("third")));
    assert_ptr_equal(buf_view(&b).p, storage);
    buf_fini(&second);
    buf_fini(&b);
    buf_pool_fini(&pool);
}

static void a_large_block_that_is_kept_is_the_next_ones(void **state)
{
    static const char large[BUF_LARGE_BYTES];
    struct buf_pool pool = {0};
    (void)state;
    buf_init_pooled(&b, 2 * BUF_LARGE_BYTES, &pool);
    assert_ok(buf_append(&b, str_make(large, sizeof(large))));
    const char *storage = buf_view(&b).p;
    buf_clear(&b);
    buf_release(&b);
    assert_int_equal(pool.large.count, 1);
    /* Instead of growing step by step. */
    assert_ok(buf_append(&b, str_make(large, BUF_BLOCK_BYTES + 1)));
    assert_ptr_equal(buf_view(&b).p, storage);
    buf_fini(&b);
    assert_int_equal(pool.large.count, 1);
    buf_pool_fini(&pool);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    static const char bytes[2000];
    for_each_fault(n)
    {
        buf_init(&b, 4000);
        struct err first = buf_append(&b, STR("abc"));
        struct err second = buf_append(&b, str_make(bytes, sizeof(bytes)));
        assert_int_equal(failed(first) || failed(second), mem_fault_fired());
        assert_int_equal(buf_len(&b),
                         (failed(first) ? 0 : 3) + (failed(second) ? 0 : sizeof(bytes)));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bytes_leave_in_the_order_they_came, tear_down),
        cmocka_unit_test_teardown(the_ceiling_holds_and_a_refusal_appends_nothing, tear_down),
        cmocka_unit_test_teardown(what_is_consumed_makes_room_again, tear_down),
        cmocka_unit_test_teardown(formatted_text_needs_a_byte_for_its_terminator, tear_down),
        cmocka_unit_test_teardown(reserved_room_is_not_content_until_committed, tear_down),
        cmocka_unit_test_teardown(an_empty_released_buffer_starts_again, tear_down),
        cmocka_unit_test_teardown(many_small_steps_keep_the_bytes, tear_down),
        cmocka_unit_test(buffers_of_a_pool_leave_their_storage_to_each_other),
        cmocka_unit_test(a_large_block_that_is_kept_is_the_next_ones),
        cmocka_unit_test_teardown(without_memory_nothing_changes, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
