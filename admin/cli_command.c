#include "admin/cli_command.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

#include <errno.h>
#include <stdarg.h>

/* What came from elsewhere cannot move the cursor; line feeds are our own. */
static void put_lines(struct cli *cli, FILE *out, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);
static void put_lines(struct cli *cli, FILE *out, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = len < 0 ? NULL : arena_bytes(cli->arena, (size_t)len + 1);
    struct str rest;
    struct str line;
    if (text == NULL || vsnprintf(text, (size_t)len + 1, fmt, args) != len)
        return;
    rest = str_make(text, (size_t)len);
    while (str_split(rest, '\n', &line, &rest)) {
        (void)cli_table_put(out, line, 0);
        (void)fputc('\n', out);
    }
    (void)cli_table_put(out, rest, 0);
}

void cli_say(struct cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_lines(cli, cli->env->out, fmt, args);
    va_end(args);
}

enum cli_exit cli_complain(struct cli *cli, enum cli_exit status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs("gatehouse: ", cli->env->err);
    put_lines(cli, cli->env->err, fmt, args);
    (void)fputc('\n', cli->env->err);
    va_end(args);
    return status;
}

bool cli_is_coloured(const struct cli *cli)
{
    const char *no_color = cli->env->variable(cli->env->arg, "NO_COLOR");
    const char *term = cli->env->variable(cli->env->arg, "TERM");
    return cli->env->is_terminal && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

/* ---- asking ---- */

/* A problem document in words: the sentence, then one line per field. */
static void explain_problem(struct cli *cli, unsigned status, const json_t *doc)
{
    FILE *err = cli->env->err;
    const json_t *errors = json_object_get(doc, "errors");
    struct str detail = json_str(json_object_get(doc, "detail"));
    if (str_is_empty(detail))
        detail = json_str(json_object_get(doc, "title"));
    if (str_is_empty(detail)) {
        (void)fprintf(err, "gatehouse: the answer was %u without words\n", status);
        return;
    }
    (void)fputs("gatehouse: ", err);
    if (json_array_size(errors) > 1)
        (void)fprintf(err, "%zu things are wrong; nothing was changed",
                      json_array_size(errors));
    else
        (void)cli_table_put(err, detail, 0);
    (void)fputc('\n', err);
    /* A single error is the sentence itself. */
    for (size_t i = 0; json_array_size(errors) > 1 && i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        struct str field = json_str(json_object_get(error, "field"));
        struct str message = json_str(json_object_get(error, "message"));
        (void)fputs("  ", err);
        (void)cli_table_put(err, str_is_empty(field) ? STR("(the whole)") : field, 0);
        (void)fputs(": ", err);
        (void)cli_table_put(err, message, 0);
        (void)fputc('\n', err);
    }
    if (status == 401)
        (void)fputs("  give a token with --token or GATEHOUSE_TOKEN\n", err);
}

static enum cli_exit read_answer(struct cli *cli, const struct cli_answer *answer,
                                 json_t **ret_doc)
{
    AUTO(json_decref) json_t *doc = NULL;
    bool is_ok = answer->status >= 200 && answer->status < 300;
    if (buf_len(&answer->body) > 0 && failed(json_read(buf_view(&answer->body), &doc)) && is_ok)
        return cli_complain(cli, CLI_FAILED,
                            "the answer is not JSON: is this the admin "
                            "interface of gatehouse?");
    if (!is_ok) {
        explain_problem(cli, answer->status, doc);
        return CLI_FAILED;
    }
    *ret_doc = TAKE(doc);
    return CLI_OK;
}

enum cli_exit cli_call(struct cli *cli, const char *method, struct str path, const json_t *body,
                       json_t **ret_doc)
{
    const struct cli_env *env = cli->env;
    cli_transport_fn *transport =
        env->transport != NULL ? env->transport : cli_client_transport;
    struct cli_answer answer = {.words = STR_NONE};
    struct buf text;
    buf_init(&text, ADMIN_CONFIG_MAX_BYTES);
    buf_init(&answer.body, ADMIN_REPLY_MAX_BYTES);
    struct err e = body == NULL ? OK : json_write(body, &text);
    if (!failed(e))
        e = transport(env->transport_arg, cli->arena, &cli->server,
                      &(struct cli_request){method, path, buf_view(&text)}, &answer);
    const char *words = str_is_empty(answer.words) && failed(e) ? e.kind->text : answer.words.p;
    enum cli_exit status = failed(e) ? cli_complain(cli, CLI_FAILED, "%s", words)
                                     : read_answer(cli, &answer, ret_doc);
    buf_fini(&text);
    buf_fini(&answer.body);
    return status;
}

struct str cli_path(struct cli *cli, const char *collection, struct str id)
{
    struct buf encoded;
    struct str path = STR("/v1");
    buf_init(&encoded, ADMIN_HEAD_MAX_BYTES);
    if (!failed(text_percent_encode(&encoded, id)))
        path = arena_fmt(cli->arena, "/v1/%s/%.*s", collection, STR_ARG(buf_view(&encoded)));
    buf_fini(&encoded);
    return path.p == NULL ? STR("/v1") : path;
}

/* ---- speaking ---- */

enum cli_exit cli_print_json(struct cli *cli, const json_t *doc)
{
    struct buf text;
    buf_init(&text, ADMIN_REPLY_MAX_BYTES);
    struct err e = doc == NULL ? OK : json_write_pretty(doc, &text);
    struct str view = buf_view(&text);
    if (!failed(e) && doc != NULL)
        (void)fprintf(cli->env->out, "%.*s\n", STR_ARG(view));
    buf_fini(&text);
    return failed(e) ? cli_complain(cli, CLI_FAILED, "%s", e.kind->text) : CLI_OK;
}

void cli_print_table(struct cli *cli, const struct cli_table *t)
{
    cli_table_print(t, cli->env->out, cli->env->screen.columns, cli_is_coloured(cli));
}

void cli_print_pair(struct cli *cli, const char *label, struct str value,
                    enum cli_colour colour)
{
    FILE *out = cli->env->out;
    bool is_coloured = cli_is_coloured(cli) && colour != CLI_PLAIN;
    if (str_is_empty(value))
        return;
    (void)fprintf(out, "%-16s ", label);
    if (is_coloured)
        (void)fputs(cli_table_colour(colour), out);
    (void)cli_table_put(out, value, 0);
    if (is_coloured)
        (void)fputs(CLI_COLOUR_END, out);
    (void)fputc('\n', out);
}

/* ---- reading answers ---- */

struct str cli_text(struct cli *cli, const json_t *doc, const char *name)
{
    const json_t *value = json_object_get(doc, name);
    if (json_is_integer(value))
        return arena_fmt(cli->arena, "%lld", (long long)json_integer_value(value));
    if (json_is_boolean(value))
        return json_is_true(value) ? STR("yes") : STR("no");
    return json_is_string(value) ? json_str(value) : STR("");
}

struct str cli_join(struct cli *cli, const json_t *array)
{
    struct str joined = STR("");
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct str item = json_str(json_array_get(array, i));
        joined = arena_fmt(cli->arena, "%.*s%s%.*s", STR_ARG(joined), i == 0 ? "" : ", ",
                           STR_ARG(item));
    }
    return joined;
}

struct str cli_when(struct cli *cli, struct str time)
{
    static const struct {
        const char *one;
        const char *many;
        int64_t seconds;
    } units[] = {{"day", "days", 86400}, {"hour", "hours", 3600}, {"minute", "minutes", 60}};
    int64_t at;
    if (failed(units_parse_time(time, &at)))
        return STR("-");
    int64_t distance = at - clock_now_at();
    int64_t size = distance < 0 ? -distance : distance;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t count = size / units[i].seconds;
        if (count == 0)
            continue;
        return arena_fmt(cli->arena, "%.10s (%s%lld %s%s)", time.p, distance < 0 ? "" : "in ",
                         (long long)count, count == 1 ? units[i].one : units[i].many,
                         distance < 0 ? " ago" : "");
    }
    return arena_fmt(cli->arena, "%.10s (now)", time.p);
}

struct str cli_next_action(struct cli *cli, const json_t *cert)
{
    const json_t *next = json_object_get(cert, "next_action");
    struct str what = cli_text(cli, next, "what");
    struct str at = cli_text(cli, next, "at");
    if (str_is_empty(what) || str_eq(what, STR("none")))
        return STR("");
    if (str_is_empty(at))
        return what;
    return arena_fmt(cli->arena, "%s %s", what.p, cli_when(cli, at).p);
}

enum cli_colour cli_state_colour(struct str state)
{
    static const struct {
        struct str state;
        enum cli_colour colour;
    } colours[] = {
        {STR_LIT("ok"), CLI_GOOD},      {STR_LIT("up"), CLI_GOOD},
        {STR_LIT("active"), CLI_GOOD},  {STR_LIT("degraded"), CLI_WARN},
        {STR_LIT("pending"), CLI_WARN}, {STR_LIT("renewing"), CLI_WARN},
        {STR_LIT("down"), CLI_BAD},     {STR_LIT("failed"), CLI_BAD},
        {STR_LIT("expired"), CLI_BAD},  {STR_LIT("disabled"), CLI_DIM},
        {STR_LIT("unknown"), CLI_DIM},  {STR_LIT("failing"), CLI_WARN},
        {STR_LIT("ejected"), CLI_BAD},  {STR_LIT("trial"), CLI_WARN},
    };
    for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
        if (str_eq(state, colours[i].state))
            return colours[i].colour;
    }
    return CLI_PLAIN;
}

/* ---- files ---- */

static struct err read_all(FILE *file, struct buf *out)
{
    char *tail;
    size_t room;
    for (;;) {
        TRY(buf_reserve(out, 4096, &tail, &room));
        size_t got = fread(tail, 1, room, file);
        buf_commit(out, got);
        if (got == 0)
            return ferror(file) ? fail(ERR_IO, errno) : OK;
    }
}

enum cli_exit cli_read_file(struct cli *cli, struct str path, struct str *ret_text)
{
    bool is_stdin = str_eq(path, STR("-"));
    struct str name = arena_dup(cli->arena, path);
    FILE *file = is_stdin ? cli->env->in : name.p == NULL ? NULL : fopen(name.p, "re");
    if (file == NULL)
        return cli_complain(cli, CLI_FAILED, "cannot read %.*s: %s", STR_ARG(path),
                            strerrordesc_np(errno));
    struct buf text;
    buf_init(&text, CLI_FILE_MAX_BYTES);
    struct err e = read_all(file, &text);
    if (!is_stdin)
        (void)fclose(file);
    struct str view = buf_view(&text);
    *ret_text =
        failed(e) ? STR_NONE : arena_dup(cli->arena, str_is_empty(view) ? STR("") : view);
    buf_fini(&text);
    if (ret_text->p == NULL)
        return cli_complain(cli, CLI_FAILED, "cannot read %.*s: %s", STR_ARG(path),
                            failed(e) ? e.kind->text : "out of memory");
    return CLI_OK;
}
