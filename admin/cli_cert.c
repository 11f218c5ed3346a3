/* cli_cert.c - gatehouse cert list | show | import | renew | revoke | rm */
#include "admin/cli_object.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"

#include <time.h>

enum { WAIT_LIMIT_MS = 600 * 1000, WAIT_STEP_MS = 500 };

static void print_list(struct cli *cli, const json_t *items)
{
    static const struct cli_column columns[] = {{"ID", CLI_KEEP},     {"NAMES", CLI_SHRINK},
                                                {"STATE", CLI_KEEP},  {"EXPIRES", CLI_KEEP},
                                                {"NEXT", CLI_DROP},   {"USED BY", CLI_SHRINK},
                                                {"SOURCE", CLI_DROP}, {NULL, CLI_KEEP}};
    struct cli_table *t = cli_table_new(cli->arena, columns);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *cert = json_array_get(items, i);
        struct str state = cli_text(cli, cert, "state");
        cli_table_row(t);
        cli_table_cell(t, cli_text(cli, cert, "id"), CLI_PLAIN);
        cli_table_cell(t, cli_join(cli, json_object_get(cert, "names")), CLI_PLAIN);
        cli_table_cell(t, state, cli_state_colour(state));
        cli_table_cell(t, cli_when(cli, cli_text(cli, cert, "not_after")), CLI_PLAIN);
        cli_table_cell(t, cli_next_action(cli, cert), CLI_PLAIN);
        cli_table_cell(t, cli_join(cli, json_object_get(cert, "used_by")), CLI_PLAIN);
        cli_table_cell(t, cli_text(cli, cert, "source"), CLI_PLAIN);
    }
    cli_print_table(cli, t);
}

static enum cli_exit list(struct cli *cli)
{
    AUTO(json_decref) json_t *doc = NULL;
    enum cli_exit status = cli_call(cli, "GET", STR("/v1/certificates"), NULL, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    const json_t *items = json_object_get(doc, "items");
    if (json_array_size(items) == 0)
        cli_say(cli,
                "No certificates yet. A route with --certificate auto brings one; or import:\n"
                "  gatehouse cert import --cert fullchain.pem --key privkey.pem%s\n",
                cli->here.p);
    else
        print_list(cli, items);
    return CLI_OK;
}

/* The CA's own words, with what went wrong for each name. */
static void print_error(struct cli *cli, const json_t *error)
{
    if (!json_is_object(error))
        return;
    struct str detail = cli_text(cli, error, "detail");
    cli_print_pair(cli, "last error",
                   str_is_empty(detail) ? cli_text(cli, error, "title") : detail, CLI_BAD);
    struct str page = cli_text(cli, error, "instance");
    if (!str_is_empty(page))
        cli_print_pair(cli, "", arena_fmt(cli->arena, "see %.*s", STR_ARG(page)), CLI_BAD);
    const json_t *parts = json_object_get(error, "subproblems");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        struct str name = cli_text(cli, json_object_get(part, "identifier"), "value");
        cli_print_pair(cli, "",
                       arena_fmt(cli->arena, "%s: %s", name.p, cli_text(cli, part, "detail").p),
                       CLI_BAD);
    }
}

/* When the CA would have it renewed. */
static void print_renewal_info(struct cli *cli, const json_t *info)
{
    if (!json_is_object(info))
        return;
    struct str page = cli_text(cli, info, "explanation_url");
    cli_print_pair(cli, "CA suggests",
                   arena_fmt(cli->arena, "%s to %s", cli_text(cli, info, "start").p,
                             cli_text(cli, info, "end").p),
                   CLI_PLAIN);
    if (!str_is_empty(page))
        cli_print_pair(cli, "", arena_fmt(cli->arena, "see %.*s", STR_ARG(page)), CLI_WARN);
}

static void print_cert(struct cli *cli, json_t *cert)
{
    static const char *const facts[] = {"source", "issuer", "serial", "key_type"};
    struct str state = cli_text(cli, cert, "state");
    cli_print_pair(cli, "id", cli_text(cli, cert, "id"), CLI_PLAIN);
    cli_print_pair(cli, "names", cli_join(cli, json_object_get(cert, "names")), CLI_PLAIN);
    cli_print_pair(cli, "state", state, cli_state_colour(state));
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        cli_print_pair(cli, facts[i], cli_text(cli, cert, facts[i]), CLI_PLAIN);
    if (!str_is_empty(cli_text(cli, cert, "not_after"))) {
        cli_print_pair(cli, "valid from", cli_when(cli, cli_text(cli, cert, "not_before")),
                       CLI_PLAIN);
        cli_print_pair(cli, "expires", cli_when(cli, cli_text(cli, cert, "not_after")),
                       CLI_PLAIN);
    }
    cli_print_pair(cli, "fingerprint", cli_text(cli, cert, "fingerprint_sha256"), CLI_PLAIN);
    cli_print_pair(cli, "used by", cli_join(cli, json_object_get(cert, "used_by")), CLI_PLAIN);
    cli_print_pair(cli, "next", cli_next_action(cli, cert), CLI_PLAIN);
    cli_print_pair(cli, "why", cli_text(cli, json_object_get(cert, "next_action"), "why"),
                   CLI_PLAIN);
    print_renewal_info(cli, json_object_get(cert, "renewal_info"));
    print_error(cli, json_object_get(cert, "last_error"));
}

/* What the CA has been asked for lately: "2 of 5 certificates for ...". */
static void print_limits(struct cli *cli, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *use = json_array_get(items, i);
        struct str subject = cli_text(cli, use, "subject");
        struct str free_at = cli_text(cli, use, "free_at");
        long long used = json_integer_value(json_object_get(use, "used"));
        if (used == 0)
            continue;
        struct str line =
            arena_fmt(cli->arena, "%lld of %lld %s%s%s%s%s", used,
                      json_integer_value(json_object_get(use, "most")),
                      cli_text(cli, use, "words").p, str_is_empty(subject) ? "" : ", ",
                      subject.p, str_is_empty(free_at) ? "" : "; held back until ",
                      str_is_empty(free_at) ? "" : cli_when(cli, free_at).p);
        cli_print_pair(cli, "limits", line, str_is_empty(free_at) ? CLI_PLAIN : CLI_WARN);
    }
}

/* What handshakes with our own listeners got. */
static void print_served(struct cli *cli, const json_t *served)
{
    struct str state = cli_text(cli, served, "state");
    struct str at = cli_text(cli, served, "checked_at");
    struct str detail = cli_text(cli, served, "detail");
    bool is_good = str_eq(state, STR("good"));
    if (str_is_empty(at))
        return;
    cli_print_pair(cli, "served",
                   arena_fmt(cli->arena, "%s%s%s, seen %s", is_good ? "yes" : state.p,
                             str_is_empty(detail) ? "" : ": ", detail.p, cli_when(cli, at).p),
                   is_good ? CLI_GOOD : CLI_BAD);
}

/* A part of what is shown that is no part of the object. */
static enum cli_exit ask_part(struct cli *cli, const char *part, json_t **ret_doc)
{
    struct str path = cli_path(cli, "certificates", cli->args.arguments[0]);
    return cli_call(cli, "GET", arena_fmt(cli->arena, "%.*s/%s", STR_ARG(path), part), NULL,
                    ret_doc);
}

static enum cli_exit show(struct cli *cli)
{
    AUTO(json_decref) json_t *cert = NULL;
    AUTO(json_decref) json_t *limits = NULL;
    AUTO(json_decref) json_t *served = NULL;
    struct str path = cli_path(cli, "certificates", cli->args.arguments[0]);
    enum cli_exit status = cli_call(cli, "GET", path, NULL, &cert);
    if (status == CLI_OK)
        status = ask_part(cli, "limits", &limits);
    if (status == CLI_OK)
        status = ask_part(cli, "served", &served);
    if (status != CLI_OK)
        return status;
    json_t *items = json_object_get(limits, "items");
    if (cli->is_json)
        return json_object_set(cert, "limits", items) != 0 ||
                       json_object_set(cert, "served", served) != 0
                   ? cli_complain(cli, CLI_FAILED, "out of memory")
                   : cli_print_json(cli, cert);
    print_cert(cli, cert);
    print_served(cli, served);
    print_limits(cli, items);
    return CLI_OK;
}

static const struct cli_flag import_flags[] = {
    {"cert", "FILE", "PEM, the certificate first, then its chain (required)"},
    {"key", "FILE", "PEM, unencrypted private key (required)"},
    {"id", "ID", "name of the certificate; with one that exists, replaces it"},
    {NULL, NULL, NULL},
};

static enum cli_exit import_pair(struct cli *cli)
{
    struct str id = cli_args_value(&cli->args, "id");
    struct str chain = cli_args_value(&cli->args, "cert");
    struct str key = cli_args_value(&cli->args, "key");
    AUTO(json_decref) json_t *doc = NULL;
    if (str_is_empty(chain) || str_is_empty(key))
        return cli_complain(cli, CLI_USAGE, "both are needed: --cert FILE --key FILE");
    if (cli_read_file(cli, chain, &chain) != CLI_OK || cli_read_file(cli, key, &key) != CLI_OK)
        return CLI_FAILED;
    AUTO(json_decref)
    json_t *pair =
        json_pack("{s:s%, s:s%}", "chain_pem", chain.p, chain.len, "key_pem", key.p, key.len);
    if (pair == NULL)
        return cli_complain(cli, CLI_FAILED, "the files are not PEM text");
    bool is_put = !str_is_empty(id);
    enum cli_exit status = cli_call(
        cli, is_put ? "PUT" : "POST",
        is_put ? cli_path(cli, "certificates", id) : STR("/v1/certificates"), pair, &doc);
    if (status != CLI_OK || cli->is_json)
        return status != CLI_OK ? status : cli_print_json(cli, doc);
    struct str made = cli_text(cli, doc, "id");
    cli_say(cli, "Certificate \"%s\" is imported: %s, expires %s\n", made.p,
            cli_join(cli, json_object_get(doc, "names")).p,
            cli_when(cli, cli_text(cli, doc, "not_after")).p);
    if (json_array_size(json_object_get(doc, "used_by")) == 0)
        cli_say(cli, "  use it:  gatehouse route set ROUTE certificate=%s%s\n", made.p,
                cli->here.p);
    return CLI_OK;
}

static const struct cli_flag renew_flags[] = {
    {"wait", NULL, "wait until it is done, ten minutes at most"},
    {NULL, NULL, NULL},
};

static bool has_changed(const json_t *before, const json_t *now, const char *member)
{
    return !json_equal(json_object_get(before, member), json_object_get(now, member));
}

/* Looks at the object until another certificate, or another failure, is there. */
static enum cli_exit wait_for_change(struct cli *cli, struct str path, const json_t *before)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000L * 1000L};
    uint64_t end_ms = clock_mono_ms() + WAIT_LIMIT_MS;
    while (clock_mono_ms() < end_ms) {
        AUTO(json_decref) json_t *now = NULL;
        if (cli_call(cli, "GET", path, NULL, &now) != CLI_OK)
            return CLI_FAILED;
        bool is_new = has_changed(before, now, "fingerprint_sha256");
        bool is_failed = json_is_object(json_object_get(now, "last_error")) &&
                         has_changed(before, now, "last_error");
        if (is_new || is_failed) {
            if (cli->is_json)
                (void)cli_print_json(cli, now);
            else
                print_cert(cli, now);
            return is_new ? CLI_OK : CLI_FAILED;
        }
        (void)nanosleep(&step, NULL);
    }
    return cli_complain(cli, CLI_FAILED,
                        "nothing has happened for ten minutes; gatehouse cert "
                        "show says what it waits for");
}

static enum cli_exit renew(struct cli *cli)
{
    AUTO(json_decref) json_t *before = NULL;
    AUTO(json_decref) json_t *doc = NULL;
    struct str id = cli->args.arguments[0];
    struct str path = cli_path(cli, "certificates", id);
    enum cli_exit status = cli_call(cli, "GET", path, NULL, &before);
    if (status == CLI_OK)
        status = cli_call(cli, "POST", arena_fmt(cli->arena, "%.*s/renew", STR_ARG(path)), NULL,
                          &doc);
    if (status != CLI_OK)
        return status;
    if (cli_args_is_on(&cli->args, "wait"))
        return wait_for_change(cli, path, before);
    if (cli->is_json)
        return cli_print_json(cli, doc);
    bool is_there = json_is_string(json_object_get(doc, "not_after"));
    cli_say(cli,
            "Certificate \"%.*s\" is asked for in the background; %s serves on.\n"
            "  watch it:  gatehouse cert show %.*s%s\n",
            STR_ARG(id), is_there ? "the present one" : "a self-signed stand-in", STR_ARG(id),
            cli->here.p);
    return CLI_OK;
}

static const struct cli_flag revoke_flags[] = {
    {"reason", "REASON",
     "unspecified, key_compromise, affiliation_changed, superseded or "
     "cessation_of_operation (required)"},
    {NULL, NULL, NULL},
};

static enum cli_exit revoke(struct cli *cli)
{
    struct str reason = cli_args_value(&cli->args, "reason");
    AUTO(json_decref) json_t *doc = NULL;
    if (str_is_empty(reason))
        return cli_complain(cli, CLI_USAGE, "say why: --reason REASON");
    AUTO(json_decref) json_t *body = json_pack("{s:s%}", "reason", reason.p, reason.len);
    struct str path = cli_path(cli, "certificates", cli->args.arguments[0]);
    enum cli_exit status =
        cli_call(cli, "POST", arena_fmt(cli->arena, "%.*s/revoke", STR_ARG(path)), body, &doc);
    return status != CLI_OK ? status : cli_print_json(cli, doc);
}

static enum cli_exit rm(struct cli *cli)
{
    return cli_object_remove(cli, "certificates", "Certificate");
}

/* clang-format off */
const struct cli_command cli_cert_commands[] = {
    {.name = "list", .arguments = "", .summary = "List all certificates.", .fn = list},
    {.name = "show", .arguments = "ID", .least = 1, .most = 1,
     .summary = "Show a certificate, what happens next, and why.", .fn = show},
    {.name = "import", .arguments = "--cert FILE --key FILE", .flags = import_flags,
     .summary = "Import a certificate with its private key.",
     .more =
        "Examples:\n"
        "  gatehouse cert import --cert fullchain.pem --key privkey.pem\n"
        "  gatehouse cert import --cert new.pem --key new.key --id intranet\n",
     .fn = import_pair},
    {.name = "renew", .arguments = "ID", .least = 1, .most = 1, .flags = renew_flags,
     .summary = "Get a new certificate now instead of later.",
     .more =
        "Example:\n"
        "  gatehouse cert renew www.example.org --wait\n",
     .fn = renew},
    {.name = "revoke", .arguments = "ID --reason R", .least = 1, .most = 1,
     .flags = revoke_flags, .summary = "Revoke a certificate (not available yet).",
     .fn = revoke},
    {.name = "rm", .arguments = "ID", .least = 1, .most = 1,
     .summary = "Remove a certificate that no route needs.", .fn = rm},
    {.name = NULL},
};
/* clang-format on */
