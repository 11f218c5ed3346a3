#include "admin/cli_args.h"
#include "tests/support/unit.h"

#include <stdio.h>

static const struct cli_flag common[] = {
    {"data", "DIR", ""}, {"json", NULL, ""}, {NULL, NULL, NULL}};
static const struct cli_flag own[] = {{"https", "MODE", ""},
                                      {"pin", "SHA256", ""},
                                      {"strip-prefix", NULL, ""},
                                      {NULL, NULL, NULL}};

static const char *variable(void *arg, const char *name)
{
    const char *const *pairs = arg;
    for (; pairs != NULL && pairs[0] != NULL; pairs += 2) {
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    }
    return NULL;
}

/* env: name, value, ..., NULL. */
static struct err parse(struct arena *a, const char *const *env, struct cli_args *args,
                        char *const *argv, struct str *words)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    *args = (struct cli_args){.arena = a,
                              .variables = {variable, (void *)(uintptr_t)env},
                              .group = "route",
                              .common = common,
                              .own = own};
    return cli_args_parse(args, argc, argv, words);
}

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})
#define W(s)      ((char[]){s})

static void test_flags_and_arguments_in_any_order(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct cli_args args;
    struct str words;
    assert_false(failed(parse(a, NULL, &args,
                              ARGV(W("host"), W("--https"), W("only"), W("target"),
                                   W("--data=/x"), W("--json"), W("--"), W("--odd")),
                              &words)));
    assert_int_equal(args.argument_count, 3);
    assert_true(str_eq(args.arguments[1], STR("target")));
    assert_true(str_eq(args.arguments[2], STR("--odd")));
    assert_true(str_eq(cli_args_value(&args, "https"), STR("only")));
    assert_true(str_eq(cli_args_value(&args, "data"), STR("/x")));
    assert_true(cli_args_is_on(&args, "json"));
    assert_false(cli_args_is_on(&args, "strip-prefix"));
    assert_null(cli_args_value(&args, "pin").p);
}

static void test_repeated_flags(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct cli_args args;
    struct str words;
    assert_false(failed(parse(a, NULL, &args, ARGV(W("--pin"), W("a"), W("--pin=b")), &words)));
    assert_true(str_eq(cli_args_nth(&args, "pin", 0), STR("a")));
    assert_true(str_eq(cli_args_nth(&args, "pin", 1), STR("b")));
    assert_null(cli_args_nth(&args, "pin", 2).p);
    assert_true(str_eq(cli_args_value(&args, "pin"), STR("b")));
}

/* Flags of all commands have the plain twin, those of a command carry its group's name. */
static void test_environment_twins(void **state)
{
    (void)state;
    static const char *const env[] = {"GATEHOUSE_DATA",
                                      "/env",
                                      "GATEHOUSE_ROUTE_STRIP_PREFIX",
                                      "true",
                                      "GATEHOUSE_HTTPS",
                                      ":8443",
                                      "GATEHOUSE_ROUTE_PIN",
                                      "p",
                                      "GATEHOUSE_JSON",
                                      "",
                                      NULL};
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct cli_args args;
    struct str words;
    assert_false(failed(parse(a, env, &args, ARGV(W("x")), &words)));
    assert_true(str_eq(cli_args_value(&args, "data"), STR("/env")));
    assert_false(cli_args_is_given(&args, "data"));
    assert_true(cli_args_is_on(&args, "strip-prefix"));
    assert_null(cli_args_value(&args, "https").p);
    assert_true(str_eq(cli_args_nth(&args, "pin", 0), STR("p")));
    assert_null(cli_args_nth(&args, "pin", 1).p);
    assert_false(cli_args_is_on(&args, "json"));
    assert_false(failed(parse(a, env, &args, ARGV(W("--data"), W("/flag")), &words)));
    assert_true(str_eq(cli_args_value(&args, "data"), STR("/flag")));
}

static const struct {
    const char *word, *words;
} wrong[] = {
    {"--htps", "unknown flag --htps"},
    {"--htps=x", "unknown flag --htps"},
    {"-x", "unknown flag -x"},
    {"--https", "--https needs a value: --https MODE"},
};

static void test_wrong_usage(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        struct cli_args args;
        struct str words = STR_NONE;
        char word[32];
        (void)snprintf(word, sizeof(word), "%s", wrong[i].word);
        assert_true(err_is(parse(a, NULL, &args, ARGV(word), &words), ERR_USAGE));
        assert_true(str_eq(words, str_from(wrong[i].words)));
    }
}

static void test_help_and_dash(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    struct cli_args args;
    struct str words;
    assert_false(failed(parse(a, NULL, &args, ARGV(W("-"), W("-h")), &words)));
    assert_true(args.wants_help);
    assert_int_equal(args.argument_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_and_arguments_in_any_order),
        cmocka_unit_test(test_repeated_flags),
        cmocka_unit_test(test_environment_twins),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_help_and_dash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
