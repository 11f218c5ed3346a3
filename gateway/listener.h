/* listener.h - listening sockets: opened in one place, accepted from by workers.
 *
 * Purpose: listener_set_open binds every address once per worker (SO_REUSEPORT), before
 *          privileges are dropped; each worker then runs a listener on its own sockets.
 * Thread:  the set: main, constant afterwards.  A listener: its worker.
 * Owns:    the set owns the descriptors until a listener takes one over.
 * Limits:  LISTEN_BACKLOG, ACCEPT_BATCH_MAX per turn.  Out of descriptors or memory,
 *          accepting rests for a moment instead of spinning; clients wait in the backlog.
 * Fails:   ERR_IO with errno (EADDRINUSE, EACCES), ERR_USAGE for an address that cannot be
 *          read. */
#pragma once

#include "gateway/loop.h"

#include "gateway/base/arena.h"

#include <sys/socket.h>

enum listener_kind { LISTENER_HTTP, LISTENER_HTTPS };

/* One address a user named may be two sockets: ":443" is 0.0.0.0 and [::]. */
struct listener_address {
    enum listener_kind kind;
    char text[64];             /* "0.0.0.0:443", "[::]:443" */
    unsigned char address[16]; /* IPv4 mapped */
    uint16_t port;
    int *fds; /* one per worker; -1: taken over */
};

struct listener_set {
    struct arena *arena;
    struct listener_address *items;
    size_t count;
    unsigned worker_count;
};

struct err listener_set_new(unsigned worker_count, struct listener_set **ret_set);

/* text: "ADDR:PORT", "[ADDR]:PORT", ":PORT". On failure *ret_at (64 bytes) names the socket
 * address. */
struct err listener_set_open(struct listener_set *set, enum listener_kind kind, struct str text,
                             char ret_at[64]);
void listener_set_free(struct listener_set *set);

/* True if fd, a connected socket, leads to one of them. */
bool listener_set_has_peer(const struct listener_set *set, int fd);

/* Binds and listens on one address without SO_REUSEPORT: for the admin API. */
struct err listener_open_one(struct str text, int *ret_fd, char ret_at[64]);

struct listener;

struct peer {
    char text[64];             /* address only: "192.0.2.1", "2001:db8::1" */
    unsigned char address[16]; /* IPv4 mapped */
    uint16_t port;
};

void peer_set(struct peer *p, const unsigned char address[16], uint16_t port);

/* The address that a client connected to. */
void listener_read_local(int fd, struct peer *ret_local);

/* The worker's thread; takes over fd, which sends at once (TCP_NODELAY) and whose silent peer
 * is probed (SO_KEEPALIVE). */
typedef void listener_accept_fn(void *arg, const struct listener_address *at, int fd,
                                const struct peer *peer);

/* address outlives the listener. */
struct err listener_start(struct loop *loop, struct listener_address *address, unsigned index,
                          listener_accept_fn *on_accept, void *arg,
                          struct listener **ret_listener);
/* Closes the socket: further clients are refused. Accepts NULL. */
void listener_stop(struct listener *l);
