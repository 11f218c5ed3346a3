#include "store/cert.h"
#include "store/cert_pem.h"
#include "store/trust.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/unit.h"

#include <openssl/x509_vfy.h>

AUTO_DEFINE(X509_STORE_CTX_free, X509_STORE_CTX *)

static bool is_trusted(X509_STORE *anchors, struct str leaf_pem)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_false(failed(cert_read_chain(leaf_pem, &leaf, &chain)));
    assert_int_equal(X509_STORE_CTX_init(ctx, anchors, leaf, chain), 1);
    return X509_verify_cert(ctx) == 1;
}

static void anchors_from_pem_verify(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(65536, 1024 * 1024);
    struct fake_issuer ca, other;
    fake_issuer_init(&ca, "Ours");
    fake_issuer_init(&other, "Theirs");
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    const struct fake_cert wanted = {.key = key,
                                     .names = "DNS:a.example",
                                     .not_before_at = 1700000000,
                                     .not_after_at = 4000000000,
                                     .usage = "serverAuth"};
    struct str leaf = fake_issuer_sign(&ca, a, &wanted);
    X509_STORE *anchors;
    assert_false(failed(trust_from_pem(fake_issuer_root(&ca, a), &anchors)));
    assert_true(is_trusted(anchors, leaf));
    X509_STORE_free(anchors);
    assert_false(failed(trust_from_pem(fake_issuer_root(&other, a), &anchors)));
    assert_false(is_trusted(anchors, leaf));
    X509_STORE_free(anchors);
    /* The target's own certificate is an anchor too. */
    assert_false(failed(trust_from_pem(leaf, &anchors)));
    assert_true(is_trusted(anchors, leaf));
    X509_STORE_free(anchors);
    assert_true(err_is(trust_from_pem(STR("x"), &anchors), ERR_CERT_PARSE));
    fake_issuer_fini(&ca);
    fake_issuer_fini(&other);
}

static void the_systems_anchors_are_loaded_once(void **state)
{
    (void)state;
    struct trust t = {.system = NULL};
    X509_STORE *first, *second;
    assert_false(failed(trust_get_system(&t, &first)));
    assert_false(failed(trust_get_system(&t, &second)));
    assert_ptr_equal(first, second);
    trust_fini(&t);
    assert_null(t.system);
    X509_STORE_free(first);
    X509_STORE_free(second);
    trust_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchors_from_pem_verify),
        cmocka_unit_test(the_systems_anchors_are_loaded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
