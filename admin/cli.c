/* cli.c - from argv to a command: cli_main -> find_command -> parse -> find_server -> fn. */
#include "admin/cli.h"

#include "admin/cli_command.h"

#include "gateway/base/limits.h"

#include <errno.h>

static const struct cli_flag common_flags[] = {
    {"data", "DIR", "data directory whose admin.sock is asked"},
    {"server", "URL", "ask http://ADDR:PORT instead of the socket"},
    {"token", "TOKEN", "API token for --server"},
    {"json", NULL, "print the API's JSON instead of tables"},
    {NULL, NULL, NULL},
};

struct group {
    const char *name; /* NULL: its commands stand at the top */
    const char *summary;
    const struct cli_command *commands;
};

static const struct group groups[] = {
    {"route", "which requests go where", cli_route_commands},
    {"stream", "TCP and UDP ports (not available yet)", cli_stream_commands},
    {"cert", "certificates: issued, imported, renewed", cli_cert_commands},
    {"acme", "where certificates come from", cli_acme_commands},
    {"alarm", "what is wrong, and who is told", cli_alarm_commands},
    {"settings", "settings of the whole gateway", cli_settings_commands},
    {"token", "tokens for the API over the network", cli_token_commands},
    {NULL, NULL, cli_status_commands},
    {NULL, NULL, cli_config_commands},
};

static const char run_synopsis[] =
    "  gatehouse run [--data DIR] [--http ADDR:PORT]... [--https ADDR:PORT]... "
    "[--admin ADDR:PORT]\n"
    "                [--admin-host NAME]... [--workers N] [--user NAME] [--log-level L]\n"
    "                [--access-log PATH|-|off]\n"
    "                [--access-log-format human|json|combined] [--resolver IP:PORT]\n";

static void print_synopsis(FILE *out, const char *group, const struct cli_command *c)
{
    /* Where the arguments do not name the flags themselves. */
    bool has_more = c->flags != NULL && strstr(c->arguments, "--") == NULL;
    (void)fprintf(out, "  gatehouse %s%s%s%s%s%s\n", group == NULL ? "" : group,
                  group == NULL ? "" : " ", c->name, c->arguments[0] == '\0' ? "" : " ",
                  c->arguments, has_more ? " [flags]" : "");
}

/* Columns that help texts keep to. */
enum { HELP_WIDTH = 80, HELP_FLAG_WIDTH = 33 };

static void print_flags(FILE *out, const char *title, const struct cli_flag *flags)
{
    if (flags == NULL)
        return;
    (void)fprintf(out, "\n%s\n", title);
    for (; flags->name != NULL; flags++) {
        char left[64];
        (void)snprintf(left, sizeof(left), "--%s%s%s", flags->name,
                       flags->operand == NULL ? "" : " ",
                       flags->operand == NULL ? "" : flags->operand);
        (void)fprintf(out, "  %-*s %s\n", HELP_FLAG_WIDTH - 2, left, flags->help);
    }
}

/* The environment twins of a table's flags, as one paragraph. */
static void print_twins(FILE *out, const struct cli_args *args, const struct cli_flag *flags)
{
    size_t used = HELP_WIDTH;
    for (; flags != NULL && flags->name != NULL; flags++) {
        struct str twin = cli_args_twin(args, flags);
        bool is_new_line = used + 1 + twin.len > HELP_WIDTH;
        (void)fprintf(out, "%s%.*s", is_new_line ? "\n  " : " ", STR_ARG(twin));
        used = is_new_line ? 2 + twin.len : used + 1 + twin.len;
    }
}

void cli_usage(FILE *out)
{
    (void)fputs("Gatehouse, an edge gateway with automatic certificates.\n\nUsage:\n", out);
    (void)fputs(run_synopsis, out);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        for (const struct cli_command *c = groups[i].commands; c->name != NULL; c++)
            print_synopsis(out, groups[i].name, c);
    }
    (void)fputs(
        "\nEvery command explains itself with --help. First steps:\n"
        "  gatehouse run                             start it (in another terminal)\n"
        "  gatehouse route add www.example.org 3000  serve a site from port 3000\n"
        "  gatehouse status                          what is running, what is not\n"
        "\nAll commands but run take --data DIR (GATEHOUSE_DATA) to find the socket of a "
        "running\n"
        "gatehouse, or --server URL --token TOKEN (GATEHOUSE_SERVER, GATEHOUSE_TOKEN), and\n"
        "--json (GATEHOUSE_JSON).\n"
        "Exit status: 0 success, 1 the operation failed or was refused, 2 wrong usage.\n",
        out);
}

static void print_group_help(FILE *out, const struct group *g)
{
    (void)fprintf(out, "gatehouse %s: %s\n\nUsage:\n", g->name, g->summary);
    for (const struct cli_command *c = g->commands; c->name != NULL; c++) {
        print_synopsis(out, g->name, c);
        (void)fprintf(out, "      %s\n", c->summary);
    }
    (void)fprintf(out, "\nMore, with examples: gatehouse %s COMMAND --help\n", g->name);
}

static void print_command_help(FILE *out, const struct group *g, const struct cli_args *args,
                               const struct cli_command *c)
{
    (void)fprintf(out, "%s\n\nUsage:\n", c->summary);
    print_synopsis(out, g->name, c);
    print_flags(out, "Flags:", c->flags);
    print_flags(out, "Flags of all commands:", common_flags);
    (void)fputs("\nThe same in the environment, one variable for each flag:", out);
    print_twins(out, args, c->flags);
    print_twins(out, args, common_flags);
    (void)fputc('\n', out);
    if (c->more != NULL)
        (void)fprintf(out, "\n%s", c->more);
}

static const struct cli_command *find_command(const struct cli_command *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

/* What the words of the command line name. */
struct chosen {
    const struct group *group;
    const struct cli_command *command; /* NULL: the group alone */
    int words;                         /* how many words that took */
};

static bool choose(int argc, char *const *argv, struct chosen *ret_chosen)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        const struct group *g = &groups[i];
        const struct cli_command *c;
        if (g->name == NULL && (c = find_command(g->commands, argv[0])) != NULL) {
            *ret_chosen = (struct chosen){.group = g, .command = c, .words = 1};
            return true;
        }
        if (g->name != NULL && strcmp(g->name, argv[0]) == 0) {
            c = argc > 1 ? find_command(g->commands, argv[1]) : NULL;
            *ret_chosen = (struct chosen){.group = g, .command = c, .words = c == NULL ? 1 : 2};
            return true;
        }
    }
    return false;
}

/* As the contract says where data lies if nobody says where. */
static struct str default_data(const struct cli *cli)
{
    const struct cli_env *env = cli->env;
    const char *xdg = env->variable(env->arg, "XDG_DATA_HOME");
    const char *home = env->variable(env->arg, "HOME");
    if (env->is_root)
        return STR("/var/lib/gatehouse");
    if (xdg != NULL && xdg[0] != '\0')
        return arena_fmt(cli->arena, "%s/gatehouse", xdg);
    return arena_fmt(cli->arena, "%s/.local/share/gatehouse", home == NULL ? "" : home);
}

/* A flag beats the environment; within one of them --server beats --data. */
static void find_server(struct cli *cli)
{
    bool is_data_given = cli_args_is_given(&cli->args, "data");
    bool is_server_given = cli_args_is_given(&cli->args, "server");
    cli->server.data_dir = cli_args_value(&cli->args, "data");
    cli->server.token = cli_args_value(&cli->args, "token");
    if (!is_data_given || is_server_given)
        cli->server.url = cli_args_value(&cli->args, "server");
    if (str_is_empty(cli->server.data_dir))
        cli->server.data_dir = default_data(cli);
    cli->here = STR("");
    if (is_server_given)
        cli->here = arena_fmt(cli->arena, " --server %.*s", STR_ARG(cli->server.url));
    else if (is_data_given)
        cli->here = arena_fmt(cli->arena, " --data %.*s", STR_ARG(cli->server.data_dir));
}

static enum cli_exit usage_error(struct cli *cli, const struct chosen *chosen, struct str words)
{
    FILE *err = cli->env->err;
    const char *group = chosen->group->name;
    (void)cli_complain(cli, CLI_USAGE, "%.*s", STR_ARG(words));
    (void)fputs("Usage:\n", err);
    print_synopsis(err, group, chosen->command);
    (void)fprintf(err, "  gatehouse %s%s%s --help\n", group == NULL ? "" : group,
                  group == NULL ? "" : " ", chosen->command->name);
    return CLI_USAGE;
}

static enum cli_exit check_arguments(struct cli *cli, const struct chosen *chosen)
{
    const struct cli_command *c = chosen->command;
    int count = (int)cli->args.argument_count;
    if (count < c->least)
        return usage_error(cli, chosen,
                           arena_fmt(cli->arena, "what is needed: %s", c->arguments));
    if (c->most >= 0 && count > c->most)
        return usage_error(cli, chosen,
                           arena_fmt(cli->arena, "unexpected argument: %.*s",
                                     STR_ARG(cli->args.arguments[c->most])));
    return CLI_OK;
}

static enum cli_exit run_command(struct cli *cli, const struct chosen *chosen, int argc,
                                 char *const *argv)
{
    struct str words = STR_NONE;
    cli->command = chosen->command;
    cli->args = (struct cli_args){
        .arena = cli->arena,
        .variables = {.variable = cli->env->variable, .arg = cli->env->arg},
        .group = chosen->group->name != NULL ? chosen->group->name : chosen->command->name,
        .common = common_flags,
        .own = chosen->command->flags,
    };
    struct err e = cli_args_parse(&cli->args, argc, argv, &words);
    if (err_is(e, ERR_USAGE))
        return usage_error(cli, chosen, words);
    if (failed(e))
        return cli_complain(cli, CLI_FAILED, "%s", e.kind->text);
    if (cli->args.wants_help) {
        print_command_help(cli->env->out, chosen->group, &cli->args, chosen->command);
        return CLI_OK;
    }
    enum cli_exit status = check_arguments(cli, chosen);
    if (status != CLI_OK)
        return status;
    find_server(cli);
    cli->is_json = cli_args_is_on(&cli->args, "json");
    return chosen->command->fn(cli);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0;
}

/* A group without a command: help if asked for, else what there is. */
static enum cli_exit answer_group(struct cli *cli, const struct group *g, int argc,
                                  char *const *argv)
{
    if (argc > 1 && is_help(argv[1])) {
        print_group_help(cli->env->out, g);
        return CLI_OK;
    }
    if (argc > 1)
        (void)cli_complain(cli, CLI_USAGE, "%s has no command \"%s\"", g->name, argv[1]);
    print_group_help(cli->env->err, g);
    return CLI_USAGE;
}

static enum cli_exit dispatch(struct cli *cli, int argc, char *const *argv)
{
    struct chosen chosen;
    if (argc == 0) {
        cli_usage(cli->env->err);
        return CLI_USAGE;
    }
    if (is_help(argv[0])) {
        cli_usage(cli->env->out);
        return CLI_OK;
    }
    char version[] = "version";
    char *const words[] = {version};
    if (!choose(argc, is_version(argv[0]) ? words : argv, &chosen))
        return cli_complain(cli, CLI_USAGE, "unknown command \"%s\"; see gatehouse --help",
                            argv[0]);
    if (chosen.command == NULL)
        return answer_group(cli, chosen.group, argc, argv);
    return run_command(cli, &chosen, argc - chosen.words, argv + chosen.words);
}

int cli_main(const struct cli_env *env, int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new(64 * KIB, CLI_ARENA_MAX_BYTES);
    struct cli cli = {.env = env, .arena = a};
    if (a == NULL) {
        (void)fputs("gatehouse: out of memory\n", env->err);
        return CLI_FAILED;
    }
    enum cli_exit status = dispatch(&cli, argc - 1, argv + 1);
    /* A reader that has seen enough (head, less) is no reason for words. */
    if (fflush(env->out) != 0 && errno != EPIPE)
        (void)cli_complain(&cli, CLI_FAILED, "cannot write the output: %s",
                           strerrordesc_np(errno));
    return ferror(env->out) && status == CLI_OK ? CLI_FAILED : status;
}
