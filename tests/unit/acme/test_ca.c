#include "acme/ca.h"
#include "tests/support/acme_bench.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

static struct acme_bench bench;
static struct arena *scratch;

static int set_up(void **state)
{
    (void)state;
    acme_bench_init(&bench, true);
    scratch = arena_new(4096, 64 * MIB);
    return scratch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(scratch);
    acme_bench_fini(&bench);
    return 0;
}

static void getting_ready_happens_once(void **state)
{
    (void)state;
    AUTO(ca_free) struct ca *ca = acme_bench_open_ca(&bench);
    const struct wire_directory *directory;
    struct problem why;
    for (int i = 0; i < 3; i++)
        assert_false(failed(ca_prepare(ca, scratch, &directory, &why)));
    assert_int_equal(bench.ca.directories, 1);
    assert_int_equal(bench.ca.new_accounts, 1);
    assert_true(str_eq(ca_thumbprint(ca), bench.ca.thumbprint));
    assert_true(str_is_empty(ca_blocked_by(ca)));
}

static void without_agreement_nothing_but_the_directory_is_read(void **state)
{
    (void)state;
    bench.ca.has_terms = true;
    acme_bench_set(&bench, "'tos_agreed': false");
    AUTO(ca_free) struct ca *ca = acme_bench_open_ca(&bench);
    const struct wire_directory *directory;
    struct problem why;
    assert_true(err_is(ca_prepare(ca, scratch, &directory, &why), ERR_ACME_TOS));
    assert_int_equal(bench.ca.fetch.sent_count, 1);
    struct str words = ca_blocked_by(ca);
    assert_non_null(memmem(words.p, words.len, "gatehouse acme set tos_agreed=true", 34));
    assert_non_null(memmem(words.p, words.len, "https://ca.test/terms", 21));
    assert_true(str_eq(why.instance, STR("https://ca.test/terms")));
}

static void a_ca_without_terms_needs_no_agreement(void **state)
{
    (void)state;
    acme_bench_set(&bench, "'tos_agreed': false");
    AUTO(ca_free) struct ca *ca = acme_bench_open_ca(&bench);
    const struct wire_directory *directory;
    struct problem why;
    assert_false(failed(ca_prepare(ca, scratch, &directory, &why)));
}

static void requests_are_signed_with_the_account(void **state)
{
    (void)state;
    AUTO(ca_free) struct ca *ca = acme_bench_open_ca(&bench);
    struct fetch_reply reply;
    struct problem why;
    struct ca_request request = {.url = STR("https://ca.test/order/7")};
    assert_true(err_is(ca_send(ca, scratch, &request, &reply, &why), ERR_ACME_PROBLEM));
    assert_int_equal(reply.status, 404);
}

static void a_hold_ends_by_time_or_by_an_answer(void **state)
{
    (void)state;
    AUTO(ca_free) struct ca *ca = acme_bench_open_ca(&bench);
    assert_int_equal(ca_held_until_ms(ca), 0);
    ca_hold(ca, 1000);
    assert_int_equal(ca_held_until_ms(ca), 1000 + ACME_HOLD_MS);
    ca_release(ca);
    assert_int_equal(ca_held_until_ms(ca), 0);
}

static void changed_contacts_are_noticed(void **state)
{
    (void)state;
    const struct snapshot *before = store_snapshot(bench.store.store);
    ca_free(acme_bench_open_ca(&bench));
    acme_bench_set(&bench, "'tos_agreed': true, 'contact': ['mailto:b@example.org']");
    const struct snapshot *after = store_snapshot(bench.store.store);
    AUTO(ca_free) struct ca *ca = NULL;
    const struct wire_directory *directory;
    struct problem why;
    struct ca_options options = {.store = bench.store.store,
                                 .fetch = &bench.ca.fetch.fetch,
                                 .settings = snapshot_acme(before)};
    assert_false(failed(ca_new(&options, &ca)));
    assert_false(failed(ca_prepare(ca, scratch, &directory, &why)));
    ca_free(ca);
    options.settings = snapshot_acme(after);
    options.previous = snapshot_acme(before);
    assert_false(failed(ca_new(&options, &ca)));
    assert_false(failed(ca_prepare(ca, scratch, &directory, &why)));
    assert_int_equal(bench.ca.contact_updates, 1);
    snapshot_unref(before);
    snapshot_unref(after);
}

/* Rule 26. */
static void a_ca_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct snapshot *s = store_snapshot(bench.store.store);
    struct ca_options options = {.store = bench.store.store,
                                 .fetch = &bench.ca.fetch.fetch,
                                 .settings = snapshot_acme(s)};
    struct err e = fail(ERR_MEMORY, 0);
    for (unsigned n = 1; failed(e); n++) {
        struct ca *ca = NULL;
        mem_fault_arm(n);
        e = ca_new(&options, &ca);
        assert_true(!failed(e) || err_is(e, ERR_MEMORY));
        mem_fault_arm(0);
        ca_free(ca);
    }
    snapshot_unref(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(getting_ready_happens_once),
        TEST(without_agreement_nothing_but_the_directory_is_read),
        TEST(a_ca_without_terms_needs_no_agreement),
        TEST(requests_are_signed_with_the_account),
        TEST(a_hold_ends_by_time_or_by_an_answer),
        TEST(changed_contacts_are_noticed),
        TEST(a_ca_is_made_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
