/* trust.h - what certificates of targets are verified against.
 *
 * Purpose: the system's trust anchors, loaded once and only when a route first needs them (they
 *          cost two megabytes), and sets of anchors read from PEM.
 * Thread:  struct trust: the store, under its writer lock.  The results: any.
 * Owns:    one reference on the system's set.
 * Fails:   ERR_MEMORY, ERR_CERT_PARSE. */
#pragma once

#include "gateway/base/str.h"

#include <openssl/x509.h>

AUTO_DEFINE(X509_STORE_free, X509_STORE *)

struct trust {
    X509_STORE *system; /* NULL: not needed yet */
};

void trust_fini(struct trust *t);

/* A new reference.  Without any anchors on the system the set is empty and verifies nothing. */
struct err trust_get_system(struct trust *t, X509_STORE **ret_anchors);

/* Anchors out of PEM; each is trusted by itself, so that it may also be an intermediate or the
 * target's own certificate. */
struct err trust_from_pem(struct str pem, X509_STORE **ret_anchors);
