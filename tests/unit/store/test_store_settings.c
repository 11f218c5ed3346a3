#include "store/db.h"
#include "store/store.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

static int set_up(void **state)
{
    static struct temp_store t;
    temp_store_init(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    temp_store_fini(*state);
    return 0;
}

typedef struct err put_fn(struct tx *tx, const json_t *body, struct invalid *inv);

static struct err put(struct temp_store *t, put_fn *fn, const char *text, struct invalid *inv)
{
    AUTO(json_decref) json_t *body = temp_json(text);
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(t->store, &tx));
    TRY(fn(tx, body, inv));
    return store_commit(&tx);
}

static void a_put_replaces_all_of_it(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    assert_false(
        failed(put(t, tx_settings_put,
                   "{'trusted_proxies': ['10.0.0.0/8'], 'drain_timeout': '1m'}", &inv)));
    assert_false(failed(put(t, tx_settings_put, "{'drain_timeout': '2m'}", &inv)));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        const struct settings *settings = snapshot_settings(s);
        assert_int_equal(settings->object.revision, 3);
        assert_int_equal(settings->trusted_proxies.count, 0);
        assert_int_equal(settings->drain_timeout_ms, 120000);
        assert_true(str_eq(settings->object.id, STR("settings")));
        snapshot_unref(s);
        temp_store_reopen(t);
    }
}

static void the_same_again_is_no_change(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    const struct snapshot *before = store_snapshot(t->store);
    assert_false(failed(put(t, tx_settings_put, "{'unknown_host': 'reject'}", &inv)));
    assert_false(failed(put(t, tx_acme_settings_put, "{'contact': []}", &inv)));
    const struct snapshot *after = store_snapshot(t->store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void unknown_hosts_go_to_a_route_that_exists(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    assert_true(err_is(put(t, tx_settings_put, "{'unknown_host': 'x'}", &inv), ERR_INVALID));
    assert_true(temp_says(&inv, "/unknown_host", "no route \"x\""));
    temp_store_add_route(t, "x", "x.org", "none");
    assert_false(failed(put(t, tx_settings_put, "{'unknown_host': 'x'}", &inv)));
    assert_false(failed(put(t, tx_settings_put, "{'unknown_host': '404'}", &inv)));
    invalid_fini(&inv);
}

static void the_hmac_is_kept_sealed(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    assert_false(
        failed(put(t, tx_acme_settings_put,
                   "{'tos_agreed': true, 'eab': {'kid': 'k', 'hmac': 'c2VjcmV0'}}", &inv)));
    assert_false(failed(
        put(t, tx_acme_settings_put, "{'tos_agreed': false, 'eab': {'kid': 'k'}}", &inv)));
    temp_store_reopen(t);
    const struct snapshot *s = store_snapshot(t->store);
    assert_false(snapshot_acme(s)->tos_agreed);
    assert_true(str_eq(snapshot_acme(s)->eab.hmac, STR("c2VjcmV0")));
    assert_int_equal(snapshot_acme(s)->object.revision, 3);
    snapshot_unref(s);
    struct db *db;
    int64_t open_text;
    assert_false(failed(db_open(temp_store_path(t, "gatehouse.db").text, &db)));
    assert_false(failed(db_get_int(
        db,
        "SELECT count(*) FROM settings WHERE body LIKE '%c2Vj%' OR sealed_hmac LIKE '%c2Vj%'",
        &open_text)));
    assert_int_equal(open_text, 0);
    db_close(db);
}

static void a_damaged_hmac_costs_only_the_binding(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    struct db *db;
    invalid_init(&inv);
    assert_false(
        failed(put(t, tx_acme_settings_put,
                   "{'contact': ['a@b.org'], 'eab': {'kid': 'k', 'hmac': 'c2VjcmV0'}}", &inv)));
    store_close(t->store);
    t->store = NULL;
    assert_false(failed(db_open(temp_store_path(t, "gatehouse.db").text, &db)));
    assert_false(
        failed(db_script(db, "UPDATE settings SET body = replace(body, '\"k\"', '\"q\"')")));
    db_close(db);
    assert_false(failed(store_open(t->dir, &inv, &t->store)));
    assert_true(temp_says(&inv, "/acme", "HMAC"));
    const struct snapshot *s = store_snapshot(t->store);
    assert_true(str_is_empty(snapshot_acme(s)->eab.kid));
    assert_int_equal(snapshot_acme(s)->contact.count, 1);
    snapshot_unref(s);
    invalid_fini(&inv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_put_replaces_all_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_again_is_no_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_hosts_go_to_a_route_that_exists, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_hmac_is_kept_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_hmac_costs_only_the_binding, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
