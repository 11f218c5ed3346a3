#include "acme/key.h"
#include "tests/support/unit.h"

static const struct {
    int type;
    const char *name;
} types[] = {
    {KEY_ECDSA_P256, "ecdsa-p256"}, {KEY_ECDSA_P384, "ecdsa-p384"}, {KEY_RSA_2048, "rsa-2048"}};

static void a_key_survives_its_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key, *again;
        struct secret der;
        assert_false(failed(key_new(types[i].type, &key)));
        assert_string_equal(cert_key_type_name(key), types[i].name);
        assert_false(failed(key_to_der(key, &der)));
        assert_false(failed(key_from_der(secret_bytes(&der), &again)));
        assert_int_equal(EVP_PKEY_eq(key, again), 1);
        secret_fini(&der);
        EVP_PKEY_free(key);
        EVP_PKEY_free(again);
    }
}

static void each_key_is_new(void **state)
{
    (void)state;
    EVP_PKEY *one, *two;
    assert_false(failed(key_new(KEY_ECDSA_P256, &one)));
    assert_false(failed(key_new(KEY_ECDSA_P256, &two)));
    assert_int_not_equal(EVP_PKEY_eq(one, two), 1);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
}

static void an_unknown_type_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key;
    assert_true(err_is(key_new(1234, &key), ERR_CRYPTO));
}

static void other_bytes_are_no_key(void **state)
{
    (void)state;
    EVP_PKEY *key;
    assert_true(err_is(key_from_der(STR(""), &key), ERR_CERT_KEY));
    assert_true(err_is(key_from_der(STR("-----BEGIN PRIVATE KEY-----"), &key), ERR_CERT_KEY));
    assert_true(err_is(key_from_der(STR("0\x82\xff\xff"), &key), ERR_CERT_KEY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_survives_its_bytes),
        cmocka_unit_test(each_key_is_new),
        cmocka_unit_test(an_unknown_type_is_refused),
        cmocka_unit_test(other_bytes_are_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
