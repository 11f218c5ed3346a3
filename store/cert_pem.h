/* cert_pem.h - certificates in PEM text.
 *
 * Purpose: one reader for chains and trust anchors: bounded by the length given, blocks of
 *          certificates and nothing else, no private keys, no garbage cut off silently.
 * Thread:  any.
 * Fails:   ERR_CERT_PARSE (detail: number of the block that is wrong, from 1), ERR_MEMORY. */
#pragma once

#include "gateway/base/str.h"

#include <openssl/x509.h>

enum { TRUST_MAX = 500 }; /* anchors in one list; the whole public web has 150 */

static inline void cert_pem_free_list(STACK_OF(X509) * list)
{
    sk_X509_pop_free(list, X509_free);
}
AUTO_DEFINE(cert_pem_free_list, STACK_OF(X509) *)

/* At least one, at most max certificates, in order. */
struct err cert_pem_read_list(struct str pem, int max, STACK_OF(X509) * *ret_list);

/* SHA-256 of the first certificate's DER, without parsing it. */
struct err cert_pem_first_digest(struct str pem, unsigned char ret_digest[32]);
