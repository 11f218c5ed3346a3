/* chain.h - may this answer of the CA be served?
 *
 * Purpose: a downloaded chain is taken only if it is one (nothing but certificates), its leaf
 *          is for our key and exactly our names, is no CA, may serve TLS, is valid now, and
 *          each signature is made by the next certificate.  A root at the end is left out:
 *          clients have it.
 * Thread:  any; pure.
 * Owns:    the chain lives in the caller's arena.
 * Limits:  CHAIN_MAX certificates, PEM_MAX_BYTES; ACME_SKEW_MAX_S into the future.
 * Fails:   ERR_ACME_CERTIFICATE with the reason in why; ERR_MEMORY. */
#pragma once

#include "acme/problem.h"
#include "store/cert.h"

struct chain_wanted {
    const struct str_list *names;
    const EVP_PKEY *key;
    int64_t now_at;
};

/* *ret_pem: what to store and serve, in the CA's order. */
struct err chain_accept(struct arena *a, struct str pem, const struct chain_wanted *wanted,
                        struct str *ret_pem, struct problem *why);

/* Facts of the leaf, in the arena. */
struct err chain_facts(struct arena *a, struct str pem, struct cert_facts *ret_facts);
