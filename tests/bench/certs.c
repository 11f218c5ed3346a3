/* certs.c - many self-signed certificates, each with a P-256 key of its own.
 *
 * usage: certs COUNT DIRECTORY
 *
 * Writes DIRECTORY/N.crt and DIRECTORY/N.key for cN.example.org. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "certs: %s failed\n", what);
        exit(1);
    }
}

static FILE *create(const char *directory, long number, const char *suffix)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%ld.%s", directory, number, suffix);
    FILE *f = fopen(path, "w");
    check(f != NULL, path);
    return f;
}

static X509 *make(EVP_PKEY *key, long number)
{
    char name[64], alt[80];
    X509 *x = X509_new();
    check(x != NULL, "X509_new");
    (void)snprintf(name, sizeof(name), "c%ld.example.org", number);
    (void)snprintf(alt, sizeof(alt), "DNS:%s", name);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
    check(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), number + 1) &&
              X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
              X509_gmtime_adj(X509_getm_notAfter(x), 90L * 86400) != NULL &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                         (const unsigned char *)name, -1, -1, 0) &&
              X509_set_issuer_name(x, subject) && X509_set_pubkey(x, key) && names != NULL &&
              X509_add_ext(x, names, -1) && X509_sign(x, key, EVP_sha256()),
          "making a certificate");
    X509_EXTENSION_free(names);
    return x;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: certs COUNT DIRECTORY\n");
        return 2;
    }
    long count = strtol(argv[1], NULL, 10);
    for (long i = 0; i < count; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        check(key != NULL, "EVP_EC_gen");
        X509 *x = make(key, i);
        FILE *cert_file = create(argv[2], i, "crt"), *key_file = create(argv[2], i, "key");
        check(PEM_write_X509(cert_file, x) &&
                  PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL),
              "writing");
        check(fclose(cert_file) == 0 && fclose(key_file) == 0, "closing");
        X509_free(x);
        EVP_PKEY_free(key);
    }
    return 0;
}
