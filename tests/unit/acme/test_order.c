#include "acme/order.h"
#include "acme/order_steps.h"
#include "store/ledger.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

static struct acme_bench bench;
static struct ca *ca;

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    acme_bench_add_route(&bench, "shop", "'a.example', 'b.example'");
    ca = acme_bench_open_ca(&bench);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ca_free(ca);
    acme_bench_fini(&bench);
    return 0;
}

/* ---- driving ---- */

static struct order_options options(void)
{
    return (struct order_options){.store = bench.store.store};
}

static struct order *begin(void)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct order_options o = options();
    struct order *order;
    assert_false(failed(order_new(&o, c, ca_settings(ca), &order)));
    cert_unref(c);
    return order;
}

/* What the next process does: everything from disk, but the CA remembers. */
static struct order *restart(void)
{
    ca_free(ca);
    temp_store_reopen(&bench.store);
    ca = acme_bench_open_ca(&bench);
    AUTO(arena_free) struct arena *a = arena_new(4096, 4 * MIB);
    struct order_options o = options();
    struct order_row *rows;
    struct order *order = NULL;
    size_t count;
    assert_false(failed(store_orders_load(bench.store.store, a, &rows, &count)));
    assert_true(count <= 1);
    if (count == 1) {
        assert_false(failed(order_resume(&o, &rows[0], &order)));
        order_row_fini(&rows[0]);
    }
    return order;
}

static size_t stored_orders(void)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 4 * MIB);
    struct order_row *rows;
    size_t count;
    assert_false(failed(store_orders_load(bench.store.store, a, &rows, &count)));
    for (size_t i = 0; i < count; i++)
        order_row_fini(&rows[i]);
    return count;
}

/* Runs it until it is parked or over, moving the clock to where it wants to be. */
static enum order_outcome run(struct order *o)
{
    for (int i = 0; i < 1000; i++) {
        enum order_outcome outcome = order_run(o, ca);
        if (outcome != ORDER_RUNS)
            return outcome;
        if (order_due_ms(o) > clock_mono_ms())
            fake_clock_advance(&bench.clock, order_due_ms(o) - clock_mono_ms());
    }
    fail_msg("the order does not end");
    return ORDER_OVER;
}

static void run_to_the_end(struct order *o)
{
    assert_int_equal(run(o), ORDER_OVER);
    order_free(o);
}

static const struct acme_bench_view active = {
    .state = CERT_ACTIVE, .what = "renew", .why = "two thirds"};

static void expect_active(void)
{
    acme_bench_expect(&bench, "a.example", &active);
    assert_int_equal(stored_orders(), 0);
    assert_false(acme_bench_serves_challenge(&bench, "a.example"));
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    const struct cert_material *material;
    assert_false(failed(cert_material(c, &material)));
    assert_int_equal(sk_X509_num(material->chain), 0); /* the root was left out */
    cert_unref(c);
}

/* ---- the good way ---- */

static void a_certificate_is_issued(void **state)
{
    (void)state;
    run_to_the_end(begin());
    expect_active();
    assert_int_equal(bench.ca.new_orders, 1);
    assert_int_equal(bench.ca.challenges, 2);
    assert_int_equal(bench.ca.finalizes, 1);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    int64_t days = (c->next.at - clock_now_at()) / 86400;
    assert_true(days >= 57 && days <= 62);
    cert_unref(c);
}

static void a_slow_ca_is_waited_for(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 5;
    bench.ca.looks_to_issue = 5;
    bench.ca.retry_after = "3";
    uint64_t before_ms = clock_mono_ms();
    run_to_the_end(begin());
    expect_active();
    assert_true(clock_mono_ms() - before_ms >= 30000);
}

/* B1, C3: nothing to prove. */
static void names_the_ca_knows_need_no_challenge(void **state)
{
    (void)state;
    bench.ca.are_names_known = true;
    run_to_the_end(begin());
    expect_active();
    assert_int_equal(bench.ca.challenges, 0);
}

static void a_storm_of_bad_nonces_is_no_failure(void **state)
{
    (void)state;
    struct order *o = begin();
    bench.ca.bad_nonces = 9;
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    bench.ca.bad_nonces = 9;
    run_to_the_end(o);
    expect_active();
}

static void answers_are_served_while_the_ca_looks_and_not_longer(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 3;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    assert_true(acme_bench_serves_challenge(&bench, "a.example"));
    assert_true(acme_bench_serves_challenge(&bench, "b.example"));
    acme_bench_expect(
        &bench, "a.example",
        &(struct acme_bench_view){.state = CERT_PENDING, .what = "issue", .why = "validating"});
    run_to_the_end(o);
    assert_false(acme_bench_serves_challenge(&bench, "b.example"));
}

static void a_renewal_replaces_the_pair_with_a_new_key(void **state)
{
    (void)state;
    run_to_the_end(begin());
    const struct cert *before = acme_bench_cert(&bench, "a.example");
    bench.ca.looks_to_valid = 2;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    acme_bench_expect(&bench, "a.example",
                      &(struct acme_bench_view){
                          .state = CERT_RENEWING, .what = "renew", .why = "validating"});
    run_to_the_end(o);
    expect_active();
    const struct cert *after = acme_bench_cert(&bench, "a.example");
    assert_false(str_eq(before->facts.serial, after->facts.serial));
    assert_false(str_eq(secret_bytes(&before->key_der), secret_bytes(&after->key_der)));
    cert_unref(before);
    cert_unref(after);
}

/* ---- the process dies ---- */

/* Rule 26, and section 8 of the requirements: the nth request or its answer is lost and the
 * process with it; the next one goes on.  Never a second key for one order, never a certificate
 * that is lost. */
static void dies_at_every_request(bool loses_answers)
{
    for (unsigned n = 1;; n++) {
        struct order *o = begin();
        unsigned orders = bench.ca.new_orders;
        bench.ca.looks_to_valid = 1;
        bench.ca.looks_to_issue = 1;
        bench.ca.fetch.loses_answers = loses_answers;
        bench.ca.fetch.fail_at = bench.ca.fetch.sent_count + n;
        bool was_cut =
            run(o) == ORDER_PARKED || bench.ca.fetch.sent_count >= bench.ca.fetch.fail_at;
        order_free(o);
        bench.ca.fetch.fail_at = 0;
        o = restart();
        if (o == NULL && !was_cut)
            break;
        run_to_the_end(o != NULL ? o : begin());
        expect_active();
        assert_true(bench.ca.new_orders - orders <= 2);
        assert_true(n < 60);
    }
}

static void a_request_lost_with_the_process_is_made_up_for(void **state)
{
    (void)state;
    dies_at_every_request(false);
}

static void an_answer_lost_with_the_process_is_made_up_for(void **state)
{
    (void)state;
    dies_at_every_request(true);
}

/* A process that dies in every state, once each, still finishes the one order it began. */
static void one_order_survives_ten_deaths(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 3;
    bench.ca.looks_to_issue = 3;
    struct order *o = begin();
    for (int i = 0; i < 10 && o != NULL; i++) {
        if (order_run(o, ca) != ORDER_RUNS)
            break;
        fake_clock_advance(&bench.clock, 11000);
        order_free(o);
        o = restart();
    }
    if (o != NULL)
        run_to_the_end(o);
    expect_active();
    assert_int_equal(bench.ca.new_orders, 1);
    assert_int_equal(bench.ca.finalizes, 1);
}

/* ---- the CA says no ---- */

static void expect_failure(enum order_outcome outcome, const struct acme_bench_view *want)
{
    struct order *o = begin();
    assert_int_equal(run(o), outcome);
    order_free(o);
    acme_bench_expect(&bench, "a.example", want);
}

static int64_t seconds_to_next(void)
{
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    int64_t s = c->next.at - clock_now_at();
    cert_unref(c);
    return s;
}

static void a_name_that_fails_is_named(void **state)
{
    (void)state;
    bench.ca.refused_name = "b.example";
    expect_failure(ORDER_OVER,
                   &(struct acme_bench_view){.state = CERT_FAILED,
                                             .what = "issue",
                                             .why = "could not validate",
                                             .last_error = "\"value\":\"b.example\"",
                                             .failures = 1});
    assert_int_equal(stored_orders(), 0); /* B11 */
    assert_false(acme_bench_serves_challenge(&bench, "a.example"));
    assert_in_range(seconds_to_next(), 48, 72);
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_FAILED,
                                                         .what = "issue",
                                                         .last_error = "wrong answer",
                                                         .failures = 2});
    assert_in_range(seconds_to_next(), 480, 720);
    bench.ca.refused_name = NULL;
    run_to_the_end(begin());
    expect_active();
}

static void a_failed_renewal_keeps_the_old_certificate(void **state)
{
    (void)state;
    run_to_the_end(begin());
    const struct cert *before = acme_bench_cert(&bench, "a.example");
    bench.ca.refused_name = "a.example";
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_RENEWING,
                                                         .what = "renew",
                                                         .last_error = "wrong answer",
                                                         .failures = 1});
    const struct cert *after = acme_bench_cert(&bench, "a.example");
    assert_true(after->has_material);
    assert_true(str_eq(before->facts.serial, after->facts.serial));
    cert_unref(before);
    cert_unref(after);
}

static void input_that_is_refused_is_tried_daily(void **state)
{
    (void)state;
    bench.ca.order_problem = "rejectedIdentifier";
    bench.ca.order_status = 400;
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_FAILED,
                                                         .what = "issue",
                                                         .why = "refuses",
                                                         .last_error = "rejectedIdentifier",
                                                         .failures = 1});
    assert_in_range(seconds_to_next(), 19 * 3600, 29 * 3600);
}

static void a_rate_limit_is_obeyed(void **state)
{
    (void)state;
    bench.ca.order_problem = "rateLimited";
    bench.ca.order_status = 429;
    bench.ca.retry_after = "7200";
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_FAILED,
                                                         .what = "issue",
                                                         .why = "wait",
                                                         .last_error = "rateLimited",
                                                         .failures = 1});
    assert_in_range(seconds_to_next(), 7200, 7920);
}

static void a_limit_of_the_account_stops_all_orders(void **state)
{
    (void)state;
    bench.ca.order_problem = "rateLimited";
    bench.ca.order_status = 429;
    bench.ca.order_words = "too many certificates (50) already issued for a.example";
    bench.ca.retry_after = "7200";
    run_to_the_end(begin());
    assert_int_equal(ca_limited_until_ms(ca), 0);
    bench.ca.order_words = "too many new orders (300) from this account";
    run_to_the_end(begin());
    assert_int_equal(ca_limited_until_ms(ca), clock_mono_ms() + 7200000);
}

static void a_paused_name_waits_for_somebody_and_says_where(void **state)
{
    (void)state;
    bench.ca.order_problem = "rateLimited";
    bench.ca.order_status = 429;
    bench.ca.order_words = "a.example is paused, visit https://ca.test/unpause?x=1.";
    expect_failure(ORDER_OVER,
                   &(struct acme_bench_view){.state = CERT_FAILED,
                                             .what = "issue",
                                             .why = "lift the pause at https://ca.test/unpause",
                                             .last_error = "\"class\":\"human\"",
                                             .failures = 1});
    assert_in_range(seconds_to_next(), 86400, 86400 * 6 / 5);
    assert_int_equal(ca_limited_until_ms(ca), 0);
}

/* ---- the ledger ---- */

static unsigned used(enum ledger_limit limit, const char *subject)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct acme_settings settings = *ca_settings(ca);
    settings.limits.ledger = ACME_LEDGER_LETS_ENCRYPT;
    struct str names[] = {STR("a.example"), STR("b.example")};
    struct ledger_query q = {.settings = &settings,
                             .names = &(struct str_list){.items = names, .count = 2},
                             .now_at = clock_now_at()};
    struct ledger_use *uses;
    size_t count;
    assert_false(failed(store_ledger_read(bench.store.store, a, &q, &uses, &count)));
    for (size_t i = 0; i < count; i++) {
        if (uses[i].limit == limit && str_eq(uses[i].subject, str_from(subject)))
            return uses[i].used;
    }
    fail_msg("no such limit");
    return 0;
}

static void what_the_ca_counts_is_noted(void **state)
{
    (void)state;
    bench.ca.refused_name = "b.example";
    run_to_the_end(begin());
    assert_int_equal(used(LEDGER_ORDERS, ""), 1);
    assert_int_equal(used(LEDGER_FAILURES, "a.example"), 0);
    assert_int_equal(used(LEDGER_FAILURES, "b.example"), 1);
    assert_int_equal(used(LEDGER_SET, ""), 0);
    bench.ca.refused_name = NULL;
    run_to_the_end(begin());
    assert_int_equal(used(LEDGER_ORDERS, ""), 2);
    assert_int_equal(used(LEDGER_SET, ""), 1);
    assert_int_equal(used(LEDGER_DOMAIN, "a.example"), 1);
    run_to_the_end(begin());
    assert_int_equal(used(LEDGER_SET, ""), 2);
    assert_int_equal(used(LEDGER_DOMAIN, "a.example"), 1);
}

/* Across a restart, too: the CA does not count what it has asked for. */
static void a_renewal_that_was_asked_for_is_not_counted(void **state)
{
    (void)state;
    bench.ca.has_renewal_info = true;
    run_to_the_end(begin());
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct cert_renewal window = {.start_at = clock_now_at() - 9,
                                  .end_at = clock_now_at() + 9,
                                  .selected_at = clock_now_at()};
    struct tx *tx;
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(failed(tx_cert_renewal(tx, c->object.id, &window, &c->next)));
    assert_false(failed(store_commit(&tx)));
    cert_unref(c);
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    order_free(o);
    run_to_the_end(restart());
    assert_true(bench.ca.last_replaces.len > 0);
    assert_int_equal(used(LEDGER_ORDERS, ""), 1);
    assert_int_equal(used(LEDGER_SET, ""), 1);
}

static void a_closed_account_waits_for_somebody(void **state)
{
    (void)state;
    run_to_the_end(begin());
    bench.ca.is_closed = true;
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_RENEWING,
                                                         .what = "renew",
                                                         .why = "by hand",
                                                         .last_error = "unauthorized",
                                                         .failures = 1});
    assert_int_equal(bench.ca.accounts_made, 1);
}

static void terms_block_without_counting_a_failure(void **state)
{
    (void)state;
    bench.ca.has_terms = true;
    acme_bench_set(&bench, "'tos_agreed': false");
    ca_free(ca);
    ca = acme_bench_open_ca(&bench);
    expect_failure(ORDER_OVER,
                   &(struct acme_bench_view){.state = CERT_PENDING,
                                             .what = "issue",
                                             .why = "tos_agreed=true",
                                             .last_error = "https://ca.test/terms"});
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_int_equal(c->next.at, 0);
    cert_unref(c);
    assert_int_equal(bench.ca.new_orders, 0);
}

/* B28 */
static void a_page_in_place_of_the_certificate_is_refused(void **state)
{
    (void)state;
    bench.ca.chain_pem = "<html>Welcome!</html>";
    expect_failure(ORDER_OVER,
                   &(struct acme_bench_view){.state = CERT_FAILED,
                                             .what = "issue",
                                             .last_error = "not a certificate chain",
                                             .failures = 1});
}

static void an_unknown_profile_is_not_sent(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'profile': 'nonesuch'");
    ca_free(ca);
    ca = acme_bench_open_ca(&bench);
    expect_failure(ORDER_OVER, &(struct acme_bench_view){.state = CERT_FAILED,
                                                         .what = "issue",
                                                         .last_error = "nonesuch",
                                                         .failures = 1});
    assert_int_equal(bench.ca.new_orders, 0);
}

static void a_dead_line_parks_the_order_and_holds_the_ca(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    fake_clock_advance(&bench.clock, 11000);
    bench.ca.fetch.fail_at = bench.ca.fetch.sent_count + 1;
    assert_int_equal(order_run(o, ca), ORDER_PARKED);
    assert_true(order_is_parked(o));
    assert_true(ca_held_until_ms(ca) > clock_mono_ms());
    assert_int_equal(stored_orders(), 1);
    acme_bench_expect(&bench, "a.example",
                      &(struct acme_bench_view){.state = CERT_FAILED,
                                                .what = "issue",
                                                .last_error = "the line went dead",
                                                .failures = 1});
    run_to_the_end(o);
    expect_active();
    assert_int_equal(bench.ca.new_orders, 1);
    assert_int_equal(ca_held_until_ms(ca), 0);
}

/* C10: slow is not failed. */
static void an_order_that_takes_too_long_rests(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 10000;
    bench.ca.retry_after = "30";
    struct order *o = begin();
    assert_int_equal(run(o), ORDER_PARKED);
    acme_bench_expect(&bench, "a.example",
                      &(struct acme_bench_view){
                          .state = CERT_PENDING, .what = "issue", .why = "asked again later"});
    assert_in_range(seconds_to_next(), 480, 720);
    bench.ca.orders[0].authzs[0].looks = 0;
    bench.ca.orders[0].authzs[1].looks = 0;
    run_to_the_end(o);
    expect_active();
    assert_int_equal(bench.ca.new_orders, 1);
}

/* ---- orders and accounts that are gone ---- */

/* C6 */
static void a_ca_that_forgot_everything_gets_a_new_account_and_order(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    fake_ca_forget(&bench.ca);
    bench.ca.looks_to_valid = 0;
    run_to_the_end(o);
    expect_active();
    assert_int_equal(bench.ca.accounts_made, 2);
    assert_int_equal(bench.ca.new_orders, 2);
}

static void an_order_that_is_gone_is_replaced_but_not_for_ever(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    for (unsigned i = 0; i <= ACME_RESTARTS_MAX; i++) {
        assert_int_equal(order_run(o, ca), ORDER_RUNS);
        for (size_t n = 0; n < bench.ca.order_count; n++)
            for (size_t k = 0; k < bench.ca.orders[n].authz_count; k++)
                bench.ca.orders[n].authzs[k].status = "deactivated";
        fake_clock_advance(&bench.clock, 11000);
    }
    assert_int_equal(run(o), ORDER_OVER);
    order_free(o);
    assert_int_equal(bench.ca.new_orders, 1 + ACME_RESTARTS_MAX);
    acme_bench_expect(&bench, "a.example",
                      &(struct acme_bench_view){.state = CERT_FAILED,
                                                .what = "issue",
                                                .last_error = "closed an authorization",
                                                .failures = 1});
}

static void an_expired_order_is_replaced(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    order_free(o);
    fake_clock_advance(&bench.clock, 8ull * 86400 * 1000);
    run_to_the_end(restart());
    expect_active();
    assert_int_equal(bench.ca.new_orders, 2);
}

/* The CA looked while nobody was there to answer. */
static void a_validation_that_failed_in_our_absence_is_repeated_once(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    order_free(o);
    bench.ca.orders[0].authzs[0].status = "invalid";
    bench.ca.orders[0].status = "invalid";
    run_to_the_end(restart());
    expect_active();
    assert_int_equal(bench.ca.new_orders, 2);
}

static void a_process_that_keeps_dying_backs_off(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        bench.ca.looks_to_valid = 1;
        struct order *o = i == 0 ? begin() : restart();
        assert_int_equal(order_run(o, ca), ORDER_RUNS);
        order_free(o);
        bench.ca.orders[i].authzs[0].status = "invalid";
        bench.ca.orders[i].status = "invalid";
    }
    struct order *o = restart();
    assert_int_equal(run(o), ORDER_OVER);
    order_free(o);
    assert_int_equal(bench.ca.new_orders, 2);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_int_equal(c->failures, 2);
    cert_unref(c);
}

/* ---- odds and ends ---- */

static void an_order_of_a_deleted_certificate_ends(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    assert_false(failed(temp_store_delete_route(&bench.store, "shop")));
    run_to_the_end(o);
    assert_int_equal(stored_orders(), 0);
}

static void a_dropped_order_leaves_nothing(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_false(order_is_begun(o));
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    assert_true(order_is_begun(o));
    assert_false(failed(order_drop(o)));
    assert_int_equal(stored_orders(), 0);
    assert_false(acme_bench_serves_challenge(&bench, "a.example"));
    order_free(o);
}

static void stopping_breaks_off_and_keeps_the_order(void **state)
{
    (void)state;
    bench.ca.looks_to_valid = 1;
    struct order *o = begin();
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    fetch_cancel(&bench.ca.fetch.fetch);
    assert_int_equal(order_run(o, ca), ORDER_RUNS);
    order_free(o);
    assert_int_equal(stored_orders(), 1);
    bench.ca.fetch.is_cancelled = false;
    run_to_the_end(restart());
    expect_active();
    assert_int_equal(bench.ca.new_orders, 1);
}

/* Rule 26: whichever allocation fails, nothing is left behind. */
static void an_order_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct order_options with = options();
    struct err e = fail(ERR_MEMORY, 0);
    for (unsigned n = 1; failed(e); n++) {
        struct order *o = NULL;
        mem_fault_arm(n);
        e = order_new(&with, c, ca_settings(ca), &o);
        assert_true(!failed(e) || err_is(e, ERR_MEMORY));
        mem_fault_arm(0);
        order_free(o);
    }
    cert_unref(c);
}

static void an_order_fits_its_names_and_its_ca(void **state)
{
    (void)state;
    struct order *o = begin();
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct cert other = *c;
    struct acme_settings elsewhere = *ca_settings(ca), bound = *ca_settings(ca);
    elsewhere.directory = STR("https://other.test/dir");
    bound.eab.kid = STR("k");
    assert_true(order_fits(o, c, ca_settings(ca)));
    assert_false(order_fits(o, c, &elsewhere));
    assert_false(order_fits(o, c, &bound));
    other.names.count = 1;
    assert_false(order_fits(o, &other, ca_settings(ca)));
    cert_unref(c);
    order_free(o);
}

/* ---- RFC 9773 5 ---- */

static void renew_it(void)
{
    run_to_the_end(begin());
    expect_active();
}

static void a_renewal_says_what_it_replaces(void **state)
{
    (void)state;
    bench.ca.has_renewal_info = true;
    renew_it();
    assert_int_equal(bench.ca.last_replaces.len, 0);
    renew_it();
    assert_true(bench.ca.last_replaces.len > 20);
    struct str first = bench.ca.last_replaces;
    ca_free(ca);
    temp_store_reopen(&bench.store);
    ca = acme_bench_open_ca(&bench);
    renew_it();
    assert_true(bench.ca.last_replaces.len > 20 && !str_eq(bench.ca.last_replaces, first));
}

/* B21 */
static void a_ca_without_renewal_information_is_not_told(void **state)
{
    (void)state;
    renew_it();
    renew_it();
    assert_int_equal(bench.ca.last_replaces.len, 0);
}

static void another_account_replaces_nothing(void **state)
{
    (void)state;
    bench.ca.has_renewal_info = true;
    renew_it();
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct cert_origin origin = c->origin;
    struct tx *tx;
    origin.account = STR("https://ca.test/account/7");
    assert_false(failed(store_begin(bench.store.store, &tx)));
    assert_false(failed(tx_cert_install(tx, c->object.id, c->chain_pem,
                                        secret_bytes(&c->key_der), &origin, &c->next)));
    assert_false(failed(store_commit(&tx)));
    cert_unref(c);
    renew_it();
    assert_int_equal(bench.ca.last_replaces.len, 0);
}

/* B29: each of these has been seen for an order that replaces what it may not. */
static void a_refused_replacement_is_ordered_without_once(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *type;
    } refusals[] = {{409, "alreadyReplaced"}, {409, "conflict"},       {400, "malformed"},
                    {403, "unauthorized"},    {404, "malformed"},      {500, "serverInternal"},
                    {409, "rateLimited"},     {404, "alreadyReplaced"}};
    bench.ca.has_renewal_info = true;
    renew_it();
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        bench.ca.replaces_status = refusals[i].status;
        bench.ca.replaces_type = refusals[i].type;
        bench.ca.new_orders = 0;
        renew_it();
        assert_int_equal(bench.ca.new_orders, 2);
        assert_int_equal(bench.ca.last_replaces.len, 0);
    }
}

static void a_refusal_of_something_else_is_not_repeated(void **state)
{
    (void)state;
    bench.ca.has_renewal_info = true;
    renew_it();
    bench.ca.new_orders = 0;
    bench.ca.replaces_status = 400;
    bench.ca.replaces_type = "rejectedIdentifier";
    run_to_the_end(begin());
    assert_int_equal(bench.ca.new_orders, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_is_issued),
        TEST(a_slow_ca_is_waited_for),
        TEST(names_the_ca_knows_need_no_challenge),
        TEST(a_storm_of_bad_nonces_is_no_failure),
        TEST(answers_are_served_while_the_ca_looks_and_not_longer),
        TEST(a_renewal_replaces_the_pair_with_a_new_key),
        TEST(a_request_lost_with_the_process_is_made_up_for),
        TEST(an_answer_lost_with_the_process_is_made_up_for),
        TEST(one_order_survives_ten_deaths),
        TEST(a_name_that_fails_is_named),
        TEST(a_failed_renewal_keeps_the_old_certificate),
        TEST(input_that_is_refused_is_tried_daily),
        TEST(a_rate_limit_is_obeyed),
        TEST(a_limit_of_the_account_stops_all_orders),
        TEST(a_paused_name_waits_for_somebody_and_says_where),
        TEST(what_the_ca_counts_is_noted),
        TEST(a_renewal_that_was_asked_for_is_not_counted),
        TEST(a_closed_account_waits_for_somebody),
        TEST(terms_block_without_counting_a_failure),
        TEST(a_page_in_place_of_the_certificate_is_refused),
        TEST(an_unknown_profile_is_not_sent),
        TEST(a_dead_line_parks_the_order_and_holds_the_ca),
        TEST(an_order_that_takes_too_long_rests),
        TEST(a_ca_that_forgot_everything_gets_a_new_account_and_order),
        TEST(an_order_that_is_gone_is_replaced_but_not_for_ever),
        TEST(an_expired_order_is_replaced),
        TEST(a_validation_that_failed_in_our_absence_is_repeated_once),
        TEST(a_process_that_keeps_dying_backs_off),
        TEST(an_order_of_a_deleted_certificate_ends),
        TEST(a_dropped_order_leaves_nothing),
        TEST(stopping_breaks_off_and_keeps_the_order),
        TEST(a_renewal_says_what_it_replaces),
        TEST(a_ca_without_renewal_information_is_not_told),
        TEST(another_account_replaces_nothing),
        TEST(a_refused_replacement_is_ordered_without_once),
        TEST(a_refusal_of_something_else_is_not_repeated),
        TEST(an_order_is_made_whole_or_not_at_all),
        TEST(an_order_fits_its_names_and_its_ca),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
