/* route_live.h - what workers count about a route while they serve it.
 *
 * Purpose: requests, bytes and times of a route, for metrics and status; kept across the
 *          revisions of the route, forgotten with it.
 * Thread:  route_live_begin and _end: any worker; each of the first ROUTE_LIVE_SHARDS - 1 has
 *          a block of its own, so that workers on several CPUs do not fight for a cache line;
 *          the others share the last one.  route_live_read: any thread; the numbers of one
 *          request may be seen in parts.
 * Owns:    its blocks, allocated when a worker counts for the first time: a route without
 *          requests costs 80 bytes.
 * Limits:  ROUTE_LIVE_SHARDS blocks.
 * Fails:   route_live_new: NULL.  Without memory for a block its requests are not counted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct route_live;

enum { ROUTE_LIVE_SHARDS = 8, ROUTE_LIVE_BUCKETS = 16 };

struct route_live *route_live_new(void);
struct route_live *route_live_ref(struct route_live *l);
void route_live_unref(void *live); /* an arena_dispose_fn */

/* What came of one request. */
enum route_class {
    ROUTE_CLASS_NONE, /* no answer was sent */
    ROUTE_CLASS_1XX,  /* a tunnel */
    ROUTE_CLASS_2XX,
    ROUTE_CLASS_3XX,
    ROUTE_CLASS_4XX,
    ROUTE_CLASS_5XX,
    ROUTE_CLASS_COUNT
};

/* Who ended it before it was done, if somebody did. */
enum ended_by {
    ENDED_DONE,
    ENDED_BY_CLIENT,
    ENDED_BY_TARGET,
    ENDED_BY_GATEWAY,
    ENDED_BY_COUNT
};

struct route_outcome {
    enum route_class class;
    enum ended_by ended_by;
    uint64_t in_bytes;
    uint64_t out_bytes;
    uint64_t total_us;
};

/* worker: its index; both calls for one request come from the same worker. */
void route_live_begin(struct route_live *l, unsigned worker);
void route_live_end(struct route_live *l, unsigned worker, const struct route_outcome *o);

/* The sum over all workers. */
struct route_numbers {
    uint64_t open; /* requests under way */
    uint64_t requests[ROUTE_CLASS_COUNT];
    uint64_t ended[ENDED_BY_COUNT]; /* but for ENDED_DONE */
    uint64_t in_bytes;
    uint64_t out_bytes;
    uint64_t timed;    /* requests in the buckets: all but tunnels */
    uint64_t timed_us; /* the sum of their times */
    uint64_t buckets[ROUTE_LIVE_BUCKETS];
};

/* Upper ends of the buckets, the last of which has none. */
extern const uint64_t route_live_bounds_us[ROUTE_LIVE_BUCKETS - 1];

/* False: no request has come yet. */
bool route_live_read(const struct route_live *l, struct route_numbers *ret_numbers);

/* The time that so many percent of the timed requests stayed below: interpolated within its
 * bucket, the lower end of the last one.  False without requests. */
bool route_numbers_percentile_us(const struct route_numbers *n, unsigned percent,
                                 uint64_t *ret_us);
