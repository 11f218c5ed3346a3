/* cli_command.h - what a command of the command line is, and what all of them use.
 *
 * Purpose: a command is one row (name, arguments, flags, help, function) in its group's
 *          table; the functions below ask the API and speak to the user in one voice.
 * Thread:  one.
 * Owns:    struct cli lives as long as the command; text is in its arena.
 * Fails:   commands and cli_call return an exit status; words have been printed then. */
#pragma once

#include "admin/cli.h"
#include "admin/cli_args.h"
#include "admin/cli_table.h"

#include <jansson.h>

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command;

/* One invocation. */
struct cli {
    const struct cli_env *env;
    struct arena *arena;
    const struct cli_command *command;
    struct cli_args args;
    struct cli_server server;
    struct str here; /* " --data DIR" if the user had to say it: for the hints */
    bool is_json;
};

typedef enum cli_exit cli_command_fn(struct cli *cli);

struct cli_command {
    const char *name;             /* NULL ends a table */
    const char *arguments;        /* "HOST[/PATH] TARGET..." */
    int least;                    /* how many arguments at least, */
    int most;                     /* and at most; -1: any number */
    const struct cli_flag *flags; /* may be NULL */
    const char *summary;
    const char *more; /* notes and examples for --help; may be NULL */
    cli_command_fn *fn;
};

extern const struct cli_command cli_route_commands[];
extern const struct cli_command cli_stream_commands[];
extern const struct cli_command cli_cert_commands[];
extern const struct cli_command cli_acme_commands[];
extern const struct cli_command cli_alarm_commands[];
extern const struct cli_command cli_settings_commands[];
extern const struct cli_command cli_token_commands[];
extern const struct cli_command cli_config_commands[];
extern const struct cli_command cli_status_commands[];

/* ---- asking ---- */

/* One request.  body (may be NULL) is borrowed.  *ret_doc: new reference, NULL without a
 * body. A failure has been explained on env->err. */
enum cli_exit cli_call(struct cli *cli, const char *method, struct str path, const json_t *body,
                       json_t **ret_doc);

/* "/v1/routes/my%20id" */
struct str cli_path(struct cli *cli, const char *collection, struct str id);

/* ---- speaking ---- */

/* To env->out. */
void cli_say(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* To env->err, with the program's name; returns status. */
enum cli_exit cli_complain(struct cli *cli, enum cli_exit status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The answer as it came, indented. */
enum cli_exit cli_print_json(struct cli *cli, const json_t *doc);

void cli_print_table(struct cli *cli, const struct cli_table *t);

/* "label   value" lines; colours as wanted.  An empty value is not printed. */
void cli_print_pair(struct cli *cli, const char *label, struct str value,
                    enum cli_colour colour);

bool cli_is_coloured(const struct cli *cli);

/* ---- reading answers ---- */

/* Text of a member along a path of names ending with NULL: "" if absent, null or no text;
 * numbers and booleans as text. */
struct str cli_text(struct cli *cli, const json_t *doc, const char *name);

/* The strings of an array joined by ", "; "" if absent. */
struct str cli_join(struct cli *cli, const json_t *array);

/* "2027-01-22 (in 60 days)" from RFC 3339; "-" for empty. */
struct str cli_when(struct cli *cli, struct str time);

/* What a certificate waits for: "renew 2027-01-22 (in 60 days)"; empty if nothing is
 * planned. */
struct str cli_next_action(struct cli *cli, const json_t *cert);

/* Colour of a state word of the API: active, ok, up, pending, degraded, failed, ... */
enum cli_colour cli_state_colour(struct str state);

/* ---- files ---- */

/* Whole file, or env->in for "-"; complains itself. */
enum cli_exit cli_read_file(struct cli *cli, struct str path, struct str *ret_text);
