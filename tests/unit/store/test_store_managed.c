#include "store/store.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/clock.h"

#include <stdio.h>

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

static void put(struct temp_store *t, const char *id, const char *hosts, const char *more)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': [%s], 'upstream': {'targets': [{'url': 'http://x'}]}%s}", hosts,
                   more);
    struct err e = temp_store_put_route(t, id, body, NULL);
    if (failed(e))
        fail_msg("%s: %s", id, err_name(e));
}

/* "id what state, id what state" of all certificates, in order. */
static struct str certificates(struct temp_store *t)
{
    static char text[1024];
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    const struct snapshot *s = store_snapshot(t->store);
    const struct cert *const *certs;
    size_t count, len = 0;
    assert_false(failed(snapshot_certs(s, a, &certs, &count)));
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s %.*s %s",
                                i > 0 ? ", " : "", STR_ARG(certs[i]->object.id),
                                STR_ARG(certs[i]->next.what), cert_state_name(certs[i]->state));
    snapshot_unref(s);
    return str_make(text, len);
}

static void expect(struct temp_store *t, const char *when, const char *want)
{
    struct str got = certificates(t);
    if (!str_eq(got, str_from(want)))
        fail_msg("%s: \"%.*s\"", when, STR_ARG(got));
    temp_store_reopen(t);
    got = certificates(t);
    if (!str_eq(got, str_from(want)))
        fail_msg("%s, and a restart: \"%.*s\"", when, STR_ARG(got));
}

static void install(struct temp_store *t, const char *id, const char *names)
{
    AUTO(arena_free) struct arena *a = arena_new(65536, 1024 * 1024);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    struct fake_issuer ca;
    fake_issuer_init(&ca, "Test Root");
    int64_t now_at = clock_now_at();
    const struct fake_cert wanted = {.key = key,
                                     .names = names,
                                     .not_before_at = now_at,
                                     .not_after_at = now_at + 90 * 86400,
                                     .usage = "serverAuth"};
    struct str chain = fake_issuer_sign(&ca, a, &wanted);
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(key, &der);
    const struct cert_next next = {
        .what = STR("renew"), .at = now_at + 60 * 86400, .why = STR("two thirds")};
    const struct cert_origin origin = {.directory = STR_NONE};
    struct tx *tx;
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(
        tx_cert_install(tx, str_from(id), chain, str_make(der, (size_t)len), &origin, &next)));
    assert_false(failed(store_commit(&tx)));
    OPENSSL_free(der);
    fake_issuer_fini(&ca);
}

static void routes_bring_their_certificates(void **state)
{
    struct temp_store *t = *state;
    put(t, "one", "'b.org', 'a.org'", "");
    expect(t, "the first", "b.org issue pending");
    put(t, "two", "'a.org', 'b.org'", ", 'path': '/x'");
    expect(t, "the same names in another order", "b.org issue pending");
    put(t, "three", "'a.org'", ", 'path': '/y'");
    expect(t, "other names", "a.org issue pending, b.org issue pending");
    put(t, "four", "'*', '192.0.2.1', '::1'", "");
    put(t, "five", "'c.org'", ", 'enabled': false");
    put(t, "six", "'d.org'", ", 'certificate': 'none'");
    expect(t, "routes that need none", "a.org issue pending, b.org issue pending");
    const struct snapshot *s = store_snapshot(t->store);
    const struct cert *c = snapshot_cert_find(s, STR("b.org"));
    assert_int_equal(c->names.count, 2);
    assert_true(str_eq(c->names.items[0], STR("a.org")));
    assert_int_equal(c->source, CERT_ACME);
    assert_true(str_eq(c->next.why, STR("route one needs it")));
    assert_true(
        str_eq(snapshot_managed_cert_id(s, snapshot_route_find(s, STR("two"))), STR("b.org")));
    assert_true(str_is_empty(snapshot_managed_cert_id(s, snapshot_route_find(s, STR("four")))));
    snapshot_unref(s);
}

static void ids_are_unique(void **state)
{
    struct temp_store *t = *state;
    put(t, "one", "'a.org', 'b.org'", "");
    put(t, "two", "'a.org', 'c.org'", ", 'path': '/x'");
    expect(t, "both begin alike", "a.org issue pending, a.org-2 issue pending");
}

static void what_was_never_issued_goes_with_its_last_route(void **state)
{
    struct temp_store *t = *state;
    put(t, "one", "'a.org'", "");
    put(t, "two", "'a.org'", ", 'path': '/x'");
    assert_false(failed(temp_store_delete_route(t, "one")));
    expect(t, "one is left", "a.org issue pending");
    assert_false(failed(temp_store_delete_route(t, "two")));
    expect(t, "none is left", "");
    put(t, "one", "'a.org'", "");
    put(t, "one", "'b.org'", "");
    expect(t, "the hosts have changed", "b.org issue pending");
    put(t, "one", "'b.org'", ", 'enabled': false");
    expect(t, "the route is off", "");
    put(t, "one", "'b.org'", "");
    expect(t, "the route is on", "b.org issue pending");
}

static void what_has_been_issued_rests_and_is_taken_up_again(void **state)
{
    struct temp_store *t = *state;
    put(t, "one", "'a.org'", "");
    install(t, "a.org", "DNS:a.org");
    expect(t, "installed", "a.org renew active");
    put(t, "one", "'a.org', 'b.org'", "");
    expect(t, "other names", "a.org none active, a.org-2 issue pending");
    const struct snapshot *s = store_snapshot(t->store);
    assert_true(str_eq(snapshot_cert_find(s, STR("a.org"))->next.why, STR("no route uses it")));
    /* Until the new one is there, the old one covers what it can. */
    assert_non_null(snapshot_cert_for_host(s, STR("a.org")));
    snapshot_unref(s);
    put(t, "one", "'a.org'", "");
    expect(t, "the old names again", "a.org renew active");
    s = store_snapshot(t->store);
    const struct cert *c = snapshot_cert_find(s, STR("a.org"));
    assert_true(c->next.at > clock_now_at() + 59 * 86400 &&
                c->next.at < clock_now_at() + 61 * 86400);
    assert_true(c->has_material);
    snapshot_unref(s);
    assert_false(failed(temp_store_delete_route(t, "one")));
    expect(t, "no route", "a.org none active");
    install(t, "a.org", "DNS:a.org"); /* an order that was on its way */
    expect(t, "installed for nobody", "a.org none active");
    struct tx *tx;
    struct invalid inv;
    invalid_init(&inv);
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_cert_delete(tx, STR("a.org"), &inv)));
    assert_false(failed(store_commit(&tx)));
    expect(t, "deleted", "");
}

static void what_a_route_needs_cannot_be_deleted(void **state)
{
    struct temp_store *t = *state;
    struct tx *tx;
    struct invalid inv;
    invalid_init(&inv);
    put(t, "one", "'a.org'", "");
    assert_false(failed(store_begin(t->store, &tx)));
    assert_true(err_is(tx_cert_delete(tx, STR("a.org"), &inv), ERR_CONFLICT));
    assert_true(temp_says(&inv, "", "route \"one\" uses"));
    assert_true(err_is(tx_cert_delete(tx, STR("b.org"), &inv), ERR_NOT_FOUND));
    store_rollback(tx);
    invalid_fini(&inv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routes_bring_their_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_are_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_never_issued_goes_with_its_last_route, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_has_been_issued_rests_and_is_taken_up_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_route_needs_cannot_be_deleted, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
