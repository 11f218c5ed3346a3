#include "acme/ari.h"
#include "tests/support/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NOW_AT 1790000000ll
#define HOUR   3600ll

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(4096, 1024 * 1024);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* ---- the name ---- */

static void sign_and_write(X509 *leaf, EVP_PKEY *key, struct str *ret_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(X509_sign(leaf, key, EVP_sha256()) > 0);
    assert_true(PEM_write_bio_X509(bio, leaf));
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    *ret_pem = arena_dup(arena, str_make(text, (size_t)len));
    BIO_free(bio);
}

/* A leaf with this serial, in hex, and this identifier of its issuer's key; empty: none. */
static struct str make_leaf(const char *serial_hex, struct str issuer_key)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(X509_free) X509 *leaf = X509_new();
    BIGNUM *serial = NULL;
    assert_true(BN_hex2bn(&serial, serial_hex) > 0);
    assert_non_null(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(leaf)));
    BN_free(serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(leaf), HOUR);
    assert_true(X509_set_pubkey(leaf, key));
    AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
    if (issuer_key.len > 0) {
        id->keyid = ASN1_OCTET_STRING_new();
        assert_true(ASN1_OCTET_STRING_set(id->keyid, (const unsigned char *)issuer_key.p,
                                          (int)issuer_key.len));
        assert_true(X509_add1_ext_i2d(leaf, NID_authority_key_identifier, id, 0, 0));
    }
    AUTHORITY_KEYID_free(id);
    struct str pem;
    sign_and_write(leaf, key, &pem);
    return pem;
}

/* RFC 9773 4.1; and B22: the zero that keeps the number positive belongs to it. */
static void certificates_are_named_as_in_the_rfc(void **state)
{
    (void)state;
    static const struct str issuer_key = STR_LIT(
        "\x69\x88\x5b\x6b\x87\x46\x40\x41\xe1\xb3\x7b\x84\x7b\xa0\xae\x2c\xde\x01\xc8\xd4");
    struct str id;
    assert_false(failed(ari_cert_id(arena, make_leaf("0087654321", issuer_key), &id)));
    assert_true(str_eq(id, STR("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")));
    assert_false(failed(ari_cert_id(arena, make_leaf("7f", issuer_key), &id)));
    assert_true(str_eq(id, STR("aYhba4dGQEHhs3uEe6CuLN4ByNQ.fw")));
}

static void what_cannot_be_named_is_told(void **state)
{
    (void)state;
    struct str id;
    assert_true(err_is(ari_cert_id(arena, make_leaf("01", STR_NONE), &id), ERR_NOT_FOUND));
    assert_true(err_is(ari_cert_id(arena, STR("<html>"), &id), ERR_CERT_PARSE));
}

/* ---- learning ---- */

#define GOOD                                                                                   \
    "{\"suggestedWindow\":{\"start\":\"2030-01-02T04:00:00Z\",\"end\":\"2030-01-03T04:00:"     \
    "00Z\"}}"
#define START_AT 1893556800ll
#define DAY      86400ll

static const struct cert_renewal window = {
    .start_at = START_AT, .end_at = START_AT + DAY, .selected_at = START_AT + 77};

/* clang-format off */
static const struct {
    const char *name;
    const struct err_kind *err;
    unsigned status;
    const char *body, *retry_after;
    uint32_t errors_before;
    int64_t want_wait_s;
    bool is_of_use;
} answers[] = {
    {"good", NULL, 200, GOOD, "21600", 0, 6 * HOUR, true},
    {"good, with a date", NULL, 200, GOOD, "Mon, 21 Sep 2026 16:13:20 GMT", 0, 2 * HOUR, true},
    {"good, and the errors are forgotten", NULL, 200, GOOD, "7200", 9, 2 * HOUR, true},
    {"without Retry-After", NULL, 200, GOOD, "", 0, 6 * HOUR, true},
    {"with a wrong one", NULL, 200, GOOD, "soon", 0, 6 * HOUR, true},
    {"too soon", NULL, 200, GOOD, "1", 0, 60, true},
    {"too late", NULL, 200, GOOD, "999999", 0, DAY, true},
    {"nonsense", NULL, 200, "<html>", "60", 0, 60, false},
    {"a window without extent", NULL, 200, "{\"suggestedWindow\":{\"start\":"
     "\"2030-01-02T04:00:00Z\",\"end\":\"2030-01-02T04:00:00Z\"}}", "", 0, 6 * HOUR, false},
    {"not found", ERR_ACME_PROBLEM, 404, "", "", 0, 6 * HOUR, false},
    {"too many", ERR_ACME_RATE_LIMITED, 429, "", "3600", 0, HOUR, false},
    {"an error inside", ERR_ACME_PROBLEM, 500, "", "", 0, 60, false},
    {"again", ERR_ACME_PROBLEM, 502, "", "", 1, 120, false},
    {"for the sixth time", ERR_ACME_PROBLEM, 500, "", "", 5, 1920, false},
    {"for the seventh time", ERR_ACME_PROBLEM, 500, "", "", 6, 6 * HOUR, false},
    {"for ever", ERR_ACME_PROBLEM, 500, "", "", UINT32_MAX, 6 * HOUR, false},
    {"an error inside, with a time", ERR_ACME_PROBLEM, 503, "", "600", 0, 600, false},
    {"no answer", ERR_ACME_NETWORK, 0, "", "", 0, 60, false},
};
/* clang-format on */

static void answers_say_when_to_ask_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct fetch_reply reply = {.status = answers[i].status,
                                    .body = str_from(answers[i].body),
                                    .retry_after = str_from(answers[i].retry_after)};
        struct ari_answer answer = {.err =
                                        answers[i].err == NULL ? OK : fail(answers[i].err, 0),
                                    .reply = &reply,
                                    .now_at = NOW_AT};
        struct cert_renewal known = window;
        known.errors = answers[i].errors_before;
        const char *words;
        struct cert_renewal got = ari_learn(arena, &known, &answer, &words);
        if (got.check_at - NOW_AT != answers[i].want_wait_s ||
            (words == NULL) != answers[i].is_of_use ||
            (got.errors == 0) != answers[i].is_of_use)
            fail_msg("%s: asked again after %lld s, %u errors", answers[i].name,
                     (long long)(got.check_at - NOW_AT), got.errors);
        /* Whatever comes: a window that was known stays, and so does its moment. */
        assert_true(got.start_at == window.start_at && got.end_at == window.end_at);
        assert_int_equal(got.selected_at, window.selected_at);
    }
}

static struct cert_renewal learn(const struct cert_renewal *known, uint64_t random)
{
    struct fetch_reply reply = {.status = 200, .body = STR(GOOD)};
    struct ari_answer answer = {.reply = &reply, .now_at = NOW_AT, .random = random};
    const char *words;
    return ari_learn(arena, known, &answer, &words);
}

static void the_moment_is_drawn_once_for_each_window(void **state)
{
    (void)state;
    struct cert_renewal none = {.start_at = 0}, moved = window;
    assert_int_equal(learn(&none, 0).selected_at, START_AT);
    assert_int_equal(learn(&none, DAY).selected_at, START_AT + DAY);
    assert_int_equal(learn(&none, DAY + 1).selected_at, START_AT);
    assert_in_range(learn(&none, UINT64_MAX).selected_at, START_AT, START_AT + DAY);
    moved.end_at++;
    assert_int_equal(learn(&moved, 5).selected_at, START_AT + 5);
    assert_int_equal(learn(&window, 5).selected_at, window.selected_at);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(certificates_are_named_as_in_the_rfc),
        TEST(what_cannot_be_named_is_told),
        TEST(answers_say_when_to_ask_again),
        TEST(the_moment_is_drawn_once_for_each_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
