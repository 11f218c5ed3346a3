#include "acme/account.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static struct acme_bench bench;
static struct arena *scratch;
static struct client *client;
static const struct snapshot *snapshot;

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    scratch = arena_new(4096, 64 * MIB);
    return failed(client_new(&(struct client_options){.fetch = &bench.ca.fetch.fetch,
                                                      .directory = STR(FAKE_CA_DIRECTORY)},
                             &client));
}

static int tear_down(void **state)
{
    (void)state;
    client_free(client);
    snapshot_unref(snapshot);
    snapshot = NULL;
    arena_free(scratch);
    acme_bench_fini(&bench);
    return 0;
}

static struct account *open_account(bool is_contact_changed)
{
    struct account *acc;
    struct problem why;
    snapshot_unref(snapshot);
    snapshot = store_snapshot(bench.store.store);
    struct account_options options = {.store = bench.store.store,
                                      .client = client,
                                      .settings = snapshot_acme(snapshot),
                                      .is_contact_changed = is_contact_changed};
    assert_false(failed(account_open(&options, &acc, &why)));
    return acc;
}

static void expect_registered(void)
{
    struct account *acc = open_account(false);
    struct problem why;
    struct err e = account_ensure(acc, scratch, &why);
    if (failed(e))
        fail_msg("%s: %.*s", err_name(e), STR_ARG(why.detail));
    assert_true(str_eq(account_url(acc), STR("https://ca.test/account/1")));
    assert_true(str_eq(account_thumbprint(acc), bench.ca.thumbprint));
    account_free(acc);
}

static void the_first_use_registers_and_the_second_does_not(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': true, 'contact': ['mailto:a@example.org']");
    expect_registered();
    assert_int_equal(bench.ca.accounts_made, 1);
    assert_true(str_eq(bench.ca.last_contact, STR("[\"mailto:a@example.org\"]")));
    unsigned before = bench.ca.new_accounts;
    temp_store_reopen(&bench.store);
    expect_registered();
    assert_int_equal(bench.ca.new_accounts, before);
}

/* B-1, B-2: whichever request or answer is lost, the key was stored first and finds the
 * account. */
static void a_lost_answer_makes_no_second_account(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 4; lost++) {
        bench.ca.fetch.fail_at = bench.ca.fetch.sent_count + lost;
        bench.ca.fetch.loses_answers = true;
        struct account *acc = open_account(false);
        struct problem why;
        (void)account_ensure(acc, scratch, &why);
        account_free(acc);
    }
    expect_registered();
    assert_int_equal(bench.ca.accounts_made, 1);
}

static void a_key_the_ca_does_not_know_is_registered(void **state)
{
    (void)state;
    account_free(open_account(false)); /* the key is stored, the process dies */
    expect_registered();
    assert_int_equal(bench.ca.new_accounts, 2); /* looked for, then made */
    assert_int_equal(bench.ca.accounts_made, 1);
}

static void a_forgotten_account_is_registered_again_with_its_key(void **state)
{
    (void)state;
    expect_registered();
    struct str thumbprint = arena_dup(scratch, bench.ca.thumbprint);
    struct account *acc = open_account(false);
    fake_ca_forget(&bench.ca);
    assert_false(failed(account_forget(acc)));
    account_free(acc);
    expect_registered();
    assert_int_equal(bench.ca.accounts_made, 2);
    assert_true(str_eq(bench.ca.thumbprint, thumbprint));
}

/* B-7: no new account behind the administrator's back. */
static void a_closed_account_stays_closed(void **state)
{
    (void)state;
    expect_registered();
    struct account *acc = open_account(false);
    struct problem why;
    assert_false(failed(account_forget(acc)));
    bench.ca.is_closed = true;
    struct err e = account_ensure(acc, scratch, &why);
    assert_true(err_is(e, ERR_ACME_PROBLEM));
    assert_int_equal(problem_classify(e, &why), PROBLEM_HUMAN);
    assert_int_equal(bench.ca.accounts_made, 1);
    account_free(acc);
}

static void without_a_binding_that_is_needed_nothing_is_sent(void **state)
{
    (void)state;
    bench.ca.needs_eab = true;
    struct account *acc = open_account(false);
    struct problem why;
    assert_true(err_is(account_ensure(acc, scratch, &why), ERR_ACME_SETTINGS));
    assert_true(memmem(why.detail.p, why.detail.len, "eab.kid", 7) != NULL);
    assert_int_equal(bench.ca.new_accounts, 0);
    account_free(acc);
}

static void a_binding_goes_along(void **state)
{
    (void)state;
    bench.ca.needs_eab = true;
    /* As CAs print it: with the alphabet of base64, with padding. */
    acme_bench_set(&bench,
                   "'tos_agreed': true, 'eab': {'kid': 'k1', 'hmac': 'a+b/c+d/e+f/g+h/Cg=='}");
    expect_registered();
    assert_true(bench.ca.had_eab);
}

static void an_account_is_bound_to_its_directory_and_key_id(void **state)
{
    (void)state;
    expect_registered();
    acme_bench_set(&bench, "'tos_agreed': true, 'eab': {'kid': 'k1', 'hmac': 'YWJjZA'}");
    expect_registered();
    assert_int_equal(bench.ca.accounts_made, 2);
}

static void new_contacts_are_sent_once(void **state)
{
    (void)state;
    expect_registered();
    acme_bench_set(&bench, "'tos_agreed': true, 'contact': ['mailto:b@example.org']");
    struct account *acc = open_account(true);
    struct problem why;
    assert_false(failed(account_ensure(acc, scratch, &why)));
    assert_false(failed(account_ensure(acc, scratch, &why)));
    assert_int_equal(bench.ca.contact_updates, 1);
    assert_true(str_eq(bench.ca.last_contact, STR("[\"mailto:b@example.org\"]")));
    account_free(acc);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_use_registers_and_the_second_does_not),
        TEST(a_lost_answer_makes_no_second_account),
        TEST(a_key_the_ca_does_not_know_is_registered),
        TEST(a_forgotten_account_is_registered_again_with_its_key),
        TEST(a_closed_account_stays_closed),
        TEST(without_a_binding_that_is_needed_nothing_is_sent),
        TEST(a_binding_goes_along),
        TEST(an_account_is_bound_to_its_directory_and_key_id),
        TEST(new_contacts_are_sent_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
