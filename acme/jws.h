/* jws.h - signed JSON as ACME needs it (RFC 7515, 7517, 7638, 8555 6.2).
 *
 * Purpose: flattened JWS over a request, the thumbprint of an account key, and the external
 *          account binding.
 * Thread:  any; pure.
 * Owns:    results are appended to the caller's buf.
 * Limits:  P-256 keys sign ES256, RSA keys of 2048 bits and more RS256; no other key is taken.
 * Fails:   ERR_CERT_KEY (a key we do not sign with), ERR_CRYPTO, ERR_MEMORY. */
#pragma once

#include "gateway/base/buf.h"
#include "gateway/base/secret.h"

#include <openssl/evp.h>

/* "ES256", "RS256"; NULL for a key that cannot be an account key. */
const char *jws_algorithm(const EVP_PKEY *key);

struct jws_request {
    struct str url;     /* byte for byte the request's */
    struct str kid;     /* address of the account; empty: the public key goes along instead */
    struct str nonce;   /* empty: none */
    struct str payload; /* empty: POST-as-GET */
};
struct err jws_sign(EVP_PKEY *key, const struct jws_request *request, struct buf *out);

/* The canonical public key, and the base64url of its SHA-256. */
struct err jws_jwk(const EVP_PKEY *key, struct buf *out);
struct err jws_thumbprint(const EVP_PKEY *key, struct buf *out);

/* RFC 8555 7.3.4: proves that the holder of a key of the CA wants account key. */
struct jws_binding {
    struct str url; /* newAccount */
    struct str kid; /* what the CA gave */
    const struct secret *hmac;
};
struct err jws_bind(const EVP_PKEY *key, const struct jws_binding *binding, struct buf *out);
