#include "store/cert_pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

AUTO_DEFINE(BIO_free_all, BIO *)
AUTO_DEFINE(X509_free, X509 *)

struct block {
    char *name;
    char *header;
    unsigned char *der;
    long der_len;
};

static void block_fini(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->der, b->der_len > 0 ? (size_t)b->der_len : 0);
    *b = (struct block){.name = NULL};
}

/* Text between blocks may explain, so that bundles made by hand work; a zero byte never does.
 * */
static struct err open_text(struct str pem, BIO **ret_bio)
{
    if (pem.len == 0 || pem.len > INT_MAX || memchr(pem.p, '\0', pem.len) != NULL)
        return fail(ERR_CERT_PARSE, 0);
    *ret_bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    return *ret_bio == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* *ret_is_end: there is no further block.  A block that begins and does not end is an error. */
static struct err read_block(BIO *bio, struct block *b, bool *ret_is_end)
{
    *ret_is_end = false;
    ERR_clear_error();
    if (PEM_read_bio(bio, &b->name, &b->header, &b->der, &b->der_len) == 1)
        return OK;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    *ret_is_end = reason == PEM_R_NO_START_LINE;
    return *ret_is_end ? OK : fail(ERR_CERT_PARSE, 0);
}

static struct err parse_block(const struct block *b, X509 **ret_cert)
{
    if (strcmp(b->name, PEM_STRING_X509) != 0 || b->header[0] != '\0')
        return fail(ERR_CERT_PARSE, 0);
    const unsigned char *at = b->der;
    AUTO(X509_free) X509 *cert = d2i_X509(NULL, &at, b->der_len);
    ERR_clear_error();
    if (cert == NULL || at != b->der + b->der_len)
        return fail(ERR_CERT_PARSE, 0);
    *ret_cert = TAKE(cert);
    return OK;
}

static struct err append_block(const struct block *b, STACK_OF(X509) * list, int max)
{
    AUTO(X509_free) X509 *cert = NULL;
    if (sk_X509_num(list) == max)
        return fail(ERR_CERT_PARSE, 0);
    TRY(parse_block(b, &cert));
    if (sk_X509_push(list, cert) == 0)
        return fail(ERR_MEMORY, 0);
    cert = NULL;
    return OK;
}

struct err cert_pem_read_list(struct str pem, int max, STACK_OF(X509) * *ret_list)
{
    AUTO(BIO_free_all) BIO *bio = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *list = sk_X509_new_null();
    if (list == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(open_text(pem, &bio));
    for (;;) {
        struct block b = {.name = NULL};
        bool is_end;
        struct err e = read_block(bio, &b, &is_end);
        if (!failed(e) && !is_end)
            e = append_block(&b, list, max);
        block_fini(&b);
        if (err_is(e, ERR_CERT_PARSE))
            return fail(ERR_CERT_PARSE, sk_X509_num(list) + 1);
        TRY(e);
        if (is_end)
            break;
    }
    if (sk_X509_num(list) == 0)
        return fail(ERR_CERT_PARSE, 0);
    *ret_list = TAKE(list);
    return OK;
}

struct err cert_pem_first_digest(struct str pem, unsigned char ret_digest[32])
{
    AUTO(BIO_free_all) BIO *bio = NULL;
    TRY(open_text(pem, &bio));
    struct block b = {.name = NULL};
    bool is_end;
    struct err e = read_block(bio, &b, &is_end);
    if (!failed(e) && (is_end || EVP_Digest(b.der, (size_t)b.der_len, ret_digest, NULL,
                                            EVP_sha256(), NULL) != 1))
        e = fail(ERR_CERT_PARSE, 0);
    block_fini(&b);
    return e;
}
