/* cli_alarm.c - gatehouse alarm list | show | set | test */
#include "admin/cli_object.h"
#include "store/alarm_settings.h"

static void print_list(struct cli *cli, const json_t *items)
{
    static const struct cli_column columns[] = {{"ALARM", CLI_KEEP}, {"LEVEL", CLI_KEEP},
                                                {"SINCE", CLI_KEEP}, {"CERTIFICATE", CLI_KEEP},
                                                {"WHY", CLI_SHRINK}, {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *alarm = json_array_get(items, i);
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, alarm, "kind"), CLI_BAD);
        cli_table_cell(t, cli_text(cli, alarm, "level"), CLI_PLAIN);
        cli_table_cell(t, cli_when(cli, cli_text(cli, alarm, "since")), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, alarm, "certificate"), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, alarm, "detail"), CLI_PLAIN);
    }
    cli_print_table(cli, t);
}

static enum cli_exit list(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/alarms"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    const json_t *items = json_object_get(doc, "items");
    if (json_array_size(items) == 0)
        cli_say(cli, "Nothing is wrong.\n");
    else
        print_list(cli, items);
    return CLI_OK;
}

static enum cli_exit show(struct cli *cli)
{
    return cli_object_show(cli, STR("/v1/alarms/settings"), cli_object_print_members);
}

static enum cli_exit set(struct cli *cli)
{
    return cli_object_set(cli, STR("/v1/alarms/settings"), alarm_settings_shape, 0);
}

static enum cli_exit test(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    bool is_ok = true;
    enum cli_exit status = cli_call(cli, "POST", STR("/v1/alarms/test"), NULL, &doc);
    if (status != CLI_OK)
        return status;
    const json_t *items = json_object_get(doc, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        bool is_sent = json_is_true(json_object_get(item, "ok"));
        is_ok = is_ok && is_sent;
        if (!cli->is_json)
            cli_say(cli, "%s: %s (%s)\n", cli_text(cli, item, "channel").p,
                    is_sent ? "sent" : "not sent", cli_text(cli, item, "detail").p);
    }
    if (cli->is_json)
        (void)cli_print_json(cli, doc);
    return is_ok ? CLI_OK : CLI_FAILED;
}

/* clang-format off */
const struct cli_command cli_alarm_commands[] = {
    {.name = "list", .arguments = "", .summary = "List what is wrong now.", .fn = list},
    {.name = "show", .arguments = "", .summary = "Show who is told of alarms.", .fn = show},
    {.name = "set", .arguments = "NAME=VALUE...", .least = 1, .most = -1,
     .summary = "Change who is told of alarms.",
     .more =
        "Examples:\n"
        "  gatehouse alarm set webhook.url=https://example.org/hook webhook.hmac_key=@key.txt\n"
        "  gatehouse alarm set email.server=smtp://mail.example.org:587 email.user=gw \\\n"
        "      email.password=@password.txt email.from=gw@example.org \\\n"
        "      email.to=ops@example.org\n"
        "  gatehouse alarm set webhook=null\n",
     .fn = set},
    {.name = "test", .arguments = "",
     .summary = "Send a test to everybody who is told of alarms.",
     .more = "Exit status 1 if one of them could not be reached.\n",
     .fn = test},
    {.name = NULL},
};
/* clang-format on */
