#include "acme/csr.h"
#include "acme/key.h"
#include "tests/support/unit.h"

#include <openssl/x509v3.h>

static X509_REQ *build(int key_type, struct str *names, size_t count)
{
    EVP_PKEY *key;
    struct buf der;
    buf_init(&der, 1024 * 1024);
    assert_false(failed(key_new(key_type, &key)));
    struct str_list list = {.items = names, .count = count};
    assert_false(failed(csr_build(key, &list, &der)));
    const unsigned char *p = (const unsigned char *)buf_view(&der).p;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)buf_len(&der));
    assert_non_null(request);
    assert_int_equal(X509_REQ_verify(request, key), 1);
    buf_fini(&der);
    EVP_PKEY_free(key);
    return request;
}

static void expect_names(X509_REQ *request, const struct str *names, size_t count)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
    int critical;
    GENERAL_NAMES *got = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    assert_int_equal(critical, 1);
    assert_int_equal(sk_GENERAL_NAME_num(got), (int)count);
    for (size_t i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(got, (int)i);
        assert_int_equal(name->type, GEN_DNS);
        assert_true(str_eq(str_make(ASN1_STRING_get0_data(name->d.dNSName),
                                    (size_t)ASN1_STRING_length(name->d.dNSName)),
                           names[i]));
    }
    GENERAL_NAMES_free(got);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static void names_are_alternative_names_and_the_subject_is_empty(void **state)
{
    (void)state;
    struct str names[] = {STR("a.example"), STR("b.example")};
    static const int types[] = {KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_RSA_2048};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        X509_REQ *request = build(types[i], names, 2);
        assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
        assert_int_equal(X509_REQ_get_version(request), X509_REQ_VERSION_1);
        expect_names(request, names, 2);
        X509_REQ_free(request);
    }
}

/* B20: such a name does not fit a common name. */
static void a_name_of_more_than_64_bytes_is_fine(void **state)
{
    (void)state;
    struct str name =
        STR("a-very-long-label-of-more-than-forty-characters-in-it.and-another-one-"
            "that-is-long.example");
    X509_REQ *request = build(KEY_ECDSA_P256, &name, 1);
    assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
    expect_names(request, &name, 1);
    X509_REQ_free(request);
}

/* B10: more text than any buffer of a fixed size. */
static void a_hundred_names_of_full_length_fit(void **state)
{
    (void)state;
    static char texts[100][250];
    struct str names[100];
    for (size_t i = 0; i < 100; i++) {
        memset(texts[i], 'a' + (int)(i % 26), sizeof(texts[i]));
        for (size_t dot = 50; dot < sizeof(texts[i]); dot += 50)
            texts[i][dot] = '.';
        names[i] = str_make(texts[i], sizeof(texts[i]));
    }
    X509_REQ *request = build(KEY_ECDSA_P256, names, 100);
    expect_names(request, names, 100);
    X509_REQ_free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_alternative_names_and_the_subject_is_empty),
        cmocka_unit_test(a_name_of_more_than_64_bytes_is_fine),
        cmocka_unit_test(a_hundred_names_of_full_length_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
