/* chain.c - chain_accept -> check_leaf -> check_links -> write_pem. */
#include "acme/chain.h"

#include "gateway/base/limits.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void free_stack(STACK_OF(X509) * stack)
{
    sk_X509_pop_free(stack, X509_free);
}
AUTO_DEFINE(free_stack, STACK_OF(X509) *)

static void free_bio(BIO *bio)
{
    (void)BIO_free(bio);
}
AUTO_DEFINE(free_bio, BIO *)

static struct err refuse(struct problem *why, const char *words)
{
    struct err e = fail(ERR_ACME_CERTIFICATE, 0);
    problem_set(why, e, str_from(words));
    return e;
}

static bool has_name(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq(names->items[i], name))
            return true;
    }
    return false;
}

/* Equal as sets; neither side is trusted to be free of duplicates. */
static bool are_same_names(const struct str_list *a, const struct str_list *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (!has_name(b, a->items[i]))
            return false;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (!has_name(a, b->items[i]))
            return false;
    }
    return true;
}

static struct err check_leaf(struct arena *a, X509 *leaf, const struct chain_wanted *wanted,
                             struct problem *why)
{
    struct cert_facts facts;
    if (failed(cert_read_facts(a, leaf, &facts)))
        return refuse(why, "the certificate from the CA cannot be read");
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    if (key == NULL || EVP_PKEY_eq(key, wanted->key) != 1)
        return refuse(why, "the certificate from the CA is for another key");
    if (!are_same_names(&facts.names, wanted->names))
        return refuse(why, "the certificate from the CA is for other names than ordered");
    if (X509_check_ca(leaf) != 0)
        return refuse(why, "the CA sent the certificate of a CA");
    /* No extended key usage at all means any (RFC 5280 4.2.1.12). */
    if ((X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER) == 0)
        return refuse(why, "the certificate from the CA must not be used by a TLS server");
    if (facts.not_after_at <= wanted->now_at)
        return refuse(why,
                      "the certificate from the CA has already expired; is the clock right?");
    if (facts.not_before_at > wanted->now_at + ACME_SKEW_MAX_S)
        return refuse(why, "the certificate from the CA is not valid yet; is the clock right?");
    return OK;
}

/* The certificate after this one signs it. */
static struct err check_link(X509 *subject, X509 *issuer, struct problem *why)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    if (X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) != 0 ||
        key == NULL || X509_verify(subject, key) != 1)
        return refuse(why,
                      "the chain from the CA is broken: a certificate is not signed by the "
                      "one that follows it");
    return OK;
}

static bool is_root(X509 *cert)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(cert)) == 0;
}

static struct err check_links(X509 *leaf, const STACK_OF(X509) * chain, struct problem *why)
{
    if (sk_X509_num(chain) >= CHAIN_MAX)
        return refuse(why, "the chain from the CA is too long");
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *subject = i == 0 ? leaf : sk_X509_value(chain, i - 1);
        TRY(check_link(subject, sk_X509_value(chain, i), why));
    }
    return OK;
}

static struct err write_pem(struct arena *a, X509 *leaf, const STACK_OF(X509) * chain,
                            struct str *ret_pem)
{
    AUTO(free_bio) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || !PEM_write_bio_X509(bio, leaf))
        return fail(ERR_MEMORY, 0);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);
        if (i == sk_X509_num(chain) - 1 && is_root(cert))
            break;
        if (!PEM_write_bio_X509(bio, cert))
            return fail(ERR_MEMORY, 0);
    }
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    *ret_pem = arena_dup(a, str_make(text, len > 0 ? (size_t)len : 0));
    return ret_pem->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err chain_accept(struct arena *a, struct str pem, const struct chain_wanted *wanted,
                        struct str *ret_pem, struct problem *why)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(free_stack) STACK_OF(X509) *chain = NULL;
    if (pem.len > PEM_MAX_BYTES || failed(cert_read_chain(pem, &leaf, &chain)))
        return refuse(why, "what the CA sent is not a certificate chain in PEM");
    TRY(check_leaf(a, leaf, wanted, why));
    TRY(check_links(leaf, chain, why));
    return write_pem(a, leaf, chain, ret_pem);
}

struct err chain_facts(struct arena *a, struct str pem, struct cert_facts *ret_facts)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(free_stack) STACK_OF(X509) *chain = NULL;
    TRY(cert_read_chain(pem, &leaf, &chain));
    return cert_read_facts(a, leaf, ret_facts);
}
