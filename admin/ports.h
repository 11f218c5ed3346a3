/* ports.h - live state that only the running gateway knows, as function pointers.
 *
 * Purpose: admin reports about listeners, recent errors and readiness without including the
 *          gateway; main.c fills this in.
 * Thread:  called on admin threads, several at once; the functions lock what they need.
 * Owns:    json_t results are new references of the caller.
 * Fails:   NULL from a json_t function means out of memory, or nothing to say. */
#pragma once

#include "gateway/base/json.h"

struct admin_ports {
    void *arg; /* passed to each function */

    /* [{"address": "127.0.0.1:8080", "kind": "http" | "https" | "admin", ...}] */
    json_t *(*listeners)(void *arg);

    /* [{"at", "line"}], oldest first: the last log lines of level warn and above; may be
     * NULL. */
    json_t *(*recent_errors)(void *arg);

    /* What is wrong now, an array as in GET /v1/alarms; may be NULL. */
    json_t *(*alarms)(void *arg);

    /* Tells everybody who is told of alarms, as a test: [{"channel", "ok", "detail"}]; may be
     * NULL. */
    json_t *(*alarm_test)(void *arg);

    /* True once every listener is open and every worker serves; may be NULL: always ready. */
    bool (*is_ready)(void *arg);

    /* Further Prometheus lines; may be NULL. */
    void (*metrics)(void *arg, struct buf *out);
};
