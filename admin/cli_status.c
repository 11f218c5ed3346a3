/* cli_status.c - gatehouse status, one screen, and gatehouse version */
#include "admin/cli_command.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

#include <limits.h>

/* More routes than this, and only those with a problem are shown. */
enum { ROUTES_SHOWN_MAX = 20 };

enum { WATCH_MS = 1000 };

/* "2 days 3 hours" from the API's exact "183600s". */
static struct str readable(struct cli *cli, struct str duration)
{
    uint64_t ms;
    if (failed(units_parse_duration(duration, &ms)))
        return duration;
    unsigned long long s = ms / 1000;
    if (s >= 86400)
        return arena_fmt(cli->arena, "%llud %lluh", s / 86400, s % 86400 / 3600);
    if (s >= 3600)
        return arena_fmt(cli->arena, "%lluh %llum", s / 3600, s % 3600 / 60);
    if (s >= 60)
        return arena_fmt(cli->arena, "%llum %llus", s / 60, s % 60);
    return arena_fmt(cli->arena, "%llus", s);
}

static void print_title(struct cli *cli, const char *title)
{
    bool is_coloured = cli_is_coloured(cli);
    (void)fprintf(cli->env->out, "\n%s%s%s\n", is_coloured ? "\033[1m" : "", title,
                  is_coloured ? CLI_COLOUR_END : "");
}

/* "1 route", "2 routes" */
static struct str counted(struct cli *cli, const json_t *counts, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(counts, name));
    int len = (int)strlen(name);
    return arena_fmt(cli->arena, "%lld %.*s", (long long)n, n == 1 ? len - 1 : len, name);
}

static void print_head(struct cli *cli, const json_t *doc)
{
    const json_t *counts = json_object_get(doc, "counts");
    bool is_ready = json_is_true(json_object_get(doc, "ready"));
    cli_say(cli, "gatehouse %s, %s, up %s, generation %s\n", cli_text(cli, doc, "version").p,
            is_ready ? "serving" : "NOT READY", readable(cli, cli_text(cli, doc, "uptime")).p,
            cli_text(cli, doc, "generation").p);
    cli_say(cli, "%s, %s, %s\n", counted(cli, counts, "routes").p,
            counted(cli, counts, "certificates").p, counted(cli, counts, "tokens").p);
}

static void print_listeners(struct cli *cli, const json_t *listeners)
{
    static const struct cli_column columns[] = {
        {"LISTENER", CLI_KEEP}, {"FOR", CLI_KEEP}, {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    if (json_array_size(listeners) == 0)
        return;
    print_title(cli, "Listeners");
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const json_t *listener = json_array_get(listeners, i);
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, listener, "address"), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, listener, "kind"), CLI_PLAIN);
    }
    cli_print_table(cli, t);
}

/* "1234", "12.3k", "4.5M" */
static struct str short_count(struct cli *cli, const json_t *doc, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(doc, name));
    if (n < 10000)
        return arena_fmt(cli->arena, "%lld", (long long)n);
    if (n < 1000000)
        return arena_fmt(cli->arena, "%.1fk", (double)n / 1e3);
    return arena_fmt(cli->arena, n < 1000000000 ? "%.1fM" : "%.1fG",
                     (double)n / (n < 1000000000 ? 1e6 : 1e9));
}

/* "750us", "12ms", "3.4s"; empty if nothing was timed. */
static struct str short_time(struct cli *cli, const json_t *doc, const char *name)
{
    const json_t *value = json_object_get(doc, name);
    double us = (double)json_integer_value(value);
    if (!json_is_integer(value))
        return STR("");
    if (us < 1000)
        return arena_fmt(cli->arena, "%.0fus", us);
    if (us < 1e6)
        return arena_fmt(cli->arena, us < 1e4 ? "%.1fms" : "%.0fms", us / 1e3);
    return arena_fmt(cli->arena, us < 1e7 ? "%.1fs" : "%.0fs", us / 1e6);
}

/* Without the usual scheme: a port that can be read is worth more. */
static struct str short_url(struct cli *cli, const json_t *target)
{
    struct str url = cli_text(cli, target, "url"), usual = STR("http://");
    return str_starts(url, usual) ? str_skip(url, usual.len) : url;
}

static const struct cli_column route_columns[] = {
    {"ROUTE", CLI_SHRINK},   {"STATE", CLI_KEEP},    {"TARGET", CLI_SHRINK},
    {"TARGET IS", CLI_KEEP}, {"REQUESTS", CLI_DROP}, {"FAILED", CLI_DROP},
    {"P50", CLI_DROP},       {"P99", CLI_DROP},      {"CONNS", CLI_DROP},
    {NULL, CLI_KEEP}};

/* One line per target; what is known of the route as a whole on the first. */
static void add_route(struct cli *cli, struct cli_table *t, const json_t *route)
{
    const json_t *targets = json_object_get(route, "targets");
    const json_t *traffic = json_object_get(route, "traffic");
    struct str state = cli_text(cli, route, "state");
    if (json_array_size(targets) == 0) {
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, route, "id"), CLI_PLAIN);
        cli_table_cell(t, state, cli_state_colour(state));
        cli_table_cell(t, STR("answers by itself"), CLI_DIM);
        cli_table_cell(t, STR(""), CLI_PLAIN);
        cli_table_cell(t, short_count(cli, traffic, "requests"), CLI_PLAIN);
    }
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        struct str up = cli_text(cli, target, "state");
        bool is_first = i == 0;
        cli_table_row(t);
        cli_table_cell(t, is_first ? cli_text(cli, route, "id") : STR(""), CLI_PLAIN);
        cli_table_cell(t, is_first ? state : STR(""), cli_state_colour(state));
        cli_table_cell(t, short_url(cli, target), CLI_PLAIN);
        cli_table_cell(t, up, cli_state_colour(up));
        cli_table_cell(t, short_count(cli, target, "requests"), CLI_PLAIN);
        cli_table_cell(t, short_count(cli, target, "failures"), CLI_PLAIN);
        cli_table_cell(t, is_first ? short_time(cli, traffic, "p50_us") : STR(""), CLI_PLAIN);
        cli_table_cell(t, is_first ? short_time(cli, traffic, "p99_us") : STR(""), CLI_PLAIN);
        cli_table_cell(t, short_count(cli, target, "connections"), CLI_PLAIN);
    }
}

static void print_reasons(struct cli *cli, const json_t *route)
{
    const json_t *reasons = json_object_get(route, "reasons");
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        struct str id = cli_text(cli, route, "id");
        struct str words = json_str(json_array_get(reasons, i));
        cli_say(cli, "  %s: %.*s\n", id.p, STR_ARG(words));
    }
}

static void print_routes(struct cli *cli, const json_t *routes)
{
    struct cli_table *t = cli_table_new(cli->arena, route_columns);
    size_t count = json_array_size(routes);
    size_t shown = 0;
    print_title(cli, "Routes");
    if (count == 0) {
        cli_say(cli, "None yet. Add one: gatehouse route add www.example.org 3000%s\n",
                cli->here.p);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *route = json_array_get(routes, i);
        bool is_bad = str_eq(cli_text(cli, route, "state"), STR("degraded"));
        if (shown == ROUTES_SHOWN_MAX || (count > ROUTES_SHOWN_MAX && !is_bad))
            continue;
        add_route(cli, t, route);
        shown++;
    }
    if (shown > 0)
        cli_print_table(cli, t);
    if (shown < count)
        cli_say(cli, "%zu more routes; all of them: gatehouse status --json%s\n", count - shown,
                cli->here.p);
    for (size_t i = 0, said = 0; i < count && said < ROUTES_SHOWN_MAX; i++) {
        said += json_array_size(json_object_get(json_array_get(routes, i), "reasons"));
        print_reasons(cli, json_array_get(routes, i));
    }
}

static void print_certs(struct cli *cli, const json_t *certs)
{
    static const struct cli_column columns[] = {{"CERTIFICATE", CLI_KEEP},
                                                {"STATE", CLI_KEEP},
                                                {"EXPIRES", CLI_KEEP},
                                                {"NEXT", CLI_SHRINK},
                                                {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    size_t count = json_array_size(certs);
    if (count == 0)
        return;
    print_title(cli, "Certificates");
    for (size_t i = 0; i < count && i < ROUTES_SHOWN_MAX; i++) {
        const json_t *cert = json_array_get(certs, i);
        const json_t *next = json_object_get(cert, "next_action");
        struct str state = cli_text(cli, cert, "state");
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, cert, "id"), CLI_PLAIN);
        cli_table_cell(t, state, cli_state_colour(state));
        cli_table_cell(t, cli_when(cli, cli_text(cli, cert, "not_after")), CLI_PLAIN);
        /* One that serves is renewed some day; one that does not has a reason. */
        bool is_active = str_eq(state, STR("active"));
        cli_table_cell(t, is_active ? cli_next_action(cli, cert) : cli_text(cli, next, "why"),
                       CLI_PLAIN);
    }
    cli_print_table(cli, t);
    if (count > ROUTES_SHOWN_MAX)
        cli_say(cli, "%zu more certificates: gatehouse cert list%s\n", count - ROUTES_SHOWN_MAX,
                cli->here.p);
}

/* "event: why, key=value ..." of a log line written as JSON, what matters most first and
 * without what differs from one of its kind to the next; the line itself otherwise. */
static struct str readable_line(struct cli *cli, struct str line)
{
    static const char *const said[] = {"time",   "level", "event",      "reason",    "why",
                                       "detail", "error", "request_id", "suppressed"};
    AUTO(json_decref) json_t *fields = NULL;
    const char *key;
    json_t *value;
    if (failed(json_read(line, &fields)))
        return line;
    struct str reason = cli_text(cli, fields, "reason"), why = cli_text(cli, fields, "why");
    struct str text =
        arena_fmt(cli->arena, "%.*s%s%.*s%s%.*s", STR_ARG(cli_text(cli, fields, "event")),
                  str_is_empty(reason) ? "" : ": ", STR_ARG(reason),
                  str_is_empty(why) ? "" : ": ", STR_ARG(why));
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        (void)json_object_del(fields, said[i]);
    json_object_foreach(fields, key, value)
    {
        struct str shown = cli_text(cli, fields, key);
        text = arena_fmt(cli->arena, "%.*s %s=%.*s", STR_ARG(text), key, STR_ARG(shown));
    }
    return text;
}

static void print_error(struct cli *cli, const json_t *error, struct str text, size_t times)
{
    struct str at = cli_text(cli, error, "at");
    struct str line =
        times == 1 ? text : arena_fmt(cli->arena, "(%zu times) %.*s", times, STR_ARG(text));
    cli_say(cli, "%.*s  ", STR_ARG(at));
    size_t columns = cli->env->screen.columns;
    (void)cli_table_put(cli->env->out, line, columns > at.len + 12 ? columns - at.len - 2 : 0);
    cli_say(cli, "\n");
}

/* Lines that say the same one after the other are one, with the time of the last. */
static void print_errors(struct cli *cli, const json_t *errors)
{
    struct str last = STR_NONE;
    size_t count = json_array_size(errors), times = 0;
    if (count == 0)
        return;
    print_title(cli, "Last errors");
    for (size_t i = 0; i < count; i++) {
        const json_t *error = json_array_get(errors, i);
        struct str text = readable_line(cli, cli_text(cli, error, "line"));
        if (times > 0 && !str_eq(text, last)) {
            print_error(cli, json_array_get(errors, i - 1), last, times);
            times = 0;
        }
        last = arena_dup(cli->arena, text);
        times++;
    }
    print_error(cli, json_array_get(errors, count - 1), last, times);
}

/* What is configured and has no effect. */
static void print_warnings(struct cli *cli, const json_t *warnings)
{
    size_t count = json_array_size(warnings);
    if (count > 0)
        print_title(cli, "Warnings");
    for (size_t i = 0; i < count; i++)
        cli_say(cli, "%.*s\n", STR_ARG(json_str(json_array_get(warnings, i))));
}

/* What people were told. */
static void print_alarms(struct cli *cli, const json_t *alarms)
{
    size_t count = json_array_size(alarms);
    if (count > 0)
        print_title(cli, "Alarms");
    for (size_t i = 0; i < count && i < ROUTES_SHOWN_MAX; i++) {
        const json_t *alarm = json_array_get(alarms, i);
        struct str about = cli_text(cli, alarm, "certificate");
        cli_say(cli, "%s%s%s: %s\n", cli_text(cli, alarm, "title").p,
                str_is_empty(about) ? "" : ", ", about.p, cli_text(cli, alarm, "detail").p);
    }
    if (count > ROUTES_SHOWN_MAX)
        cli_say(cli, "... and %zu more; see gatehouse alarm list\n", count - ROUTES_SHOWN_MAX);
}

static enum cli_exit print_status(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/status"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    print_head(cli, doc);
    print_listeners(cli, json_object_get(doc, "listeners"));
    print_alarms(cli, json_object_get(doc, "alarms"));
    print_warnings(cli, json_object_get(doc, "warnings"));
    print_routes(cli, json_object_get(doc, "routes"));
    print_certs(cli, json_object_get(doc, "certificates"));
    print_errors(cli, json_object_get(doc, "last_errors"));
    return CLI_OK;
}

/* As much as the terminal holds, so that it neither wraps nor scrolls. */
static void put_screen(FILE *out, struct cli_screen screen, struct str text)
{
    unsigned left = screen.lines > 1 ? screen.lines - 1 : UINT_MAX;
    struct str line;
    (void)fputs("\033[H\033[2J", out);
    for (; left > 0 && str_split(text, '\n', &line, &text); left--) {
        cli_table_put_line(out, line, screen.columns);
        (void)fputc('\n', out);
    }
    (void)fflush(out);
}

/* Collected first and shown at once: a screen half painted flickers.  An arena of its own, for
 * this may go on for days. */
static enum cli_exit paint(const struct cli *cli)
{
    AUTO(arena_free) struct arena *a = arena_new(64 * KIB, CLI_ARENA_MAX_BYTES);
    struct cli_env env = *cli->env;
    struct cli round = *cli;
    char *text = NULL;
    size_t len = 0;
    env.out = open_memstream(&text, &len);
    if (env.out == NULL || a == NULL)
        return cli_complain(&round, CLI_FAILED, "out of memory");
    env.screen = env.look(env.arg);
    round.env = &env;
    round.arena = a;
    enum cli_exit status = print_status(&round);
    (void)fclose(env.out);
    if (status == CLI_OK)
        put_screen(cli->env->out, env.screen, str_make(text, len));
    mem_free(text);
    return status;
}

static enum cli_exit watch(const struct cli *cli)
{
    enum cli_exit status;
    do
        status = paint(cli);
    while (status == CLI_OK && cli->env->pause(cli->env->arg, WATCH_MS));
    return status;
}

static enum cli_exit show_status(struct cli *cli)
{
    if (!cli_args_is_on(&cli->args, "watch"))
        return print_status(cli);
    if (!cli->env->is_terminal || cli->is_json)
        return cli_complain(cli, CLI_USAGE, "--watch repaints a terminal: it needs one%s",
                            cli->is_json ? ", and no --json" : "");
    return watch(cli);
}

/* clang-format off */
static const struct cli_flag status_flags[] = {
    {"watch", NULL, "paint it again each second, until Ctrl-C"},
    {NULL, NULL, NULL},
};
/* clang-format on */

static enum cli_exit version(struct cli *cli)
{
    if (cli->is_json)
        cli_say(cli, "{\"version\": \"" GW_VERSION "\"}\n");
    else
        cli_say(cli, "gatehouse " GW_VERSION "\n");
    return CLI_OK;
}

/* clang-format off */
const struct cli_command cli_status_commands[] = {
    {.name = "status", .arguments = "",
     .flags = status_flags,
     .summary = "Show listeners, routes, targets up or down, certificates and the last errors.",
     .more =
        "REQUESTS, FAILED and CONNS are of the target; P50 and P99 are the times that half\n"
        "and 99 in 100 requests of the route stay below, as well as a histogram can tell.\n",
     .fn = show_status},
    {.name = "version", .arguments = "", .summary = "Show the version of this program.",
     .fn = version},
    {.name = NULL},
};
/* clang-format on */
