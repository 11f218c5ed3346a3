/* key.h - private keys: making them, and their bytes.
 *
 * Purpose: account keys and certificate keys as OpenSSL handles, and as the PKCS#8 that the
 *          store seals.
 * Thread:  any.
 * Owns:    the caller frees keys with EVP_PKEY_free and finishes secrets; copies made on the
 *          way are wiped.
 * Fails:   ERR_CRYPTO, ERR_CERT_KEY (not a private key), ERR_MEMORY. */
#pragma once

#include "store/cert.h"

#include <openssl/evp.h>

/* As certificates say it (struct cert_facts).  type: a value of enum key_type. */
const char *key_type_name(int type);

/* type: a value of enum key_type. */
struct err key_new(int type, EVP_PKEY **ret_key);

/* PKCS#8, unencrypted. */
struct err key_to_der(const EVP_PKEY *key, struct secret *ret_der);
struct err key_from_der(struct str der, EVP_PKEY **ret_key);
