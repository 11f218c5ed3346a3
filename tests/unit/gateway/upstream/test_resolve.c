#include "gateway/upstream/resolve.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct fake_clock fake;
static struct loop *l;
static struct resolver *r;

struct waiter {
    struct resolver_waiter w;
    struct resolver_waiter *cancels;
    unsigned told;
    bool finds_again;
    struct err found;
    struct addresses addresses;
};

static void on_resolved(struct resolver_waiter *w)
{
    struct waiter *me = container_of(w, struct waiter, w);
    me->told++;
    if (me->cancels != NULL)
        resolver_cancel(me->cancels);
    if (me->finds_again)
        me->found = resolver_find(r, STR("a.example"), w, &me->addresses);
}

static struct waiter waiters[3];

static int set_up(void **state)
{
    (void)state;
    fake_dns_use();
    memset(waiters, 0, sizeof(waiters));
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        waiters[i].w.on_resolved = on_resolved;
    fake_clock_use(&fake, 1795456320);
    assert_ok(loop_new(&l));
    assert_ok(resolver_new(l, NULL, &r));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    resolver_free(r);
    loop_free(l);
    fake_clock_restore();
    return 0;
}

static struct err find(struct waiter *w)
{
    return resolver_find(r, STR("a.example"), &w->w, &w->addresses);
}

static void pass(uint64_t ms)
{
    fake_clock_advance(&fake, ms);
    loop_turn(l, false);
}

static const char *show(const struct addresses *of)
{
    static char text[1024];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < of->count; i++) {
        const union address *a = &of->items[i];
        bool is_v6 = a->any.sa_family == AF_INET6;
        char one[INET6_ADDRSTRLEN];
        const void *bytes =
            is_v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr;
        (void)inet_ntop(a->any.sa_family, bytes, one, sizeof(one));
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[%s]", one);
    }
    return text;
}

/* ---- answers ---- */

static void one_query_serves_all_who_wait(void **state)
{
    (void)state;
    waiters[0].finds_again = waiters[1].finds_again = true;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    assert_err(find(&waiters[1]), ERR_AGAIN);
    assert_int_equal(fake_dns_asked(), 1);
    assert_string_equal(fake_dns_oldest(), "a.example");
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60 2001:db8::1/60");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(waiters[i].told, 1);
        assert_ok(waiters[i].found);
        assert_string_equal(show(&waiters[i].addresses), "[2001:db8::1][192.0.2.1]");
    }
    assert_ok(find(&waiters[2])); /* from memory */
    assert_int_equal(fake_dns_asked(), 1);
}

static void an_answer_at_once_is_returned_not_told(void **state)
{
    (void)state;
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    struct err e = find(&waiters[0]);
    assert_err(e, ERR_TARGET_DNS);
    assert_int_equal(e.detail, ARES_ENOTFOUND);
    assert_int_equal(waiters[0].told, 0);
}

static const struct {
    const char *name, *addresses;
    uint64_t fresh_ms;
} ttls[] = {
    {"the TTL counts", "192.0.2.1/60", 60000},
    {"the lowest TTL counts", "192.0.2.1/60 192.0.2.2/30", 30000},
    {"a TTL of 0 is a second", "192.0.2.1/0", 1000},
    {"a TTL of days is an hour", "192.0.2.1/999999", 3600000},
};

/* In the last part of its time a request makes us ask again, and does not wait for it. */
static void addresses_in_use_are_asked_for_in_the_background(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(ttls); i++) {
        tear_down(state);
        set_up(state);
        assert_err(find(&waiters[0]), ERR_AGAIN);
        fake_dns_answer(ARES_SUCCESS, ttls[i].addresses);
        uint64_t early_ms = ttls[i].fresh_ms / DNS_REFRESH_PART;
        pass(ttls[i].fresh_ms - early_ms - 1);
        assert_row_err(ttls[i].name, find(&waiters[0]), NULL);
        assert_row_u64(ttls[i].name, fake_dns_asked(), 1);
        pass(1);
        assert_row_err(ttls[i].name, find(&waiters[0]), NULL);
        assert_row_err(ttls[i].name, find(&waiters[0]), NULL);
        assert_row_u64(ttls[i].name, fake_dns_asked(), 2);
        fake_dns_answer(ARES_SUCCESS, "192.0.2.9/60");
        assert_row_u64(ttls[i].name, waiters[0].told, 1); /* of the first query alone */
        assert_row_err(ttls[i].name, find(&waiters[0]), NULL);
        assert_row_str(ttls[i].name, str_from(show(&waiters[0].addresses)), "[192.0.2.9]");
    }
}

static void addresses_nobody_has_used_for_long_are_not_trusted(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60");
    pass(60000 + DNS_GRACE_S * 1000 - 1);
    assert_ok(find(&waiters[0]));
    pass(1);
    assert_err(find(&waiters[1]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.2/60");
    assert_int_equal(waiters[1].told, 1);
    assert_ok(find(&waiters[1]));
    assert_string_equal(show(&waiters[1].addresses), "[192.0.2.2]");
}

static void an_alias_is_no_older_than_its_own_time(void **state)
{
    (void)state;
    fake_dns_alias(20);
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60");
    pass(18000 - 1);
    assert_ok(find(&waiters[0]));
    assert_int_equal(fake_dns_asked(), 1);
    pass(1);
    assert_ok(find(&waiters[0]));
    assert_int_equal(fake_dns_asked(), 2);
}

/* A resolver that drops the questions for AAAA is met in the wild. */
static void a_lost_answer_to_one_family_holds_nobody_up(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer_half(AF_INET, ARES_SUCCESS, "192.0.2.1/60");
    assert_int_equal(waiters[0].told, 0); /* the other may be on its way */
    assert_ok(find(&waiters[1]));
    pass(DNS_PATIENCE_MS + LOOP_TICK_MS);
    assert_int_equal(waiters[0].told, 1);
    assert_ok(find(&waiters[0]));
    assert_string_equal(show(&waiters[0].addresses), "[192.0.2.1]");
    pass(60000);
    assert_ok(find(&waiters[0])); /* it is asked for again, the other still open */
    fake_dns_answer_half(AF_INET, ARES_SUCCESS, "192.0.2.2/60");
    fake_dns_answer_half(AF_INET6, ARES_SUCCESS, "2001:db8::1/60");
    assert_ok(find(&waiters[0]));
    assert_string_equal(show(&waiters[0].addresses), "[2001:db8::1][192.0.2.2]");
    assert_int_equal(waiters[0].addresses.stale_at, 0);
}

static void a_family_that_goes_leaves_the_other(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/1 2001:db8::1/1");
    pass(2000);
    assert_ok(find(&waiters[0]));
    fake_dns_answer_half(AF_INET6, ARES_ENODATA, "");
    assert_ok(find(&waiters[0])); /* whether the name still resolves is not known yet */
    assert_string_equal(show(&waiters[0].addresses), "[2001:db8::1][192.0.2.1]");
    fake_dns_answer_half(AF_INET, ARES_SUCCESS, "192.0.2.1/60");
    assert_ok(find(&waiters[0]));
    assert_string_equal(show(&waiters[0].addresses), "[192.0.2.1]");
    assert_int_equal(waiters[0].addresses.stale_at, 0);
}

static void failures_are_remembered_for_a_while(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_ENOTFOUND, "");
    assert_int_equal(waiters[0].told, 1);
    struct err e = find(&waiters[0]);
    assert_err(e, ERR_TARGET_DNS);
    assert_int_equal(e.detail, ARES_ENOTFOUND);
    pass(DNS_FAIL_S * 1000 - 1);
    assert_err(find(&waiters[0]), ERR_TARGET_DNS);
    assert_int_equal(fake_dns_asked(), 1);
    pass(1);
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60");
    assert_ok(find(&waiters[0]));
}

static void the_last_addresses_stay_when_a_name_stops_resolving(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/1");
    pass(2000);
    int64_t failed_at = clock_now_at();
    assert_ok(find(&waiters[0]));
    assert_int_equal(waiters[0].addresses.stale_at, 0);
    fake_dns_answer(ARES_ETIMEOUT, "");
    assert_ok(find(&waiters[0]));
    assert_string_equal(show(&waiters[0].addresses), "[192.0.2.1]");
    assert_int_equal(waiters[0].addresses.stale_at, failed_at);
    pass(DNS_FAIL_S * 1000);
    assert_ok(find(&waiters[0])); /* without waiting for the next answer */
    assert_int_equal(fake_dns_asked(), 3);
    fake_dns_answer(ARES_SUCCESS, "");
    assert_int_equal(waiters[0].addresses.stale_at, failed_at);
    pass(DNS_FAIL_S * 1000);
    assert_ok(find(&waiters[0]));
    fake_dns_answer(ARES_SUCCESS, "192.0.2.2/60");
    assert_ok(find(&waiters[0]));
    assert_string_equal(show(&waiters[0].addresses), "[192.0.2.2]");
    assert_int_equal(waiters[0].addresses.stale_at, 0);
}

static void the_last_addresses_do_not_stay_for_ever(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/1");
    pass(2000);
    assert_ok(find(&waiters[0]));
    fake_dns_answer(ARES_ENOTFOUND, "");
    pass(DNS_STALE_S * 1000ull - 1);
    assert_ok(find(&waiters[0]));
    pass(1);
    assert_err(find(&waiters[1]), ERR_AGAIN);
    fake_dns_answer(ARES_ENOTFOUND, "");
    struct err e = find(&waiters[1]);
    assert_err(e, ERR_TARGET_DNS);
    assert_int_equal(e.detail, ARES_ENOTFOUND);
}

static void an_answer_without_addresses_is_a_failure(void **state)
{
    (void)state;
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, "");
    assert_err(find(&waiters[0]), ERR_TARGET_DNS);
}

static void addresses_are_bounded(void **state)
{
    (void)state;
    char text[1024] = "";
    size_t len = 0;
    for (int i = 0; i < 2 * DNS_ADDRESSES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s192.0.2.%d/60",
                                i > 0 ? " " : "", i);
    assert_err(find(&waiters[0]), ERR_AGAIN);
    fake_dns_answer(ARES_SUCCESS, text);
    assert_ok(find(&waiters[0]));
    assert_int_equal(waiters[0].addresses.count, DNS_FAMILY_MAX);
}

/* ---- waiting ---- */

static void who_cancelled_is_not_told(void **state)
{
    (void)state;
    resolver_cancel(&waiters[0].w); /* not waiting: harmless */
    assert_err(find(&waiters[0]), ERR_AGAIN);
    assert_err(find(&waiters[1]), ERR_AGAIN);
    assert_err(find(&waiters[2]), ERR_AGAIN);
    resolver_cancel(&waiters[0].w);
    resolver_cancel(&waiters[0].w);
    waiters[1].cancels = &waiters[2].w; /* while the list is being told */
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60");
    assert_int_equal(waiters[0].told, 0);
    assert_int_equal(waiters[1].told, 1);
    assert_int_equal(waiters[2].told, 0);
}

static void the_end_tells_nobody(void **state)
{
    assert_err(find(&waiters[0]), ERR_AGAIN);
    tear_down(state);
    assert_int_equal(waiters[0].told, 0);
    resolver_free(NULL);
    set_up(state);
}

/* ---- limits ---- */

static void the_names_in_memory_are_bounded(void **state)
{
    (void)state;
    struct addresses found;
    char name[32];
    assert_err(find(&waiters[0]), ERR_AGAIN); /* open all the while: not forgotten */
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    for (int i = 0; i < 2 * DNS_NAMES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "n%d.example", i);
        assert_err(resolver_find(r, str_make(name, (size_t)len), &waiters[1].w, &found),
                   ERR_TARGET_DNS);
    }
    unsigned asked = fake_dns_asked();
    assert_err(resolver_find(r, STR("n0.example"), &waiters[1].w, &found), ERR_TARGET_DNS);
    assert_int_equal(fake_dns_asked(), asked + 1); /* was forgotten */
    fake_dns_at_once(-1, NULL);
    fake_dns_answer(ARES_SUCCESS, "192.0.2.1/60");
    assert_int_equal(waiters[0].told, 1);
    assert_ok(find(&waiters[0]));
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    unsigned failures = 0;
    for_each_fault(n)
    {
        struct resolver *other;
        struct err e = resolver_new(l, NULL, &other);
        if (!failed(e)) {
            struct addresses found;
            e = resolver_find(other, STR("b.example"), &waiters[0].w, &found);
            resolver_free(other);
        }
        assert_true(err_is(e, ERR_TARGET_DNS) || err_is(e, ERR_MEMORY));
        failures += err_is(e, ERR_MEMORY);
    }
    assert_true(failures >= 3);
}

/* ---- the library itself, as far as it needs no network ---- */

/* RFC 6761 6.3. */
static void localhost_is_known_without_a_question(void **state)
{
    (void)state;
    struct addresses found;
    assert_ok(resolver_find(r, STR("localhost"), &waiters[0].w, &found));
    assert_string_equal(show(&found), "[::1][127.0.0.1]");
    assert_int_equal(fake_dns_asked(), 0);
}

/* RFC 7686: names that must not be asked for fail without a query. */
static void a_name_that_cannot_resolve_fails(void **state)
{
    (void)state;
    fake_dns_restore();
    struct addresses found;
    struct err e = resolver_find(r, STR("hidden.onion"), &waiters[0].w, &found);
    assert_err(e, ERR_TARGET_DNS);
    assert_int_equal(e.detail, ARES_ENOTFOUND);
}

#define WITH_RESOLVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RESOLVER(one_query_serves_all_who_wait),
        WITH_RESOLVER(an_answer_at_once_is_returned_not_told),
        WITH_RESOLVER(addresses_in_use_are_asked_for_in_the_background),
        WITH_RESOLVER(addresses_nobody_has_used_for_long_are_not_trusted),
        WITH_RESOLVER(an_alias_is_no_older_than_its_own_time),
        WITH_RESOLVER(a_lost_answer_to_one_family_holds_nobody_up),
        WITH_RESOLVER(a_family_that_goes_leaves_the_other),
        WITH_RESOLVER(failures_are_remembered_for_a_while),
        WITH_RESOLVER(the_last_addresses_stay_when_a_name_stops_resolving),
        WITH_RESOLVER(the_last_addresses_do_not_stay_for_ever),
        WITH_RESOLVER(an_answer_without_addresses_is_a_failure),
        WITH_RESOLVER(addresses_are_bounded),
        WITH_RESOLVER(who_cancelled_is_not_told),
        WITH_RESOLVER(the_end_tells_nobody),
        WITH_RESOLVER(the_names_in_memory_are_bounded),
        WITH_RESOLVER(without_memory_it_says_so),
        WITH_RESOLVER(localhost_is_known_without_a_question),
        WITH_RESOLVER(a_name_that_cannot_resolve_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
