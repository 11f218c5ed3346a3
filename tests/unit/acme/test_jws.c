#include "acme/jws.h"
#include "acme/key.h"
#include "tests/support/fake_fetch.h"
#include "tests/support/unit.h"

#include "gateway/base/text.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

static struct arena *scratch;

static int set_up(void **state)
{
    (void)state;
    scratch = arena_new(4096, 1024 * 1024);
    return scratch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(scratch);
    return 0;
}

static struct str decode(const char *text)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_false(failed(text_unbase64(&out, str_from(text))));
    struct str copy = arena_dup(scratch, buf_view(&out));
    buf_fini(&out);
    return copy;
}

static EVP_PKEY *make_public(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *make_ec(const char *x, const char *y)
{
    static const char group[] = "P-256";
    unsigned char point[65] = {4};
    struct str x_bytes = decode(x), y_bytes = decode(y);
    assert_int_equal(x_bytes.len, 32);
    assert_int_equal(y_bytes.len, 32);
    memcpy(point + 1, x_bytes.p, 32);
    memcpy(point + 33, y_bytes.p, 32);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    assert_true(OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, group, 5));
    assert_true(OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, 65));
    return make_public("EC", b);
}

static EVP_PKEY *make_rsa(const char *n, const char *e)
{
    struct str n_bytes = decode(n), e_bytes = decode(e);
    BIGNUM *bn_n = BN_bin2bn((const unsigned char *)n_bytes.p, (int)n_bytes.len, NULL);
    BIGNUM *bn_e = BN_bin2bn((const unsigned char *)e_bytes.p, (int)e_bytes.len, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    assert_true(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn_n));
    assert_true(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, bn_e));
    EVP_PKEY *key = make_public("RSA", b);
    BN_free(bn_n);
    BN_free(bn_e);
    return key;
}

static struct str thumbprint_of(EVP_PKEY *key)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_false(failed(jws_thumbprint(key, &out)));
    struct str copy = arena_dup(scratch, buf_view(&out));
    buf_fini(&out);
    return copy;
}

/* RFC 7638 3.1. */
static void thumbprint_of_the_rsa_key_of_rfc_7638(void **state)
{
    (void)state;
    EVP_PKEY *key =
        make_rsa("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuh"
                 "DR1L6tSoc_BJEC"
                 "PebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"
                 "65YGjQR0_FDW2Qvz"
                 "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
                 "bFTWhAI4vMQFh6WeZ"
                 "u0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
                 "AQAB");
    assert_true(str_eq(thumbprint_of(key), STR("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")));
    EVP_PKEY_free(key);
}

/* The key of RFC 7515 A.3.1; the thumbprint was computed from its canonical form by other
 * means. */
static void jwk_of_an_ec_key_is_canonical(void **state)
{
    (void)state;
    EVP_PKEY *key = make_ec("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    struct buf out;
    buf_init(&out, 4096);
    assert_false(failed(jws_jwk(key, &out)));
    assert_true(
        str_eq(buf_view(&out), STR("{\"crv\":\"P-256\",\"kty\":\"EC\","
                                   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}")));
    buf_fini(&out);
    assert_true(str_eq(thumbprint_of(key), STR("oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U")));
    EVP_PKEY_free(key);
}

static struct str sign(EVP_PKEY *key, struct jws_request request)
{
    struct buf out;
    buf_init(&out, 1024 * 1024);
    assert_false(failed(jws_sign(key, &request, &out)));
    struct str copy = arena_dup(scratch, buf_view(&out));
    buf_fini(&out);
    return copy;
}

static bool is_signed_by(EVP_PKEY *key, const struct fake_jws *jws)
{
    const unsigned char *sig = (const unsigned char *)jws->signature.p;
    unsigned char *der = NULL;
    int der_len = (int)jws->signature.len;
    if (EVP_PKEY_is_a(key, "EC")) {
        assert_int_equal(jws->signature.len, 64);
        ECDSA_SIG *pair = ECDSA_SIG_new();
        assert_true(
            ECDSA_SIG_set0(pair, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL)));
        der_len = i2d_ECDSA_SIG(pair, &der);
        ECDSA_SIG_free(pair);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    int ok = EVP_DigestVerify(ctx, der != NULL ? der : sig, (size_t)der_len,
                              (const unsigned char *)jws->input.p, jws->input.len);
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return ok == 1;
}

static void expect_member(const json_t *header, const char *name, const char *want)
{
    assert_string_equal(json_string_value(json_object_get(header, name)), want);
}

/* 300 signatures: one in 128 has a number with a leading zero byte. */
static void es256_signatures_are_64_bytes_and_verify(void **state)
{
    (void)state;
    EVP_PKEY *key;
    assert_false(failed(key_new(KEY_ECDSA_P256, &key)));
    for (int i = 0; i < 300; i++) {
        struct str body = sign(key, (struct jws_request){.url = STR("https://ca.test/order"),
                                                         .kid = STR("https://ca.test/acct/1"),
                                                         .nonce = STR("n0nce"),
                                                         .payload = STR("{}")});
        struct fake_jws jws;
        fake_jws_read(scratch, body, &jws);
        assert_true(is_signed_by(key, &jws));
        assert_true(str_eq(jws.payload, STR("{}")));
        expect_member(jws.header, "alg", "ES256");
        expect_member(jws.header, "kid", "https://ca.test/acct/1");
        expect_member(jws.header, "nonce", "n0nce");
        expect_member(jws.header, "url", "https://ca.test/order");
        assert_null(json_object_get(jws.header, "jwk"));
        json_decref(jws.header);
        arena_reset(scratch);
    }
    EVP_PKEY_free(key);
}

static void without_a_kid_the_public_key_goes_along(void **state)
{
    (void)state;
    EVP_PKEY *key;
    assert_false(failed(key_new(KEY_RSA_2048, &key)));
    struct str body = sign(key, (struct jws_request){.url = STR("https://ca.test/acct")});
    struct fake_jws jws;
    fake_jws_read(scratch, body, &jws);
    assert_true(is_signed_by(key, &jws));
    expect_member(jws.header, "alg", "RS256");
    expect_member(json_object_get(jws.header, "jwk"), "kty", "RSA");
    expect_member(json_object_get(jws.header, "jwk"), "e", "AQAB");
    assert_null(json_object_get(jws.header, "kid"));
    assert_true(str_is_empty(jws.payload));
    json_decref(jws.header);
    EVP_PKEY_free(key);
}

static void other_keys_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-384"), EVP_EC_gen("secp256k1"), EVP_RSA_gen(1024),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_non_null(keys[i]);
        assert_null(jws_algorithm(keys[i]));
        assert_true(
            err_is(jws_sign(keys[i], &(struct jws_request){.url = STR("https://x")}, &out),
                   ERR_CERT_KEY));
        assert_true(err_is(jws_jwk(keys[i], &out), ERR_CERT_KEY));
        buf_fini(&out);
        EVP_PKEY_free(keys[i]);
    }
}

static void the_binding_is_hs256_over_the_public_key(void **state)
{
    (void)state;
    EVP_PKEY *key;
    struct secret hmac;
    struct buf out;
    buf_init(&out, 4096);
    assert_false(failed(key_new(KEY_ECDSA_P256, &key)));
    assert_false(failed(secret_init(&hmac, STR("0123456789abcdef0123456789abcdef"))));
    struct jws_binding binding = {
        .url = STR("https://ca.test/acct"), .kid = STR("kid-1"), .hmac = &hmac};
    assert_false(failed(jws_bind(key, &binding, &out)));

    struct fake_jws jws;
    unsigned char mac[32];
    unsigned len;
    fake_jws_read(scratch, buf_view(&out), &jws);
    expect_member(jws.header, "alg", "HS256");
    expect_member(jws.header, "kid", "kid-1");
    expect_member(jws.header, "url", "https://ca.test/acct");
    assert_null(json_object_get(jws.header, "nonce"));
    assert_non_null(HMAC(EVP_sha256(), secret_bytes(&hmac).p, 32,
                         (const unsigned char *)jws.input.p, jws.input.len, mac, &len));
    assert_true(str_eq(jws.signature, str_make(mac, len)));
    assert_true(str_starts(jws.payload, STR("{\"crv\":\"P-256\"")));
    json_decref(jws.header);
    buf_fini(&out);
    secret_fini(&hmac);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(thumbprint_of_the_rsa_key_of_rfc_7638, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(jwk_of_an_ec_key_is_canonical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(es256_signatures_are_64_bytes_and_verify, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_kid_the_public_key_goes_along, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(other_keys_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_binding_is_hs256_over_the_public_key, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
