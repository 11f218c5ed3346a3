#include "store/settings_build.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

static const struct acme_eab no_eab;

static struct err build_acme(const char *body, const struct acme_eab *kept, struct invalid *inv,
                             struct acme_settings **ret)
{
    struct json_path path = {.len = 0};
    AUTO(json_decref) json_t *json = temp_json(body);
    return settings_build_acme(json, kept, &path, inv, ret);
}

static void standard_settings_are_as_the_contract_says(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *none = temp_json("{}");
    AUTO(json_decref)
    json_t *want = temp_json(
        "{'trusted_proxies': [], 'proxy_protocol': [], 'unknown_host': 'reject',"
        " 'tls_min_version': '1.2', 'tls_profile': 'intermediate', 'max_header': '64KiB',"
        " 'drain_timeout': '30s'}");
    AUTO(json_decref)
    json_t *want_acme = temp_json(
        "{'directory': 'https://acme-v02.api.letsencrypt.org/directory', 'contact': [],"
        " 'tos_agreed': false, 'eab': null, 'ca_bundle': null, 'key_type': 'ecdsa-p256',"
        " 'profile': null, 'limits': {'ledger': 'auto', 'orders': 250,"
        " 'parallel': 4}, 'preferred_chain': null, 'address_family': 'ipv4', 'resolver': "
        "null, 'preflight': 'strict'}");
    struct json_path path = {.len = 0};
    struct invalid inv;
    struct settings *s;
    struct acme_settings *acme;
    invalid_init(&inv);
    assert_false(failed(settings_build(none, &path, &inv, &s)));
    assert_false(failed(settings_build_acme(none, &no_eab, &path, &inv, &acme)));
    AUTO(json_decref) json_t *got = shape_write(settings_shape, s);
    AUTO(json_decref) json_t *got_acme = shape_write(acme_settings_shape, acme);
    assert_true(json_equal(got, want));
    assert_true(json_equal(got_acme, want_acme));
    settings_unref(s);
    acme_settings_unref(acme);
}

static void trusted_blocks_are_ready_to_use(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *body = temp_json("{'trusted_proxies': ['10.0.0.0/8', '::1']}");
    struct json_path path = {.len = 0};
    struct invalid inv;
    struct settings *s;
    invalid_init(&inv);
    assert_false(failed(settings_build(body, &path, &inv, &s)));
    struct cidr inside;
    assert_false(failed(cidr_parse(STR("10.9.8.7"), &inside)));
    assert_true(cidr_has(&s->trusted_cidrs[0], inside.address));
    assert_false(cidr_has(&s->trusted_cidrs[1], inside.address));
    settings_unref(s);
}

/* clang-format off */
static const struct {
    const char *name, *body, *field, *words;
    bool is_acme;
} bad[] = {
    {"unknown field", "{'x': 1}", "/x", "no field", false},
    {"no block", "{'trusted_proxies': ['10/8']}", "/trusted_proxies/0", "block", false},
    {"a listener without a port", "{'proxy_protocol': ['127.0.0.1']}", "/proxy_protocol/0",
     "no listener", false},
    {"a listener by name", "{'proxy_protocol': ['localhost:443']}", "/proxy_protocol/0",
     "no listener", false},
    {"tiny head", "{'max_header': '1KiB'}", "/max_header", "at least 4KiB", false},
    {"endless head", "{'max_header': 'unlimited'}", "/max_header", "at most 256KiB", false},
    {"old TLS", "{'tls_min_version': '1.1'}", "/tls_min_version", "\"1.2\" or \"1.3\"", false},
    {"number for a version", "{'tls_min_version': 1.2}", "/tls_min_version", "\"1.2\"", false},
    {"kid alone", "{'eab': {'kid': 'k'}}", "/eab/hmac", "required", true},
    {"hmac alone", "{'eab': {'hmac': 'AAAA'}}", "/eab/kid", "required", true},
    {"hmac that is none", "{'eab': {'kid': 'k', 'hmac': '?'}}", "/eab/hmac", "base64", true},
    {"bundle that is none", "{'ca_bundle': 'x'}", "/ca_bundle", "BEGIN CERTIFICATE", true},
    {"directory in the clear", "{'directory': 'http://a'}", "/directory", "https", true},
    {"contact", "{'contact': ['me']}", "/contact/0", "e-mail", true},
    {"chain", "{'preferred_chain': 'X1'}", "/preferred_chain", "not available yet", true},
    {"resolver", "{'resolver': ':53'}", "/resolver", "is no resolver", true},
    {"key type", "{'key_type': 'ed25519'}", "/key_type", "\"ecdsa-p256\"", true},
};
/* clang-format on */

static void bad_settings_are_refused_with_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(json_decref) json_t *body = temp_json(bad[i].body);
        struct json_path path = {.len = 0};
        struct settings *s = NULL;
        struct acme_settings *acme = NULL;
        struct invalid inv;
        invalid_init(&inv);
        struct err e = bad[i].is_acme ? settings_build_acme(body, &no_eab, &path, &inv, &acme)
                                      : settings_build(body, &path, &inv, &s);
        if (!err_is(e, ERR_INVALID) || !temp_says(&inv, bad[i].field, bad[i].words))
            fail_msg("%s: %s", bad[i].name, err_name(e));
        invalid_fini(&inv);
    }
}

static void an_absent_hmac_is_kept_with_its_kid(void **state)
{
    (void)state;
    const struct acme_eab kept = {.kid = STR("k"), .hmac = STR("c2VjcmV0")};
    struct acme_settings *s = NULL;
    struct invalid inv;
    invalid_init(&inv);
    assert_false(failed(build_acme("{'eab': {'kid': 'k'}}", &kept, &inv, &s)));
    assert_true(str_eq(s->eab.hmac, kept.hmac));
    AUTO(json_decref) json_t *shown = shape_write(acme_settings_shape, s);
    AUTO(json_decref) json_t *want = temp_json("{'kid': 'k'}");
    assert_true(json_equal(json_object_get(shown, "eab"), want));
    acme_settings_unref(s);
    assert_false(failed(build_acme("{'eab': {'kid': 'k', 'hmac': 'bmV3'}}", &kept, &inv, &s)));
    assert_true(str_eq(s->eab.hmac, STR("bmV3")));
    acme_settings_unref(s);
    assert_true(failed(build_acme("{'eab': {'kid': 'other'}}", &kept, &inv, &s)));
    assert_false(failed(build_acme("{'eab': null}", &kept, &inv, &s)));
    assert_true(str_is_empty(s->eab.hmac));
    acme_settings_unref(s);
    invalid_fini(&inv);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_settings_are_as_the_contract_says),
        cmocka_unit_test(trusted_blocks_are_ready_to_use),
        cmocka_unit_test(bad_settings_are_refused_with_words),
        cmocka_unit_test(an_absent_hmac_is_kept_with_its_kid),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
