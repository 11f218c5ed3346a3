#include "gateway/upstream/target_pool.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include "gateway/base/limits.h"

#include <stdio.h>

/* Far above what most tests have. */
enum { CONNS_MAX = 2 * POOL_IDLE_MAX };

static struct temp_store t;
static struct loop *loop;
static struct target_pool *pool;
static const struct snapshot *newest;

/* A connection, as far as the pool knows one. */
struct resting {
    struct pool_place place;
    bool is_evicted;
};

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    assert_ok(loop_new(&loop));
    assert_ok(target_pool_new(loop, CONNS_MAX, &pool));
    newest = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    target_pool_free(pool);
    snapshot_unref(newest);
    loop_free(loop);
    temp_store_fini(&t);
    return 0;
}

static void on_evict(struct pool_place *p)
{
    container_of(p, struct resting, place)->is_evicted = true;
    target_pool_leave(pool, p);
}

/* What the worker does with a new snapshot. */
static void adopt(void)
{
    const struct snapshot *before = newest;
    newest = store_snapshot(t.store);
    target_pool_sweep(pool, newest);
    snapshot_unref(before);
}

static const struct route *put_route(const char *id, const char *members)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['%s.example'], 'certificate': 'none', 'upstream': {"
                   "'targets': [{'url': 'http://a:80'}]%s}}",
                   id, members);
    temp_config_route(&t, id, body);
    adopt();
    return snapshot_route_find(newest, str_from(id));
}

static void join(struct resting *c, const struct route *r)
{
    *c = (struct resting){.place.on_evict = on_evict};
    assert_true(target_pool_join(pool, &c->place, r, upstream_targets(&r->upstream)));
}

static void rest(struct resting *c, const struct route *r)
{
    join(c, r);
    assert_true(target_pool_rest(pool, &c->place));
}

static struct pool_place *take(const struct route *r)
{
    return target_pool_take(pool, r, upstream_targets(&r->upstream));
}

static void the_hottest_is_taken_first(void **state)
{
    (void)state;
    struct resting cold, hot;
    const struct route *r = put_route("a", "");
    rest(&cold, r);
    rest(&hot, r);
    assert_ptr_equal(take(r), &hot.place);
    assert_ptr_equal(take(r), &cold.place);
    assert_null(take(r));
    target_pool_leave(pool, &hot.place);
    target_pool_leave(pool, &cold.place);
}

static void what_an_edit_leaves_behind_is_evicted(void **state)
{
    (void)state;
    static const char *const edits[] = {", 'retries': 1", ", 'retries': 3"};
    static struct resting edited, other; /* the pool keeps the other */
    const struct route *r = put_route("a", "");
    rest(&other, put_route("b", ""));
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        rest(&edited, r);
        r = put_route("a", edits[i]);
        loop_settle(loop);
        assert_true(edited.is_evicted);
        assert_false(other.is_evicted);
    }
}

static void a_deleted_route_leaves_nothing(void **state)
{
    (void)state;
    static struct resting c;
    rest(&c, put_route("a", ""));
    assert_ok(temp_store_delete_route(&t, "a"));
    adopt();
    loop_settle(loop);
    assert_true(c.is_evicted);
}

/* It has the first revision again. */
static void a_route_made_again_is_another(void **state)
{
    (void)state;
    static struct resting c;
    rest(&c, put_route("a", ""));
    assert_ok(temp_store_delete_route(&t, "a"));
    (void)put_route("a", "");
    loop_settle(loop);
    assert_true(c.is_evicted);
}

static void what_is_in_use_is_not_kept_afterwards(void **state)
{
    (void)state;
    struct resting before, late;
    const struct route *old = route_ref(put_route("a", ""));
    join(&before, old);
    (void)put_route("a", ", 'retries': 1");
    loop_settle(loop);
    assert_false(before.is_evicted);
    assert_false(target_pool_rest(pool, &before.place));
    target_pool_leave(pool, &before.place);
    /* A request from before the edit connects again. */
    join(&late, old);
    assert_false(target_pool_rest(pool, &late.place));
    target_pool_leave(pool, &late.place);
    route_unref(old);
}

/* Far more than one turn may close. */
static void a_turn_closes_a_few(void **state)
{
    (void)state;
    enum { COUNT = 3 * POOL_SWEEP_STEPS };
    static struct resting all[COUNT];
    const struct route *r = put_route("a", "");
    for (size_t i = 0; i < COUNT; i++)
        rest(&all[i], r);
    (void)put_route("a", ", 'retries': 1");
    for (size_t turn = 1; turn <= 3; turn++) {
        size_t evicted = 0;
        loop_turn(loop, true); /* does not wait: there is more to do */
        for (size_t i = 0; i < COUNT; i++)
            evicted += all[i].is_evicted;
        assert_int_equal(evicted, turn * POOL_SWEEP_STEPS);
    }
}

static void a_slot_is_bounded(void **state)
{
    (void)state;
    static struct resting all[POOL_IDLE_MAX + 1];
    const struct route *r = put_route("a", "");
    for (size_t i = 0; i < POOL_IDLE_MAX; i++)
        rest(&all[i], r);
    struct resting *last = &all[POOL_IDLE_MAX];
    join(last, r);
    assert_false(target_pool_rest(pool, &last->place));
    target_pool_leave(pool, &last->place);
}

static void without_memory_nothing_joins(void **state)
{
    (void)state;
    struct resting c = {.place.on_evict = on_evict};
    const struct route *r = put_route("a", "");
    unsigned refused = 0;
    for_each_fault(n)
    {
        if (target_pool_join(pool, &c.place, r, upstream_targets(&r->upstream)))
            target_pool_leave(pool, &c.place);
        else
            refused++;
    }
    assert_true(refused >= 2);
}

/* Whoever's it is: what rests gives way, in the order in which it came to rest; what is in use
 * does not. */
static void above_the_ceiling_the_oldest_goes(void **state)
{
    (void)state;
    static struct resting busy, old, middle, young, further[2];
    const struct route *a = put_route("a", "");
    const struct route *b = put_route("b", "");
    target_pool_free(pool);
    assert_ok(target_pool_new(loop, 4, &pool));
    join(&busy, a);
    rest(&middle, a);
    rest(&old, b);
    rest(&young, a);
    assert_ptr_equal(take(a), &young.place);
    assert_ptr_equal(take(a), &middle.place);
    assert_true(target_pool_rest(pool, &middle.place)); /* younger than old now */
    assert_true(target_pool_rest(pool, &young.place));
    join(&further[0], b);
    assert_true(old.is_evicted && !middle.is_evicted);
    join(&further[1], b);
    assert_true(middle.is_evicted && !young.is_evicted && !busy.is_evicted);
    assert_true(target_pool_evict_oldest(pool));
    assert_true(young.is_evicted);
    assert_false(target_pool_evict_oldest(pool));
    target_pool_leave(pool, &further[0].place);
    target_pool_leave(pool, &further[1].place);
    target_pool_leave(pool, &busy.place);
}

/* Its slot goes with its last connection, just as another one joins. */
static void a_slot_that_gives_way_to_its_own_is_made_again(void **state)
{
    (void)state;
    static struct resting old, next;
    const struct route *r = put_route("a", "");
    target_pool_free(pool);
    assert_ok(target_pool_new(loop, 1, &pool));
    rest(&old, r);
    rest(&next, r);
    assert_true(old.is_evicted);
    assert_ptr_equal(take(r), &next.place);
    target_pool_leave(pool, &next.place);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(the_hottest_is_taken_first),
        WITH_POOL(what_an_edit_leaves_behind_is_evicted),
        WITH_POOL(a_deleted_route_leaves_nothing),
        WITH_POOL(a_route_made_again_is_another),
        WITH_POOL(what_is_in_use_is_not_kept_afterwards),
        WITH_POOL(a_turn_closes_a_few),
        WITH_POOL(a_slot_is_bounded),
        WITH_POOL(above_the_ceiling_the_oldest_goes),
        WITH_POOL(a_slot_that_gives_way_to_its_own_is_made_again),
        WITH_POOL(without_memory_nothing_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
