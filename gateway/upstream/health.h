/* health.h - whether a target is fit to serve.
 *
 * Purpose: one state for each target, out of what requests meet and what probes say.  It is
 *          left out while either speaks against it:
 *            requests: unhealthy_after failures in a row eject it for health.interval, twice
 *                      as long each further time; then one request over all workers is its
 *                      trial, or a good probe where there are probes.  Only where there is
 *                      another target; while none of them is up, nobody is out for longer than
 *                      health.interval.  An edit of the route ends it.
 *            probes:   unhealthy_after bad ones take it down, healthy_after good ones bring
 *                      it back.
 *          What came back begins with a tenth of its weight, if slow_start says so.
 * Thread:  any; the state is atomics in the target's live cell, shared by all workers and kept
 *          through edits of the route.  Each change is logged and counted by who made it.
 * Owns:    nothing.
 * Limits:  EJECTION_MAX_MS.
 * Fails:   never.
 *
 * now_ms is monotonic and the same clock for all callers. */
#pragma once

#include "store/model.h"

enum health_state {
    HEALTH_UP,
    HEALTH_TRIAL, /* ejected long enough: who gets health_claim_trial may use it */
    HEALTH_DOWN,
};

/* u: the target's upstream, of any revision. */
enum health_state health_read(const struct upstream *u, const struct target *t,
                              uint64_t now_ms);

/* True for one caller; the trial is then its next request.  If it never ends another may follow
 * after health.interval. */
bool health_claim_trial(const struct upstream *u, const struct target *t, uint64_t now_ms);

/* In hundredths of weight 1: 100 for each unless it has come back just now. */
uint32_t health_weight(const struct upstream *u, const struct target *t, uint64_t now_ms);

/* Until the target may be up again, if it is not; a guess where probes decide. */
uint64_t health_wait_ms(const struct upstream *u, const struct target *t, uint64_t now_ms);

/* ---- what requests meet ---- */

/* No connection, no TLS, no answer in time, a broken answer.  Errors that are not the target's
 * fault do not count. */
void health_note_failure(const struct route *r, const struct target *t, struct err e,
                         uint64_t now_ms);

/* The head of an answer.  True: a trial has succeeded, and the target is back. */
bool health_note_answer(const struct route *r, const struct target *t, uint64_t now_ms);

/* The answer was good to its end, or as long as the client wanted it: failures no longer count
 * as in a row. */
void health_note_end(const struct target *t);

/* ---- what probes say ---- */

/* e: OK, or why the probe was bad.  True: the target is back. */
bool health_note_probe(const struct route *r, const struct target *t, struct err e,
                       uint64_t now_ms);
