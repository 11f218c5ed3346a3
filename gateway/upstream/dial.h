/* dial.h - a connected socket to a target: its name looked up, its addresses raced.
 *
 * Purpose: one attempt after the other, IPv6 first and the families in turns; a slow one does
 *          not hold up the next, and the first to connect wins (happy eyeballs, RFC 8305 4
 *          and 5).
 * Thread:  the worker's.
 * Owns:    the sockets of its attempts; the winner is the user's, the others are closed.
 * Limits:  the next address after DIAL_NEXT_MS, or at once when an attempt fails; no limit of
 *          the whole: that is the user's timer, and dial_stop.
 * Fails:   through on_failed, never from inside dial_start: ERR_TARGET_DNS, ERR_TARGET_CONNECT
 *          (detail errno) of the attempt that failed last. */
#pragma once

#include "gateway/upstream/resolve.h"
#include "gateway/upstream/target_pool.h"
#include "store/model.h"

struct dial;

/* Either is called once, and the dial is gone by then. */
struct dial_user {
    void (*on_connected)(void *arg, int fd); /* fd: non-blocking, the user's now */
    void (*on_failed)(void *arg, struct err e);
};

struct dial_options {
    struct loop *loop;
    struct resolver *resolver;
    struct target_pool *pool;    /* gives up descriptors where they run out; may be NULL */
    const struct target *target; /* outlives the dial */
    const struct dial_user *user;
    void *arg;
};

/* ERR_MEMORY. */
struct err dial_start(const struct dial_options *o, struct dial **ret_dial);

/* True while the target's name is being looked up. */
bool dial_is_resolving(const struct dial *d);

/* False: the target's name has moved away from that address.  Asks for the name again, in the
 * background, where that is due. */
bool dial_is_current(struct resolver *r, const struct target *t, const union address *at);

/* Gives up, without a word. Harmless for NULL. */
void dial_stop(struct dial *d);
