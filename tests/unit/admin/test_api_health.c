#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

static struct api_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    api_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    api_fixture_close(&fixture);
    return 0;
}

static void test_ready_and_not(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 200, "GET", "/readyz", NULL);
    fixture.is_ready = false;
    api_fixture_expect(&fixture, 503, "GET", "/readyz", NULL);
    api_fixture_expect(&fixture, 200, "GET", "/healthz", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready_and_not, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
