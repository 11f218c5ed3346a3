/* cli_fixture.h - the command line on top of the API in the same process.
 *
 * Purpose: tests give a line as a user types it and look at what is printed.
 * Thread:  one.
 * Owns:    the texts of the last run, until the next one or cli_fixture_close. */
#pragma once

#include "admin/cli.h"
#include "tests/support/api_fixture.h"

struct cli_fixture {
    struct api_fixture api;
    const char *const *variables; /* name, value, ..., NULL; may be NULL */
    const char *input;            /* standard input; may be NULL */
    bool is_terminal;
    struct cli_screen screen;
    struct cli_screen next_screen; /* after the first pause; 0: the same */
    unsigned pauses;               /* granted before it is enough */
    char *out;
    char *err;
};

void cli_fixture_open(struct cli_fixture *f);
void cli_fixture_close(struct cli_fixture *f);

/* Words are separated by single spaces, '+' inside a word becomes a space; returns the exit
 * status. */
int cli_fixture_run(struct cli_fixture *f, const char *line);

/* Runs, and asserts status 0. */
void cli_fixture_ok(struct cli_fixture *f, const char *line);

/* What was printed by the last run contains the words. */
bool cli_fixture_said(const struct cli_fixture *f, const char *words);
bool cli_fixture_complained(const struct cli_fixture *f, const char *words);

/* A file in the fixture's folder; the name is good until the next call. */
const char *cli_fixture_file(struct cli_fixture *f, const char *name, struct str text);
