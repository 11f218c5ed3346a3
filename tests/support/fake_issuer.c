#include "tests/support/fake_issuer.h"

#include "gateway/base/rand.h"

#include <assert.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void set_name(X509_NAME *to, const char *name)
{
    int ok = X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                        -1, 0);
    assert(ok == 1);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert(extension != NULL);
    int ok = X509_add_ext(cert, extension, -1);
    assert(ok == 1);
    X509_EXTENSION_free(extension);
}

static X509 *new_cert(int64_t not_before_at, int64_t not_after_at, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    assert(cert != NULL);
    int ok = X509_set_version(cert, X509_VERSION_3) &&
             ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), rand_u64() >> 1) &&
             ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)not_before_at) != NULL &&
             ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)not_after_at) != NULL &&
             X509_set_pubkey(cert, key);
    assert(ok);
    return cert;
}

void fake_issuer_init(struct fake_issuer *ca, const char *name)
{
    ca->key = EVP_EC_gen("P-256");
    assert(ca->key != NULL);
    ca->root = new_cert(0, (int64_t)1 << 33, ca->key);
    set_name(X509_get_subject_name(ca->root), name);
    set_name(X509_get_issuer_name(ca->root), name);
    add_extension(ca->root, NID_basic_constraints, "critical,CA:TRUE");
    int len = X509_sign(ca->root, ca->key, EVP_sha256());
    assert(len > 0);
}

void fake_issuer_fini(struct fake_issuer *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->root);
}

static struct str to_pem(struct arena *a, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert(bio != NULL);
    int ok = PEM_write_bio_X509(bio, cert);
    assert(ok == 1);
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    struct str pem = arena_dup(a, str_make(text, (size_t)len));
    assert(pem.p != NULL);
    BIO_free(bio);
    return pem;
}

/* Every CA says in a leaf which of its keys signed it; any name for that key will do. */
static void add_issuer_key(X509 *cert)
{
    AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
    assert(id != NULL);
    id->keyid = ASN1_OCTET_STRING_new();
    int ok = ASN1_OCTET_STRING_set(id->keyid, (const unsigned char *)"fake issuer key id", -1);
    assert(ok == 1);
    ok = X509_add1_ext_i2d(cert, NID_authority_key_identifier, id, 0, 0);
    assert(ok == 1);
    AUTHORITY_KEYID_free(id);
}

struct str fake_issuer_sign(const struct fake_issuer *ca, struct arena *a,
                            const struct fake_cert *wanted)
{
    X509 *cert = new_cert(wanted->not_before_at, wanted->not_after_at, wanted->key);
    int ok = X509_set_issuer_name(cert, X509_get_subject_name(ca->root));
    assert(ok == 1);
    add_issuer_key(cert);
    if (wanted->names != NULL)
        add_extension(cert, NID_subject_alt_name, wanted->names);
    add_extension(cert, NID_basic_constraints, wanted->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (wanted->usage != NULL)
        add_extension(cert, NID_ext_key_usage, wanted->usage);
    int len = X509_sign(cert, ca->key, EVP_sha256());
    assert(len > 0);
    struct str pem = to_pem(a, cert);
    X509_free(cert);
    return pem;
}

struct str fake_issuer_root(const struct fake_issuer *ca, struct arena *a)
{
    return to_pem(a, ca->root);
}
