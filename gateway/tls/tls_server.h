/* tls_server.h - TLS towards clients: policy, and the certificate by SNI.
 *
 * Purpose: makes server-side SSL objects; during the handshake the name the client asks for
 *          picks the certificate from the snapshot of that moment, so that a new one is
 *          served at once and contexts exist per policy, not per certificate.
 * Thread:  one tls_server per worker; ticket keys are shared by all.
 * Owns:    its SSL_CTX, rebuilt when the settings' revision changes.
 * Limits:  names longer than TLS_NAME_MAX are unknown names.
 * Fails:   ERR_CRYPTO, ERR_MEMORY. */
#pragma once

#include "gateway/tls/ticket_keys.h"
#include "store/snapshot.h"

#include <openssl/ssl.h>

enum { TLS_NAME_MAX = 256 };

struct tls_server;

struct err tls_server_new(struct ticket_keys *keys, struct tls_server **ret_server);
void tls_server_free(struct tls_server *s);

/* What one handshake came to; lives in the connection, at least as long as the SSL object. */
struct tls_choice {
    const struct snapshot *const *snapshot; /* where the worker keeps its newest one */
    const struct cert *cert;                /* served; a reference; NULL before the choice */
    bool is_refused;                        /* the name is unknown and the policy says reject */
    char name[TLS_NAME_MAX];                /* SNI, lower case; "" if none was sent */
};

void tls_choice_fini(struct tls_choice *c);

/* A fresh SSL in accept state whose handshake fills choice. */
struct err tls_server_accept(struct tls_server *s, struct tls_choice *choice, SSL **ret_ssl);
