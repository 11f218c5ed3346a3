#include "store/trust.h"

#include "store/cert.h"
#include "store/cert_pem.h"

#include <openssl/err.h>

/* Where distributions keep the bundle if OpenSSL's own default is absent, as on Debian. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

/* Everything is read here and now: a look-up in a folder of hashed names would read files on
 * the worker thread in the middle of a handshake. */
static struct err load_system(X509_STORE *anchors)
{
    X509_LOOKUP *file = X509_STORE_add_lookup(anchors, X509_LOOKUP_file());
    if (file == NULL)
        return fail(ERR_MEMORY, 0);
    bool is_loaded = X509_LOOKUP_load_file(file, NULL, X509_FILETYPE_DEFAULT) == 1;
    for (size_t i = 0; !is_loaded && i < ARRAY_LEN(bundles); i++)
        is_loaded = X509_STORE_load_file(anchors, bundles[i]) == 1;
    ERR_clear_error();
    return OK;
}

void trust_fini(struct trust *t)
{
    X509_STORE_free(t->system);
    t->system = NULL;
}

struct err trust_get_system(struct trust *t, X509_STORE **ret_anchors)
{
    if (t->system == NULL) {
        AUTO(X509_STORE_free) X509_STORE *anchors = X509_STORE_new();
        if (anchors == NULL)
            return fail(ERR_MEMORY, 0);
        TRY(load_system(anchors));
        t->system = TAKE(anchors);
    }
    if (X509_STORE_up_ref(t->system) != 1)
        return fail(ERR_CRYPTO, 0);
    *ret_anchors = t->system;
    return OK;
}

struct err trust_from_pem(struct str pem, X509_STORE **ret_anchors)
{
    AUTO(cert_pem_free_list) STACK_OF(X509) *certs = NULL;
    AUTO(X509_STORE_free) X509_STORE *anchors = X509_STORE_new();
    if (anchors == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(cert_pem_read_list(pem, TRUST_MAX, &certs));
    for (int i = 0; i < sk_X509_num(certs); i++) {
        if (X509_STORE_add_cert(anchors, sk_X509_value(certs, i)) != 1)
            return fail(ERR_CERT_PARSE, 0);
    }
    if (X509_STORE_set_flags(anchors, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        return fail(ERR_CRYPTO, 0);
    *ret_anchors = TAKE(anchors);
    return OK;
}
