/* served.h - is what was put into service what clients get?
 *
 * Purpose: after a certificate was activated, issued or imported, handshakes against our own
 *          listeners for each of its names; what comes is compared with what should.  The
 *          result is a condition of the store (CONDITION_SERVED).
 * Thread:  served_start, served_stop: the thread that composes the process.  One thread of its
 *          own makes the handshakes, so that no worker waits for itself.
 * Owns:    the thread.
 * Limits:  SERVED_LIMIT_MS per handshake; SERVED_SHAKES_MAX handshakes per certificate, at
 *          least SERVED_SHAKES_PER_WORKER per worker: the kernel spreads them, so that a
 *          worker that serves something old is met with near certainty.
 * Fails:   served_start: ERR_MEMORY, ERR_IO.  A listener that cannot be reached makes
 *          "unknown", not "bad".
 *
 * Names that clients reach another certificate by (a route says so), addresses, and
 * certificates that are served under no name are not checked. */
#pragma once

#include "store/store.h"

#include <stdint.h>

struct served;

/* Where clients connect to; what is bound to all addresses is reached on loopback. */
struct served_listener {
    struct str text;           /* as settings.proxy_protocol names it: "0.0.0.0:443" */
    unsigned char address[16]; /* IPv4 mapped */
    uint16_t port;
};

struct served_options {
    const struct served_listener *listeners; /* of HTTPS; outlive it */
    size_t listener_count;
    unsigned worker_count;
};

struct err served_start(struct store *s, const struct served_options *o,
                        struct served **ret_served);

/* Accepts NULL. */
void served_stop(struct served *s);
