/* loopback.h - a real worker between sockets that the test holds in its own hands.
 *
 * Purpose: the test plays client and target in one thread, with blocking sockets, and the
 *          worker runs in its own: each step waits for the one before, so that nothing
 *          depends on time.  Time itself stands still until loopback_pass moves it.
 * Thread:  the test's.
 * Owns:    the store, the worker and the listening sockets; connected ones are the caller's.
 * Fails:   assertions, which end the whole program, with their message; a peer that stays
 *          silent for LOOPBACK_PATIENCE_S fails the test. */
#pragma once

#include "gateway/access_log.h"
#include "gateway/worker.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_config.h"

enum { LOOPBACK_PATIENCE_S = 20, LOOPBACK_NOW_AT = 1795456320 };

struct loopback {
    struct temp_store store;
    struct fake_issuer ca;
    struct fake_clock clock;
    struct ticket_keys *keys;
    struct listener_set *listeners; /* plain, then TLS */
    struct log_writer *log_writer;
    int log_file;
    struct access_log *access_log;
    struct worker *worker;
    int target; /* listening */
    uint16_t target_port;
};

/* client_buffer_bytes: what the kernel takes for a client that does not read; 0: as usual. */
void loopback_start(struct loopback *b, int client_buffer_bytes);

/* Drains and ends the worker; every connection must be closed, or about to be. */
void loopback_drain(struct loopback *b);

/* Drains, if that has not been done, and forgets everything. */
void loopback_stop(struct loopback *b);

/* A route for host to the target, served with and without TLS; members: further JSON members
 * of the route, each with a comma before it. */
void loopback_route(struct loopback *b, const char *id, const char *host, const char *members);

/* The same with further members of its upstream. */
void loopback_upstream(struct loopback *b, const char *id, const char *host,
                       const char *members);

int loopback_connect(const struct loopback *b);
int loopback_connect_tls(const struct loopback *b);

/* What the worker has opened, or opens, to the target. */
int loopback_accept(const struct loopback *b);

/* True if the worker has no connection to the target waiting to be accepted. */
bool loopback_is_quiet(const struct loopback *b);

/* Moves the clock; what was said before has been read, and timers that are due have fired, when
 * this returns. */
void loopback_pass(struct loopback *b, uint64_t ms);

/* The access lines, after loopback_drain.  Static storage. */
struct str loopback_lines(const struct loopback *b);

void loopback_say(int fd, const char *text);
void loopback_say_bytes(int fd, struct str bytes);

/* The next head, to its empty line; or just len bytes.  Static storage, until the next call. */
const char *loopback_hear_head(int fd);
struct str loopback_hear(int fd, size_t len);

/* Everything up to the end; *ret_is_cut: that was a reset. */
struct str loopback_hear_all(int fd, bool *ret_is_cut);
