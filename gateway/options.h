/* options.h - argv and environment of `gatehouse run`; nothing else reads them.
 *
 * Purpose: each flag has an environment twin (GATEHOUSE_ and the flag's name); a flag beats
 *          its twin.
 * Thread:  main.
 * Owns:    nothing: text points into argv, the environment, or text owned by the struct.
 * Fails:   options_read: ERR_USAGE, with a sentence on stderr. */
#pragma once

#include "gateway/access_log.h"

#include "gateway/base/err.h"
#include "gateway/base/log.h"

enum { OPTIONS_LISTEN_MAX = 32, OPTIONS_PATH_MAX = 4096, OPTIONS_WORKERS_MAX = 64 };

struct option_list {
    const char *items[OPTIONS_LISTEN_MAX];
    size_t count;
};

struct options {
    char data[OPTIONS_PATH_MAX];
    struct option_list http;  /* empty: the default */
    struct option_list https; /* empty: the default */
    const char *admin;        /* "off": no TCP */
    struct option_list admin_hosts;
    unsigned workers;
    const char *user; /* NULL: stay who we are */
    enum log_level log_level;
    const char *access_log; /* path, "-" or "off" */
    bool has_access_format; /* else: as standard output is a terminal or not */
    enum access_format access_format;
    const char *resolver; /* "IP:PORT,..."; NULL: the system's */
    const char *crash_at; /* for tests, see acme/crash.h */
    bool wants_help;
    char split[3][1024]; /* copies of comma-separated environment values */
};

/* argv[0] is "run". */
struct err options_read(int argc, char **argv, struct options *ret_options);

void options_print_help(void);
