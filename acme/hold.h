/* hold.h - may this certificate be ordered now, as far as limits go?
 *
 * Purpose: an order that the CA would refuse, or that would use its last try up, is not placed;
 *          it waits until there is room.  A renewal that the CA has asked for is counted by
 *          none of its limits; one at its end may use what else is kept in reserve; and failed
 *          validations count for everybody.
 * Thread:  any; pure.
 * Owns:    words live in the caller's arena.
 * Fails:   never. */
#pragma once

#include "store/ledger.h"

/* How a certificate stands towards the limits of the CA with this directory. */
struct hold_question {
    const struct cert *cert;
    const struct ledger_use *uses;
    size_t use_count;
    struct str directory;
    int64_t now_at;
};

/* True if the CA has asked for this renewal: then it does not count it (RFC 9773 4.1 lets CAs
 * do so, Let's Encrypt does). */
bool hold_is_exempt(const struct cert *c, struct str directory, int64_t now_at);

/* The limit that is in the way for the longest time; NULL: none is. */
const struct ledger_use *hold_find(const struct hold_question *q);

/* What the certificate says then. */
struct str hold_words(struct arena *a, const struct ledger_use *use);
