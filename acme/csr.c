/* csr.c - csr_build -> add_names -> add_name, then sign and encode. */
#include "acme/csr.h"

#include <openssl/x509v3.h>

static void free_request(X509_REQ *request)
{
    X509_REQ_free(request);
}
AUTO_DEFINE(free_request, X509_REQ *)

static void free_names(GENERAL_NAMES *names)
{
    GENERAL_NAMES_free(names);
}
AUTO_DEFINE(free_names, GENERAL_NAMES *)

static void free_extensions(STACK_OF(X509_EXTENSION) * extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
AUTO_DEFINE(free_extensions, STACK_OF(X509_EXTENSION) *)

static struct err add_name(GENERAL_NAMES *list, struct str name)
{
    GENERAL_NAME *entry = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    if (entry == NULL || text == NULL || !ASN1_STRING_set(text, name.p, (int)name.len) ||
        !sk_GENERAL_NAME_push(list, entry)) {
        GENERAL_NAME_free(entry);
        ASN1_IA5STRING_free(text);
        return fail(ERR_MEMORY, 0);
    }
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    return OK;
}

static struct err add_names(X509_REQ *request, const struct str_list *names)
{
    AUTO(free_names) GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    AUTO(free_extensions) STACK_OF(X509_EXTENSION) *extensions = NULL;
    if (list == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < names->count; i++)
        TRY(add_name(list, names->items[i]));
    /* RFC 5280 4.2.1.6: with an empty subject the extension is critical. */
    if (!X509V3_add1_i2d(&extensions, NID_subject_alt_name, list, 1, X509V3_ADD_DEFAULT) ||
        !X509_REQ_add_extensions(request, extensions))
        return fail(ERR_CRYPTO, 0);
    return OK;
}

struct err csr_build(EVP_PKEY *key, const struct str_list *names, struct buf *out)
{
    AUTO(free_request) X509_REQ *request = X509_REQ_new();
    if (request == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(add_names(request, names));
    const EVP_MD *digest = EVP_PKEY_get_bits(key) == 384 ? EVP_sha384() : EVP_sha256();
    if (!X509_REQ_set_version(request, X509_REQ_VERSION_1) ||
        !X509_REQ_set_pubkey(request, key) || !X509_REQ_sign(request, key, digest))
        return fail(ERR_CRYPTO, 0);

    unsigned char *der = NULL;
    int len = i2d_X509_REQ(request, &der);
    if (len < 0)
        return fail(ERR_CRYPTO, 0);
    struct err e = buf_append(out, str_make(der, (size_t)len));
    OPENSSL_free(der);
    return e;
}
