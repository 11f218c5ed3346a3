/* fake_issuer.h - a certificate authority of a few lines, for tests.
 *
 * Purpose: certificates that are right, and certificates that are wrong in one respect.
 * Thread:  the owner's.
 * Owns:    its key and root; results live in the caller's arena. */
#pragma once

#include "gateway/base/arena.h"

#include <openssl/x509.h>

struct fake_issuer {
    EVP_PKEY *key;
    X509 *root;
};

void fake_issuer_init(struct fake_issuer *ca, const char *name);
void fake_issuer_fini(struct fake_issuer *ca);

struct fake_cert {
    EVP_PKEY *key;
    const char *names; /* "DNS:a.example,DNS:b.example" */
    int64_t not_before_at;
    int64_t not_after_at;
    bool is_ca;
    const char *usage; /* "serverAuth"; NULL: none at all */
};

/* PEM of the leaf. */
struct str fake_issuer_sign(const struct fake_issuer *ca, struct arena *a,
                            const struct fake_cert *wanted);

/* PEM of the root. */
struct str fake_issuer_root(const struct fake_issuer *ca, struct arena *a);
