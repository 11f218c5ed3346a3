#include "gateway/http/h1_input.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

/* Units are lines; "!" makes the codec fail, "#" makes it stop taking. */
struct lines {
    size_t taken;
    size_t longest;
    bool is_closed;
};

static bool is_taking(const void *codec)
{
    return !((const struct lines *)codec)->is_closed;
}

static struct err take(void *codec, struct str bytes, size_t *ret_used)
{
    struct lines *l = codec;
    size_t len = str_index(bytes, '\n');
    *ret_used = 0;
    if (str_index(bytes, '!') < len)
        return fail(ERR_SYNTAX, 0);
    if (len == bytes.len)
        return OK;
    l->is_closed = bytes.p[0] == '#';
    l->taken++;
    if (len > l->longest)
        l->longest = len;
    *ret_used = len + 1;
    return OK;
}

static const struct h1_taker taker = {.is_taking = is_taking, .take = take};

static struct err feed(struct h1_input *in, struct lines *l, const char *text, size_t *ret_used)
{
    return h1_input_feed(in, &taker, l, str_from(text), ret_used);
}

static void units_are_put_together(void **state)
{
    struct h1_input in;
    struct lines l = {0};
    size_t used;
    (void)state;
    h1_input_init(&in, 100);
    assert_false(failed(feed(&in, &l, "a\nbc", &used)));
    assert_int_equal(used, 4);
    assert_int_equal(l.taken, 1);
    assert_true(h1_input_is_partial(&in));
    assert_false(failed(feed(&in, &l, "d", &used)));
    assert_false(failed(feed(&in, &l, "e\nf\n", &used)));
    assert_int_equal(used, 4);
    assert_int_equal(l.taken, 3);
    assert_int_equal(l.longest, 4);
    assert_false(h1_input_is_partial(&in));
    h1_input_fini(&in);
}

static void nothing_is_kept_between_units(void **state)
{
    struct h1_input in;
    struct lines l = {0};
    size_t used;
    (void)state;
    h1_input_init(&in, 100);
    assert_false(failed(feed(&in, &l, "ab", &used)));
    assert_false(failed(feed(&in, &l, "c\n", &used)));
    mem_fault_arm(1); /* the next piece needs new memory: none was kept */
    assert_true(err_is(feed(&in, &l, "d", &used), ERR_MEMORY));
    mem_fault_arm(0);
    h1_input_fini(&in);
}

static void what_is_not_wanted_is_left(void **state)
{
    struct h1_input in;
    struct lines l = {0};
    size_t used;
    (void)state;
    h1_input_init(&in, 100);
    assert_false(failed(feed(&in, &l, "#", &used)));
    assert_false(failed(feed(&in, &l, "a\nb\nc", &used)));
    assert_int_equal(used, 2);
    assert_false(failed(feed(&in, &l, "b\nc", &used)));
    assert_int_equal(used, 0);
    h1_input_fini(&in);
}

static void a_failure_drops_what_was_kept(void **state)
{
    struct h1_input in;
    struct lines l = {0};
    size_t used;
    (void)state;
    h1_input_init(&in, 100);
    assert_false(failed(feed(&in, &l, "ab", &used)));
    assert_true(err_is(feed(&in, &l, "c!", &used), ERR_SYNTAX));
    assert_false(h1_input_is_partial(&in));
    h1_input_fini(&in);
}

static void memory_may_be_short(void **state)
{
    struct h1_input in;
    struct lines l = {0};
    size_t used;
    (void)state;
    h1_input_init(&in, 100);
    mem_fault_arm(1);
    assert_true(err_is(feed(&in, &l, "ab", &used), ERR_MEMORY));
    mem_fault_arm(0);
    h1_input_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_put_together),
        cmocka_unit_test(nothing_is_kept_between_units),
        cmocka_unit_test(what_is_not_wanted_is_left),
        cmocka_unit_test(a_failure_drops_what_was_kept),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
