/* The thread, with real time: each test waits for a published change, never for a while. */
#include "acme/acme.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct acme_bench bench;
static struct acme *acme;
static struct subscription *subscription;
static int wake_fd;

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, false);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_false(failed(publisher_subscribe(store_publisher(bench.store.store), wake_fd, false,
                                            &subscription)));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    acme_stop(acme);
    acme = NULL;
    publisher_unsubscribe(store_publisher(bench.store.store), subscription);
    (void)close(wake_fd);
    acme_bench_fini(&bench);
    return 0;
}

static void start(bool has_http_listener)
{
    struct acme_options options = {.has_http_listener = has_http_listener,
                                   .fetch = &bench.ca.fetch.fetch};
    assert_false(failed(acme_start(bench.store.store, &options, &acme)));
}

typedef bool is_so_fn(const struct cert *c);

static bool is_so_now(const char *id, is_so_fn *is_so)
{
    const struct snapshot *s = store_snapshot(bench.store.store);
    const struct cert *c = snapshot_cert_find(s, str_from(id));
    bool result = c != NULL && is_so(c);
    snapshot_unref(s);
    return result;
}

static void wait_until(const char *id, is_so_fn *is_so)
{
    struct pollfd watch = {.fd = wake_fd, .events = POLLIN};
    while (!is_so_now(id, is_so)) {
        eventfd_t count;
        if (poll(&watch, 1, 20000) <= 0)
            fail_msg("%s: nothing happens", id);
        (void)eventfd_read(wake_fd, &count);
        snapshot_unref(subscription_take(subscription));
    }
}

static bool is_active(const struct cert *c)
{
    return c->state == CERT_ACTIVE && str_eq(c->next.what, STR("renew"));
}

static bool is_failed(const struct cert *c)
{
    return c->state == CERT_FAILED;
}

static bool is_limited(const struct cert *c)
{
    return str_starts(c->next.why, STR("held back: 2 of 2 orders"));
}

static bool is_blocked(const struct cert *c)
{
    return c->next.at == 0 && c->last_error.len > 0;
}

static bool is_resting(const struct cert *c)
{
    return str_eq(c->next.what, STR("none"));
}

static void new_routes_get_their_certificates(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    acme_bench_add_route(&bench, "two", "'b.example', 'c.example'");
    acme_bench_add_route(&bench, "three", "'d.example'");
    wait_until("a.example", is_active);
    wait_until("b.example", is_active);
    wait_until("d.example", is_active);
    acme_stop(acme);
    acme = NULL;
    assert_int_equal(bench.ca.accounts_made, 1);
    assert_int_equal(bench.ca.new_orders, 3);
}

static struct str first_serial(struct arena *a)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct str serial = arena_dup(a, c->facts.serial);
    cert_unref(c);
    return serial;
}

static struct str old_serial;

static bool is_renewed(const struct cert *c)
{
    return is_active(c) && !str_eq(c->facts.serial, old_serial);
}

static void plan_issue(const char *id, int64_t at)
{
    struct tx *tx;
    struct cert_progress p = {.state = CERT_PENDING,
                              .next = {.what = STR("issue"), .at = at, .why = STR("a test")}};
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(failed(tx_cert_progress(tx, str_from(id), &p)));
    assert_false(failed(store_commit(&tx)));
}

/* What the API's renew does. */
static void ask_for_renewal(void)
{
    struct tx *tx;
    struct cert_progress p = {.state = CERT_ACTIVE,
                              .next = {.what = STR("renew"),
                                       .at = clock_now_at(),
                                       .why = STR("asked for by an administrator")}};
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(failed(tx_cert_progress(tx, STR("a.example"), &p)));
    assert_false(failed(store_commit(&tx)));
}

static void an_administrator_renews_by_setting_the_next_action_to_now(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_active);
    old_serial = first_serial(a);
    ask_for_renewal();
    wait_until("a.example", is_renewed);
}

static void short_lives_are_renewed_in_time(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    bench.ca.lifetime_s = 2;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_active);
    old_serial = first_serial(a);
    wait_until("a.example", is_renewed);
}

static bool has_window(const struct cert *c)
{
    return is_active(c) && c->renewal.start_at != 0;
}

static bool is_asked_for(const struct cert *c)
{
    return has_window(c) && str_starts(c->next.why, STR("the CA asks for it then"));
}

/* G3, G4: right after issuance the CA is asked when; a window in the past means now. */
static void the_ca_says_when_to_renew(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    bench.ca.has_renewal_info = true;
    bench.ca.lifetime_s = 60;
    bench.ca.window_start_at = clock_now_at() - 7200;
    bench.ca.window_end_at = clock_now_at() - 3600;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_asked_for);
    old_serial = first_serial(a);
    wait_until("a.example", is_renewed);
    wait_until("a.example", is_asked_for);
}

/* D6 */
static void without_a_listener_nothing_is_ordered(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(false);
    wait_until("a.example", is_blocked);
    acme_stop(acme);
    acme = NULL;
    assert_int_equal(bench.ca.fetch.sent_count, 0);
    acme_bench_expect(&bench, "a.example",
                      &(struct acme_bench_view){.state = CERT_PENDING,
                                                .what = "issue",
                                                .why = "--http",
                                                .last_error = "plain HTTP"});
    bench.ca.fetch.is_cancelled = false;
    start(true);
    wait_until("a.example", is_active);
}

static void agreeing_to_the_terms_takes_effect_at_once(void **state)
{
    (void)state;
    bench.ca.has_terms = true;
    acme_bench_set(&bench, "'tos_agreed': false");
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_blocked);
    acme_bench_add_route(&bench, "two", "'b.example'");
    wait_until("b.example", is_blocked);
    acme_bench_set(&bench, "'tos_agreed': true");
    wait_until("a.example", is_active);
    wait_until("b.example", is_active);
}

static void new_settings_let_the_failed_try_again(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'profile': 'nonesuch'");
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_failed);
    acme_bench_set(&bench, "'tos_agreed': true, 'profile': 'short'");
    wait_until("a.example", is_active);
}

static bool is_put_off(const struct cert *c)
{
    return str_starts(c->next.why, STR("the CA could not be reached"));
}

/* A CA that is down is asked once for all, and again when somebody says so. */
static void a_dead_ca_puts_everything_off_but_not_the_administrator(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    acme_bench_add_route(&bench, "two", "'b.example'");
    bench.ca.fetch.fail_at = 1;
    start(true);
    wait_until("a.example", is_failed);
    wait_until("b.example", is_put_off);
    ask_for_renewal();
    wait_until("a.example", is_active);
    assert_true(is_so_now("b.example", is_put_off));
    acme_bench_set(&bench, "'tos_agreed': true, 'profile': 'short'");
    wait_until("b.example", is_active);
}

static void one_bad_name_does_not_stop_the_others(void **state)
{
    (void)state;
    bench.ca.refused_name = "bad.example";
    acme_bench_add_route(&bench, "one", "'bad.example'");
    acme_bench_add_route(&bench, "two", "'good.example'");
    start(true);
    wait_until("bad.example", is_failed);
    wait_until("good.example", is_active);
}

static bool is_p384(const struct cert *c)
{
    return is_active(c) && str_eq(c->facts.key_type, STR("ecdsa-p384"));
}

/* G6 */
static void another_type_of_key_is_a_reason_to_renew(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_active);
    acme_bench_set(&bench, "'tos_agreed': true, 'key_type': 'ecdsa-p384'");
    wait_until("a.example", is_p384);
}

static bool is_held_back(const struct cert *c)
{
    return str_starts(c->next.why, STR("held back: 4 of 5 failed validations"));
}

/* "Renew now" is no way around it. */
static void the_fifth_failure_in_an_hour_does_not_happen(void **state)
{
    (void)state;
    bench.ca.refused_name = "a.example";
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    for (unsigned n = 1; n <= 4; n++) {
        wait_until("a.example", is_failed);
        plan_issue("a.example", clock_now_at());
    }
    wait_until("a.example", is_held_back);
    acme_stop(acme);
    acme = NULL;
    assert_int_equal(bench.ca.new_orders, 4);
}

/* One after the other, the longest due first. */
static void orders_queue_up(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'limits': {'parallel': 1, 'orders': 2}");
    acme_bench_add_route(&bench, "one", "'b.example'");
    acme_bench_add_route(&bench, "two", "'a.example'");
    acme_bench_add_route(&bench, "three", "'c.example'");
    plan_issue("b.example", clock_now_at() - 60);
    plan_issue("a.example", clock_now_at() - 50);
    plan_issue("c.example", clock_now_at() - 40);
    start(true);
    wait_until("b.example", is_active);
    wait_until("a.example", is_active);
    wait_until("c.example", is_limited);
    acme_stop(acme);
    acme = NULL;
    assert_int_equal(bench.ca.new_orders, 2);
}

static void a_certificate_nobody_uses_rests(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_active);
    assert_false(failed(temp_store_delete_route(&bench.store, "one")));
    ask_for_renewal();
    wait_until("a.example", is_resting);
    acme_bench_add_route(&bench, "one", "'a.example'");
    wait_until("a.example", is_active);
}

static bool is_ordered(const struct cert *c)
{
    return str_starts(c->next.why, STR("the CA is validating"));
}

static void a_stopped_order_goes_on_with_the_next_start(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_ordered);
    acme_stop(acme);
    acme = NULL;
    bench.ca.fetch.is_cancelled = false;
    start(true);
    wait_until("a.example", is_active);
    acme_stop(acme);
    acme = NULL;
    assert_int_equal(bench.ca.new_orders, 1);
}

static void routes_may_go_while_their_order_runs(void **state)
{
    (void)state;
    acme_bench_add_route(&bench, "one", "'a.example'");
    start(true);
    wait_until("a.example", is_ordered);
    assert_false(failed(temp_store_delete_route(&bench.store, "one")));
    acme_bench_add_route(&bench, "two", "'b.example'");
    wait_until("b.example", is_active);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_routes_get_their_certificates),
        TEST(an_administrator_renews_by_setting_the_next_action_to_now),
        TEST(short_lives_are_renewed_in_time),
        TEST(the_ca_says_when_to_renew),
        TEST(without_a_listener_nothing_is_ordered),
        TEST(agreeing_to_the_terms_takes_effect_at_once),
        TEST(new_settings_let_the_failed_try_again),
        TEST(a_dead_ca_puts_everything_off_but_not_the_administrator),
        TEST(one_bad_name_does_not_stop_the_others),
        TEST(the_fifth_failure_in_an_hour_does_not_happen),
        TEST(orders_queue_up),
        TEST(another_type_of_key_is_a_reason_to_renew),
        TEST(a_certificate_nobody_uses_rests),
        TEST(a_stopped_order_goes_on_with_the_next_start),
        TEST(routes_may_go_while_their_order_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
