#include "tests/support/cli_fixture.h"
#include "tests/support/unit.h"

static struct cli_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    cli_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cli_fixture_close(&fixture);
    return 0;
}

/* The token is all there is on standard output, so that T=$(gatehouse token create ...)
 * works. */
static void test_the_token_is_printed_once(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "token create --name ci --scope write --expires 90d");
    struct str token;
    struct str rest;
    assert_true(str_split(str_from(fixture.out), '\n', &token, &rest));
    assert_true(str_is_empty(rest));
    assert_true(str_starts(token, STR("gh_")));
    cli_fixture_ok(&fixture, "token list");
    assert_false(cli_fixture_said(&fixture, "gh_"));
    assert_true(cli_fixture_said(&fixture, "read, write"));
    assert_true(cli_fixture_said(&fixture, "in "));
}

static const struct {
    const char *line;
    int status;
} cases[] = {
    {"token create --name a", 0},
    {"token create --name b --expires 2099-01-31", 0},
    {"token create --name c --expires 2099-01-31T12:00:00-01:00", 0},
    {"token create --name d --scope read --scope admin", 0},
    {"token create --name e --expires 2001-01-31", 1},
    {"token create --name f --scope root", 1},
    {"token create --name g --expires 99", 2},
    {"token create --name h --expires 2099-13-31", 2},
    {"token rm nope", 1},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cli_fixture_run(&fixture, cases[i].line) != cases[i].status)
            fail_msg("%s: %s", cases[i].line, fixture.err);
    }
}

static void test_a_terminal_gets_an_explanation(void **state)
{
    (void)state;
    fixture.is_terminal = true;
    cli_fixture_ok(&fixture, "token create --name ci");
    assert_true(cli_fixture_said(&fixture, "only time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_token_is_printed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_terminal_gets_an_explanation, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
