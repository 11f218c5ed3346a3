/* cli_config.c - gatehouse export | import: the whole configuration as one JSON document */
#include "admin/cli_command.h"
#include "admin/cli_file.h"

#include "gateway/base/json.h"

#include <errno.h>

static enum cli_exit export_config(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/config"), NULL, &doc);
    if (status != CLI_OK)
        return status;
    if (cli->args.argument_count == 0 || str_eq(cli->args.arguments[0], STR("-")))
        return cli_print_json(cli, doc);
    struct str path = cli->args.arguments[0];
    if (!cli_file_replace(cli->arena, path, doc))
        return cli_complain(cli, CLI_FAILED, "cannot write %.*s: %s", STR_ARG(path),
                            strerrordesc_np(errno));
    return CLI_OK;
}

static const struct cli_flag import_flags[] = {
    {"dry-run", NULL, "only say what would change"},
    {NULL, NULL, NULL},
};

static void print_changes(struct cli *cli, const json_t *changes)
{
    static const struct cli_column columns[] = {{"CHANGE", CLI_KEEP},
                                                {"WHAT", CLI_KEEP},
                                                {"ID", CLI_SHRINK},
                                                {"MEMBERS", CLI_SHRINK},
                                                {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *change = json_array_get(changes, i);
        struct str how = cli_text(cli, change, "change");
        enum cli_colour colour = str_eq(how, STR("create"))   ? CLI_GOOD
                                 : str_eq(how, STR("delete")) ? CLI_BAD
                                                              : CLI_WARN;
        cli_table_row(t);
        cli_table_cell(t, how, colour);
        cli_table_cell(t, cli_text(cli, change, "kind"), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, change, "id"), CLI_PLAIN);
        cli_table_cell(t, cli_join(cli, json_object_get(change, "fields")), CLI_PLAIN);
    }
    cli_print_table(cli, t);
}

static enum cli_exit import_config(struct cli *cli)
{
    AUTO(json_decref) json_t *config = NULL;
    AUTO(json_decref) json_t *doc = NULL;
    struct str path = cli->args.arguments[0];
    struct str text;
    bool is_dry = cli_args_is_on(&cli->args, "dry-run");
    enum cli_exit status = cli_read_file(cli, path, &text);
    if (status != CLI_OK)
        return status;
    struct err e = json_read(text, &config);
    if (failed(e))
        return cli_complain(cli, CLI_FAILED, "%.*s: malformed JSON in line %d", STR_ARG(path),
                            (int)e.detail);
    status = cli_call(cli, "PUT", is_dry ? STR("/v1/config?dry_run=true") : STR("/v1/config"),
                      config, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    const json_t *changes = json_object_get(doc, "changes");
    if (json_array_size(changes) == 0)
        cli_say(cli, "Nothing %s: the configuration is the same.\n",
                is_dry ? "would change" : "changed");
    else
        print_changes(cli, changes);
    if (is_dry)
        cli_say(cli, "A dry run: nothing was changed.\n");
    else
        cli_say(cli, "Imported; %s routes are serving.\n", cli_text(cli, doc, "routes").p);
    return CLI_OK;
}

/* clang-format off */
const struct cli_command cli_config_commands[] = {
    {.name = "export", .arguments = "[FILE]", .most = 1,
     .summary = "Write the whole configuration as one JSON document.",
     .more =
        "Without FILE to standard output. A FILE is replaced when the document is on\n"
        "disk as a whole, and left as it was if that fails. Certificates are listed\n"
        "without their keys; tokens and the EAB key are not exported.\n"
        "\n"
        "Example:\n"
        "  gatehouse export backup.json\n",
     .fn = export_config},
    {.name = "import", .arguments = "FILE [--dry-run]", .least = 1, .most = 1,
     .flags = import_flags,
     .summary = "Replace the configuration by a document, all or nothing.",
     .more =
        "FILE \"-\" is standard input. Of \"settings\", \"acme\" and \"routes\" those that\n"
        "FILE has are replaced as a whole: routes that it does not list are gone, and\n"
        "members that it does not set have their default again. Those that it does not\n"
        "have stay as they are, and so do certificates and tokens.\n"
        "\n"
        "Examples:\n"
        "  gatehouse import backup.json --dry-run\n"
        "  gatehouse import backup.json\n",
     .fn = import_config},
    {.name = NULL},
};
/* clang-format on */
