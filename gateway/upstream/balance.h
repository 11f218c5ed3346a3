/* balance.h - which target of an upstream gets the next request.
 *
 * Purpose: smooth weighted round robin: among targets that may serve, each gets its share
 *          and the shares are interleaved.  Backup targets serve only when no other is left;
 *          draining ones not.
 * Thread:  one balancer per worker; each worker takes its own turns.
 * Owns:    the turn counters of each route with more than one target.
 * Limits:  one entry per such route; entries of deleted routes go when BALANCER_ROUTES_MAX
 *          is reached.
 * Fails:   never: without memory for counters the first eligible target serves. */
#pragma once

#include "store/model.h"

struct balancer;

enum { BALANCER_ROUTES_MAX = 10000 };

struct balancer *balancer_new(void);
void balancer_free(struct balancer *b);

/* tried: bit i set: target i has failed for this exchange already. NULL: none is left. */
const struct target *balancer_pick(struct balancer *b, const struct route *route,
                                   uint64_t tried);
