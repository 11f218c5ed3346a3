/* due.h - what is to be done with a certificate now: a pure function of snapshot and clock.
 *
 * Purpose: the ACME thread looks at every certificate of a new snapshot and asks this.
 * Thread:  any, while it holds the snapshot.
 * Fails:   never. */
#pragma once

#include "store/snapshot.h"

enum due_verdict {
    DUE_NEVER,  /* not ours, or resting until something changes */
    DUE_LATER,  /* at *ret_at */
    DUE_NOW,    /* order it */
    DUE_UNUSED, /* due, but no enabled route uses it: to be written down */
    DUE_REPLAN, /* in use again: a renewal is to be planned */
};

enum due_verdict due_judge(const struct snapshot *s, const struct cert *c, int64_t now_at,
                           int64_t *ret_at);

/* True if an enabled route is served with this certificate. */
bool due_is_used(const struct snapshot *s, const struct cert *c);

/* When a certificate with material and without a plan is to be renewed. */
int64_t due_renewal_at(const struct cert *c);
