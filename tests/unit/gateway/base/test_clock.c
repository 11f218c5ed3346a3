#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include "gateway/base/clock.h"

#include <time.h>

static void the_systems_clocks_are_read(void **state)
{
    (void)state;
    uint64_t before_us = clock_mono_us(), before_ms = clock_mono_ms();
    assert_true(clock_mono_us() >= before_us);
    assert_true(before_ms >= before_us / 1000);
    time_t now = time(NULL);
    int64_t at = clock_now_at();
    assert_true(at >= now - 1 && at <= now + 1);
    assert_true(clock_now_ms() / 1000 >= at);
}

static void a_replaced_clock_stands_still_until_moved(void **state)
{
    (void)state;
    struct fake_clock fake;
    fake_clock_use(&fake, 1445412480);
    assert_int_equal(clock_now_at(), 1445412480);
    assert_int_equal(clock_now_ms(), 1445412480000);
    uint64_t start_ms = clock_mono_ms();
    assert_int_equal(clock_mono_us(), start_ms * 1000);
    fake_clock_advance(&fake, 1999);
    assert_int_equal(clock_now_at(), 1445412481);
    assert_int_equal(clock_mono_ms(), start_ms + 1999);
    fake_clock_restore();
    assert_true(clock_now_at() > 1445412480 + 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_systems_clocks_are_read),
        cmocka_unit_test(a_replaced_clock_stands_still_until_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
