/* cli_args.h - flags and arguments of one command.
 *
 * Purpose: "--flag value", "--flag=value", "--switch", in any order with the arguments;
 *          "--" ends the flags.  Every flag has an environment twin: GATEHOUSE_<FLAG> for
 *          those that all commands share, GATEHOUSE_<GROUP>_<FLAG> for the others, so
 *          that GATEHOUSE_HTTPS of `gatehouse run` never changes what `route add --https`
 *          means.
 * Thread:  one.
 * Owns:    everything lives in the arena or in argv and the environment.
 * Fails:   ERR_USAGE with a sentence in ret_words. */
#pragma once

#include "gateway/base/arena.h"

struct cli_flag {
    const char *name;    /* without the dashes; NULL ends a table */
    const char *operand; /* "FILE"; NULL: a switch */
    const char *help;
};

struct cli_given {
    const struct cli_flag *flag;
    struct str value;
};

/* How the environment is asked. */
struct cli_variables {
    const char *(*variable)(void *arg, const char *name);
    void *arg;
};

struct cli_args {
    struct arena *arena;
    struct cli_variables variables;
    const char *group;             /* "route"; the command's own name if it has no group */
    const struct cli_flag *common; /* of all commands */
    const struct cli_flag *own;    /* of this command; may be NULL */
    struct str *arguments;
    size_t argument_count;
    struct cli_given *given;
    size_t given_count;
    bool wants_help;
};

/* argv begins after the command's name.  The first members of args, down to own, are
 * filled in by the caller. */
struct err cli_args_parse(struct cli_args *args, int argc, char *const *argv,
                          struct str *ret_words);

/* The last value given, else the environment's; .p is NULL if there is neither. */
struct str cli_args_value(const struct cli_args *args, const char *flag);

/* Given on the command line, not by the environment. */
bool cli_args_is_given(const struct cli_args *args, const char *flag);

/* A switch. */
bool cli_args_is_on(const struct cli_args *args, const char *flag);

/* The nth value of a flag that may be repeated; .p is NULL after the last. */
struct str cli_args_nth(const struct cli_args *args, const char *flag, size_t n);

/* Name of a flag's environment twin, in the arena. */
struct str cli_args_twin(const struct cli_args *args, const struct cli_flag *flag);
