/* tls_pair.h - contexts of a scripted TLS peer.
 *
 * Purpose: plain OpenSSL on the other side of what is under test.
 * Thread:  the owner's.
 * Owns:    results are the caller's to free.
 * Fails:   assertions. */
#pragma once

#include "tests/support/fake_issuer.h"

#include <openssl/ssl.h>

/* A server's: a new certificate for names ("DNS:a.example"), valid until not_after_at. */
SSL_CTX *tls_pair_server_ctx(const struct fake_issuer *ca, const char *names,
                             int64_t not_after_at);

/* A client's, which verifies nothing. */
SSL_CTX *tls_pair_client_ctx(void);

SSL *tls_pair_accept(SSL_CTX *ctx);
/* name: SNI, NULL for none. */
SSL *tls_pair_connect(SSL_CTX *ctx, const char *name);

/* Both ends of a connection on loopback, non-blocking; AF_UNIX, or AF_INET where a reset must
 * be seen. */
void tls_pair_sockets(int family, int ret_fds[2]);

/* A handshake in memory: both get the ends of a pair of BIOs, which the SSL objects own. */
struct tls_pair_result {
    bool is_client_done;
    bool is_server_done;
    int client_reason; /* of OpenSSL's first error, 0: none */
    int server_reason;
};
struct tls_pair_result tls_pair_shake(SSL *client, SSL *server);
