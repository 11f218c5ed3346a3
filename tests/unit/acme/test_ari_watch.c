#include "acme/ari_watch.h"
#include "acme/order.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#define NOW_AT ACME_BENCH_NOW_AT
#define HOUR   3600ll
#define DAY    (24 * HOUR)

static struct acme_bench bench;
static struct ca *ca;
static struct ari_watch watch;

static void issue(void)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct order_options options = {.store = bench.store.store};
    struct order *o;
    assert_false(failed(order_new(&options, c, ca_settings(ca), &o)));
    cert_unref(c);
    while (order_run(o, ca) == ORDER_RUNS)
        fake_clock_advance(&bench.clock, 1000);
    order_free(o);
}

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    acme_bench_add_route(&bench, "shop", "'a.example'");
    bench.ca.has_renewal_info = true;
    bench.ca.retry_after = "3600";
    bench.ca.window_start_at = NOW_AT + 50 * DAY;
    bench.ca.window_end_at = NOW_AT + 51 * DAY;
    ca = acme_bench_open_ca(&bench);
    ari_watch_init(&watch);
    issue();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ari_watch_fini(&watch);
    ca_free(ca);
    acme_bench_fini(&bench);
    return 0;
}

/* When the CA is to be asked about the certificate, from now on. */
static int64_t due_in(void)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    int64_t now_at = clock_now_at(), at = ari_watch_due_at(c, ca_settings(ca), now_at);
    cert_unref(c);
    return at == INT64_MAX ? at : at <= now_at ? 0 : at - now_at;
}

static void ask(void)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    (void)ari_watch_add(&watch, c, clock_now_at());
    cert_unref(c);
    ari_watch_run(&watch, bench.store.store, ca);
}

static void a_new_certificate_is_asked_about_at_once(void **state)
{
    (void)state;
    assert_int_equal(due_in(), 0);
    ask();
    assert_int_equal(bench.ca.renewal_infos, 1);
    assert_int_equal(due_in(), HOUR);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_in_range(c->next.at, NOW_AT + 50 * DAY, NOW_AT + 51 * DAY);
    assert_int_equal(c->next.at, c->renewal.selected_at);
    assert_true(str_eq(c->next.why, STR("the CA asks for it then; see https://ca.test/why")));
    cert_unref(c);
}

static void the_moment_survives_a_restart_and_a_second_look(void **state)
{
    (void)state;
    ask();
    const struct cert *before = acme_bench_cert(&bench, "a.example");
    ca_free(ca);
    temp_store_reopen(&bench.store);
    ca = acme_bench_open_ca(&bench);
    fake_clock_advance(&bench.clock, HOUR * 1000);
    ask();
    const struct cert *after = acme_bench_cert(&bench, "a.example");
    assert_int_equal(bench.ca.renewal_infos, 2);
    assert_int_equal(after->next.at, before->next.at);
    cert_unref(before);
    cert_unref(after);
}

static void a_window_that_moves_moves_the_renewal(void **state)
{
    (void)state;
    ask();
    bench.ca.window_start_at = NOW_AT - 3 * HOUR;
    bench.ca.window_end_at = NOW_AT - 2 * HOUR;
    fake_clock_advance(&bench.clock, HOUR * 1000);
    ask();
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_true(c->next.at <= clock_now_at());
    cert_unref(c);
}

static void what_makes_no_sense_changes_no_plan(void **state)
{
    (void)state;
    const struct cert *before = acme_bench_cert(&bench, "a.example");
    bench.ca.renewal_info = "<html>";
    ask();
    const struct cert *after = acme_bench_cert(&bench, "a.example");
    assert_int_equal(after->next.at, before->next.at);
    assert_int_equal(after->renewal.errors, 1);
    cert_unref(before);
    cert_unref(after);
}

static void a_ca_in_trouble_is_left_alone_for_a_while(void **state)
{
    (void)state;
    bench.ca.fetch.fail_at = bench.ca.fetch.sent_count + 1;
    ask();
    assert_int_equal(due_in(), 60);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_in_range(ari_watch_add(&watch, c, clock_now_at()) - clock_now_at(), 60, 61);
    cert_unref(c);
    fake_clock_advance(&bench.clock, 61000);
    ask();
    assert_int_equal(bench.ca.renewal_infos, 1);
    assert_int_equal(due_in(), HOUR);
}

static void a_ca_without_it_is_asked_once_a_day(void **state)
{
    (void)state;
    ca_free(ca);
    bench.ca.has_renewal_info = false;
    ca = acme_bench_open_ca(&bench);
    ask();
    assert_int_equal(bench.ca.renewal_infos, 0);
    assert_int_equal(due_in(), DAY);
}

static void nobody_is_asked_about_what_is_over(void **state)
{
    (void)state;
    struct acme_settings elsewhere = *ca_settings(ca);
    elsewhere.directory = STR("https://other.test/dir");
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_int_equal(ari_watch_due_at(c, &elsewhere, NOW_AT), INT64_MAX);
    struct cert unused = *c, imported = *c, odd = *c;
    unused.next.what = STR("none");
    imported.source = CERT_IMPORTED;
    odd.renewal.check_at = NOW_AT + 3000 * DAY; /* the clock has jumped */
    assert_int_equal(ari_watch_due_at(&unused, ca_settings(ca), NOW_AT), INT64_MAX);
    assert_int_equal(ari_watch_due_at(&imported, ca_settings(ca), NOW_AT), INT64_MAX);
    assert_int_equal(ari_watch_due_at(&odd, ca_settings(ca), NOW_AT), NOW_AT);
    cert_unref(c);
    fake_clock_advance(&bench.clock, 91 * DAY * 1000);
    assert_int_equal(due_in(), INT64_MAX);
}

/* An answer about a pair that has been replaced meanwhile. */
static void an_answer_that_comes_too_late_changes_nothing(void **state)
{
    (void)state;
    const struct cert *old = acme_bench_cert(&bench, "a.example");
    (void)ari_watch_add(&watch, old, clock_now_at());
    issue();
    ari_watch_run(&watch, bench.store.store, ca);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_int_equal(c->renewal.start_at, 0);
    cert_unref(old);
    cert_unref(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_certificate_is_asked_about_at_once),
        TEST(the_moment_survives_a_restart_and_a_second_look),
        TEST(a_window_that_moves_moves_the_renewal),
        TEST(what_makes_no_sense_changes_no_plan),
        TEST(a_ca_in_trouble_is_left_alone_for_a_while),
        TEST(a_ca_without_it_is_asked_once_a_day),
        TEST(nobody_is_asked_about_what_is_over),
        TEST(an_answer_that_comes_too_late_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
