/* preflight.h - what would make a CA refuse, found out before it is asked.
 *
 * Purpose: CAA of every name, from our resolver's point of view.  A failed order counts at the
 *          CA; a question to DNS does not.  Only what is proven stops an order: a name server
 *          that fails, or a CA that does not say under which names it is listed, does not.
 * Thread:  the ACME thread, which it blocks.
 * Owns:    words live in the caller's arena.
 * Limits:  DNS_ASK_LIMIT_MS for all names of an order.
 * Fails:   ERR_ACME_PREFLIGHT with words and a subproblem for each name in *why; ERR_CANCELLED,
 *          ERR_MEMORY. */
#pragma once

#include "acme/problem.h"
#include "store/model.h"

struct preflight_request {
    const struct str_list *names;
    struct str resolver;             /* of the ACME settings */
    struct str_list issuers;         /* meta.caaIdentities */
    struct str account_url;          /* empty: there is none yet */
    const atomic_bool *is_cancelled; /* may be NULL */
};

struct err preflight_check(struct arena *a, const struct preflight_request *q,
                           struct problem *why);
