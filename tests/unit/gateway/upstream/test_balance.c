#include "gateway/upstream/balance.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include <stdio.h>

static struct temp_store t;
static struct balancer *b;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    b = balancer_new();
    return b == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    balancer_free(b);
    temp_store_fini(&t);
    return 0;
}

/* targets: members of each target's JSON behind its url, ';' between targets. */
static const struct route *use_route(const char *id, const char *targets)
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
    (void)snprintf(body + len, sizeof(body) - len, "]}}");
    temp_config_route(&t, id, body);
    const struct snapshot *snap = store_snapshot(t.store);
    const struct route *r = route_ref(snapshot_route_find(snap, str_from(id)));
    snapshot_unref(snap);
    return r;
}

/* 'a' is the first target; '-': none. */
static char pick(const struct route *r, uint64_t tried)
{
    const struct target *target = balancer_pick(b, r, tried);
    return target == NULL ? '-' : (char)('a' + (target - upstream_targets(&r->upstream)));
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
    assert_ptr_equal(balancer_pick(b, r, UINT64_MAX >> 1), first + 63);
    assert_null(balancer_pick(b, r, UINT64_MAX));
    uint64_t seen = 0;
    for (int i = 0; i < 64; i++)
        seen |= 1ull << (balancer_pick(b, r, 0) - first);
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
        assert_ptr_equal(balancer_pick(b, &r, 0), &targets[0]);
    }
    assert_ptr_equal(balancer_pick(b, &r, 0), &targets[1]);
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
        struct balancer *other = balancer_new();
        if (other != NULL)
            assert_ptr_equal(balancer_pick(other, &r, 0), &targets[0]);
        balancer_free(other);
    }
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
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
