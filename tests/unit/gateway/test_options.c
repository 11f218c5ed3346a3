#include "gateway/options.h"
#include "tests/support/asserts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const variables[] = {"GATEHOUSE_DATA",       "GATEHOUSE_HTTP",
                                        "GATEHOUSE_HTTPS",      "GATEHOUSE_ADMIN",
                                        "GATEHOUSE_USER",       "GATEHOUSE_LOG_LEVEL",
                                        "GATEHOUSE_ACCESS_LOG", "GATEHOUSE_ACCESS_LOG_FORMAT",
                                        "GATEHOUSE_WORKERS",    "GATEHOUSE_ADMIN_HOST",
                                        "GATEHOUSE_RESOLVER",   "ACME_CRASH_AT"};

static struct options o;

/* What a wrong flag says belongs to people, not to the output of the test. */
static int stderr_copy;

static int hush(void **state)
{
    (void)state;
    (void)fflush(stderr);
    stderr_copy = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(nowhere, STDERR_FILENO);
    (void)close(nowhere);
    return 0;
}

static int unhush(void **state)
{
    (void)state;
    (void)fflush(stderr);
    (void)dup2(stderr_copy, STDERR_FILENO);
    (void)close(stderr_copy);
    return 0;
}

/* "A=1|B=2" in the environment, "--x|y" as arguments. */
static struct err read_with(const char *environment, const char *arguments)
{
    static char text[8192], *argv[128];
    int argc = 0;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        (void)unsetenv(variables[i]);
    (void)snprintf(text, sizeof(text), "%s", environment);
    for (char *at = text; *at != '\0';) {
        char *end = strchrnul(at, '|'), *equals = strchrnul(at, '=');
        bool is_last = *end == '\0';
        *end = *equals = '\0';
        (void)setenv(at, equals + 1, 1);
        at = is_last ? end : end + 1;
    }
    (void)snprintf(text, sizeof(text), "run%s%s", arguments[0] != '\0' ? "|" : "", arguments);
    for (char *at = text; at != NULL;) {
        char *end = strchr(at, '|');
        if (end != NULL)
            *end++ = '\0';
        argv[argc++] = at;
        at = end;
    }
    argv[argc] = NULL;
    return options_read(argc, argv, &o);
}

/* Everything as one line, to be compared. */
static const char *show(void)
{
    static char text[OPTIONS_PATH_MAX + 3000];
    char lists[2][1024] = {"", ""};
    const struct option_list *both[2] = {&o.http, &o.https};
    for (int k = 0; k < 2; k++) {
        size_t len = 0;
        for (size_t i = 0; i < both[k]->count; i++)
            len += (size_t)snprintf(lists[k] + len, sizeof(lists[k]) - len, "[%s]",
                                    both[k]->items[i]);
    }
    (void)snprintf(text, sizeof(text), "%s http%s https%s admin=%s user=%s level=%d log=%s",
                   o.data, lists[0], lists[1], o.admin, o.user == NULL ? "-" : o.user,
                   (int)o.log_level, o.access_log);
    return text;
}

static const struct {
    const char *name, *environment, *arguments, *want;
} good_rows[] = {
    {"nothing but the data", "GATEHOUSE_DATA=/d", "",
     "/d http https admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"every flag", "",
     "--data|/"
     "d|--http|:80|--https|:443|--admin|off|--user|www|--log-level|debug|--access-log|off",
     "/d http[:80] https[:443] admin=off user=www level=3 log=off"},
    {"every flag with an equals sign", "",
     "--data=/d|--http=:80|--https=:443|--admin=off|--user=www|--log-level=error|--access-log=/"
     "l",
     "/d http[:80] https[:443] admin=off user=www level=0 log=/l"},
    {"every environment twin",
     "GATEHOUSE_DATA=/d|GATEHOUSE_HTTP=:80|GATEHOUSE_HTTPS=:443|GATEHOUSE_ADMIN=off|"
     "GATEHOUSE_USER=www|GATEHOUSE_LOG_LEVEL=warn|GATEHOUSE_ACCESS_LOG=/l",
     "", "/d http[:80] https[:443] admin=off user=www level=1 log=/l"},
    {"a flag beats its twin", "GATEHOUSE_DATA=/e|GATEHOUSE_ADMIN=off|GATEHOUSE_LOG_LEVEL=debug",
     "--data|/d|--admin|:1|--log-level|error", "/d http https admin=:1 user=- level=0 log=-"},
    {"listeners add up", "", "--data=/d|--http|:80|--http|[::1]:81|--https=:443|--https=:444",
     "/d http[:80][[::1]:81] https[:443][:444] admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"a twin lists listeners",
     "GATEHOUSE_DATA=/d|GATEHOUSE_HTTP=:80,:81|GATEHOUSE_HTTPS=:443,:444", "",
     "/d http[:80][:81] https[:443][:444] admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"the first listener flag replaces the twin's list",
     "GATEHOUSE_DATA=/d|GATEHOUSE_HTTP=:80,:81", "--http|:82|--http|:83",
     "/d http[:82][:83] https admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"an empty twin is none", "GATEHOUSE_DATA=/d|GATEHOUSE_HTTP=|GATEHOUSE_LOG_LEVEL=", "",
     "/d http https admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"a value that looks like a flag", "", "--data|--http",
     "--http http https admin=127.0.0.1:8088 user=- level=2 log=-"},
    {"the last of a single flag counts", "", "--data=/c|--data=/d",
     "/d http https admin=127.0.0.1:8088 user=- level=2 log=-"},
};

static void flags_and_their_twins_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_rows); i++) {
        assert_row_err(good_rows[i].name,
                       read_with(good_rows[i].environment, good_rows[i].arguments), NULL);
        assert_row_str(good_rows[i].name, str_from(show()), good_rows[i].want);
    }
}

static const struct {
    const char *name, *environment, *arguments;
} bad_rows[] = {
    {"an unknown flag", "", "--data=/d|--nonsense"},
    {"an unknown flag with a value", "", "--data=/d|--nonsense=1"},
    {"a word", "", "--data=/d|word"},
    {"one dash", "", "-data=/d"},
    {"two dashes", "", "--data=/d|--"},
    {"a flag in another case", "", "--DATA=/d"},
    {"the beginning of a flag", "", "--dat=/d"},
    {"a value is missing at the end", "", "--data"},
    {"empty data", "", "--data="},
    {"no worker", "", "--data=/d|--workers=0"},
    {"too many workers", "", "--data=/d|--workers=65"},
    {"workers that overflow", "", "--data=/d|--workers=4294967297"},
    {"workers that are no number", "", "--data=/d|--workers=two"},
    {"a negative number of workers", "", "--data=/d|--workers=-1"},
    {"an unknown level", "", "--data=/d|--log-level=loud"},
    {"an unknown form of the access log", "", "--data=/d|--access-log-format=clf"},
    {"a resolver without a port", "", "--data=/d|--resolver=127.0.0.1"},
    {"a resolver that is a name", "", "--data=/d|--resolver=dns.example:53"},
    {"a resolver of a list that is none", "", "--data=/d|--resolver=127.0.0.1:53,[::1]"},
    {"a resolver without an end", "", "--data=/d|--resolver=[:53"},
    {"an admin host with a port", "", "--data=/d|--admin-host=gate:8088"},
    {"an admin host that is none", "", "--data=/d|--admin-host=*"},
    {"an empty admin host", "", "--data=/d|--admin-host="},
    {"a bad level in the environment", "GATEHOUSE_LOG_LEVEL=loud", "--data=/d"},
    {"bad workers in the environment", "GATEHOUSE_WORKERS=x", "--data=/d"},
};

static void wrong_usage_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++)
        assert_row_err(bad_rows[i].name,
                       read_with(bad_rows[i].environment, bad_rows[i].arguments), ERR_USAGE);
}

static void long_values_are_refused_not_cut(void **state)
{
    (void)state;
    static char text[OPTIONS_PATH_MAX + 64];
    int len = snprintf(text, sizeof(text), "--data=/");
    memset(text + len, 'd', OPTIONS_PATH_MAX - 2);
    assert_ok(read_with("", text));
    assert_int_equal(strlen(o.data), OPTIONS_PATH_MAX - 1);
    text[len + OPTIONS_PATH_MAX - 2] = 'd';
    assert_err(read_with("", text), ERR_USAGE);

    memset(text, 0, sizeof(text));
    (void)snprintf(text, sizeof(text), "GATEHOUSE_HTTP=:80");
    memset(text + strlen(text), '0', 1030);
    assert_err(read_with(text, "--data=/d"), ERR_USAGE);
}

static void listeners_are_bounded(void **state)
{
    (void)state;
    char text[1024];
    size_t len = (size_t)snprintf(text, sizeof(text), "--data=/d");
    for (int i = 0; i < OPTIONS_LISTEN_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "|--http=:%d", i);
    assert_ok(read_with("", text));
    assert_int_equal(o.http.count, OPTIONS_LISTEN_MAX);
    (void)snprintf(text + len, sizeof(text) - len, "|--http=:99");
    assert_err(read_with("", text), ERR_USAGE);
}

static void names_of_the_admin_api_add_up(void **state)
{
    (void)state;
    assert_ok(read_with("GATEHOUSE_ADMIN_HOST=a,b.example", "--data=/d"));
    assert_int_equal(o.admin_hosts.count, 2);
    assert_string_equal(o.admin_hosts.items[1], "b.example");
    assert_ok(read_with("GATEHOUSE_ADMIN_HOST=a", "--data=/d|--admin-host=c|--admin-host=d_e"));
    assert_int_equal(o.admin_hosts.count, 2);
    assert_string_equal(o.admin_hosts.items[0], "c");
    assert_ok(
        read_with("GATEHOUSE_HTTP=:1|GATEHOUSE_HTTPS=:2|GATEHOUSE_ADMIN_HOST=a", "--data=/d"));
    assert_int_equal(o.http.count + o.https.count + o.admin_hosts.count, 3);
}

static void workers_are_one_per_cpu_or_as_told(void **state)
{
    (void)state;
    assert_ok(read_with("", "--data=/d"));
    assert_true(o.workers >= 1 && o.workers <= OPTIONS_WORKERS_MAX);
    assert_ok(read_with("GATEHOUSE_WORKERS=3", "--data=/d"));
    assert_int_equal(o.workers, 3);
    assert_ok(read_with("GATEHOUSE_WORKERS=3", "--data=/d|--workers|64"));
    assert_int_equal(o.workers, 64);
}

static void the_form_of_the_access_log_is_as_told(void **state)
{
    (void)state;
    static const struct {
        const char *name, *environment, *arguments;
        enum access_format want;
    } rows[] = {
        {"human", "", "--data=/d|--access-log-format=human", ACCESS_HUMAN},
        {"json", "", "--data=/d|--access-log-format|json", ACCESS_JSON},
        {"combined", "", "--data=/d|--access-log-format=combined", ACCESS_COMBINED},
        {"the twin", "GATEHOUSE_ACCESS_LOG_FORMAT=combined", "--data=/d", ACCESS_COMBINED},
        {"a flag beats its twin", "GATEHOUSE_ACCESS_LOG_FORMAT=combined",
         "--data=/d|--access-log-format=json", ACCESS_JSON},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row_err(rows[i].name, read_with(rows[i].environment, rows[i].arguments), NULL);
        assert_row(rows[i].name, o.has_access_format && o.access_format == rows[i].want);
    }
    assert_ok(read_with("", "--data=/d"));
    assert_false(o.has_access_format);
}

static void help_needs_nothing_else(void **state)
{
    (void)state;
    assert_ok(read_with("", "--help"));
    assert_true(o.wants_help);
    static const struct {
        const char *name, *environment, *arguments;
    } rows[] = {
        {"before what is wrong", "", "-h|--nonsense"},
        {"behind what is wrong", "", "--nonsense|--workers|x|--help"},
        {"after a bad variable", "GATEHOUSE_WORKERS=x", "--help"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row_err(rows[i].name, read_with(rows[i].environment, rows[i].arguments), NULL);
        assert_row(rows[i].name, o.wants_help);
    }
    assert_ok(read_with("", "--data=/d"));
    assert_false(o.wants_help);
}

static void the_data_has_a_place_by_default(void **state)
{
    (void)state;
    (void)setenv("XDG_DATA_HOME", "/x", 1);
    (void)setenv("HOME", "/h", 1);
    assert_ok(read_with("", ""));
    bool is_root = geteuid() == 0;
    assert_string_equal(o.data, is_root ? "/var/lib/gatehouse" : "/x/gatehouse");
    (void)setenv("XDG_DATA_HOME", "relative", 1); /* to be ignored, says its specification */
    assert_ok(read_with("", ""));
    assert_string_equal(o.data, is_root ? "/var/lib/gatehouse" : "/h/.local/share/gatehouse");
    (void)unsetenv("XDG_DATA_HOME");
    (void)unsetenv("HOME");
    if (!is_root)
        assert_err(read_with("", ""), ERR_USAGE);
}

static void the_help_names_every_flag_and_twin(void **state)
{
    (void)state;
    static char help[16384];
    FILE *file = tmpfile();
    int copy = dup(STDOUT_FILENO);
    (void)fflush(stdout);
    (void)dup2(fileno(file), STDOUT_FILENO);
    options_print_help();
    (void)fflush(stdout);
    (void)dup2(copy, STDOUT_FILENO);
    (void)close(copy);
    rewind(file);
    size_t len = fread(help, 1, sizeof(help) - 1, file);
    help[len] = '\0';
    (void)fclose(file);
    static const char *const flags[] = {"--data DIR",
                                        "--http ADDR:PORT",
                                        "--https ADDR:PORT",
                                        "--admin ADDR:PORT",
                                        "--workers N",
                                        "--user NAME",
                                        "--log-level L",
                                        "--access-log PATH|-|off",
                                        "--access-log-format F",
                                        "--admin-host NAME",
                                        "--resolver IP:PORT"};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        assert_row(flags[i], strstr(help, flags[i]) != NULL);
    for (size_t i = 0; i + 1 < ARRAY_LEN(variables); i++)
        assert_row(variables[i], strstr(help, variables[i]) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_their_twins_are_read),
        cmocka_unit_test_setup_teardown(wrong_usage_is_refused, hush, unhush),
        cmocka_unit_test_setup_teardown(long_values_are_refused_not_cut, hush, unhush),
        cmocka_unit_test_setup_teardown(listeners_are_bounded, hush, unhush),
        cmocka_unit_test(names_of_the_admin_api_add_up),
        cmocka_unit_test(workers_are_one_per_cpu_or_as_told),
        cmocka_unit_test(the_form_of_the_access_log_is_as_told),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test_setup_teardown(the_data_has_a_place_by_default, hush, unhush),
        cmocka_unit_test(the_help_names_every_flag_and_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
