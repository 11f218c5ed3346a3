/* cli.h - the commands of gatehouse other than run.
 *
 * Purpose: route, stream, cert, acme, settings, status, export, import, token, version: a
 *          client of the admin interface with tables for people and --json for scripts.
 * Thread:  one.
 * Owns:    nothing after it returns.
 * Fails:   exit status 1: the operation failed; 2: wrong usage.  Words go to env->err. */
#pragma once

#include "admin/cli_client.h"

#include <stdio.h>

/* 0: unknown, or no terminal. */
struct cli_screen {
    unsigned columns;
    unsigned lines;
};

/* What only main.c may ask the system for. */
struct cli_env {
    const char *(*variable)(void *arg, const char *name); /* getenv; NULL: not set */
    void *arg;
    FILE *in;
    FILE *out;
    FILE *err;
    bool is_root;
    bool is_terminal;                      /* out is one */
    struct cli_screen screen;              /* its size at the start ... */
    struct cli_screen (*look)(void *arg);  /* ... and now */
    bool (*pause)(void *arg, unsigned ms); /* false: it is enough */
    cli_transport_fn *transport;           /* NULL: libcurl */
    void *transport_arg;
};

/* argv[0] is the program; returns the exit status. */
int cli_main(const struct cli_env *env, int argc, char **argv);

/* What `gatehouse --help` prints. */
void cli_usage(FILE *out);
