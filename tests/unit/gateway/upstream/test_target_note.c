#include "gateway/upstream/target_note.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include <errno.h>

enum { NOW_AT = 1795456320 };

static struct fake_clock fake;
static struct target_live live;
static const struct target target = {.live = &live};

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, NOW_AT);
    live = (struct target_live){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    return 0;
}

static void assert_last(const struct err_kind *kind, int32_t detail)
{
    assert_ptr_equal(atomic_load(&live.error), kind);
    assert_int_equal(atomic_load(&live.error_detail), detail);
    assert_int_equal(atomic_load(&live.error_at), NOW_AT);
}

static void assert_counts(uint64_t requests, uint64_t failures, uint64_t probe_failures)
{
    assert_int_equal(atomic_load(&live.requests), requests);
    assert_int_equal(atomic_load(&live.failures), failures);
    assert_int_equal(atomic_load(&live.probe_failures), probe_failures);
}

static void a_failure_is_counted_and_kept(void **state)
{
    (void)state;
    target_note_failure(&target, fail(ERR_TARGET_CONNECT, ECONNREFUSED));
    assert_last(ERR_TARGET_CONNECT, ECONNREFUSED);
    assert_counts(0, 1, 0);
}

static void an_answer_is_counted(void **state)
{
    (void)state;
    target_note_answer(&target, NOW_AT);
    assert_int_equal(atomic_load(&live.ok_at), NOW_AT);
    assert_counts(1, 0, 0);
}

static void probes_are_no_requests(void **state)
{
    (void)state;
    target_note_probe(&target, OK, NOW_AT);
    assert_int_equal(atomic_load(&live.ok_at), NOW_AT);
    assert_counts(0, 0, 0);
    target_note_probe(&target, fail(ERR_TARGET_PROBE, 500), NOW_AT);
    assert_last(ERR_TARGET_PROBE, 500);
    assert_counts(0, 0, 1);
}

#define WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLOCK(a_failure_is_counted_and_kept),
        WITH_CLOCK(an_answer_is_counted),
        WITH_CLOCK(probes_are_no_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
