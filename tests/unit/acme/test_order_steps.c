#include "acme/order.h"
#include "acme/order_steps.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static struct acme_bench bench;
static struct ca *ca;
static struct order *order;

/* An order that the CA has, as place() leaves it. */
static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    acme_bench_add_route(&bench, "shop", "'a.example', 'b.example'");
    ca = acme_bench_open_ca(&bench);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    struct order_options options = {.store = bench.store.store};
    assert_false(failed(order_new(&options, c, ca_settings(ca), &order)));
    cert_unref(c);
    order->ca = ca;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    order_free(order);
    ca_free(ca);
    acme_bench_fini(&bench);
    return 0;
}

static struct err run(enum order_state state, enum step *ret_step)
{
    arena_reset(order->scratch);
    order->why = (struct problem){.status = 0};
    order->state = state;
    *ret_step = STEP_NEXT;
    return order_states[state].run(order, ret_step);
}

static const char *const ids[] = {
#define ORDER_STATE(id, step, limit_s, restart, next, words) #id,
#include "acme/order_states.def"
#undef ORDER_STATE
};

/* What tests see happen stands in the table, from which the graph of the states is drawn. */
static void expect_in_table(enum order_state from, enum order_state to)
{
    struct str rest = str_from(order_states[from].next), id;
    while (from != to && str_next(&rest, ' ', &id)) {
        if (str_eq(id, str_from(ids[to])))
            return;
    }
    if (from != to)
        fail_msg("%s does not follow %s in the table", ids[to], ids[from]);
}

static void expect(enum order_state from, enum step step, enum order_state to)
{
    enum step got;
    struct err e = run(from, &got);
    expect_in_table(from, to);
    if (failed(e) || got != step || order->state != to)
        fail_msg("%s: %s, now %s, %.*s", order_states[from].name, err_name(e),
                 order_states[order->state].name, STR_ARG(order->why.detail));
}

static void expect_error(enum order_state from, const struct err_kind *want)
{
    enum step step;
    struct err e = run(from, &step);
    if (!err_is(e, want))
        fail_msg("%s: %s", order_states[from].name, err_name(e));
}

static struct fake_order *at_ca(void)
{
    return &bench.ca.orders[0];
}

/* ---- the table ---- */

static void every_state_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ORDER_STATE_COUNT; i++) {
        assert_non_null(order_states[i].run);
        assert_true(strlen(order_states[i].words) > 10);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(order_states[i].name, order_states[k].name);
        /* A restart begins where nothing can happen twice. */
        assert_int_equal(order_states[order_states[i].restart].restart,
                         order_states[i].restart);
    }
}

static void the_usual_way(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    assert_true(str_eq(order->row.url, STR("https://ca.test/order/0")));
    assert_true(order->row.expires_at > clock_now_at());
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    assert_int_equal(order->row.authz_count, 2);
    expect(ORDER_CHALLENGE, STEP_WAIT, ORDER_VALIDATE);
    assert_true(order->due_ms > clock_mono_ms());
    bench.ca.look = NULL; /* nothing is saved here, so nothing is served */
    expect(ORDER_VALIDATE, STEP_NEXT, ORDER_FINALIZE);
    assert_true(str_is_empty(order->row.authzs[0].key_authorization));
    expect(ORDER_FINALIZE, STEP_NEXT, ORDER_SUBMIT);
    assert_false(secret_is_empty(&order->row.key_der));
    assert_true(order->row.csr_der.len > 0);
    expect(ORDER_SUBMIT, STEP_WAIT, ORDER_AWAIT);
    expect(ORDER_AWAIT, STEP_NEXT, ORDER_DOWNLOAD);
    expect(ORDER_DOWNLOAD, STEP_NEXT, ORDER_INSTALL);
    expect(ORDER_INSTALL, STEP_END, ORDER_INSTALL);
}

/* ---- where the CA says the order is ---- */

static const struct {
    const char *status;
    bool has_key;
    enum order_state want;
    const struct err_kind *error;
} views[] = {
    {"pending", false, ORDER_AUTHORIZE, NULL},
    {"pending", true, ORDER_AUTHORIZE, NULL},
    {"ready", false, ORDER_FINALIZE, NULL},
    {"ready", true, ORDER_SUBMIT, NULL},
    {"processing", true, ORDER_AWAIT, NULL},
    {"processing", false, ORDER_RESUME, ERR_ACME_GONE},
    {"valid", true, ORDER_DOWNLOAD, NULL},
    {"valid", false, ORDER_RESUME, ERR_ACME_GONE},
    {"invalid", true, ORDER_RESUME, ERR_ACME_INVALID},
    {"archived", true, ORDER_RESUME, ERR_ACME_GONE},
};

/* C3, and the first rows of the table of section 8. */
static void an_order_is_resumed_where_the_ca_has_it(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_FINALIZE, STEP_NEXT, ORDER_SUBMIT);
    struct secret key = order->row.key_der;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        enum step step;
        order->row.key_der = views[i].has_key ? key : (struct secret){0};
        at_ca()->status = views[i].status;
        at_ca()->looks = 1;
        struct err e = run(ORDER_RESUME, &step);
        if (e.kind != views[i].error || order->state != views[i].want)
            fail_msg("%s: %s, %s", views[i].status, err_name(e),
                     order_states[order->state].name);
    }
    order->row.key_der = key;
}

/* C6 */
static void an_order_that_is_not_there_is_gone(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    order->row.url = STR("https://ca.test/order/77");
    order->row.finalize_url = STR("https://ca.test/finalize/77");
    order->row.certificate_url = STR("https://ca.test/cert/77");
    expect_error(ORDER_RESUME, ERR_ACME_GONE);
    expect_error(ORDER_AWAIT, ERR_ACME_GONE);
    expect_error(ORDER_SUBMIT, ERR_ACME_GONE);
    expect_error(ORDER_DOWNLOAD, ERR_ACME_GONE);
    order->row.authzs[0].url = STR("https://ca.test/authz/7777");
    expect_error(ORDER_AUTHORIZE, ERR_ACME_GONE);
    expect_error(ORDER_VALIDATE, ERR_ACME_GONE);
}

/* ---- proving names ---- */

/* C7 */
static void a_name_nobody_ordered_is_not_proven(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    at_ca()->authzs[0].name = STR("admin.bank.example");
    expect_error(ORDER_AUTHORIZE, ERR_ACME_PROTOCOL);
}

/* B26 */
static void a_token_that_is_none_is_not_served(void **state)
{
    (void)state;
    bench.ca.token = "../../secret";
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect_error(ORDER_AUTHORIZE, ERR_ACME_PROTOCOL);
    assert_true(str_is_empty(order->row.authzs[0].key_authorization));
}

static void without_http_01_there_is_no_way(void **state)
{
    (void)state;
    bench.ca.challenge_type = "dns-01";
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect_error(ORDER_AUTHORIZE, ERR_ACME_SETTINGS);
}

static void only_pending_challenges_are_started(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    at_ca()->authzs[0].challenge_status = "processing";
    at_ca()->authzs[0].looks = 5;
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    expect(ORDER_CHALLENGE, STEP_WAIT, ORDER_VALIDATE);
    assert_int_equal(bench.ca.challenges, 1);
}

/* C5: the answer was lost, the CA has the request. */
static void a_challenge_that_was_started_already_is_no_error(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    at_ca()->authzs[0].challenge_status = "processing";
    expect(ORDER_CHALLENGE, STEP_WAIT, ORDER_VALIDATE);
}

static void a_failed_name_explains_itself(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    at_ca()->authzs[0].status = "invalid";
    at_ca()->authzs[1].status = "invalid";
    expect_error(ORDER_VALIDATE, ERR_ACME_INVALID);
    assert_true(problem_is(&order->why, "unauthorized"));
    assert_non_null(
        memmem(order->why.subproblems.p, order->why.subproblems.len, "a.example", 9));
    assert_non_null(
        memmem(order->why.subproblems.p, order->why.subproblems.len, "b.example", 9));
}

/* A11: the field of the answer decides, within bounds. */
static void polling_obeys_retry_after(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    static const struct {
        const char *field;
        uint64_t want_ms;
    } waits[] = {{"7", 7000}, {"0", 1000}, {"86400", 60000}};
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        bench.ca.retry_after = waits[i].field;
        order->phase_since_ms = clock_mono_ms();
        expect(ORDER_VALIDATE, STEP_WAIT, ORDER_VALIDATE);
        assert_int_equal(order->due_ms - clock_mono_ms(), waits[i].want_ms);
    }
    fake_clock_advance(&bench.clock, order_states[ORDER_VALIDATE].limit_ms + 1);
    expect_error(ORDER_VALIDATE, ERR_AGAIN);
}

/* ---- the certificate ---- */

/* C5: the second time would be an error; the order is looked at instead. */
static void a_request_the_ca_is_not_ready_for_is_looked_into(void **state)
{
    (void)state;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_FINALIZE, STEP_NEXT, ORDER_SUBMIT);
    expect(ORDER_SUBMIT, STEP_NEXT, ORDER_RESUME);
}

static void a_profile_of_the_directory_is_asked_for(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'profile': 'short'");
    ca_free(ca);
    ca = order->ca = acme_bench_open_ca(&bench);
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    assert_true(str_eq(bench.ca.last_profile, STR("short")));
}

static void the_key_is_of_the_type_of_the_settings(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'key_type': 'ecdsa-p384'");
    ca_free(ca);
    ca = order->ca = acme_bench_open_ca(&bench);
    bench.ca.look = NULL;
    expect(ORDER_NEW, STEP_NEXT, ORDER_AUTHORIZE);
    expect(ORDER_AUTHORIZE, STEP_NEXT, ORDER_CHALLENGE);
    expect(ORDER_CHALLENGE, STEP_WAIT, ORDER_VALIDATE);
    expect(ORDER_VALIDATE, STEP_NEXT, ORDER_FINALIZE);
    expect(ORDER_FINALIZE, STEP_NEXT, ORDER_SUBMIT);
    expect(ORDER_SUBMIT, STEP_WAIT, ORDER_AWAIT);
    expect(ORDER_AWAIT, STEP_NEXT, ORDER_DOWNLOAD);
    expect(ORDER_DOWNLOAD, STEP_NEXT, ORDER_INSTALL);
    expect(ORDER_INSTALL, STEP_END, ORDER_INSTALL);
    const struct cert *c = acme_bench_cert(&bench, "a.example");
    assert_true(str_eq(c->facts.key_type, STR("ecdsa-p384")));
    cert_unref(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_state_has_its_row),
        TEST(the_usual_way),
        TEST(an_order_is_resumed_where_the_ca_has_it),
        TEST(an_order_that_is_not_there_is_gone),
        TEST(a_name_nobody_ordered_is_not_proven),
        TEST(a_token_that_is_none_is_not_served),
        TEST(without_http_01_there_is_no_way),
        TEST(only_pending_challenges_are_started),
        TEST(a_challenge_that_was_started_already_is_no_error),
        TEST(a_failed_name_explains_itself),
        TEST(polling_obeys_retry_after),
        TEST(a_request_the_ca_is_not_ready_for_is_looked_into),
        TEST(a_profile_of_the_directory_is_asked_for),
        TEST(the_key_is_of_the_type_of_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
