/* tls_client.h - TLS towards targets: who is believed, and how it is checked.
 *
 * Purpose: makes client-side SSL objects for a target and checks the certificate as the
 *          route's upstream.tls says: system, ca, pin, off.
 * Thread:  one tls_client per worker.
 * Owns:    one SSL_CTX; trust stores belong to the routes.
 * Fails:   ERR_CRYPTO, ERR_MEMORY; tls_client_verdict: ERR_TARGET_VERIFY (detail
 *          X509_V_ERR_...), ERR_TARGET_NAME, ERR_TARGET_PIN, ERR_TARGET_TLS (detail
 *          OpenSSL's code). */
#pragma once

#include "store/cert.h"

#include <openssl/ssl.h>

struct tls_client;

struct err tls_client_new(struct tls_client **ret_client);
void tls_client_free(struct tls_client *c);

/* A fresh SSL in connect state.  The name asked for and verified is tls.server_name, else
 * the target's host; for a target given by address the address itself is verified and no
 * name is sent.  cert: presented if the target asks for one; NULL: none;
 * ERR_TARGET_CLIENT_CERT: it has no key yet.  alpn: a list of alpn.h. */
struct err tls_client_connect(struct tls_client *c, const struct upstream_tls *tls,
                              const struct target *target, const struct cert *cert,
                              struct str alpn, SSL **ret_ssl);

/* After a finished handshake: checks the pin; OK otherwise. */
struct err tls_client_check(const SSL *ssl, const struct upstream_tls *tls);

/* What a failed handshake was about; clears OpenSSL's error queue. */
struct err tls_client_verdict(const SSL *ssl);
