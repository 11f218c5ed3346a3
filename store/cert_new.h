/* cert_new.h - putting a struct cert together, before anyone else sees it.
 *
 * Purpose: the steps that import, installation, loading and the stand-in share.
 * Thread:  the maker's, until it hands the certificate out.
 * Owns:    cert_new gives one reference.
 * Fails:   ERR_MEMORY, ERR_CERT_PARSE, ERR_CRYPTO. */
#pragma once

#include "store/cert.h"

static inline void cert_new_drop(struct cert *c)
{
    cert_unref(c);
}
AUTO_DEFINE(cert_new_drop, struct cert *)

struct err cert_new(struct cert **ret_cert);

/* A copy of everything but the key material's parsed form; revision and times too. */
struct err cert_new_copy(const struct cert *from, struct cert **ret_cert);

/* Chain text and the facts of its leaf. */
struct err cert_new_set_chain(struct cert *c, struct str chain_pem, X509 *leaf);

/* The key as PKCS#8, and with it has_material. */
struct err cert_new_set_key(struct cert *c, const EVP_PKEY *key);
struct err cert_new_set_key_der(struct cert *c, struct str key_der);

/* Copies of texts into the certificate's arena. */
struct err cert_new_set_next(struct cert *c, const struct cert_next *next);
struct err cert_new_set_origin(struct cert *c, const struct cert_origin *origin);
struct err cert_new_set_renewal(struct cert *c, const struct cert_renewal *renewal);
struct err cert_new_set_str(struct cert *c, struct str text, struct str *ret_field);
struct err cert_new_set_names(struct cert *c, const struct str_list *names,
                              struct str_list *ret_field);

/* "a\nb" to a list. */
struct err cert_new_split_names(struct cert *c, struct str lines, struct str_list *ret_field);
