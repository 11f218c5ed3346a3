/* handshake.h - one TLS handshake as a client, for the sake of the certificate.
 *
 * Purpose: connects, says a name, and reads the SHA-256 of what it is shown.  Nothing is
 *          verified: what a certificate is worth is not the question here.
 * Thread:  any; blocks for SERVED_LIMIT_MS per step at most.
 * Owns:    nothing.
 * Fails:   ERR_IO (detail: errno): no connection; ERR_TLS_CLIENT: no handshake; ERR_MEMORY. */
#pragma once

#include "gateway/base/str.h"

#include <openssl/ssl.h>

struct handshake_target {
    unsigned char address[16]; /* IPv4 mapped; all zeros, or the IPv4 of all zeros: loopback */
    uint16_t port;
    const char *name;     /* SNI */
    bool is_proxy_header; /* begin with a PROXY header that says "no client" (LOCAL) */
};

/* Hexadecimal, lower case, terminated. */
enum { HANDSHAKE_SHA256_MAX = 65, HANDSHAKE_SERIAL_MAX = 65 };

struct handshake_result {
    char sha256[HANDSHAKE_SHA256_MAX];
    char serial[HANDSHAKE_SERIAL_MAX];
};

struct err handshake_run(SSL_CTX *ctx, const struct handshake_target *t,
                         struct handshake_result *ret_result);

/* The address that is really connected to, and so also where the connection comes from. */
void handshake_address(const unsigned char address[16], unsigned char ret_address[16]);
