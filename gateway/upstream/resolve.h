/* resolve.h - names of targets to addresses, without blocking a worker.
 *
 * Purpose: c-ares on the worker's own loop: A and AAAA, each on its own, so that a lost answer
 *          to one holds up nobody whom the other can serve (RFC 8305 3); /etc/hosts; TTLs,
 *          also those of aliases, honoured within DNS_TTL_MIN_S..DNS_TTL_MAX_S.  Addresses in
 *          use are asked for again in the background, before they expire.  When a name stops
 *          resolving its last addresses stay in use for DNS_STALE_S.
 * Thread:  one resolver per worker.
 * Owns:    the c-ares channel, its sockets' watches, and the cache.
 * Limits:  DNS_NAMES_MAX names (then the cache is emptied), DNS_ADDRESSES_MAX addresses
 *          each; a failed look-up is answered from memory for DNS_FAIL_S.
 * Fails:   ERR_TARGET_DNS (detail: the ares status), ERR_MEMORY. */
#pragma once

#include "gateway/loop.h"

#include "gateway/base/limits.h"
#include "gateway/base/list.h"
#include "gateway/base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct resolver;

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct addresses {
    union address items[DNS_ADDRESSES_MAX]; /* port 0 */
    size_t count;
    int64_t resolved_at; /* when the name was last known to have them */
    int64_t stale_at;    /* 0, or since when it no longer resolves */
};

struct resolver_waiter;
/* The answer is there: ask resolver_find again. Called in a turn of its own, not inside
 * resolver_find. */
typedef void resolver_waiter_fn(struct resolver_waiter *w);

/* Zeroed: not waiting. */
struct resolver_waiter {
    resolver_waiter_fn *on_resolved;
    struct list_node node;
};

/* servers: "127.0.0.1:53,[::1]:53"; NULL: the system's. */
struct err resolver_new(struct loop *loop, const char *servers, struct resolver **ret_resolver);
void resolver_free(struct resolver *r);

/* OK: *ret_addresses filled.  ERR_AGAIN: w->on_resolved follows.  ERR_TARGET_DNS: it does
 *     not resolve. */
struct err resolver_find(struct resolver *r, struct str name, struct resolver_waiter *w,
                         struct addresses *ret_addresses);

/* What is known now; where that is due it asks again, and nobody waits for it.  False: no
 * address is known. */
bool resolver_peek(struct resolver *r, struct str name, struct addresses *ret_addresses);

/* Harmless if not waiting. */
void resolver_cancel(struct resolver_waiter *w);
