/* balance.h - which target of an upstream gets the next request.
 *
 * Purpose: upstream.balance among the targets that are fit to serve:
 *            round_robin  smooth and weighted: each gets its share, shares are interleaved
 *            least_conn   fewest requests under way over all workers, in relation to weight;
 *                         equals take turns
 *            random_two   the less busy of two drawn by weight
 *            hash_...     balance_hash.h; a request without the cookie takes its turn
 *          Before any of them a sticky cookie decides.  Backup targets serve only when no
 *          other is left; draining ones only those whose cookie names them.  An ejected target
 *          whose time is over gets one request as a trial.
 * Thread:  one balancer per worker; each worker takes its own turns.
 * Owns:    the turn counters of each route with more than one target.
 * Limits:  one entry per such route; entries of deleted routes go when BALANCER_ROUTES_MAX
 *          is reached.
 * Fails:   ERR_TARGETS_DOWN (detail: seconds until one may be back, at least 1): all are down;
 *          ERR_NO_TARGET: all are draining or have been tried; ERR_AGAIN: one would serve, but
 *          has its most requests.  Without memory for counters the first eligible target
 *          serves. */
#pragma once

#include "gateway/http/http_message.h"
#include "store/model.h"

struct balancer;

enum { BALANCER_ROUTES_MAX = 10000 };

/* What is known of the request; looked at only where the method needs it. */
struct balance_request {
    struct str client;            /* its address */
    const struct http_head *head; /* as received */
    uint64_t tried;               /* bit i: target i has failed for this exchange */
    uint32_t max_connections;     /* at once on each target; 0: no limit */
    uint64_t now_ms;              /* monotonic */
};

/* seed: of random_two. */
struct balancer *balancer_new(uint64_t seed);
void balancer_free(struct balancer *b);

struct err balancer_pick(struct balancer *b, const struct route *route,
                         const struct balance_request *q, const struct target **ret_target);
