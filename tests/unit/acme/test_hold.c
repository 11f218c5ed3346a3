#include "acme/hold.h"
#include "tests/support/unit.h"

#define NOW_AT 1790000000ll
#define DAY    86400ll
#define CA     "https://ca.test/dir"

enum stand { NEW, RENEWED, ASKED, ASKED_LATER, ASKED_ELSEWHERE, AT_ITS_END };

static struct cert make(enum stand stand)
{
    struct cert c = {.object.id = STR("a")};
    if (stand == NEW)
        return c;
    c.has_material = true;
    c.facts.not_before_at = NOW_AT - 60 * DAY;
    c.facts.not_after_at = stand == AT_ITS_END ? NOW_AT + DAY : NOW_AT + 30 * DAY;
    c.origin.directory = stand == ASKED_ELSEWHERE ? STR("https://other.test/") : STR(CA);
    if (stand == ASKED || stand == ASKED_ELSEWHERE)
        c.renewal.start_at = NOW_AT - 5;
    if (stand == ASKED_LATER)
        c.renewal.start_at = NOW_AT + 5;
    return c;
}

/* clang-format off */
static const struct {
    const char *name;
    enum stand stand;
    enum ledger_limit limit;
    uint32_t used, most;
    bool is_held;
} rows[] = {
    {"there is room", NEW, LEDGER_SET, 3, 5, false},
    {"the last try is kept", NEW, LEDGER_SET, 4, 5, true},
    {"also by renewals", RENEWED, LEDGER_SET, 4, 5, true},
    {"the CA has asked for it", ASKED, LEDGER_SET, 5, 5, false},
    {"it will ask", ASKED_LATER, LEDGER_SET, 4, 5, true},
    {"another CA has asked", ASKED_ELSEWHERE, LEDGER_SET, 4, 5, true},
    {"at its end the last try is there for it", AT_ITS_END, LEDGER_SET, 4, 5, false},
    {"but no more than that", AT_ITS_END, LEDGER_SET, 5, 5, true},
    {"a domain with room", NEW, LEDGER_DOMAIN, 48, 50, false},
    {"a domain without", NEW, LEDGER_DOMAIN, 49, 50, true},
    {"which renewals do not use", RENEWED, LEDGER_DOMAIN, 50, 50, false},
    {"orders", NEW, LEDGER_ORDERS, 249, 250, false},
    {"too many orders", RENEWED, LEDGER_ORDERS, 250, 250, true},
    {"too many, but asked for", ASKED, LEDGER_ORDERS, 250, 250, false},
    {"failures", NEW, LEDGER_FAILURES, 3, 5, false},
    {"four failures", NEW, LEDGER_FAILURES, 4, 5, true},
    {"whoever asks", ASKED, LEDGER_FAILURES, 4, 5, true},
    {"and however late it is", AT_ITS_END, LEDGER_FAILURES, 4, 5, true},
};
/* clang-format on */

static void orders_are_held_back_by_what_is_full(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cert c = make(rows[i].stand);
        struct ledger_use use = {.limit = rows[i].limit,
                                 .subject = STR("example.org"),
                                 .used = rows[i].used,
                                 .most = rows[i].most,
                                 .free_at = NOW_AT + 77};
        struct hold_question q = {
            .cert = &c, .uses = &use, .use_count = 1, .directory = STR(CA), .now_at = NOW_AT};
        const struct ledger_use *full = hold_find(&q);
        if (full != (rows[i].is_held ? &use : NULL))
            fail_msg("%s: %s", rows[i].name, full == NULL ? "not held" : "held");
    }
}

static void the_limit_that_takes_longest_is_told(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct cert c = make(NEW);
    struct ledger_use uses[] = {
        {.limit = LEDGER_FAILURES, .subject = STR("a.b"), .used = 4, .most = 5, .free_at = 10},
        {.limit = LEDGER_SET, .used = 4, .most = 5, .free_at = 30},
        {.limit = LEDGER_FAILURES, .subject = STR("c.d"), .used = 4, .most = 5, .free_at = 20},
    };
    struct hold_question q = {.cert = &c, .uses = uses, .use_count = 3, .directory = STR(CA)};
    assert_ptr_equal(hold_find(&q), &uses[1]);
    assert_true(str_eq(hold_words(a, &uses[1]),
                       STR("held back: 4 of 5 certificates for the same set of names in "
                           "7 days")));
    uses[2].free_at = 40;
    assert_ptr_equal(hold_find(&q), &uses[2]);
    assert_true(str_ends(hold_words(a, &uses[2]), STR("in an hour, c.d")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_held_back_by_what_is_full),
        cmocka_unit_test(the_limit_that_takes_longest_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
