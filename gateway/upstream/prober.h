/* prober.h - active health checks: targets are asked, in turns, how they are.
 *
 * Purpose: GET of health.path, or connecting alone (health.tcp), through the same TLS and PROXY
 *          header as traffic; the verdicts go to health.h.
 * Thread:  one prober per worker; each target is one worker's, so that it is asked once.
 * Owns:    a probe for each of its targets, with a reference on the route.
 * Limits:  health.timeout for one probe, all in all; PROBE_BODY_MAX_BYTES of the answer's body
 *          are read, then the connection is closed.
 * Fails:   prober_update: without memory a target goes unasked until its route changes. */
#pragma once

#include "gateway/worker.h"

struct prober;

/* NULL: out of memory. */
struct prober *prober_new(struct worker *w);

/* Also forgets all probes, without a verdict. */
void prober_free(struct prober *p);

/* A new snapshot is in use; old: the one before it, NULL at first.  Costs what has changed
 * among the routes with checks. */
void prober_update(struct prober *p, const struct snapshot *old, const struct snapshot *newest);

/* The worker drains: no more questions. */
void prober_stop(struct prober *p);
