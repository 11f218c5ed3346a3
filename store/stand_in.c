#include "store/stand_in.h"

#include "store/cert_new.h"

#include "gateway/base/rand.h"

#include <openssl/pem.h>

AUTO_DEFINE(BIO_free_all, BIO *)

static const long valid_seconds = 10L * 365 * 86400;

/* Version 3, a random serial of 64 bits, subject and issuer alike and neutral. */
static struct err fill(X509 *x, EVP_PKEY *key)
{
    static const unsigned char name[] = "Gatehouse stand-in certificate";
    X509_NAME *subject = X509_get_subject_name(x);
    uint64_t serial = rand_u64() >> 1;
    bool is_filled =
        X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(x), -86400) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(x), valid_seconds) != NULL &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
        X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 &&
        X509_sign(x, key, EVP_sha256()) > 0;
    return is_filled ? OK : fail(ERR_CRYPTO, 0);
}

struct err stand_in_new(const struct cert **ret_cert)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(X509_free) X509 *x = X509_new();
    AUTO(BIO_free_all) BIO *pem = BIO_new(BIO_s_mem());
    if (key == NULL || x == NULL || pem == NULL)
        return fail(ERR_CRYPTO, 0);
    TRY(fill(x, key));
    char *text;
    if (PEM_write_bio_X509(pem, x) != 1)
        return fail(ERR_CRYPTO, 0);
    size_t len = (size_t)BIO_get_mem_data(pem, &text);

    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(cert_new(&c));
    TRY(cert_new_set_chain(c, str_make(text, len), x));
    TRY(cert_new_set_key(c, key));
    c->object.id = STR("stand-in");
    c->source = CERT_SELF_SIGNED;
    c->state = CERT_ACTIVE;
    c->next = (struct cert_next){.what = STR("none"), .why = STR("made anew at each start")};
    *ret_cert = TAKE(c);
    return OK;
}
