/* due.h - what is to be done with a certificate now: a pure function of snapshot and clock.
 *
 * Purpose: the ACME thread looks at every certificate of a new snapshot and asks this.  Plans
 *          are absolute times; one that no rule could have made (the clock has jumped) does not
 *          count.
 * Thread:  any, while it holds the snapshot.
 * Fails:   due_next_renewal: ERR_MEMORY; else never. */
#pragma once

#include "acme/renew.h"
#include "store/snapshot.h"

enum due_verdict {
    DUE_NEVER,  /* not ours, or resting until something changes */
    DUE_LATER,  /* at *ret_at */
    DUE_NOW,    /* order it; it was due at *ret_at */
    DUE_UNUSED, /* due, but no enabled route uses it: to be written down */
    DUE_REPLAN, /* in use again: a renewal is to be planned */
};

/* True if a certificate in service is not what the settings ask for any more, and nothing but
 * the calendar says when to renew it. */
bool due_is_outdated(const struct cert *c, const struct acme_settings *settings,
                     int64_t now_at);

enum due_verdict due_judge(const struct snapshot *s, const struct cert *c, int64_t now_at,
                           int64_t *ret_at);

/* True if an enabled route is served with this certificate, or it is in use otherwise. */
bool due_is_used(const struct snapshot *s, const struct cert *c);

/* True if a renewal is ahead, and nothing but the calendar says when. */
bool due_is_plain(const struct cert *c, int64_t now_at);

/* When a certificate with material is renewed, if renewal is what its CA says. */
struct renew_plan due_plan(const struct cert *c, const struct cert_renewal *renewal);

/* The same as its next action; texts live in the arena. */
struct err due_next_renewal(struct arena *a, const struct cert *c,
                            const struct cert_renewal *renewal, struct cert_next *ret_next);

/* True from when on its end is near. */
bool due_is_emergency(const struct cert *c, int64_t now_at);
