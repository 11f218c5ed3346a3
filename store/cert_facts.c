/* cert_facts.c - what a leaf says about itself. */
#include "store/cert.h"

#include "gateway/base/text.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

AUTO_DEFINE(GENERAL_NAMES_free, GENERAL_NAMES *)

enum { FACT_MAX_BYTES = 4096 };

static struct str lower_copy(struct arena *a, struct str s)
{
    char *copy = arena_bytes(a, s.len + 1);
    if (copy == NULL)
        return STR_NONE;
    for (size_t i = 0; i < s.len; i++)
        copy[i] = chr_lower(s.p[i]);
    copy[s.len] = '\0';
    return str_make(copy, s.len);
}

/* Plain visible ASCII: what a DNS name in a certificate consists of (RFC 5280 4.2.1.6).  A zero
 * byte in the middle once fooled browsers. */
static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    }
    return s.len > 0;
}

static struct str string_view(const ASN1_STRING *s)
{
    return str_make(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static struct err add_name(struct arena *a, struct str name, struct str_list *list)
{
    struct str copy = lower_copy(a, name);
    if (copy.p == NULL)
        return fail(ERR_MEMORY, 0);
    list->items[list->count++] = copy;
    return OK;
}

static struct err add_general_name(struct arena *a, const GENERAL_NAME *name,
                                   struct str_list *list)
{
    if (name->type == GEN_DNS) {
        struct str dns = string_view(name->d.dNSName);
        return is_visible(dns) ? add_name(a, dns, list) : fail(ERR_CERT_PARSE, 0);
    }
    if (name->type != GEN_IPADD)
        return OK;
    struct str bytes = string_view(name->d.iPAddress);
    char text[INET6_ADDRSTRLEN];
    if (bytes.len != 4 && bytes.len != 16)
        return fail(ERR_CERT_PARSE, 0);
    (void)inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.p, text, sizeof(text));
    return add_name(a, str_from(text), list);
}

/* The UTF-8 text of the first entry of this kind, or empty. */
static struct err read_entry(struct arena *a, const X509_NAME *name, int nid,
                             struct str *ret_text)
{
    *ret_text = STR_NONE;
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0)
        return OK;
    unsigned char *utf8 = NULL;
    int len =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len < 0)
        return OK;
    if (len <= FACT_MAX_BYTES && memchr(utf8, '\0', (size_t)len) == NULL)
        *ret_text = arena_dup(a, str_make(utf8, (size_t)len));
    OPENSSL_free(utf8);
    return ret_text->p == NULL && len > 0 && len <= FACT_MAX_BYTES ? fail(ERR_MEMORY, 0) : OK;
}

/* Certificates without alternative names are old or home-made: their common name counts. */
static struct err read_common_name(struct arena *a, X509 *leaf, struct str_list *ret_names)
{
    struct str name;
    ret_names->items = arena_array(a, struct str, 1);
    if (ret_names->items == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(read_entry(a, X509_get_subject_name(leaf), NID_commonName, &name));
    return is_visible(name) ? add_name(a, name, ret_names) : OK;
}

static struct err read_names(struct arena *a, X509 *leaf, struct str_list *ret_names)
{
    int critical;
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    *ret_names = (struct str_list){.count = 0};
    if (names == NULL && critical != -1)
        return fail(ERR_CERT_PARSE, 0);
    if (names == NULL)
        return read_common_name(a, leaf, ret_names);
    ret_names->items = arena_array(a, struct str, (size_t)sk_GENERAL_NAME_num(names));
    if (ret_names->items == NULL)
        return fail(ERR_MEMORY, 0);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        TRY(add_general_name(a, sk_GENERAL_NAME_value(names, i), ret_names));
    return OK;
}

static struct err read_issuer(struct arena *a, X509 *leaf, struct str *ret_issuer)
{
    const X509_NAME *name = X509_get_issuer_name(leaf);
    TRY(read_entry(a, name, NID_commonName, ret_issuer));
    if (str_is_empty(*ret_issuer))
        TRY(read_entry(a, name, NID_organizationName, ret_issuer));
    return OK;
}

static struct err copy_hex(struct arena *a, struct str bytes, struct str *ret_text)
{
    struct buf hex;
    buf_init(&hex, FACT_MAX_BYTES);
    struct err e = text_hex(&hex, bytes);
    if (!failed(e)) {
        *ret_text = arena_dup(a, buf_view(&hex));
        if (ret_text->p == NULL)
            e = fail(ERR_MEMORY, 0);
    }
    buf_fini(&hex);
    return e;
}

static struct err read_serial(struct arena *a, X509 *leaf, struct str *ret_serial)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    struct str bytes = string_view(serial);
    while (bytes.len > 1 && bytes.p[0] == '\0')
        bytes = str_skip(bytes, 1);
    return copy_hex(a, bytes.len > 0 ? bytes : STR("\0"), ret_serial);
}

static struct err read_time(const ASN1_TIME *t, int64_t *ret_at)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return fail(ERR_CERT_PARSE, 0);
    *ret_at = (int64_t)timegm(&tm);
    return OK;
}

static struct err read_fingerprint(struct arena *a, X509 *leaf, struct str *ret_text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
        return fail(ERR_CRYPTO, 0);
    return copy_hex(a, str_make(digest, len), ret_text);
}

const char *cert_key_type_name(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA"))
        return bits == 2048   ? "rsa-2048"
               : bits == 3072 ? "rsa-3072"
               : bits == 4096 ? "rsa-4096"
                              : "rsa";
    char group[64];
    if (!EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
        return "unknown";
    struct str name = str_from(group);
    if (str_eq(name, STR("prime256v1")) || str_eq_nocase(name, STR("P-256")))
        return "ecdsa-p256";
    return str_eq(name, STR("secp384r1")) || str_eq_nocase(name, STR("P-384")) ? "ecdsa-p384"
                                                                               : "unknown";
}

struct err cert_read_facts(struct arena *a, X509 *leaf, struct cert_facts *ret_facts)
{
    struct cert_facts f = {.not_before_at = 0};
    TRY(read_names(a, leaf, &f.names));
    TRY(read_issuer(a, leaf, &f.issuer));
    TRY(read_serial(a, leaf, &f.serial));
    TRY(read_fingerprint(a, leaf, &f.fingerprint_sha256));
    TRY(read_time(X509_get0_notBefore(leaf), &f.not_before_at));
    TRY(read_time(X509_get0_notAfter(leaf), &f.not_after_at));
    const EVP_PKEY *key = X509_get0_pubkey(leaf);
    f.key_type = str_from(key == NULL ? "unknown" : cert_key_type_name(key));
    ERR_clear_error();
    *ret_facts = f;
    return OK;
}
