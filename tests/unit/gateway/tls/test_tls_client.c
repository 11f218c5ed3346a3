#include "gateway/tls/alpn.h"
#include "gateway/tls/tls_client.h"
#include "store/target_url.h"
#include "store/trust.h"
#include "tests/support/asserts.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/clock.h"

#include <openssl/err.h>
#include <stdio.h>

static struct fake_issuer ca, stranger;
static struct tls_client *c;
static struct arena *a;
static X509_STORE *our_trust, *no_trust;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(4096, 1024 * 1024);
    fake_issuer_init(&ca, "Test CA");
    fake_issuer_init(&stranger, "Another CA");
    assert_ok(trust_from_pem(fake_issuer_root(&ca, a), &our_trust));
    assert_ok(trust_from_pem(fake_issuer_root(&stranger, a), &no_trust));
    assert_ok(tls_client_new(&c));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(c);
    tls_client_free(NULL);
    X509_STORE_free(our_trust);
    X509_STORE_free(no_trust);
    fake_issuer_fini(&ca);
    fake_issuer_fini(&stranger);
    arena_free(a);
    return 0;
}

/* What comes of a connection to a server with ctx, and the name it was asked for. */
static struct err connect_to(const struct upstream_tls *tls, const char *url, SSL_CTX *ctx,
                             char ret_name[256])
{
    struct target target = {0};
    SSL *ssl, *server = tls_pair_accept(ctx);
    assert_null(target_url_parse(a, str_from(url), &target));
    assert_ok(tls_client_connect(c, tls, &target, NULL, alpn_http1, &ssl));
    struct tls_pair_result r = tls_pair_shake(ssl, server);
    const char *name = SSL_get_servername(server, TLSEXT_NAMETYPE_host_name);
    (void)snprintf(ret_name, 256, "%s", name == NULL ? "" : name);
    struct err e = r.is_client_done ? tls_client_check(ssl, tls) : tls_client_verdict(ssl);
    assert_int_equal(ERR_peek_error(), 0);
    SSL_free(ssl);
    SSL_free(server);
    return e;
}

enum { DAY_S = 86400 };

static const struct {
    const char *name;
    int verify;
    bool is_strange; /* the trust is in another CA */
    const char *server_name, *url;
    const char *cert_names;
    int64_t valid_s; /* from now */
    const struct err_kind *want;
    int want_detail;
    const char *want_sni;
} rows[] = {
    {"the right name, from the right CA", TLS_VERIFY_CA, false, "", "https://a.example",
     "DNS:a.example", DAY_S, NULL, 0, "a.example"},
    {"the same against the system's trust", TLS_VERIFY_SYSTEM, false, "", "https://a.example",
     "DNS:a.example", DAY_S, NULL, 0, "a.example"},
    {"one of several names", TLS_VERIFY_CA, false, "", "https://b.example",
     "DNS:a.example,DNS:b.example", DAY_S, NULL, 0, "b.example"},
    {"a wildcard", TLS_VERIFY_CA, false, "", "https://x.wild.example", "DNS:*.wild.example",
     DAY_S, NULL, 0, "x.wild.example"},
    {"a wildcard is one label", TLS_VERIFY_CA, false, "", "https://x.y.wild.example",
     "DNS:*.wild.example", DAY_S, ERR_TARGET_NAME, X509_V_ERR_HOSTNAME_MISMATCH,
     "x.y.wild.example"},
    {"a wildcard is a whole label", TLS_VERIFY_CA, false, "", "https://foo.wild.example",
     "DNS:f*.wild.example", DAY_S, ERR_TARGET_NAME, X509_V_ERR_HOSTNAME_MISMATCH,
     "foo.wild.example"},
    {"another name", TLS_VERIFY_CA, false, "", "https://b.example", "DNS:a.example", DAY_S,
     ERR_TARGET_NAME, X509_V_ERR_HOSTNAME_MISMATCH, "b.example"},
    {"another CA", TLS_VERIFY_CA, true, "", "https://a.example", "DNS:a.example", DAY_S,
     ERR_TARGET_VERIFY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "a.example"},
    {"another CA than the system's", TLS_VERIFY_SYSTEM, true, "", "https://a.example",
     "DNS:a.example", DAY_S, ERR_TARGET_VERIFY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     "a.example"},
    {"expired", TLS_VERIFY_CA, false, "", "https://a.example", "DNS:a.example", -DAY_S,
     ERR_TARGET_VERIFY, X509_V_ERR_CERT_HAS_EXPIRED, "a.example"},
    {"not yet valid", TLS_VERIFY_CA, false, "", "https://a.example", "DNS:a.example",
     200 * DAY_S, ERR_TARGET_VERIFY, X509_V_ERR_CERT_NOT_YET_VALID, "a.example"},
    {"the name is given apart", TLS_VERIFY_CA, false, "a.example", "https://b.example",
     "DNS:a.example", DAY_S, NULL, 0, "a.example"},
    {"the name given apart is wrong", TLS_VERIFY_CA, false, "c.example", "https://a.example",
     "DNS:a.example", DAY_S, ERR_TARGET_NAME, X509_V_ERR_HOSTNAME_MISMATCH, "c.example"},
    {"an address in the certificate", TLS_VERIFY_CA, false, "", "https://192.0.2.1",
     "IP:192.0.2.1", DAY_S, NULL, 0, ""},
    {"an IPv6 address in the certificate", TLS_VERIFY_CA, false, "", "https://[2001:db8::1]",
     "IP:2001:db8::1", DAY_S, NULL, 0, ""},
    {"another address", TLS_VERIFY_CA, false, "", "https://192.0.2.2", "IP:192.0.2.1", DAY_S,
     ERR_TARGET_NAME, X509_V_ERR_IP_ADDRESS_MISMATCH, ""},
    {"an address written as a name is none", TLS_VERIFY_CA, false, "", "https://192.0.2.1",
     "DNS:192.0.2.1", DAY_S, ERR_TARGET_NAME, X509_V_ERR_IP_ADDRESS_MISMATCH, ""},
    {"an address, with a name given apart", TLS_VERIFY_CA, false, "a.example",
     "https://[2001:db8::1]", "DNS:a.example", DAY_S, NULL, 0, "a.example"},
    {"off: another CA, another name, expired", TLS_VERIFY_OFF, true, "", "https://b.example",
     "DNS:a.example", -DAY_S, NULL, 0, "b.example"},
    {"off: an address", TLS_VERIFY_OFF, true, "", "https://192.0.2.1", "DNS:a.example", DAY_S,
     NULL, 0, ""},
};

static void targets_are_verified_as_the_route_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[256];
        SSL_CTX *ctx =
            tls_pair_server_ctx(&ca, rows[i].cert_names, clock_now_at() + rows[i].valid_s);
        struct upstream_tls tls = {.verify = rows[i].verify,
                                   .server_name = str_from(rows[i].server_name),
                                   .trust = rows[i].is_strange ? no_trust : our_trust};
        struct err e = connect_to(&tls, rows[i].url, ctx, name);
        assert_row_err(rows[i].name, e, rows[i].want);
        assert_row_u64(rows[i].name, (uint64_t)e.detail, (uint64_t)rows[i].want_detail);
        assert_row_str(rows[i].name, str_from(name), rows[i].want_sni);
        SSL_CTX_free(ctx);
    }
}

/* ---- pins ---- */

static void digest_of(SSL_CTX *ctx, unsigned char digest[32])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(ctx)), &der);
    assert_int_equal(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
}

static void a_pinned_key_is_all_that_counts(void **state)
{
    (void)state;
    char name[256];
    unsigned char digests[3][32] = {{1}, {2}, {3}};
    struct upstream_tls tls = {
        .verify = TLS_VERIFY_PIN, .pins = {.count = 3}, .pin_digests = digests};
    SSL_CTX *ctx = tls_pair_server_ctx(&stranger, "DNS:a.example", clock_now_at() - DAY_S);
    assert_err(connect_to(&tls, "https://b.example", ctx, name), ERR_TARGET_PIN);
    digest_of(ctx, digests[2]); /* expired, of another name and CA: the key is known */
    assert_ok(connect_to(&tls, "https://b.example", ctx, name));
    assert_string_equal(name, "b.example");
    digests[2][31] ^= 1;
    assert_err(connect_to(&tls, "https://b.example", ctx, name), ERR_TARGET_PIN);
    digests[2][31] ^= 1;
    tls.pins.count = 2;
    assert_err(connect_to(&tls, "https://b.example", ctx, name), ERR_TARGET_PIN);
    tls.pins.count = 0;
    assert_err(connect_to(&tls, "https://b.example", ctx, name), ERR_TARGET_PIN);
    SSL_CTX_free(ctx);
}

/* ---- handshakes that fail for other reasons ---- */

static int refuse_all(SSL *ssl, int *ret_alert, void *arg)
{
    (void)ssl;
    (void)arg;
    *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void a_refusal_by_the_target_is_no_matter_of_trust(void **state)
{
    (void)state;
    char name[256];
    SSL_CTX *ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + DAY_S);
    SSL_CTX_set_tlsext_servername_callback(ctx, refuse_all);
    const int modes[] = {TLS_VERIFY_CA, TLS_VERIFY_OFF};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct upstream_tls tls = {.verify = modes[i], .trust = our_trust};
        struct err e = connect_to(&tls, "https://a.example", ctx, name);
        assert_err(e, ERR_TARGET_TLS);
        assert_int_equal(ERR_GET_REASON((unsigned long)e.detail),
                         SSL_R_TLSV1_UNRECOGNIZED_NAME);
    }
    SSL_CTX_free(ctx);
}

static void old_versions_are_not_spoken(void **state)
{
    (void)state;
    char name[256];
    SSL_CTX *ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + DAY_S);
    struct upstream_tls tls = {.verify = TLS_VERIFY_CA, .trust = our_trust};
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
    assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION), 1);
    assert_err(connect_to(&tls, "https://a.example", ctx, name), ERR_TARGET_TLS);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
    assert_ok(connect_to(&tls, "https://a.example", ctx, name));
    SSL_CTX_free(ctx);
}

static unsigned char offered[64];
static unsigned offered_len;

static int note_offer(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                      const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    assert_true(in_len <= sizeof(offered));
    memcpy(offered, in, in_len);
    offered_len = in_len;
    *ret_name = in + 1;
    *ret_len = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static void http_1_1_is_offered(void **state)
{
    (void)state;
    char name[256];
    SSL_CTX *ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + DAY_S);
    struct upstream_tls tls = {.verify = TLS_VERIFY_CA, .trust = our_trust};
    SSL_CTX_set_alpn_select_cb(ctx, note_offer, NULL);
    assert_ok(connect_to(&tls, "https://a.example", ctx, name));
    assert_str(str_make(offered, offered_len), "\x08http/1.1");
    SSL_CTX_free(ctx);
}

static void without_memory_there_is_no_client(void **state)
{
    (void)state;
    struct tls_client *other;
    mem_fault_arm(1);
    assert_err(tls_client_new(&other), ERR_MEMORY);
    mem_fault_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_verified_as_the_route_says),
        cmocka_unit_test(a_pinned_key_is_all_that_counts),
        cmocka_unit_test(a_refusal_by_the_target_is_no_matter_of_trust),
        cmocka_unit_test(old_versions_are_not_spoken),
        cmocka_unit_test(http_1_1_is_offered),
        cmocka_unit_test(without_memory_there_is_no_client),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
