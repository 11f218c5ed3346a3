#include "store/ledger.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#define NOW_AT 1790000000
#define HOUR   3600
#define DAY    (24 * HOUR)
#define CA     "https://acme-v02.api.letsencrypt.org/directory"

static struct temp_store store;
static struct fake_clock fake_time;
static struct arena *arena;
static struct acme_settings settings;
static struct str two[] = {STR_LIT("a.example.org"), STR_LIT("b.example.org")};
static struct str_list names = {.items = two, .count = 2};

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake_time, NOW_AT);
    temp_store_init(&store);
    arena = arena_new(4096, 1024 * 1024);
    settings = (struct acme_settings){.directory = STR(CA), .limits.orders = 250};
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    temp_store_fini(&store);
    fake_clock_restore();
    return 0;
}

enum event { ORDER, FAILURE, FIRST, RENEWAL };

static void happen(enum event event)
{
    struct tx *tx;
    struct err e = OK;
    assert_false(failed(store_begin(store.store, &tx)));
    switch (event) {
    case ORDER:
        e = tx_ledger_order(tx, STR(CA));
        break;
    case FAILURE:
        e = tx_ledger_failure(tx, STR(CA), two[0]);
        break;
    case FIRST:
    case RENEWAL:
        e = tx_ledger_certificate(tx, STR(CA), &names, event == FIRST);
        break;
    }
    assert_false(failed(e));
    assert_false(failed(store_commit(&tx)));
}

/* The use of one limit; NULL: it is not kept account of. */
static const struct ledger_use *use_of(enum ledger_limit limit, struct str subject)
{
    struct ledger_query q = {.settings = &settings, .names = &names, .now_at = clock_now_at()};
    struct ledger_use *uses;
    size_t count;
    assert_false(failed(store_ledger_read(store.store, arena, &q, &uses, &count)));
    for (size_t i = 0; i < count; i++) {
        if (uses[i].limit == limit && str_eq(uses[i].subject, subject))
            return &uses[i];
    }
    return NULL;
}

static void expect(enum ledger_limit limit, struct str subject, uint32_t used, int64_t free_in)
{
    const struct ledger_use *use = use_of(limit, subject);
    assert_non_null(use);
    int64_t got = use->free_at == 0 ? 0 : use->free_at - clock_now_at();
    if (use->used != used || got != free_in)
        fail_msg("%s: %u used, free in %lld s", ledger_limits[limit].name, use->used,
                 (long long)got);
}

static void advance(int64_t seconds)
{
    fake_clock_advance(&fake_time, (uint64_t)seconds * 1000);
}

static void nothing_is_used_at_first(void **state)
{
    (void)state;
    expect(LEDGER_ORDERS, STR(""), 0, 0);
    expect(LEDGER_SET, STR(""), 0, 0);
    expect(LEDGER_DOMAIN, STR("example.org"), 0, 0);
    expect(LEDGER_FAILURES, two[0], 0, 0);
    expect(LEDGER_FAILURES, two[1], 0, 0);
}

static void failures_fill_up_and_run_out_one_by_one(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 4; i++) {
        happen(FAILURE);
        expect(LEDGER_FAILURES, two[0], i, i == 4 ? HOUR - 3 * 600 : 0);
        if (i < 4)
            advance(600);
    }
    expect(LEDGER_FAILURES, two[1], 0, 0);
    advance(HOUR - 3 * 600);
    expect(LEDGER_FAILURES, two[0], 3, 0);
}

static void what_happened_survives_a_restart(void **state)
{
    (void)state;
    happen(ORDER);
    happen(FAILURE);
    happen(FIRST);
    temp_store_reopen(&store);
    expect(LEDGER_ORDERS, STR(""), 1, 0);
    expect(LEDGER_FAILURES, two[0], 1, 0);
    expect(LEDGER_SET, STR(""), 1, 0);
    expect(LEDGER_DOMAIN, STR("example.org"), 1, 0);
}

/* One of five stays in reserve. */
static void the_last_try_is_not_used(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        happen(RENEWAL);
    expect(LEDGER_SET, STR(""), 4, 7 * DAY);
    expect(LEDGER_DOMAIN, STR("example.org"), 0, 0);
    advance(7 * DAY);
    expect(LEDGER_SET, STR(""), 0, 0);
}

static void other_sets_cas_and_domains_are_counted_apart(void **state)
{
    (void)state;
    happen(FIRST);
    names.count = 1;
    expect(LEDGER_SET, STR(""), 0, 0);
    expect(LEDGER_DOMAIN, STR("example.org"), 1, 0);
    names.count = 2;
    settings.directory = STR("https://acme-v02.api.letsencrypt.org/other");
    expect(LEDGER_SET, STR(""), 0, 0);
}

static void a_clock_that_was_ahead_does_not_count(void **state)
{
    (void)state;
    advance(4000ll * DAY);
    for (uint32_t i = 0; i < 5; i++)
        happen(FAILURE);
    fake_clock_restore();
    fake_clock_use(&fake_time, NOW_AT);
    expect(LEDGER_FAILURES, two[0], 0, 0);
}

/* Limits belong to the CA. */
static void other_cas_have_only_our_own(void **state)
{
    (void)state;
    settings.directory = STR("https://ca.example/dir");
    assert_null(use_of(LEDGER_SET, STR("")));
    expect(LEDGER_ORDERS, STR(""), 0, 0);
    expect(LEDGER_FAILURES, two[0], 0, 0);
    settings.limits.ledger = ACME_LEDGER_LETS_ENCRYPT;
    expect(LEDGER_SET, STR(""), 0, 0);
    settings.directory = STR(CA);
    settings.limits.ledger = ACME_LEDGER_NONE;
    assert_null(use_of(LEDGER_SET, STR("")));
    settings.limits.orders = 0;
    assert_null(use_of(LEDGER_ORDERS, STR("")));
}

static void json_says_what_people_ask(void **state)
{
    (void)state;
    struct ledger_use use = {.limit = LEDGER_DOMAIN,
                             .subject = STR("example.org"),
                             .used = 49,
                             .most = 50,
                             .free_at = NOW_AT};
    AUTO(json_decref) json_t *doc = ledger_use_to_json(&use);
    assert_string_equal(json_string_value(json_object_get(doc, "limit")), "domain");
    assert_string_equal(json_string_value(json_object_get(doc, "window")), "7d");
    assert_string_equal(json_string_value(json_object_get(doc, "free_at")),
                        "2026-09-21T14:13:20Z");
    assert_int_equal(json_integer_value(json_object_get(doc, "used")), 49);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_used_at_first),
        TEST(failures_fill_up_and_run_out_one_by_one),
        TEST(what_happened_survives_a_restart),
        TEST(the_last_try_is_not_used),
        TEST(other_sets_cas_and_domains_are_counted_apart),
        TEST(a_clock_that_was_ahead_does_not_count),
        TEST(other_cas_have_only_our_own),
        TEST(json_says_what_people_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
