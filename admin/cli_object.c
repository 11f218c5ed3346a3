#include "admin/cli_object.h"

#include "admin/cli_edit.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"

enum cli_exit cli_object_show(struct cli *cli, struct str path, cli_object_print_fn *print)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", path, NULL, &doc);
    if (status != CLI_OK)
        return status;
    if (cli->is_json)
        return cli_print_json(cli, doc);
    print(cli, doc);
    return CLI_OK;
}

static struct err read_for_edit(void *arg, struct str path, struct str *ret_text)
{
    return cli_read_file(arg, path, ret_text) == CLI_OK ? OK : fail(ERR_IO, 0);
}

enum cli_exit cli_object_set(struct cli *cli, struct str path, const struct shape *shape,
                             size_t first)
{
    AUTO(json_decref) json_t *patch = NULL;
    AUTO(json_decref) json_t *doc = NULL;
    struct str words = STR_NONE;
    const struct cli_edit edit = {
        .arena = cli->arena, .shape = shape, .read = read_for_edit, .arg = cli};
    struct err e = cli_edit_patch(&edit, cli->args.arguments + first,
                                  cli->args.argument_count - first, &words, &patch);
    if (err_is(e, ERR_SYNTAX))
        return cli_complain(cli, CLI_USAGE, "%.*s", STR_ARG(words));
    if (err_is(e, ERR_IO))
        return CLI_FAILED; /* the file was complained about */
    if (failed(e))
        return cli_complain(cli, CLI_FAILED, "%s", e.kind->text);
    enum cli_exit status = cli_call(cli, "PATCH", path, patch, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    cli_say(cli, "Changed; revision %s is serving.\n", cli_text(cli, doc, "revision").p);
    return CLI_OK;
}

enum cli_exit cli_object_remove(struct cli *cli, const char *collection, const char *noun)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct str id = cli->args.arguments[0];
    enum cli_exit status = cli_call(cli, "DELETE", cli_path(cli, collection, id), NULL, &doc);
    if (status == CLI_OK && !cli->is_json)
        cli_say(cli, "%s \"%.*s\" is removed.\n", noun, STR_ARG(id));
    return status;
}

/* A PEM text would fill the screen: its length says that it is there. */
static struct str short_text(struct cli *cli, const json_t *value)
{
    size_t len = json_string_length(value);
    return len <= 200 ? json_str(value) : arena_fmt(cli->arena, "(%zu bytes, see --json)", len);
}

static struct str json_text(struct cli *cli, const json_t *value)
{
    struct str text = STR_NONE;
    struct buf out;
    buf_init(&out, ADMIN_BODY_MAX_BYTES);
    if (!failed(json_write(value, &out)))
        text = arena_dup(cli->arena, buf_view(&out));
    buf_fini(&out);
    return text;
}

void cli_object_print_member(struct cli *cli, const char *name, const json_t *value)
{
    struct str text;
    if (json_is_string(value))
        text = short_text(cli, value);
    else if (json_is_array(value) && json_is_string(json_array_get(value, 0)))
        text = cli_join(cli, value);
    else
        text = json_text(cli, value);
    bool is_empty = json_is_null(value) || str_is_empty(text) || str_eq(text, STR("[]"));
    cli_print_pair(cli, name, is_empty ? STR("-") : text, CLI_PLAIN);
}

void cli_object_print_members(struct cli *cli, json_t *doc)
{
    const char *name;
    json_t *value;
    json_object_foreach(doc, name, value) cli_object_print_member(cli, name, value);
}
