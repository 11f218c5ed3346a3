#include "tests/support/cli_fixture.h"
#include "tests/support/unit.h"

#include <stdio.h>

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

static void test_export_and_import(void **state)
{
    (void)state;
    char line[256];
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate none");
    const char *path = cli_fixture_file(&fixture, "export.json", STR(""));
    (void)snprintf(line, sizeof(line), "export %s", path);
    cli_fixture_ok(&fixture, line);
    assert_string_equal(fixture.out, "");
    cli_fixture_ok(&fixture, "route rm r");
    (void)snprintf(line, sizeof(line), "import %s --dry-run", path);
    cli_fixture_ok(&fixture, line);
    assert_true(cli_fixture_said(&fixture, "create"));
    assert_true(cli_fixture_said(&fixture, "nothing was changed"));
    assert_int_equal(cli_fixture_run(&fixture, "route show r"), 1);
    (void)snprintf(line, sizeof(line), "import %s", path);
    cli_fixture_ok(&fixture, line);
    assert_true(cli_fixture_said(&fixture, "1 route"));
    cli_fixture_ok(&fixture, "route show r");
    cli_fixture_ok(&fixture, line);
    assert_true(cli_fixture_said(&fixture, "Nothing changed"));
}

static void test_standard_output_and_input(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "export");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    assert_true(json_is_object(json_object_get(doc, "settings")));
    fixture.input = "{\"settings\":{\"unknown_host\":\"404\"}}";
    cli_fixture_ok(&fixture, "import -");
    assert_true(cli_fixture_said(&fixture, "/unknown_host"));
}

static void test_what_is_wrong_with_a_file(void **state)
{
    (void)state;
    fixture.input = "{\n\"routes\": [,]}";
    assert_int_equal(cli_fixture_run(&fixture, "import -"), 1);
    assert_true(cli_fixture_complained(&fixture, "malformed JSON in line 2"));
    fixture.input = "{\"routes\":[{\"hosts\":[\"a.example\"]}],\"bogus\":1}";
    assert_int_equal(cli_fixture_run(&fixture, "import -"), 1);
    assert_true(cli_fixture_complained(&fixture, "/bogus"));
}

/* GATEHOUSE_IMPORT_DRY_RUN is the twin of --dry-run. */
static void test_dry_run_by_environment(void **state)
{
    (void)state;
    static const char *const variables[] = {"GATEHOUSE_IMPORT_DRY_RUN", "1", NULL};
    fixture.variables = variables;
    fixture.input = "{\"settings\":{\"unknown_host\":\"404\"}}";
    cli_fixture_ok(&fixture, "import -");
    cli_fixture_ok(&fixture, "settings show");
    assert_false(cli_fixture_said(&fixture, "404"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_export_and_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_standard_output_and_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_with_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dry_run_by_environment, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
