#include "store/store_orders.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

static int set_up(void **state)
{
    static struct temp_store t;
    temp_store_init(&t);
    temp_store_add_route(&t, "r", "a.org", "auto");
    temp_store_add_route(&t, "q", "b.org", "auto");
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    temp_store_fini(*state);
    return 0;
}

static struct secret secret_of(const char *text)
{
    struct secret s;
    assert_false(failed(secret_init(&s, str_from(text))));
    return s;
}

/* ---- accounts ---- */

static void put_account(struct temp_store *t, const char *directory, const char *kid,
                        const char *url, const char *key)
{
    struct tx *tx;
    struct account_row row = {.directory = str_from(directory),
                              .eab_kid = str_from(kid),
                              .url = str_from(url),
                              .status = STR("valid"),
                              .key_der = secret_of(key)};
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_account_put(tx, &row)));
    assert_false(failed(store_commit(&tx)));
    secret_fini(&row.key_der);
}

static void there_is_an_account_per_directory_and_key_id(void **state)
{
    struct temp_store *t = *state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct account_row row;
    put_account(t, "https://one", "", "", "key 1");
    put_account(t, "https://one", "k", "https://one/2", "key 2");
    put_account(t, "https://one", "", "https://one/1", "key 1");
    temp_store_reopen(t);
    assert_false(failed(store_account_load(t->store, a, STR("https://one"), STR_NONE, &row)));
    assert_true(str_eq(row.url, STR("https://one/1")));
    assert_true(str_eq(row.status, STR("valid")));
    assert_true(secret_eq(&row.key_der, STR("key 1")));
    secret_fini(&row.key_der);
    assert_false(failed(store_account_load(t->store, a, STR("https://one"), STR("k"), &row)));
    assert_true(secret_eq(&row.key_der, STR("key 2")));
    secret_fini(&row.key_der);
    assert_true(err_is(store_account_load(t->store, a, STR("https://two"), STR_NONE, &row),
                       ERR_NOT_FOUND));
}

/* ---- orders ---- */

static struct err put_order(struct temp_store *t, const struct order_row *row)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(t->store, &tx));
    TRY(tx_order_put(tx, row));
    return store_commit(&tx);
}

static struct err delete_order(struct temp_store *t, const char *cert_id)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(t->store, &tx));
    TRY(tx_order_delete(tx, str_from(cert_id)));
    return store_commit(&tx);
}

static bool is_answered(struct temp_store *t, const char *host, const char *token)
{
    const struct snapshot *s = store_snapshot(t->store);
    bool answer = !str_is_empty(snapshot_challenge_find(s, str_from(host), str_from(token)));
    snapshot_unref(s);
    return answer;
}

static size_t count_orders(struct temp_store *t)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, 1024 * 1024);
    struct order_row *rows;
    size_t count;
    assert_false(failed(store_orders_load(t->store, a, &rows, &count)));
    for (size_t i = 0; i < count; i++)
        order_row_fini(&rows[i]);
    return count;
}

static void an_order_comes_back_as_it_was(void **state)
{
    struct temp_store *t = *state;
    struct str names[] = {STR("a.org"), STR("b.org")};
    struct authz_row authzs[] = {
        {.name = STR("a.org"),
         .url = STR("u1"),
         .challenge_url = STR("c1"),
         .token = STR("t1"),
         .key_authorization = STR("t1.k"),
         .state = STR("pending")},
        {.name = STR("b.org"), .url = STR("u2"), .state = STR("")},
    };
    struct order_row row = {
        .cert_id = STR("a.org"),
        .directory = STR("https://ca"),
        .eab_kid = STR("k"),
        .state = STR("authorize"),
        .names = {.items = names, .count = 2},
        .url = STR("o"),
        .finalize_url = STR("f"),
        .certificate_url = STR("c"),
        .csr_der = STR("\0\1\2"),
        .key_der = secret_of("key"),
        .chain_pem = STR("pem"),
        .expires_at = 5,
        .created_at = 6,
        .authzs = authzs,
        .authz_count = 2,
    };
    assert_false(failed(put_order(t, &row)));
    assert_true(is_answered(t, "a.org", "t1"));
    temp_store_reopen(t);
    assert_true(is_answered(t, "a.org", "t1"));

    AUTO(arena_free) struct arena *a = arena_new(1024, 1024 * 1024);
    struct order_row *rows;
    size_t count;
    assert_false(failed(store_orders_load(t->store, a, &rows, &count)));
    assert_int_equal(count, 1);
    const struct order_row *o = &rows[0];
    assert_true(str_eq(o->cert_id, row.cert_id) && str_eq(o->directory, row.directory));
    assert_true(str_eq(o->eab_kid, row.eab_kid) && str_eq(o->state, row.state));
    assert_true(str_eq(o->url, row.url) && str_eq(o->finalize_url, row.finalize_url));
    assert_true(str_eq(o->certificate_url, row.certificate_url));
    assert_true(str_eq(o->csr_der, row.csr_der) && str_eq(o->chain_pem, row.chain_pem));
    assert_true(secret_eq(&o->key_der, STR("key")));
    assert_true(o->expires_at == 5 && o->created_at == 6 && o->names.count == 2);
    assert_true(str_eq(o->names.items[1], STR("b.org")));
    assert_int_equal(o->authz_count, 2);
    assert_true(str_eq(o->authzs[0].challenge_url, STR("c1")));
    assert_true(str_eq(o->authzs[0].key_authorization, STR("t1.k")));
    assert_true(str_eq(o->authzs[1].name, STR("b.org")));
    assert_true(str_is_empty(o->authzs[1].token));
    order_row_fini(&rows[0]);
    secret_fini(&row.key_der);
}

static void the_board_follows_the_order(void **state)
{
    struct temp_store *t = *state;
    struct authz_row one = {
        .name = STR("a.org"), .token = STR("t1"), .key_authorization = STR("x")};
    struct authz_row two = {
        .name = STR("a.org"), .token = STR("t2"), .key_authorization = STR("y")};
    struct authz_row unread = {.name = STR("a.org"), .token = STR("t3")};
    struct order_row row = {.cert_id = STR("a.org"), .authzs = &one, .authz_count = 1};
    assert_false(failed(put_order(t, &row)));
    assert_true(is_answered(t, "a.org", "t1"));
    assert_false(is_answered(t, "b.org", "t1"));
    row.authzs = &two;
    assert_false(failed(put_order(t, &row)));
    assert_false(is_answered(t, "a.org", "t1"));
    assert_true(is_answered(t, "a.org", "t2"));
    row.authzs = &unread;
    assert_false(failed(put_order(t, &row)));
    assert_false(is_answered(t, "a.org", "t2") || is_answered(t, "a.org", "t3"));
    row.authzs = &one;
    assert_false(failed(put_order(t, &row)));
    assert_int_equal(count_orders(t), 1);
    assert_false(failed(delete_order(t, "a.org")));
    assert_false(failed(delete_order(t, "a.org")));
    assert_false(is_answered(t, "a.org", "t1"));
    assert_int_equal(count_orders(t), 0);
    temp_store_reopen(t);
    assert_false(is_answered(t, "a.org", "t1"));
}

static void an_order_goes_with_its_certificate(void **state)
{
    struct temp_store *t = *state;
    struct authz_row one = {
        .name = STR("a.org"), .token = STR("t1"), .key_authorization = STR("x")};
    struct order_row row = {.cert_id = STR("a.org"), .authzs = &one, .authz_count = 1};
    struct order_row none = {.cert_id = STR("none.org")};
    assert_true(err_is(put_order(t, &none), ERR_NOT_FOUND));
    assert_false(failed(put_order(t, &row)));
    assert_false(failed(temp_store_delete_route(t, "r")));
    assert_false(is_answered(t, "a.org", "t1"));
    assert_int_equal(count_orders(t), 0);
}

static void a_rolled_back_order_is_not_answered(void **state)
{
    struct temp_store *t = *state;
    struct authz_row one = {
        .name = STR("a.org"), .token = STR("t1"), .key_authorization = STR("x")};
    struct order_row row = {.cert_id = STR("a.org"), .authzs = &one, .authz_count = 1};
    struct tx *tx;
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_order_put(tx, &row)));
    store_rollback(tx);
    assert_false(is_answered(t, "a.org", "t1"));
    assert_int_equal(count_orders(t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_is_an_account_per_directory_and_key_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_order_comes_back_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_board_follows_the_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_goes_with_its_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rolled_back_order_is_not_answered, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
