#include "acme/due.h"
#include "acme/key.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#define NOW_AT ACME_BENCH_NOW_AT
#define DAY    86400

static struct acme_bench bench;

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    acme_bench_add_route(&bench, "shop", "'a.example', 'b.example'");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    acme_bench_fini(&bench);
    return 0;
}

static enum due_verdict judge(int64_t now_at, int64_t *ret_at)
{
    const struct snapshot *s = store_snapshot(bench.store.store);
    const struct cert *c = snapshot_cert_find(s, STR("a.example"));
    assert_non_null(c);
    enum due_verdict v = due_judge(s, c, now_at, ret_at);
    snapshot_unref(s);
    return v;
}

static void expect(enum due_verdict want)
{
    int64_t at;
    assert_int_equal(judge(NOW_AT, &at), want);
}

static void plan(const char *what, int64_t at)
{
    struct tx *tx;
    struct cert_progress p = {.state = CERT_PENDING,
                              .next = {.what = str_from(what), .at = at, .why = STR("a test")}};
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(failed(tx_cert_progress(tx, STR("a.example"), &p)));
    assert_false(failed(store_commit(&tx)));
}

static void disable_route(void)
{
    assert_false(failed(
        temp_store_put_route(&bench.store, "shop",
                             "{'hosts': ['a.example', 'b.example'], 'enabled': false,"
                             " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}}",
                             NULL)));
}

static void a_new_certificate_is_due(void **state)
{
    (void)state;
    expect(DUE_NOW);
}

static void a_plan_is_waited_for(void **state)
{
    (void)state;
    int64_t at;
    plan("issue", NOW_AT + 60);
    assert_int_equal(judge(NOW_AT, &at), DUE_LATER);
    assert_int_equal(at, NOW_AT + 60);
    assert_int_equal(judge(NOW_AT + 60, &at), DUE_NOW);
    assert_int_equal(judge(NOW_AT + 61, &at), DUE_NOW);
}

static void a_plan_without_a_time_was_blocked_and_is_due(void **state)
{
    (void)state;
    plan("renew", 0);
    expect(DUE_NOW);
}

/* With material the certificate outlives its route. */
static void install(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct fake_cert wanted = {.names = "DNS:a.example,DNS:b.example",
                               .key = key,
                               .not_before_at = NOW_AT - 30 * DAY,
                               .not_after_at = NOW_AT + 60 * DAY};
    struct str pem = fake_issuer_sign(&bench.ca.issuer, a, &wanted);
    struct secret der;
    struct tx *tx;
    struct cert_next next = {.what = STR("renew"), .at = NOW_AT - 5, .why = STR("a test")};
    struct cert_origin origin = {.directory = STR(FAKE_CA_DIRECTORY)};
    assert_false(failed(key_to_der(key, &der)));
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(
        failed(tx_cert_install(tx, STR("a.example"), pem, secret_bytes(&der), &origin, &next)));
    assert_false(failed(store_commit(&tx)));
    secret_fini(&der);
    EVP_PKEY_free(key);
}

static void an_unused_certificate_is_not_renewed(void **state)
{
    (void)state;
    install();
    expect(DUE_NOW);
    disable_route();
    expect(DUE_NEVER);
    plan("renew", NOW_AT - 5);
    expect(DUE_UNUSED);
}

static void used_again_it_is_due(void **state)
{
    (void)state;
    plan("none", 0);
    expect(DUE_NOW);
}

static void with_material_it_is_planned_again(void **state)
{
    (void)state;
    int64_t at;
    install();
    plan("none", 0);
    assert_int_equal(judge(NOW_AT, &at), DUE_REPLAN);
    assert_in_range(at, NOW_AT + 28 * DAY, NOW_AT + 32 * DAY);
    assert_int_equal(judge(NOW_AT + 40 * DAY, &at), DUE_NOW);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_int_equal(due_plan(c, &c->renewal).at, at);
    cert_unref(c);
}

/* Plans that only a clock that was wrong can have made. */
static void plans_of_another_clock_do_not_count(void **state)
{
    (void)state;
    int64_t at;
    plan("issue", NOW_AT + 10 * DAY);
    expect(DUE_NOW);
    plan("issue", NOW_AT + 7 * DAY);
    expect(DUE_LATER);
    install();
    plan("renew", NOW_AT + 4000 * DAY);
    assert_int_equal(judge(NOW_AT, &at), DUE_LATER);
    assert_in_range(at, NOW_AT + 50 * DAY, NOW_AT + 59 * DAY);
}

static void a_plan_never_passes_the_last_moment(void **state)
{
    (void)state;
    install();
    plan("renew", NOW_AT + 60 * DAY);
    expect(DUE_LATER);
    int64_t at;
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_false(due_is_emergency(c, NOW_AT));
    assert_true(due_is_emergency(c, NOW_AT + 58 * DAY));
    assert_int_equal(judge(NOW_AT + 58 * DAY, &at), DUE_NOW);
    cert_unref(c);
}

/* Only a plan of the calendar may be changed by what the CA or the settings say: what failed
 * or is held back has its own time. */
static void plans_of_the_calendar_are_told_from_others(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    install();
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    const struct snapshot *s = store_snapshot(bench.store.store);
    struct acme_settings settings = *snapshot_acme(s);
    struct cert planned = *c, failing, held;
    assert_false(failed(due_next_renewal(a, c, &c->renewal, &planned.next)));
    failing = held = planned;
    failing.failures = 1;
    held.next.why = STR("held back: ...");
    assert_true(due_is_plain(&planned, NOW_AT));
    assert_false(due_is_plain(&planned, planned.next.at));
    assert_false(due_is_plain(&failing, NOW_AT));
    assert_false(due_is_plain(&held, NOW_AT));
    assert_false(due_is_outdated(&planned, &settings, NOW_AT));
    settings.profile = STR("shortlived");
    assert_true(due_is_outdated(&planned, &settings, NOW_AT));
    assert_false(due_is_outdated(&held, &settings, NOW_AT));
    settings.profile = STR_NONE;
    settings.key_type = KEY_RSA_2048;
    assert_true(due_is_outdated(&planned, &settings, NOW_AT));
    settings.directory = STR("https://other.test/dir");
    assert_false(due_is_outdated(&planned, &settings, NOW_AT));
    snapshot_unref(s);
    cert_unref(c);
}

static bool is_used(void)
{
    const struct snapshot *s = store_snapshot(bench.store.store);
    bool result = due_is_used(s, snapshot_cert_find(s, STR("a.example")));
    snapshot_unref(s);
    return result;
}

static void use_follows_routes(void **state)
{
    (void)state;
    install();
    assert_true(is_used());
    disable_route();
    assert_false(is_used());
    /* By its id, from a route for one of the names. */
    temp_store_add_route(&bench.store, "other", "b.example", "a.example");
    assert_true(is_used());
}

static void what_is_not_managed_is_never_due(void **state)
{
    (void)state;
    const struct snapshot *s = store_snapshot(bench.store.store);
    struct cert c = *snapshot_cert_find(s, STR("a.example"));
    int64_t at;
    c.source = CERT_IMPORTED;
    assert_int_equal(due_judge(s, &c, NOW_AT, &at), DUE_NEVER);
    c.source = CERT_SELF_SIGNED;
    assert_int_equal(due_judge(s, &c, NOW_AT, &at), DUE_NEVER);
    snapshot_unref(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_certificate_is_due),
        TEST(a_plan_is_waited_for),
        TEST(a_plan_without_a_time_was_blocked_and_is_due),
        TEST(an_unused_certificate_is_not_renewed),
        TEST(used_again_it_is_due),
        TEST(with_material_it_is_planned_again),
        TEST(plans_of_another_clock_do_not_count),
        TEST(a_plan_never_passes_the_last_moment),
        TEST(plans_of_the_calendar_are_told_from_others),
        TEST(use_follows_routes),
        TEST(what_is_not_managed_is_never_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
