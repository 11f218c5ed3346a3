/* acme.h - keeps every managed certificate issued and fresh.
 *
 * Purpose: one thread that watches the snapshots: a certificate with source "acme" that an
 *          enabled route uses, and whose next action is due, is ordered from the CA of the
 *          settings.  The thread takes its orders from the store alone: to renew a certificate
 *          now, set its next action to now.
 * Thread:  acme_start, acme_stop: the thread that composes the process.
 * Owns:    the orders under way, the connections to the CA.
 * Limits:  as many orders at once as the settings say; requests go out one after the other, so
 *          a CA that hangs delays other certificates (by ACME_REQUEST_LIMIT_MS at most) and
 *          nothing else.
 * Fails:   acme_start: ERR_MEMORY, ERR_IO, or what the store says.  Afterwards failures are
 *          shown in the certificates and in the log. */
#pragma once

#include "acme/fetch.h"
#include "store/store.h"

struct acme;

struct acme_options {
    bool has_http_listener; /* http-01 needs one; without it nothing is ordered, and says so */
    const char *user_agent; /* NULL: gatehouse/<version> */
    const char *crash_at;   /* see crash.h; NULL: nowhere */
    struct fetch *fetch;    /* another transport, borrowed, for tests; NULL: HTTPS */
};

struct err acme_start(struct store *s, const struct acme_options *o, struct acme **ret_acme);

/* Breaks off what is under way, wherever it is; another process resumes it.  Accepts NULL. */
void acme_stop(struct acme *a);
