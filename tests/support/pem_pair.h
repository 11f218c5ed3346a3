/* pem_pair.h - a certificate and its key as a user would import them.
 *
 * Purpose: what `cert import` and POST /v1/certificates take.
 * Thread:  any.
 * Owns:    texts live in the caller's arena.
 * Fails:   assertions. */
#pragma once

#include "tests/support/fake_issuer.h"

struct pem_pair {
    struct str chain;
    struct str key;
};

/* names: "DNS:a.example,DNS:b.example"; valid for 90 days from now. */
struct pem_pair pem_pair_make(struct arena *a, const char *names);

/* The same, signed by ca, for 100 days up to not_after_at. */
struct pem_pair pem_pair_sign(struct arena *a, const struct fake_issuer *ca, const char *names,
                              int64_t not_after_at);
