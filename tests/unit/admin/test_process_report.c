#include "admin/process_report.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static void numbers_are_of_this_process(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct process_report before = process_report_read();
    assert_true(before.resident_bytes > 100000);
    assert_true(before.open_fds >= 3);
    assert_int_equal(before.max_fds, limit.rlim_cur);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct process_report after = process_report_read();
    assert_int_equal(close(fd), 0);
    assert_int_equal(after.open_fds, before.open_fds + 1);
    assert_true(before.cpu_us > 0 && after.cpu_us >= before.cpu_us);
}

static void without_descriptors_the_rest_is_known(void **state)
{
    (void)state;
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct process_report r = process_report_read();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r.resident_bytes, PROCESS_UNKNOWN);
    assert_int_equal(r.open_fds, PROCESS_UNKNOWN);
    assert_int_equal(r.max_fds, 0);
    assert_true(r.cpu_us > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_of_this_process),
        cmocka_unit_test(without_descriptors_the_rest_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
