/* cli_client.h - one request of the command line to the admin interface.
 *
 * Purpose: libcurl over DIR/admin.sock, or to --server URL with --token T.
 * Thread:  one.
 * Owns:    the answer's body is the caller's buf.
 * Limits:  CLI_CONNECT_LIMIT_MS to connect, CLI_REQUEST_LIMIT_MS in all,
 *          ADMIN_REPLY_MAX_BYTES.
 * Fails:   ERR_IO: no answer; answer->words says why. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

struct cli_server {
    struct str data_dir; /* its admin.sock is used when url is empty */
    struct str url;      /* http://127.0.0.1:8088, without a path */
    struct str token;    /* may be empty */
};

struct cli_request {
    const char *method;
    struct str path; /* with query; percent-encoded */
    struct str body; /* JSON; empty: none */
};

struct cli_answer {
    unsigned status;
    struct buf body;
    struct str words; /* why there is none; in the arena or constant */
};

/* Replaced in tests. */
typedef struct err cli_transport_fn(void *arg, struct arena *a, const struct cli_server *server,
                                    const struct cli_request *request,
                                    struct cli_answer *answer);

cli_transport_fn cli_client_transport;
