#include "gateway/upstream/balance.h"
#include "gateway/upstream/balance_hash.h"
#include "gateway/upstream/health.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include <stdio.h>

static struct temp_store store;
static struct balancer *b;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&store);
    b = balancer_new(1);
    return b == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    balancer_free(b);
    temp_store_fini(&store);
    return 0;
}

enum { NOW_MS = 1000000 };

/* targets: members of each target's JSON behind its url, ';' between targets.  more: further
 * members of the upstream. */
static const struct route *use_route_with(const char *id, const char *targets, const char *more)
{
    char body[8192];
    size_t len = (size_t)snprintf(body, sizeof(body),
                                  "{'hosts': ['%s.example'], 'certificate': 'none',"
                                  " 'upstream': {'targets': [",
                                  id);
    struct str rest = str_from(targets), item;
    for (int i = 0; str_next(&rest, ';', &item); i++)
        len += (size_t)snprintf(body + len, sizeof(body) - len,
                                "%s{'url': 'http://127.0.0.1:%d'%.*s}", i > 0 ? "," : "", i + 1,
                                STR_ARG(item));
    (void)snprintf(body + len, sizeof(body) - len, "]%s}}", more);
    temp_config_route(&store, id, body);
    const struct snapshot *snap = store_snapshot(store.store);
    const struct route *r = route_ref(snapshot_route_find(snap, str_from(id)));
    snapshot_unref(snap);
    return r;
}

static const struct route *use_route(const char *id, const char *targets)
{
    return use_route_with(id, targets, "");
}

/* What balancer_pick gives, or NULL. */
static const struct target *pick_from(struct balancer *from, const struct route *r,
                                      uint64_t tried)
{
    const struct balance_request q = {.tried = tried, .now_ms = NOW_MS};
    const struct target *t;
    return failed(balancer_pick(from, r, &q, &t)) ? NULL : t;
}

static char letter_of(const struct route *r, const struct target *t)
{
    return t == NULL ? '-' : (char)('a' + (t - upstream_targets(&r->upstream)));
}

/* 'a' is the first target; '-': none. */
static char pick(const struct route *r, uint64_t tried)
{
    return letter_of(r, pick_from(b, r, tried));
}

static const struct {
    const char *name, *targets;
    uint64_t tried;
    const char *want;
} rows[] = {
    {"one target", "", 0, "aaaa"},
    {"one target, tried", "", 1, "--"},
    {"in turns", ";;", 0, "abcabcabc"},
    {"in turns among those left", ";;", 2, "acacac"},
    {"all tried", ";;", 7, "---"},
    {"by weight, interleaved", ",'weight':5;;", 0, "aabacaaaabacaa"},
    {"equal weights above one", ",'weight':3;,'weight':3", 0, "abababab"},
    {"very unequal weights", ",'weight':1000;", 0, "aaaaaaaaaaaaaaaaaaaa"},
    {"a draining one is left out", ";,'drain':true;", 0, "acac"},
    {"all are draining", ",'drain':true;,'drain':true", 0, "--"},
    {"a backup waits", ";,'backup':true", 0, "aaaa"},
    {"a backup serves when the others failed", ";,'backup':true", 1, "bbb"},
    {"backups take turns", ";,'backup':true;,'backup':true", 1, "bcbc"},
    {"a backup serves when the others drain", ",'drain':true;,'backup':true", 0, "bb"},
    {"a draining backup does not", ";,'backup':true,'drain':true", 1, "--"},
    {"everything tried, backups too", ";,'backup':true", 3, "--"},
};

static void targets_get_their_turns(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct route *r = use_route("r", rows[i].targets);
        char got[32] = "";
        for (size_t k = 0; k < strlen(rows[i].want); k++)
            got[k] = pick(r, rows[i].tried);
        assert_row_str(rows[i].name, str_from(got), rows[i].want);
        route_unref(r);
    }
}

static void shares_are_exact_over_a_round(void **state)
{
    (void)state;
    const struct route *r = use_route("r", ",'weight':7;,'weight':2;,'weight':1");
    int counts[3] = {0};
    for (int i = 0; i < 1000; i++)
        counts[pick(r, 0) - 'a']++;
    assert_int_equal(counts[0], 700);
    assert_int_equal(counts[1], 200);
    assert_int_equal(counts[2], 100);
    route_unref(r);
}

/* Sixty-four targets are one word of bits: the last one must not fall off. */
static void the_last_of_all_targets_gets_its_turn(void **state)
{
    (void)state;
    char targets[64];
    memset(targets, ';', 63);
    targets[63] = '\0';
    const struct route *r = use_route("r", targets);
    assert_int_equal(r->upstream.targets_list.count, 64);
    const struct target *first = upstream_targets(&r->upstream);
    assert_ptr_equal(pick_from(b, r, UINT64_MAX >> 1), first + 63);
    assert_null(pick_from(b, r, UINT64_MAX));
    uint64_t seen = 0;
    for (int i = 0; i < 64; i++)
        seen |= 1ull << (pick_from(b, r, 0) - first);
    assert_true(seen == UINT64_MAX);
    route_unref(r);
}

static void routes_take_turns_of_their_own(void **state)
{
    (void)state;
    const struct route *one = use_route("one", ";"), *two = use_route("two", ";");
    assert_int_equal(pick(one, 0), 'a');
    assert_int_equal(pick(two, 0), 'a');
    assert_int_equal(pick(one, 0), 'b');
    assert_int_equal(pick(two, 0), 'b');
    route_unref(one);
    route_unref(two);
}

static void an_edited_route_starts_afresh(void **state)
{
    (void)state;
    const struct route *old = use_route("r", ",'weight':9;");
    for (int i = 0; i < 4; i++)
        (void)pick(old, 0);
    const struct route *edited = use_route("r", ";;");
    assert_true(edited->object.revision > old->object.revision);
    assert_int_equal(pick(edited, 0), 'a');
    assert_int_equal(pick(edited, 0), 'b');
    assert_int_equal(pick(edited, 0), 'c');
    route_unref(old);
    route_unref(edited);
}

/* Without the store: the counters of a million deleted routes must not pile up. */
static void the_counters_of_many_routes_are_bounded(void **state)
{
    (void)state;
    struct target targets[2] = {{.weight = 1}, {.weight = 1}};
    struct route r = {.object = {.revision = 1}};
    char id[16];
    r.upstream.targets_list.items = targets;
    r.upstream.targets_list.count = 2;
    for (int i = 0; i < 2 * BALANCER_ROUTES_MAX + 10; i++) {
        int len = snprintf(id, sizeof(id), "r%d", i);
        r.object.id = str_make(id, (size_t)len);
        assert_ptr_equal(pick_from(b, &r, 0), &targets[0]);
    }
    assert_ptr_equal(pick_from(b, &r, 0), &targets[1]);
}

static void without_memory_the_first_target_serves(void **state)
{
    (void)state;
    struct target targets[2] = {{.weight = 1}, {.weight = 1}};
    struct route r = {.object = {.revision = 1, .id = STR("r")}};
    r.upstream.targets_list.items = targets;
    r.upstream.targets_list.count = 2;
    for_each_fault(n)
    {
        struct balancer *other = balancer_new(1);
        if (other != NULL)
            assert_ptr_equal(pick_from(other, &r, 0), &targets[0]);
        balancer_free(other);
    }
}

/* ---- by load ---- */

static void set_active(const struct route *r, size_t i, int32_t count)
{
    atomic_store(&upstream_targets(&r->upstream)[i].live->active, count);
}

/* active: requests under way at a, b, c. */
static const struct {
    const char *name, *targets;
    int active[3];
    const char *want;
} loads[] = {
    {"the least busy", ";;", {5, 1, 3}, "bbb"},
    {"equals take turns", ";;", {2, 1, 1}, "bcbc"},
    {"idle ones too", ";;", {0, 0, 0}, "abcabc"},
    {"in relation to weight", ",'weight':4;;", {3, 1, 9}, "aaa"},
    {"full by weight", ",'weight':4;;", {8, 1, 9}, "bbb"},
    {"a backup is no choice", ",'backup':true;;", {0, 7, 9}, "bb"},
    {"nor a draining one", ",'drain':true;;", {0, 7, 9}, "bb"},
};

static void the_least_busy_serves(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        const struct route *r =
            use_route_with("load", loads[i].targets, ", 'balance': 'least_conn'");
        char got[16] = "";
        for (size_t k = 0; k < 3; k++)
            set_active(r, k, loads[i].active[k]);
        for (size_t k = 0; k < strlen(loads[i].want); k++)
            got[k] = pick(r, 0);
        assert_row_str(loads[i].name, str_from(got), loads[i].want);
        route_unref(r);
    }
}

/* Of three, the busiest is never the less busy of two; the others get about half each. */
static void two_are_drawn_and_the_less_busy_serves(void **state)
{
    (void)state;
    const struct route *r = use_route_with("two", ";;", ", 'balance': 'random_two'");
    int counts[3] = {0};
    set_active(r, 0, 9);
    set_active(r, 1, 1);
    set_active(r, 2, 1);
    for (int i = 0; i < 10000; i++)
        counts[pick(r, 0) - 'a']++;
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 4500, 5500);
    assert_int_equal(pick(r, 6), 'a');
    route_unref(r);
}

/* Half as busy for its weight, though it has more to do. */
static void of_two_the_less_busy_for_its_weight_serves(void **state)
{
    (void)state;
    const struct route *r =
        use_route_with("heavy", ",'weight':8;", ", 'balance': 'random_two'");
    set_active(r, 0, 4);
    set_active(r, 1, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pick(r, 0), 'a');
    route_unref(r);
}

static void draws_follow_weights_and_the_seed(void **state)
{
    (void)state;
    const struct route *r =
        use_route_with("draw", ",'weight':8;;", ", 'balance': 'random_two'");
    struct balancer *one = balancer_new(42), *same = balancer_new(42), *zero = balancer_new(0);
    int heavy = 0;
    for (int i = 0; i < 1000; i++) {
        const struct target *t = pick_from(one, r, 0);
        assert_ptr_equal(t, pick_from(same, r, 0));
        assert_non_null(pick_from(zero, r, 0));
        heavy += letter_of(r, t) == 'a';
    }
    assert_in_range(heavy, 760, 840); /* drawn first: 8 of 10 */
    balancer_free(one);
    balancer_free(same);
    balancer_free(zero);
    route_unref(r);
}

/* ---- by hash ---- */

enum { KEYS = 20000 };

/* Who serves key i of a route whose targets have these URLs' last bytes. */
static char place(const struct route *r, int i, uint64_t tried)
{
    char path[32];
    int len = snprintf(path, sizeof(path), "/file/%d?x", i);
    struct http_head head = {.path = str_make(path, (size_t)len)};
    const struct balance_request q = {.head = &head, .tried = tried, .now_ms = NOW_MS};
    const struct target *t;
    if (failed(balancer_pick(b, r, &q, &t)))
        return '-';
    return t->url.p[t->url.len - 1];
}

static void keys_are_spread_evenly_and_by_weight(void **state)
{
    (void)state;
    const struct route *r =
        use_route_with("spread", ";;,'weight':2", ", 'balance': 'hash_uri'");
    int counts[4] = {0};
    for (int i = 0; i < KEYS; i++)
        counts[place(r, i, 0) - '0']++;
    assert_in_range(counts[1], KEYS / 4 - 300, KEYS / 4 + 300);
    assert_in_range(counts[2], KEYS / 4 - 300, KEYS / 4 + 300);
    assert_in_range(counts[3], KEYS / 2 - 300, KEYS / 2 + 300);
    route_unref(r);
}

/* With one of five targets less, its keys move and no other; back again, they come back. */
static void a_target_that_goes_moves_only_its_own_keys(void **state)
{
    (void)state;
    const struct route *five = use_route_with("five", ";;;;", ", 'balance': 'hash_uri'");
    const struct route *four = use_route_with("four", ";;;", ", 'balance': 'hash_uri'");
    int moved = 0;
    for (int i = 0; i < KEYS; i++) {
        char with = place(five, i, 0), without = place(four, i, 0);
        if (with == '5')
            moved++;
        else if (with != without)
            fail_msg("key %d moved from %c to %c", i, with, without);
        /* One that is down is the same as one that is gone. */
        if (place(five, i, 1 << 4) != without)
            fail_msg("key %d has another second place", i);
    }
    assert_in_range(moved, KEYS / 5 - 300, KEYS / 5 + 300);
    route_unref(five);
    route_unref(four);
}

static void the_order_of_targets_plays_no_part(void **state)
{
    (void)state;
    struct target_live live[3];
    struct target targets[3], reversed[3];
    for (int i = 0; i < 3; i++) {
        struct str url = str_make("123", 3);
        targets[i] =
            (struct target){.url = str_sub(url, (size_t)i, 1), .weight = 1, .live = &live[i]};
        targets[i].hash = balance_hash_key(targets[i].url);
        reversed[2 - i] = targets[i];
    }
    struct route r = {.object = {.id = STR("x"), .revision = 1}}, other = r;
    r.upstream.method = other.upstream.method = BALANCE_HASH_URI;
    r.upstream.targets_list = (struct object_list){targets, 3};
    other.upstream.targets_list = (struct object_list){reversed, 3};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(place(&r, i, 0), place(&other, i, 0));
}

static char pick_for(const struct route *r, const char *client, const char *cookie)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct http_head head = {.path = STR("/")};
    const struct balance_request q = {
        .client = str_from(client), .head = &head, .now_ms = NOW_MS};
    const struct target *t;
    if (cookie != NULL)
        assert_false(
            failed(http_fields_add_id(&head.fields, a, HTTP_FIELD_COOKIE, str_from(cookie))));
    return failed(balancer_pick(b, r, &q, &t)) ? '-' : letter_of(r, t);
}

static void clients_and_cookies_have_their_place(void **state)
{
    (void)state;
    const struct route *by_ip = use_route_with("ip", ";;", ", 'balance': 'hash_ip'");
    const struct route *by_cookie =
        use_route_with("cookie", ";;", ", 'balance': 'hash_cookie:sid'");
    unsigned seen_ip = 0, seen_cookie = 0;
    char text[32];
    for (int i = 0; i < 64; i++) {
        (void)snprintf(text, sizeof(text), "192.0.2.%d", i);
        char first = pick_for(by_ip, text, NULL);
        assert_int_equal(pick_for(by_ip, text, NULL), first);
        seen_ip |= 1u << (first - 'a');
        (void)snprintf(text, sizeof(text), "a=1; sid=%d", i);
        first = pick_for(by_cookie, "192.0.2.1", text);
        assert_int_equal(pick_for(by_cookie, "192.0.2.2", text), first);
        seen_cookie |= 1u << (first - 'a');
    }
    assert_int_equal(seen_ip, 7);
    assert_int_equal(seen_cookie, 7);
    /* Without the cookie, or with an empty one: in turns. */
    assert_int_equal(pick_for(by_cookie, "", NULL), 'a');
    assert_int_equal(pick_for(by_cookie, "", "other=1"), 'b');
    assert_int_equal(pick_for(by_cookie, "", "sid="), 'c');
    route_unref(by_ip);
    route_unref(by_cookie);
}

/* ---- health ---- */

static void eject(const struct route *r, size_t i)
{
    for (int n = 0; n < 3; n++)
        health_note_failure(r, &upstream_targets(&r->upstream)[i], fail(ERR_TARGET_CONNECT, 0),
                            NOW_MS);
}

static struct err pick_at(const struct route *r, uint64_t now_ms, uint64_t tried, char *ret)
{
    const struct balance_request q = {.tried = tried, .now_ms = now_ms};
    const struct target *t = NULL;
    struct err e = balancer_pick(b, r, &q, &t);
    *ret = letter_of(r, t);
    return e;
}

static void what_is_down_is_passed_over_until_its_trial(void **state)
{
    (void)state;
    const struct route *r = use_route("down", ";");
    char got;
    eject(r, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pick(r, 0), 'b');
    int trials = 0;
    for (int i = 0; i < 20; i++) {
        assert_false(failed(pick_at(r, NOW_MS + 10000, 0, &got)));
        trials += got == 'a';
    }
    assert_int_equal(trials, 1);
    route_unref(r);
}

/* It would be lost: nobody else may try before the next interval. */
static void no_trial_is_spent_on_a_target_that_is_full(void **state)
{
    (void)state;
    const struct route *r = use_route("full", ";");
    const struct target *targets = upstream_targets(&r->upstream), *t = NULL;
    const struct balance_request q = {.max_connections = 1, .now_ms = NOW_MS + 10000};
    eject(r, 0);
    atomic_store(&targets[0].live->slots, 1);
    assert_ok(balancer_pick(b, r, &q, &t));
    assert_int_equal(letter_of(r, t), 'b');
    atomic_store(&targets[1].live->slots, 1);
    assert_err(balancer_pick(b, r, &q, &t), ERR_AGAIN);
    atomic_store(&targets[0].live->slots, 0);
    assert_ok(balancer_pick(b, r, &q, &t));
    assert_int_equal(letter_of(r, t), 'a');
    assert_err(balancer_pick(b, r, &q, &t), ERR_AGAIN);
    route_unref(r);
}

static void when_all_are_down_it_says_until_when(void **state)
{
    (void)state;
    const struct route *r = use_route("all", ";;,'drain':true");
    char got;
    eject(r, 0);
    eject(r, 1);
    struct err e = pick_at(r, NOW_MS + 2500, 0, &got);
    assert_true(err_is(e, ERR_TARGETS_DOWN));
    assert_int_equal(e.detail, 8);
    /* The trials are under way: at least a second. */
    assert_false(failed(pick_at(r, NOW_MS + 10000, 0, &got)));
    assert_false(failed(pick_at(r, NOW_MS + 10000, 0, &got)));
    e = pick_at(r, NOW_MS + 19999, 0, &got);
    assert_true(err_is(e, ERR_TARGETS_DOWN));
    assert_int_equal(e.detail, 1);
    assert_true(err_is(pick_at(r, NOW_MS, 3, &got), ERR_NO_TARGET));
    route_unref(r);
}

static void a_backup_serves_while_the_others_are_down(void **state)
{
    (void)state;
    const struct route *r = use_route("backup", ";,'backup':true");
    eject(r, 0);
    assert_int_equal(pick(r, 0), 'b');
    health_note_answer(r, upstream_targets(&r->upstream), NOW_MS);
    assert_int_equal(pick(r, 0), 'b');
    route_unref(r);
}

/* ---- sticky ---- */

static char pick_stuck(const struct route *r, size_t named, uint64_t tried)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    const struct target *t = &upstream_targets(&r->upstream)[named];
    struct str cookie = arena_fmt(a, "gw=forged; gw=%.*s", STR_ARG(t->sticky_value));
    struct http_head head = {.path = STR("/")};
    const struct balance_request q = {.head = &head, .tried = tried, .now_ms = NOW_MS};
    assert_false(failed(http_fields_add_id(&head.fields, a, HTTP_FIELD_COOKIE, cookie)));
    return failed(balancer_pick(b, r, &q, &t)) ? '-' : letter_of(r, t);
}

static void a_cookie_decides_before_the_method(void **state)
{
    (void)state;
    const struct route *r = use_route_with("stick", ";,'drain':true;,'backup':true;",
                                           ", 'sticky': {'cookie': 'gw'}");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pick_stuck(r, i, 0), 'a' + (int)i);
        assert_int_equal(pick_stuck(r, i, 0), 'a' + (int)i);
    }
    assert_int_equal(pick_stuck(r, 0, 1), 'd'); /* it has failed just now */
    eject(r, 0);
    assert_int_equal(pick_stuck(r, 0, 0), 'd');
    route_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_get_their_turns),
        cmocka_unit_test(shares_are_exact_over_a_round),
        cmocka_unit_test(the_last_of_all_targets_gets_its_turn),
        cmocka_unit_test(routes_take_turns_of_their_own),
        cmocka_unit_test(an_edited_route_starts_afresh),
        cmocka_unit_test(the_counters_of_many_routes_are_bounded),
        cmocka_unit_test(without_memory_the_first_target_serves),
        cmocka_unit_test(the_least_busy_serves),
        cmocka_unit_test(two_are_drawn_and_the_less_busy_serves),
        cmocka_unit_test(of_two_the_less_busy_for_its_weight_serves),
        cmocka_unit_test(draws_follow_weights_and_the_seed),
        cmocka_unit_test(keys_are_spread_evenly_and_by_weight),
        cmocka_unit_test(a_target_that_goes_moves_only_its_own_keys),
        cmocka_unit_test(the_order_of_targets_plays_no_part),
        cmocka_unit_test(clients_and_cookies_have_their_place),
        cmocka_unit_test(what_is_down_is_passed_over_until_its_trial),
        cmocka_unit_test(no_trial_is_spent_on_a_target_that_is_full),
        cmocka_unit_test(when_all_are_down_it_says_until_when),
        cmocka_unit_test(a_backup_serves_while_the_others_are_down),
        cmocka_unit_test(a_cookie_decides_before_the_method),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
