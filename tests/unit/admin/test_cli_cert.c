#include "tests/support/cli_fixture.h"
#include "tests/support/pem_pair.h"
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

static void import(const char *names, const char *more, int status)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 1024 * 1024);
    struct pem_pair pair = pem_pair_make(a, names);
    char line[512];
    char chain[128];
    (void)snprintf(chain, sizeof(chain), "%s", cli_fixture_file(&fixture, "c.pem", pair.chain));
    (void)snprintf(line, sizeof(line), "cert import --cert %s --key %s%s", chain,
                   cli_fixture_file(&fixture, "k.pem", pair.key), more);
    assert_int_equal(cli_fixture_run(&fixture, line), status);
}

static void test_import_list_show(void **state)
{
    (void)state;
    import("DNS:a.example,DNS:b.example", "", 0);
    assert_true(cli_fixture_said(&fixture, "is imported: a.example, b.example, expires"));
    assert_true(cli_fixture_said(&fixture, "certificate=a.example"));
    cli_fixture_ok(&fixture, "cert list");
    assert_true(cli_fixture_said(&fixture, "imported"));
    cli_fixture_ok(&fixture, "cert show a.example");
    assert_true(cli_fixture_said(&fixture, "fingerprint"));
    assert_false(cli_fixture_said(&fixture, "PRIVATE"));
}

static void test_import_with_an_id_replaces(void **state)
{
    (void)state;
    import("DNS:a.example", " --id mine", 0);
    import("DNS:a.example", " --id mine", 0);
    cli_fixture_ok(&fixture, "cert list --json");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(doc, "items")), 1);
}

static void test_what_cannot_be_done(void **state)
{
    (void)state;
    import("DNS:a.example", " --id mine", 0);
    assert_int_equal(cli_fixture_run(&fixture, "cert renew mine"), 1);
    assert_true(cli_fixture_complained(&fixture, "was imported"));
    assert_int_equal(cli_fixture_run(&fixture, "cert revoke mine --reason superseded"), 1);
    assert_true(cli_fixture_complained(&fixture, "not available in this version"));
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r --certificate mine");
    assert_int_equal(cli_fixture_run(&fixture, "cert rm mine"), 1);
    assert_true(cli_fixture_complained(&fixture, "\"r\""));
    cli_fixture_ok(&fixture, "route rm r");
    cli_fixture_ok(&fixture, "cert rm mine");
}

static void test_renew_of_a_managed_one(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add a.example 8080 --id r");
    cli_fixture_ok(&fixture, "cert renew a.example");
    assert_true(cli_fixture_said(&fixture, "stand-in serves on"));
    cli_fixture_ok(&fixture, "cert show a.example");
    assert_true(cli_fixture_said(&fixture, "asked for by an administrator"));
    cli_fixture_ok(&fixture, "cert show a.example --json");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    /* orders; Let's Encrypt's: the set and the domain; failures of the name */
    assert_int_equal(json_array_size(json_object_get(doc, "limits")), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_import_list_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_import_with_an_id_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renew_of_a_managed_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
