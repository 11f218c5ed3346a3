/* admin.h - the admin interface: libmicrohttpd in front of api.h.
 *
 * Purpose: serves the API on a unix socket and on TCP sockets that somebody else opened.
 * Thread:  admin_start and admin_stop: one control thread; requests run on ADMIN_THREADS
 *          threads per listener, which may wait for a write to be published.
 * Owns:    the listening sockets from admin_start on, also when it fails.
 * Limits:  "admin" in limits.h: connections, heads, bodies, idle time.
 * Fails:   ERR_IO if a daemon does not start, ERR_MEMORY.
 *
 * Disadvantage: each listener's threads are few; a client that imports 100,000 routes
 *               keeps one of
 * them busy for seconds. */
#pragma once

#include "admin/guard.h"
#include "admin/ports.h"
#include "store/store.h"

#include "gateway/base/secret.h"

struct admin;

struct admin_options {
    int unix_fd;        /* listening AF_UNIX socket, -1 for none: no token needed */
    const int *tcp_fds; /* listening TCP sockets: token needed */
    size_t tcp_count;
    struct own_names own_names; /* see guard.h; they must outlive the admin interface */
};

/* ports is copied; what it points at must outlive the admin interface. */
struct err admin_start(struct store *s, const struct admin_options *o,
                       const struct admin_ports *ports, struct admin **ret_admin);

/* Closes the sockets, waits for requests that are running.  NULL is harmless. */
void admin_stop(struct admin *a);

/* When no token exists yet: makes one with the scope admin, named "first-start", for the
 * operator to see once.  ret_token is only written when *ret_is_created. */
struct err admin_first_token(struct store *s, struct secret *ret_token, bool *ret_is_created);
