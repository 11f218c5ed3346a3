#include "store/store_orders.h"
#include "tests/support/api_fixture.h"
#include "tests/support/unit.h"

static struct api_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    api_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    api_fixture_close(&fixture);
    return 0;
}

static void test_the_secret_is_never_shown(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/acme",
                       "{\"eab\":{\"kid\":\"k1\",\"hmac\":\"c2VjcmV0c2VjcmV0c2VjcmV0\"}}");
    struct api_answer a = api_fixture_ask(&fixture, "PATCH", "/v1/acme",
                                          "{\"contact\":[\"mailto:a@example.org\"]}", NULL);
    assert_int_equal(a.status, 200);
    const json_t *eab = json_object_get(a.doc, "eab");
    assert_string_equal(json_string_value(json_object_get(eab, "kid")), "k1");
    assert_null(json_object_get(eab, "hmac"));
    api_answer_fini(&a);
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    assert_true(str_eq(snapshot_acme(s)->eab.hmac, STR("c2VjcmV0c2VjcmV0c2VjcmV0")));
}

static void test_account(void **state)
{
    (void)state;
    api_fixture_expect(&fixture, 404, "GET", "/v1/acme/account", NULL);
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    struct account_row row = {.directory = snapshot_acme(s)->directory,
                              .url = STR("https://ca.example/acct/1"),
                              .status = STR("valid")};
    struct tx *tx;
    assert_false(failed(secret_init(&row.key_der, STR("not looked at here"))));
    assert_false(failed(store_begin(fixture.api.store, &tx)));
    assert_false(failed(tx_account_put(tx, &row)));
    assert_false(failed(store_commit(&tx)));
    secret_fini(&row.key_der);
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/acme/account", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(json_string_value(json_object_get(a.doc, "url")),
                        "https://ca.example/acct/1");
    assert_string_equal(json_string_value(json_object_get(a.doc, "status")), "valid");
    assert_int_equal(json_object_size(a.doc), 4);
    api_answer_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_secret_is_never_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_account, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
