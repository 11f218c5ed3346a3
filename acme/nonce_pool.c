#include "acme/nonce_pool.h"

/* RFC 8555 6.5.1: a client ignores a Replay-Nonce that is not base64url. */
static bool is_nonce(struct str nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        char c = nonce.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return nonce.len > 0 && nonce.len <= ACME_NONCE_MAX_BYTES;
}

void nonce_pool_put(struct nonce_pool *pool, struct str nonce, uint64_t now_ms)
{
    if (!is_nonce(nonce))
        return;
    size_t count = pool->priv.count;
    if (count == ACME_NONCES_MAX) {
        count--;
        memmove(&pool->priv.nonces[0], &pool->priv.nonces[1],
                count * sizeof(pool->priv.nonces[0]));
    }
    memcpy(pool->priv.nonces[count].text, nonce.p, nonce.len);
    pool->priv.nonces[count].len = nonce.len;
    pool->priv.nonces[count].got_ms = now_ms;
    pool->priv.count = count + 1;
}

struct str nonce_pool_take(struct nonce_pool *pool, uint64_t now_ms,
                           char text[ACME_NONCE_MAX_BYTES])
{
    if (pool->priv.count == 0)
        return STR_NONE;
    size_t newest = --pool->priv.count;
    if (now_ms - pool->priv.nonces[newest].got_ms > ACME_NONCE_MAX_MS) {
        pool->priv.count = 0; /* the others are older still */
        return STR_NONE;
    }
    size_t len = pool->priv.nonces[newest].len;
    memcpy(text, pool->priv.nonces[newest].text, len);
    return str_make(text, len);
}
