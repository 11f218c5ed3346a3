/* cli_stream.c - gatehouse stream ...: the syntax is there, the API says what is not. */
#include "admin/cli_command.h"
#include "admin/cli_edit.h"
#include "admin/cli_object.h"

#include "gateway/base/json.h"

static enum cli_exit list(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/streams"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    cli_say(cli, "No streams; they are not available in this version.\n");
    return CLI_OK;
}

static enum cli_exit show(struct cli *cli)
{
    return cli_object_show(cli, cli_path(cli, "streams", cli->args.arguments[0]),
                           cli_object_print_members);
}

static const struct cli_flag add_flags[] = {
    {"id", "ID", "name of the stream; made from LISTEN if absent"},
    {"protocol", "tcp|udp", "default: tcp"},
    {"tls", "passthrough|terminate", "default: passthrough"},
    {"certificate", "ID", "for --tls terminate"},
    {NULL, NULL, NULL},
};

static struct err make_stream(struct cli *cli, json_t *stream)
{
    AUTO(json_decref) json_t *targets = json_array();
    for (size_t i = 1; i < cli->args.argument_count; i++) {
        struct str url = cli->args.arguments[i];
        if (json_array_append_new(targets, json_pack("{s:s%}", "url", url.p, url.len)) != 0)
            return fail(ERR_MEMORY, 0);
    }
    TRY(cli_edit_put(stream, STR("listen"), json_from_str(cli->args.arguments[0])));
    for (const struct cli_flag *flag = add_flags; flag->name != NULL; flag++) {
        struct str value = cli_args_value(&cli->args, flag->name);
        if (value.p != NULL)
            TRY(cli_edit_put(stream, str_from(flag->name), json_from_str(value)));
    }
    return cli_edit_put(stream, STR("upstream.targets"), TAKE(targets));
}

static enum cli_exit add(struct cli *cli)
{
    AUTO(json_decref) json_t *stream = json_object();
    AUTO(json_decref) json_t *doc = NULL;
    if (failed(make_stream(cli, stream)))
        return cli_complain(cli, CLI_FAILED, "out of memory");
    enum cli_exit status = cli_call(cli, "POST", STR("/v1/streams"), stream, &doc);
    return status != CLI_OK ? status : cli_print_json(cli, doc);
}

static enum cli_exit set(struct cli *cli)
{
    return cli_object_set(cli, cli_path(cli, "streams", cli->args.arguments[0]), NULL, 1);
}

static enum cli_exit rm(struct cli *cli)
{
    return cli_object_remove(cli, "streams", "Stream");
}

/* clang-format off */
const struct cli_command cli_stream_commands[] = {
    {.name = "list", .arguments = "", .summary = "List all streams.", .fn = list},
    {.name = "show", .arguments = "ID", .least = 1, .most = 1, .summary = "Show a stream.",
     .fn = show},
    {.name = "add", .arguments = "LISTEN TARGET...", .least = 2, .most = -1,
     .flags = add_flags, .summary = "Add a stream (not available yet).",
     .more =
        "Example:\n"
        "  gatehouse stream add :5349 tcp://[fd00::20]:5349\n",
     .fn = add},
    {.name = "set", .arguments = "ID NAME=VALUE...", .least = 2, .most = -1,
     .summary = "Change a stream (not available yet).", .fn = set},
    {.name = "rm", .arguments = "ID", .least = 1, .most = 1,
     .summary = "Remove a stream (not available yet).", .fn = rm},
    {.name = NULL},
};
/* clang-format on */
