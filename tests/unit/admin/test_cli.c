/* What every command has in common: help, usage, exit status, where the API is. */
#include "admin/cli.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

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

static const char *const helps[] = {
    "--help",
    "-h",
    "help",
    "route --help",
    "route add --help",
    "cert import -h",
    "acme --help",
    "status --help",
    "export --help",
    "import --help",
    "token help",
    "stream add --help",
    "version --help",
    "settings set --help",
};

static void test_help_at_every_level(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(helps); i++) {
        cli_fixture_ok(&fixture, helps[i]);
        assert_true(cli_fixture_said(&fixture, "Usage:"));
        assert_string_equal(fixture.err, "");
    }
}

static void test_help_shows_flags_and_their_variables(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "route add --help");
    assert_true(cli_fixture_said(&fixture, "--max-body SIZE"));
    assert_true(cli_fixture_said(&fixture, "GATEHOUSE_ROUTE_MAX_BODY"));
    assert_true(cli_fixture_said(&fixture, "GATEHOUSE_DATA"));
    assert_true(cli_fixture_said(&fixture, "Examples:"));
}

/* A terminal of 80 columns shows every help text as it was meant. */
static void test_help_fits_the_terminal(void **state)
{
    (void)state;
    for (size_t i = 3; i < ARRAY_LEN(helps); i++) {
        cli_fixture_ok(&fixture, helps[i]);
        struct str rest = str_from(fixture.out);
        struct str line;
        while (str_split(rest, '\n', &line, &rest)) {
            if (line.len > 92)
                fail_msg("%s: %.*s", helps[i], STR_ARG(line));
        }
    }
}

static const struct {
    const char *line;
    int status;
    const char *words; /* on standard error */
} cases[] = {
    {"", 2, "Usage:"},
    {"bogus", 2, "unknown command \"bogus\""},
    {"route", 2, "Usage:"},
    {"route bogus", 2, "no command \"bogus\""},
    {"route show", 2, "what is needed: ID"},
    {"route show a b", 2, "unexpected argument: b"},
    {"route add a.example", 2, "a TARGET is missing"},
    {"route add a.example ::1", 2, "needs brackets"},
    {"route set r x", 2, "NAME=VALUE"},
    {"status --bogus", 2, "unknown flag --bogus"},
    {"status --data", 2, "--data needs a value"},
    {"token create", 2, "--name NAME"},
    {"token create --name x --expires soon", 2, "90d"},
    {"cert import", 2, "--cert FILE --key FILE"},
    {"cert revoke c", 2, "--reason REASON"},
    {"route show nope", 1, "there is no route \"nope\""},
    {"cert show nope", 1, "there is no certificate"},
    {"acme account", 1, "no account"},
    {"import /nonexistent", 1, "No such file"},
    {"stream add :53 tcp://a:1", 1, "not available in this version"},
    {"cert revoke nope --reason superseded", 1, "there is no certificate"},
};

static void test_exit_statuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = cli_fixture_run(&fixture, cases[i].line);
        if (status != cases[i].status || !cli_fixture_complained(&fixture, cases[i].words))
            fail_msg("%s: %d %s", cases[i].line, status, fixture.err);
    }
}

static void test_settings_and_acme(void **state)
{
    (void)state;
    cli_fixture_ok(&fixture, "settings set unknown_host=404");
    cli_fixture_ok(&fixture, "version");
    assert_true(cli_fixture_said(&fixture, GW_VERSION));
    cli_fixture_ok(&fixture, "stream list");
    cli_fixture_ok(&fixture, "acme set contact=mailto:a@example.org");
    assert_true(cli_fixture_said(&fixture, "revision 2"));
    cli_fixture_ok(&fixture, "acme show");
    assert_true(cli_fixture_said(&fixture, "mailto:a@example.org"));
    cli_fixture_ok(&fixture, "acme show --json");
    AUTO(json_decref) json_t *doc = json_loads(fixture.out, 0, NULL);
    assert_true(json_is_array(json_object_get(doc, "contact")));
}

/* Which socket or URL a command asks. */
struct asked {
    char data_dir[64];
    char url[64];
    char token[64];
};

static struct err note_server(void *arg, struct arena *a, const struct cli_server *server,
                              const struct cli_request *request, struct cli_answer *answer)
{
    struct asked *asked = arg;
    (void)a;
    (void)request;
    (void)snprintf(asked->data_dir, sizeof(asked->data_dir), "%.*s", STR_ARG(server->data_dir));
    (void)snprintf(asked->url, sizeof(asked->url), "%.*s", STR_ARG(server->url));
    (void)snprintf(asked->token, sizeof(asked->token), "%.*s", STR_ARG(server->token));
    answer->words = STR("nobody there");
    return fail(ERR_IO, 0);
}

static const char *find_variable(void *arg, const char *name)
{
    for (const char *const *at = arg; at[0] != NULL; at += 2) {
        if (strcmp(at[0], name) == 0)
            return at[1];
    }
    return NULL;
}

/* clang-format off */
static const struct {
    const char *name;
    const char *variables[7];
    bool is_root;
    const char *flag, *value;
    const char *data_dir, *url;
} servers[] = {
    {"root", {NULL}, true, NULL, NULL, "/var/lib/gatehouse", ""},
    {"home", {"HOME", "/h", NULL}, false, NULL, NULL, "/h/.local/share/gatehouse", ""},
    {"XDG", {"HOME", "/h", "XDG_DATA_HOME", "/x", NULL}, false, NULL, NULL, "/x/gatehouse",
     ""},
    {"variable", {"GATEHOUSE_DATA", "/d", NULL}, true, NULL, NULL, "/d", ""},
    {"flag before variable", {"GATEHOUSE_DATA", "/d", NULL}, true, "--data", "/f", "/f", ""},
    {"server", {"GATEHOUSE_SERVER", "http://s", NULL}, true, NULL, NULL, "/var/lib/gatehouse",
     "http://s"},
    {"a data flag before the server variable", {"GATEHOUSE_SERVER", "http://s", NULL}, true,
     "--data", "/f", "/f", ""},
    {"server flag", {"GATEHOUSE_DATA", "/d", NULL}, true, "--server", "http://f", "/d",
     "http://f"},
};
/* clang-format on */

static void test_where_the_api_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct asked asked = {.url = ""};
        char words[4][32] = {"gatehouse", "status", "", ""};
        char *argv[] = {words[0], words[1], words[2], words[3], NULL};
        char *text = NULL;
        size_t len;
        FILE *sink = open_memstream(&text, &len);
        struct cli_env env = {.variable = find_variable,
                              .arg = (void *)(uintptr_t)servers[i].variables,
                              .out = sink,
                              .err = sink,
                              .is_root = servers[i].is_root,
                              .transport = note_server,
                              .transport_arg = &asked};
        if (servers[i].flag != NULL) {
            (void)snprintf(words[2], sizeof(words[2]), "%s", servers[i].flag);
            (void)snprintf(words[3], sizeof(words[3]), "%s", servers[i].value);
        }
        assert_int_equal(cli_main(&env, servers[i].flag == NULL ? 2 : 4, argv), 1);
        (void)fclose(sink);
        if (strcmp(asked.data_dir, servers[i].data_dir) != 0 ||
            strcmp(asked.url, servers[i].url) != 0)
            fail_msg("%s: %s %s", servers[i].name, asked.data_dir, asked.url);
        assert_non_null(strstr(text, "nobody there"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_help_at_every_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_help_shows_flags_and_their_variables, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_help_fits_the_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit_statuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_and_acme, set_up, tear_down),
        cmocka_unit_test(test_where_the_api_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
