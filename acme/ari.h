/* ari.h - renewal information (RFC 9773): what the CA says about when to renew.
 *
 * Purpose: the name of a certificate in these requests, and what an answer, or none, changes
 *          about what we know.
 * Thread:  any; pure.  Randomness is a parameter.
 * Owns:    texts live in the caller's arena.
 * Fails:   ari_cert_id: ERR_NOT_FOUND for a certificate that does not say who signed it,
 *          ERR_CERT_PARSE, ERR_MEMORY. Learning never. */
#pragma once

#include "acme/fetch.h"
#include "store/cert.h"

/* RFC 9773 4.1: base64url of the authority key identifier, ".", base64url of the serial. */
struct err ari_cert_id(struct arena *a, struct str chain_pem, struct str *ret_id);

struct ari_answer {
    struct err err; /* of sending; an error status is ERR_ACME_PROBLEM or the like */
    const struct fetch_reply *reply;
    int64_t now_at;
    uint64_t random; /* draws the moment in a new window */
};

/* What is known after the answer.  One without use keeps what was known, and is asked for
 * again: after minutes while the CA is in trouble, else after 6 hours.  *ret_words says what
 * was wrong; NULL: nothing. */
struct cert_renewal ari_learn(struct arena *a, const struct cert_renewal *known,
                              const struct ari_answer *answer, const char **ret_words);
