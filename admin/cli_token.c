/* cli_token.c - gatehouse token list | create | rm */
#include "admin/cli_object.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/units.h"

static enum cli_exit list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"ID", CLI_KEEP},      {"NAME", CLI_SHRINK},  {"SCOPES", CLI_KEEP},
        {"EXPIRES", CLI_KEEP}, {"CREATED", CLI_KEEP}, {NULL, CLI_KEEP},
    };
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/tokens"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    const json_t *items = json_object_get(doc, "items");
    struct cli_table *t = cli_table_new(cli->arena, columns);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *token = json_array_get(items, i);
        struct str expires = cli_text(cli, token, "expires_at");
        if (!str_is_empty(expires))
            expires = cli_when(cli, expires);
        else
            expires = STR("never");
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, token, "id"), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, token, "name"), CLI_PLAIN);
        cli_table_cell(t, cli_join(cli, json_object_get(token, "scopes")), CLI_PLAIN);
        cli_table_cell(t, expires, CLI_PLAIN);
        cli_table_cell(t, cli_when(cli, cli_text(cli, token, "created_at")), CLI_PLAIN);
    }
    if (json_array_size(items) == 0)
        cli_say(cli, "No tokens. Make one: gatehouse token create --name NAME%s\n",
                cli->here.p);
    else
        cli_print_table(cli, t);
    return CLI_OK;
}

static const struct cli_flag create_flags[] = {
    {"name", "NAME", "what the token is for (required)"},
    {"scope", "read|write|admin", "what it may do, repeatable (default: read)"},
    {"expires", "WHEN", "90d, 12h, 2030-01-31 or RFC 3339 (default: never)"},
    {NULL, NULL, NULL},
};

/* "90d" from now, a date, or a time; as RFC 3339 in the arena. */
static struct err read_expires(struct cli *cli, struct str text, struct str *ret_time)
{
    uint64_t ms;
    int64_t at;
    char time[UNITS_TIME_MAX];
    if (!failed(units_parse_duration(text, &ms))) {
        units_format_time(clock_now_at() + (int64_t)(ms / 1000), time);
        *ret_time = arena_dup(cli->arena, str_from(time));
        return OK;
    }
    *ret_time = text.len == 10 ? arena_fmt(cli->arena, "%.*sT00:00:00Z", STR_ARG(text)) : text;
    return units_parse_time(*ret_time, &at);
}

static enum cli_exit make_request(struct cli *cli, json_t *request)
{
    struct str name = cli_args_value(&cli->args, "name");
    struct str expires = cli_args_value(&cli->args, "expires");
    AUTO(json_decref) json_t *scopes = json_array();
    struct str scope;
    int bad = 0;
    if (str_is_empty(name))
        return cli_complain(cli, CLI_USAGE, "say what the token is for: --name NAME");
    for (size_t i = 0; (scope = cli_args_nth(&cli->args, "scope", i)).p != NULL; i++)
        bad |= json_array_append_new(scopes, json_from_str(scope));
    if (expires.p != NULL && failed(read_expires(cli, expires, &expires)))
        return cli_complain(
            cli, CLI_USAGE,
            "--expires %.*s: write 90d, 12h, 2030-01-31 or a time as in RFC 3339",
            STR_ARG(expires));
    bad |= json_object_set_new(request, "name", json_from_str(name));
    if (json_array_size(scopes) > 0)
        bad |= json_object_set(request, "scopes", scopes);
    if (expires.p != NULL)
        bad |= json_object_set_new(request, "expires_at", json_from_str(expires));
    return bad != 0 ? cli_complain(cli, CLI_FAILED, "out of memory, or not UTF-8") : CLI_OK;
}

static enum cli_exit create(struct cli *cli)
{
    AUTO(json_decref) json_t *request = json_object();
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = make_request(cli, request);
    if (status == CLI_OK)
        status = cli_call(cli, "POST", STR("/v1/tokens"), request, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    struct str token = cli_text(cli, doc, "token");
    /* The token alone on standard output, so that a script can take it. */
    cli_say(cli, "%.*s\n", STR_ARG(token));
    if (cli->env->is_terminal)
        cli_say(cli,
                "This is the only time it is shown. Use it so:\n"
                "  gatehouse status --server http://127.0.0.1:8088 --token %.*s\n"
                "  curl -H \"Authorization: Bearer %.*s\" http://127.0.0.1:8088/v1/status\n",
                STR_ARG(token), STR_ARG(token));
    return CLI_OK;
}

static enum cli_exit rm(struct cli *cli)
{
    return cli_object_remove(cli, "tokens", "Token");
}

/* clang-format off */
const struct cli_command cli_token_commands[] = {
    {.name = "list", .arguments = "", .summary = "List all API tokens.", .fn = list},
    {.name = "create", .arguments = "--name N [--scope S]... [--expires D]",
     .flags = create_flags, .summary = "Make an API token and print it, once.",
     .more =
        "Examples:\n"
        "  gatehouse token create --name prometheus\n"
        "  gatehouse token create --name ci --scope write --expires 90d\n",
     .fn = create},
    {.name = "rm", .arguments = "ID", .least = 1, .most = 1,
     .summary = "Remove a token; it stops working at once.", .fn = rm},
    {.name = NULL},
};
/* clang-format on */
