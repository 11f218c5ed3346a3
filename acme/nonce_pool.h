/* nonce_pool.h - unused nonces of one CA (RFC 8555 6.5).
 *
 * Purpose: each answer brings a nonce, each signed request uses one up.  The newest is used
 *          first.
 * Thread:  the owner's.
 * Limits:  ACME_NONCES_MAX, the oldest goes first; ACME_NONCE_MAX_MS of age;
 *          ACME_NONCE_MAX_BYTES.
 * Fails:   never: a nonce that is malformed, too long or too old is forgotten. */
#pragma once

#include "gateway/base/limits.h"
#include "gateway/base/str.h"

struct nonce_pool {
    struct {
        struct {
            char text[ACME_NONCE_MAX_BYTES];
            size_t len;
            uint64_t got_ms;
        } nonces[ACME_NONCES_MAX];
        size_t count;
    } priv;
};

void nonce_pool_put(struct nonce_pool *pool, struct str nonce, uint64_t now_ms);

/* Copies the newest into text and forgets it; empty if there is none. */
struct str nonce_pool_take(struct nonce_pool *pool, uint64_t now_ms,
                           char text[ACME_NONCE_MAX_BYTES]);
