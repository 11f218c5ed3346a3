#include "acme/key.h"

#include <openssl/rsa.h>

static EVP_PKEY *generate(int type)
{
    switch ((enum key_type)type) {
    case KEY_ECDSA_P256:
        return EVP_EC_gen("P-256");
    case KEY_ECDSA_P384:
        return EVP_EC_gen("P-384");
    case KEY_RSA_2048:
        return EVP_RSA_gen(2048);
    case KEY_RSA_3072:
        return EVP_RSA_gen(3072);
    case KEY_RSA_4096:
        return EVP_RSA_gen(4096);
    }
    return NULL;
}

const char *key_type_name(int type)
{
    switch ((enum key_type)type) {
    case KEY_ECDSA_P256:
        return "ecdsa-p256";
    case KEY_ECDSA_P384:
        return "ecdsa-p384";
    case KEY_RSA_2048:
        return "rsa-2048";
    case KEY_RSA_3072:
        return "rsa-3072";
    case KEY_RSA_4096:
        return "rsa-4096";
    }
    return "";
}

struct err key_new(int type, EVP_PKEY **ret_key)
{
    EVP_PKEY *key = generate(type);
    if (key == NULL)
        return fail(ERR_CRYPTO, 0);
    *ret_key = key;
    return OK;
}

static void free_pkcs8(PKCS8_PRIV_KEY_INFO *info)
{
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes the key octets */
}
AUTO_DEFINE(free_pkcs8, PKCS8_PRIV_KEY_INFO *)

struct err key_to_der(const EVP_PKEY *key, struct secret *ret_der)
{
    AUTO(free_pkcs8) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *der = NULL;
    int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    if (len < 0)
        return fail(ERR_CRYPTO, 0);
    struct err e = secret_init(ret_der, str_make(der, (size_t)len));
    OPENSSL_clear_free(der, (size_t)len);
    return e;
}

struct err key_from_der(struct str der, EVP_PKEY **ret_key)
{
    const unsigned char *p = (const unsigned char *)der.p;
    AUTO(free_pkcs8)
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
    EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    if (key == NULL)
        return fail(ERR_CERT_KEY, 0);
    *ret_key = key;
    return OK;
}
