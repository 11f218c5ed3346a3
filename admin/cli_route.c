/* cli_route.c - gatehouse route list | show | add | set | rm */
#include "admin/cli_command.h"
#include "admin/cli_edit.h"
#include "admin/cli_object.h"
#include "admin/cli_target.h"
#include "store/host_name.h"
#include "store/ids.h"
#include "store/model.h"

#include "gateway/base/json.h"

/* "http://a (backup) (weight 3)" */
static struct str target_of(struct cli *cli, const json_t *target)
{
    json_int_t weight = json_integer_value(json_object_get(target, "weight"));
    struct str heavy =
        weight == 1 ? STR("")
                    : arena_fmt(cli->arena, " (weight %" JSON_INTEGER_FORMAT ")", weight);
    return arena_fmt(cli->arena, "%s%s%s%.*s", cli_text(cli, target, "url").p,
                     json_is_true(json_object_get(target, "backup")) ? " (backup)" : "",
                     json_is_true(json_object_get(target, "drain")) ? " (drain)" : "",
                     STR_ARG(heavy));
}

/* "http://a, http://b (backup)", or what is answered without a target. */
static struct str targets_of(struct cli *cli, const json_t *route)
{
    struct str joined = STR("");
    const json_t *redirect = json_object_get(route, "redirect");
    const json_t *respond = json_object_get(route, "respond");
    if (json_is_object(redirect))
        return arena_fmt(cli->arena, "redirect %s to %s", cli_text(cli, redirect, "status").p,
                         cli_text(cli, redirect, "to").p);
    if (json_is_object(respond))
        return arena_fmt(cli->arena, "answer %s", cli_text(cli, respond, "status").p);
    const json_t *list = json_object_get(json_object_get(route, "upstream"), "targets");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str target = target_of(cli, json_array_get(list, i));
        joined = arena_fmt(cli->arena, "%.*s%s%.*s", STR_ARG(joined), i == 0 ? "" : ", ",
                           STR_ARG(target));
    }
    return joined;
}

/* International names in both forms: as people read them, and as certificates have them. */
static struct str hosts_of(struct cli *cli, const json_t *route)
{
    struct str joined = STR("");
    const json_t *hosts = json_object_get(route, "hosts");
    const json_t *readable = json_object_get(route, "hosts_unicode");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        struct str host = json_str(json_array_get(hosts, i));
        struct str shown = json_str(json_array_get(readable, i));
        const char *comma = i == 0 ? "" : ", ";
        if (str_is_empty(shown) || str_eq(shown, host))
            joined = arena_fmt(cli->arena, "%.*s%s%.*s", STR_ARG(joined), comma, STR_ARG(host));
        else
            joined = arena_fmt(cli->arena, "%.*s%s%.*s (%.*s)", STR_ARG(joined), comma,
                               STR_ARG(shown), STR_ARG(host));
    }
    return joined;
}

static void print_list(struct cli *cli, const json_t *items)
{
    static const struct cli_column columns[] = {
        {"ID", CLI_KEEP},        {"HOSTS", CLI_SHRINK}, {"PATH", CLI_SHRINK},
        {"TARGETS", CLI_SHRINK}, {"ENABLED", CLI_KEEP}, {"CERTIFICATE", CLI_DROP},
        {"HTTPS", CLI_DROP},     {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *route = json_array_get(items, i);
        bool is_on = json_is_true(json_object_get(route, "enabled"));
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, route, "id"), CLI_PLAIN);
        cli_table_cell(t, hosts_of(cli, route), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, route, "path"), CLI_PLAIN);
        cli_table_cell(t, targets_of(cli, route), CLI_PLAIN);
        cli_table_cell(t, is_on ? STR("yes") : STR("no"), is_on ? CLI_GOOD : CLI_DIM);
        cli_table_cell(t, cli_text(cli, route, "certificate"), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, route, "https"), CLI_PLAIN);
    }
    cli_print_table(cli, t);
}

static enum cli_exit list(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/routes"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    const json_t *items = json_object_get(doc, "items");
    if (json_array_size(items) == 0)
        cli_say(cli,
                "No routes yet. Add one:\n"
                "  gatehouse route add www.example.org http://127.0.0.1:3000%s\n",
                cli->here.p);
    else
        print_list(cli, items);
    return CLI_OK;
}

static void print_headers(struct cli *cli, const json_t *route, const char *member)
{
    const json_t *ops = json_object_get(route, member);
    static const char *const kinds[] = {"set", "add"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        json_t *pairs = json_object_get(ops, kinds[i]);
        const char *name;
        json_t *value;
        json_object_foreach(pairs, name, value) cli_print_pair(
            cli, member,
            arena_fmt(cli->arena, "%s %s: %s", kinds[i], name, json_string_value(value)),
            CLI_PLAIN);
    }
    struct str removed = cli_join(cli, json_object_get(ops, "remove"));
    if (!str_is_empty(removed))
        cli_print_pair(cli, member, arena_fmt(cli->arena, "remove %.*s", STR_ARG(removed)),
                       CLI_PLAIN);
}

/* As if it had not been given. */
static bool is_standard(const json_t *value, const json_t *schema)
{
    const json_t *standard = json_object_get(schema, "default");
    if (standard != NULL)
        return json_equal(value, standard);
    return json_is_null(value) || json_is_false(value) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* The members below that differ from their defaults, by the names that `route set` takes. */
static void print_changed(struct cli *cli, struct str name, json_t *value, const json_t *schema)
{
    const json_t *known = json_object_get(schema, "properties");
    const char *key;
    json_t *member;
    if (!json_is_object(value)) {
        if (!is_standard(value, schema))
            cli_object_print_member(cli, name.p, value);
        return;
    }
    json_object_foreach(value, key, member)
        print_changed(cli, arena_fmt(cli->arena, "%.*s.%s", STR_ARG(name), key), member,
                      json_object_get(known, key));
}

static bool is_always_shown(const char *member)
{
    static const char *const shown[] = {"targets", "balance", "retries", "timeouts"};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        if (strcmp(member, shown[i]) == 0)
            return true;
    }
    return false;
}

/* What a route with targets has besides. */
static void print_upstream(struct cli *cli, json_t *upstream)
{
    const json_t *timeouts = json_object_get(upstream, "timeouts");
    cli_print_pair(cli, "balance", cli_text(cli, upstream, "balance"), CLI_PLAIN);
    cli_print_pair(cli, "retries", cli_text(cli, upstream, "retries"), CLI_PLAIN);
    cli_print_pair(cli, "timeouts",
                   arena_fmt(cli->arena, "connect %s, response %s, idle %s",
                             json_string_value(json_object_get(timeouts, "connect")),
                             json_string_value(json_object_get(timeouts, "response")),
                             json_string_value(json_object_get(timeouts, "idle"))),
                   CLI_PLAIN);
    AUTO(json_decref) json_t *schema = shape_schema(route_shape);
    const json_t *known = json_object_get(
        json_object_get(json_object_get(schema, "properties"), "upstream"), "properties");
    const char *name;
    json_t *value;
    json_object_foreach(upstream, name, value)
    {
        if (!is_always_shown(name))
            print_changed(cli, str_from(name), value, json_object_get(known, name));
    }
}

static void print_route(struct cli *cli, json_t *route)
{
    json_t *upstream = json_object_get(route, "upstream");
    static const char *const members[] = {"path",        "enabled",      "certificate",
                                          "https",       "strip_prefix", "host_header",
                                          "hide_target", "max_body"};
    cli_print_pair(cli, "id", cli_text(cli, route, "id"), CLI_PLAIN);
    cli_print_pair(cli, "hosts", hosts_of(cli, route), CLI_PLAIN);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        cli_print_pair(cli, members[i], cli_text(cli, route, members[i]), CLI_PLAIN);
    print_headers(cli, route, "request_headers");
    print_headers(cli, route, "response_headers");
    if (json_is_string(json_object_get(route, "add_prefix")))
        cli_print_pair(cli, "add_prefix", cli_text(cli, route, "add_prefix"), CLI_PLAIN);
    cli_print_pair(cli, json_is_object(upstream) ? "targets" : "instead",
                   targets_of(cli, route), CLI_PLAIN);
    if (json_is_object(upstream))
        print_upstream(cli, upstream);
    cli_print_pair(cli, "revision",
                   arena_fmt(cli->arena, "%s, changed %s", cli_text(cli, route, "revision").p,
                             cli_when(cli, cli_text(cli, route, "updated_at")).p),
                   CLI_PLAIN);
}

/* An international name stands for the id that was made from it. */
static struct str id_of(struct cli *cli)
{
    struct str typed = cli->args.arguments[0], host = typed, id;
    bool is_ascii = true;
    for (size_t i = 0; i < typed.len; i++)
        is_ascii &= (unsigned char)typed.p[i] < 0x80;
    if (is_ascii || host_name_check_host(cli->arena, &host) != NULL ||
        failed(ids_from_host(cli->arena, host, STR(""), &id)))
        return typed;
    return id;
}

static enum cli_exit show(struct cli *cli)
{
    return cli_object_show(cli, cli_path(cli, "routes", id_of(cli)), print_route);
}

/* ---- add ---- */

/* clang-format off */
static const struct cli_flag add_flags[] = {
    {"id",               "ID",                     "its name; made from the host if absent"},
    {"certificate",      "auto|none|ID",           "auto (default) gets one by ACME"},
    {"https",            "redirect|only|optional", "what port 80 does (default: redirect)"},
    {"strip-prefix",     NULL,                     "cut PATH from what the target sees"},
    {"add-prefix",       "PATH",                   "put before the path the target sees"},
    {"redirect",         "URL",                    "instead of targets: send clients there"},
    {"respond",          "STATUS",                 "instead of targets: answer with it"},
    {"status",           "N",                      "of the redirect (default: 308)"},
    {"body",             "TEXT",                   "what --respond answers with"},
    {"host-header",      "VALUE",                  "preserve (default), target, or a value"},
    {"max-body",         "SIZE",                   "largest request body (default: unlimited)"},
    {"verify",           "system|ca|pin|off",      "how an https:// target is authenticated"},
    {"ca",               "FILE",                   "PEM, the target's CA; implies --verify ca"},
    {"pin",              "SHA256",                 "its key, repeatable; implies --verify pin"},
    {"server-name",      "NAME",                   "expected in the target's certificate"},
    {"backup",           "TARGET",                 "asked when no other is left, repeatable"},
    {"balance",          "METHOD",                 "how to choose one (default: round_robin)"},
    {"sticky",           "COOKIE",                 "keep each client with its target"},
    {"health",           "PATH",                   "ask targets for it, leave bad ones out"},
    {"max-connections",  "N",                      "requests at once on each target"},
    {"proxy-protocol",   "off|v1|v2",              "PROXY header sent to the targets"},
    {"retries",          "N",                      "further targets tried (default: 2)"},
    {"connect-timeout",  "TIME",                   "TCP and TLS to the target (default: 5s)"},
    {"response-timeout", "TIME",                   "until its answer begins (default: 1h)"},
    {"idle-timeout",     "TIME",                   "without a byte, either way (default: 1h)"},
    {"set-header",       "\"N: V\"",               "set a request header, repeatable"},
    {"remove-header",    "NAME",                   "remove a request header, repeatable"},
    {"disabled",         NULL,                     "store the route, but do not serve it yet"},
    {NULL, NULL, NULL},
};
/* clang-format on */

/* Flags whose text goes into the object as it is. */
static const struct {
    const char *flag;
    struct str path;
} plain_flags[] = {
    {"id", STR_LIT("id")},
    {"certificate", STR_LIT("certificate")},
    {"https", STR_LIT("https")},
    {"add-prefix", STR_LIT("add_prefix")},
    {"redirect", STR_LIT("redirect.to")},
    {"body", STR_LIT("respond.body")},
    {"host-header", STR_LIT("host_header")},
    {"max-body", STR_LIT("max_body")},
    {"verify", STR_LIT("upstream.tls.verify")},
    {"server-name", STR_LIT("upstream.tls.server_name")},
    {"balance", STR_LIT("upstream.balance")},
    {"sticky", STR_LIT("upstream.sticky.cookie")},
    {"health", STR_LIT("upstream.health.path")},
    {"proxy-protocol", STR_LIT("upstream.proxy_protocol")},
    {"connect-timeout", STR_LIT("upstream.timeouts.connect")},
    {"response-timeout", STR_LIT("upstream.timeouts.response")},
    {"idle-timeout", STR_LIT("upstream.timeouts.idle")},
};

static enum cli_exit out_of_memory(struct cli *cli)
{
    return cli_complain(cli, CLI_FAILED, "out of memory");
}

/* The value of every repetition of a flag, as an array at a path; nothing if it was not
 * given. */
static struct err put_repeated(struct cli *cli, json_t *route, const char *flag,
                               struct str path)
{
    AUTO(json_decref) json_t *values = json_array();
    struct str value;
    for (size_t i = 0; (value = cli_args_nth(&cli->args, flag, i)).p != NULL; i++) {
        if (json_array_append_new(values, json_from_str(value)) != 0)
            return fail(ERR_MEMORY, 0);
    }
    return json_array_size(values) == 0 ? OK : cli_edit_put(route, path, TAKE(values));
}

static struct err put_headers(struct cli *cli, json_t *route, struct str *ret_words)
{
    AUTO(json_decref) json_t *set = json_object();
    struct str line;
    struct str name;
    struct str value;
    for (size_t i = 0; (line = cli_args_nth(&cli->args, "set-header", i)).p != NULL; i++) {
        if (!str_split(line, ':', &name, &value)) {
            *ret_words = arena_fmt(cli->arena, "--set-header %.*s: write \"NAME: VALUE\"",
                                   STR_ARG(line));
            return fail(ERR_SYNTAX, 0);
        }
        if (json_object_setn_new(set, name.p, name.len, json_from_str(str_trim(value))) != 0)
            return fail(ERR_MEMORY, 0);
    }
    if (json_object_size(set) > 0)
        TRY(cli_edit_put(route, STR("request_headers.set"), TAKE(set)));
    return put_repeated(cli, route, "remove-header", STR("request_headers.remove"));
}

static struct err put_number(struct cli *cli, json_t *route, const char *flag, struct str path,
                             struct str *ret_words)
{
    struct str value = cli_args_value(&cli->args, flag);
    uint64_t count;
    if (value.p == NULL)
        return OK;
    if (failed(str_to_u64(value, UINT32_MAX, &count))) {
        *ret_words = arena_fmt(cli->arena, "--%s needs a number", flag);
        return fail(ERR_SYNTAX, 0);
    }
    return cli_edit_put(route, path, json_integer((json_int_t)count));
}

static struct err put_flags(struct cli *cli, json_t *route, struct str *ret_words)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_flags); i++) {
        struct str value = cli_args_value(&cli->args, plain_flags[i].flag);
        if (value.p != NULL)
            TRY(cli_edit_put(route, plain_flags[i].path, json_from_str(value)));
    }
    TRY(put_number(cli, route, "retries", STR("upstream.retries"), ret_words));
    TRY(put_number(cli, route, "max-connections", STR("upstream.max_connections"), ret_words));
    TRY(put_number(cli, route, "respond", STR("respond.status"), ret_words));
    TRY(put_number(cli, route, "status", STR("redirect.status"), ret_words));
    if (cli_args_is_on(&cli->args, "strip-prefix"))
        TRY(cli_edit_put(route, STR("strip_prefix"), json_true()));
    if (cli_args_is_on(&cli->args, "disabled"))
        TRY(cli_edit_put(route, STR("enabled"), json_false()));
    TRY(put_repeated(cli, route, "pin", STR("upstream.tls.pin_sha256")));
    return put_headers(cli, route, ret_words);
}

/* --ca and --pin say how to verify, unless --verify says otherwise. */
static struct err put_trust(struct cli *cli, json_t *route, struct str ca)
{
    bool has_pin = cli_args_nth(&cli->args, "pin", 0).p != NULL;
    if (ca.p != NULL)
        TRY(cli_edit_put(route, STR("upstream.tls.ca"), json_from_str(ca)));
    if (cli_args_value(&cli->args, "verify").p != NULL || (ca.p == NULL && !has_pin))
        return OK;
    return cli_edit_put(route, STR("upstream.tls.verify"),
                        json_string(ca.p != NULL ? "ca" : "pin"));
}

/* Says what a short form was taken for. */
static struct err add_target(struct cli *cli, json_t *targets, struct str typed, bool is_backup,
                             struct str *ret_words)
{
    struct str url;
    TRY(cli_target_url(cli->arena, typed, &url, ret_words));
    if (!cli->is_json && !str_eq(typed, url))
        cli_say(cli, "Target %.*s is read as %.*s\n", STR_ARG(typed), STR_ARG(url));
    json_t *target = json_pack("{s:s%}", "url", url.p, url.len);
    if (is_backup && json_object_set_new(target, "backup", json_true()) != 0) {
        json_decref(target);
        return fail(ERR_MEMORY, 0);
    }
    return json_array_append_new(targets, target) == 0 ? OK : fail(ERR_MEMORY, 0);
}

static bool has_flag(struct cli *cli, const char *flag)
{
    return cli_args_value(&cli->args, flag).p != NULL;
}

/* What cannot be meant, whatever the gateway says; NULL: nothing. */
static const char *misuse(struct cli *cli)
{
    bool redirects = has_flag(cli, "redirect"), responds = has_flag(cli, "respond");
    bool has_targets = cli->args.argument_count > 1 || has_flag(cli, "backup");
    if (redirects && responds)
        return "--redirect and --respond exclude each other";
    if (has_targets && (redirects || responds))
        return "with --redirect or --respond there is no TARGET";
    if (has_flag(cli, "status") && !redirects)
        return responds ? "--status needs --redirect; --respond takes the status itself"
                        : "--status needs --redirect";
    if (has_flag(cli, "body") && !responds)
        return "--body needs --respond";
    if (cli->args.argument_count < 2 && !redirects && !responds)
        return "a TARGET is missing, or --redirect or --respond";
    return NULL;
}

static struct err put_targets(struct cli *cli, json_t *route, struct str *ret_words)
{
    AUTO(json_decref) json_t *targets = json_array();
    struct str backup;
    for (size_t i = 1; i < cli->args.argument_count; i++)
        TRY(add_target(cli, targets, cli->args.arguments[i], false, ret_words));
    for (size_t i = 0; (backup = cli_args_nth(&cli->args, "backup", i)).p != NULL; i++)
        TRY(add_target(cli, targets, backup, true, ret_words));
    if (json_array_size(targets) == 0)
        return OK;
    return cli_edit_put(route, STR("upstream.targets"), TAKE(targets));
}

static struct err make_route(struct cli *cli, struct str ca, json_t *route,
                             struct str *ret_words)
{
    json_t *hosts;
    struct str path;
    const char *wrong = misuse(cli);
    if (wrong != NULL) {
        *ret_words = str_from(wrong);
        return fail(ERR_SYNTAX, 0);
    }
    TRY(cli_target_site(cli->arena, cli->args.arguments[0], &hosts, &path, ret_words));
    TRY(cli_edit_put(route, STR("hosts"), hosts));
    TRY(cli_edit_put(route, STR("path"), json_from_str(path)));
    TRY(put_targets(cli, route, ret_words));
    TRY(put_flags(cli, route, ret_words));
    return put_trust(cli, route, ca);
}

/* Nothing is issued before somebody has agreed to the CA's terms. */
static void say_terms(struct cli *cli)
{
    AUTO(json_decref) json_t *acme = NULL;
    if (cli_call(cli, "GET", STR("/v1/acme"), NULL, &acme) != CLI_OK ||
        json_is_true(json_object_get(acme, "tos_agreed")))
        return;
    cli_say(cli,
            "It is issued once you agree to the terms of the certificate authority:\n"
            "  gatehouse acme set tos_agreed=true contact=mailto:you@example.org%s\n",
            cli->here.p);
}

/* The managed certificate that came with the route: what it does, and how to watch it. */
static void say_certificate(struct cli *cli, struct str route_id)
{
    AUTO(json_decref) json_t *doc = NULL;
    if (cli_call(cli, "GET", STR("/v1/certificates"), NULL, &doc) != CLI_OK)
        return;
    const json_t *items = json_object_get(doc, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *cert = json_array_get(items, i);
        const json_t *users = json_object_get(cert, "used_by");
        bool is_ours = false;
        for (size_t k = 0; k < json_array_size(users); k++)
            is_ours |= str_eq(json_str(json_array_get(users, k)), route_id);
        if (!is_ours)
            continue;
        struct str id = cli_text(cli, cert, "id");
        struct str why = cli_text(cli, json_object_get(cert, "next_action"), "why");
        cli_say(cli, "Its certificate \"%.*s\" is %s%s%.*s\n", STR_ARG(id),
                cli_text(cli, cert, "state").p, str_is_empty(why) ? "" : ": ", STR_ARG(why));
        if (str_eq(cli_text(cli, cert, "state"), STR("pending")))
            say_terms(cli);
        cli_say(cli, "  watch it:    gatehouse cert show %.*s%s\n", STR_ARG(id), cli->here.p);
        return;
    }
}

static void say_added(struct cli *cli, const json_t *route)
{
    struct str id = cli_text(cli, route, "id");
    struct str certificate = cli_text(cli, route, "certificate");
    bool is_on = json_is_true(json_object_get(route, "enabled"));
    cli_say(cli, "Route \"%.*s\" %s: %s%s -> %s\n", STR_ARG(id),
            is_on ? "is serving" : "is stored, disabled", hosts_of(cli, route).p,
            cli_text(cli, route, "path").p, targets_of(cli, route).p);
    if (is_on && !str_eq(certificate, STR("none")))
        say_certificate(cli, id);
    cli_say(cli, "  see it work: gatehouse status%s\n", cli->here.p);
}

static enum cli_exit add(struct cli *cli)
{
    AUTO(json_decref) json_t *route = json_object();
    AUTO(json_decref) json_t *doc = NULL;
    struct str words = STR_NONE;
    struct str ca = cli_args_value(&cli->args, "ca");
    if (ca.p != NULL && cli_read_file(cli, ca, &ca) != CLI_OK)
        return CLI_FAILED;
    struct err e = make_route(cli, ca, route, &words);
    if (err_is(e, ERR_SYNTAX))
        return cli_complain(cli, CLI_USAGE, "%.*s", STR_ARG(words));
    if (failed(e))
        return out_of_memory(cli);
    enum cli_exit status = cli_call(cli, "POST", STR("/v1/routes"), route, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    say_added(cli, doc);
    return CLI_OK;
}

static enum cli_exit set(struct cli *cli)
{
    return cli_object_set(cli, cli_path(cli, "routes", id_of(cli)), route_shape, 1);
}

static enum cli_exit rm(struct cli *cli)
{
    cli->args.arguments[0] = id_of(cli);
    return cli_object_remove(cli, "routes", "Route");
}

/* clang-format off */
const struct cli_command cli_route_commands[] = {
    {.name = "list", .arguments = "", .summary = "List all routes.", .fn = list},
    {.name = "show", .arguments = "ID", .least = 1, .most = 1, .summary = "Show a route.",
     .fn = show},
    {.name = "add", .arguments = "HOST[/PATH] [TARGET...]", .least = 1, .most = -1,
     .flags = add_flags, .summary = "Add a route: what HOST serves comes from TARGET.",
     .more =
        "With --redirect or --respond there is no TARGET.\n"
        "HOST may be a list (www.example.org,example.org), *.example.org, or *.\n"
        "TARGET is a URL, or short: 8080, :8080, app:3000, [::1]:8080, /run/app.sock.\n"
        "\n"
        "Examples:\n"
        "  gatehouse route add www.example.org 3000\n"
        "  gatehouse route add example.org/api http://[fd00::10]:8080 --strip-prefix\n"
        "  gatehouse route add cloud.example.org https://10.0.0.5:8443 --ca internal-ca.pem\n"
        "  gatehouse route add app.example.org 10.0.0.5:80 10.0.0.6:80 --health /healthz \\\n"
        "      --balance least_conn --sticky session --backup 10.0.0.9:80\n"
        "  gatehouse route add old.example.org --redirect 'https://example.org{uri}'\n"
        "  gatehouse route add intranet.lan 8080 --certificate none --https optional\n",
     .fn = add},
    {.name = "set", .arguments = "ID NAME=VALUE...", .least = 2, .most = -1,
     .summary = "Change members of a route.",
     .more =
        "NAME is a path with dots as in `gatehouse route show ID --json`. VALUE: text,\n"
        "number or true/false as the member is; lists with commas; null removes;\n"
        "@FILE reads a file.\n"
        "\n"
        "Examples:\n"
        "  gatehouse route set cloud upstream.timeouts.idle=10m\n"
        "  gatehouse route set cloud hosts=cloud.example.org,files.example.org\n"
        "  gatehouse route set cloud upstream.targets=10.0.0.5:8080,10.0.0.6:8080\n"
        "  gatehouse route set cloud upstream.tls.verify=ca upstream.tls.ca=@internal-ca.pem\n"
        "  gatehouse route set cloud upstream.health.interval=5s upstream.queue.size=20\n"
        "  gatehouse route set cloud upstream.sticky=null upstream.balance=hash_ip\n"
        "  gatehouse route set cloud request_headers.set.X-Tenant=blue enabled=false\n",
     .fn = set},
    {.name = "rm", .arguments = "ID", .least = 1, .most = 1, .summary = "Remove a route.",
     .fn = rm},
    {.name = NULL},
};
/* clang-format on */
