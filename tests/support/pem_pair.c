#include "tests/support/pem_pair.h"

#include "gateway/base/clock.h"

#include <assert.h>
#include <openssl/pem.h>

enum { DAY_S = 86400 };

static struct str key_to_pem(struct arena *a, EVP_PKEY *key)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    assert(ok == 1);
    long len = BIO_get_mem_data(bio, &text);
    struct str pem = arena_dup(a, str_make(text, (size_t)len));
    BIO_free(bio);
    return pem;
}

struct pem_pair pem_pair_sign(struct arena *a, const struct fake_issuer *ca, const char *names,
                              int64_t not_after_at)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    struct pem_pair pair = {
        .chain =
            fake_issuer_sign(ca, a,
                             &(struct fake_cert){.key = key,
                                                 .names = names,
                                                 .not_before_at = not_after_at - 100 * DAY_S,
                                                 .not_after_at = not_after_at,
                                                 .usage = "serverAuth"}),
        .key = key_to_pem(a, key),
    };
    EVP_PKEY_free(key);
    return pair;
}

struct pem_pair pem_pair_make(struct arena *a, const char *names)
{
    struct fake_issuer ca;
    fake_issuer_init(&ca, "Test CA");
    struct pem_pair pair = pem_pair_sign(a, &ca, names, clock_now_at() + 90 * DAY_S);
    fake_issuer_fini(&ca);
    return pair;
}
