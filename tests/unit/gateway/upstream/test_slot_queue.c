#include "gateway/upstream/slot_queue.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

enum { WORKERS = 2, WAITERS = 4 };

static struct temp_store t;
static struct worker_bells *bells;
static struct loop *loops[WORKERS];
static struct slot_queue *queues[WORKERS];
static const struct route *route;
static uint32_t max; /* slots of the target */

struct waiter {
    struct slot_waiter w;
    struct slot_queue *queue;
    bool has_slot;
};

static struct waiter waiters[WAITERS];

static const struct target *target(void)
{
    return upstream_targets(&route->upstream);
}

static void on_turn(struct slot_waiter *w)
{
    struct waiter *own = container_of(w, struct waiter, w);
    if (!slot_take(target(), max))
        return;
    own->has_slot = true;
    slot_queue_leave(own->queue, w);
}

static void on_wake(void *queue)
{
    slot_queue_on_wake(queue);
}

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    temp_config_route(&t, "r",
                      "{'hosts': ['a.example'], 'certificate': 'none', 'upstream': {'targets': "
                      "[{'url': 'http://a'}], 'max_connections': 1, 'queue': {'size': 3}}}");
    const struct snapshot *snap = store_snapshot(t.store);
    route = route_ref(snapshot_route_find(snap, STR("r")));
    snapshot_unref(snap);
    max = 1;
    bells = worker_bells_new();
    memset(waiters, 0, sizeof(waiters));
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_ok(loop_new(&loops[i]));
        queues[i] = slot_queue_new(loops[i], bells, i);
        loop_on_wake(loops[i], on_wake, queues[i]);
        assert_ok(worker_bells_hang(bells, i, loop_wake_fd(loops[i])));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        loop_settle(loops[i]);
        slot_queue_free(queues[i]);
        loop_free(loops[i]);
    }
    worker_bells_free(bells);
    route_unref(route);
    temp_store_fini(&t);
    return 0;
}

static struct err wait_on(unsigned i, unsigned worker)
{
    waiters[i] = (struct waiter){.w.on_turn = on_turn, .queue = queues[worker]};
    return slot_queue_wait(queues[worker], route, &waiters[i].w);
}

static void turns(void)
{
    for (int i = 0; i < 3; i++) {
        for (unsigned k = 0; k < WORKERS; k++)
            loop_turn(loops[k], false);
    }
}

static void give(unsigned worker)
{
    slot_give(queues[worker], &route->upstream, target());
    turns();
}

static unsigned served(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WAITERS; i++)
        count += waiters[i].has_slot;
    return count;
}

static void there_are_no_more_slots_than_the_limit(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_false(slot_take(target(), max));
    give(0);
    assert_true(slot_take(target(), max));
    give(1);
}

static void first_come_first_served(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_false(slot_queue_has_waiters(&route->upstream));
    assert_ok(wait_on(0, 0));
    assert_ok(wait_on(1, 0));
    assert_true(slot_queue_has_waiters(&route->upstream));
    turns();
    assert_int_equal(served(), 0);
    give(0);
    assert_true(waiters[0].has_slot && !waiters[1].has_slot);
    give(0);
    assert_true(waiters[1].has_slot);
    assert_false(slot_queue_has_waiters(&route->upstream));
    give(0);
}

static void a_queue_is_bounded_over_all_workers(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_ok(wait_on(0, 0));
    assert_ok(wait_on(1, 1));
    assert_ok(wait_on(2, 0));
    assert_err(wait_on(3, 1), ERR_QUEUE_FULL);
    slot_queue_leave(queues[0], &waiters[0].w); /* the client has left */
    slot_queue_leave(queues[0], &waiters[0].w);
    assert_ok(wait_on(3, 1));
    for (int i = 0; i < 3; i++)
        give(0);
    assert_int_equal(served(), 3);
    assert_false(waiters[0].has_slot);
    give(0);
}

static void workers_take_turns(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_ok(wait_on(0, 0));
    assert_ok(wait_on(1, 1));
    assert_ok(wait_on(2, 0));
    turns();
    give(0); /* the other one first */
    assert_true(waiters[1].has_slot && !waiters[0].has_slot);
    give(1);
    assert_true(waiters[0].has_slot);
    give(0);
    assert_true(waiters[2].has_slot);
    give(0);
}

/* The waiter that was woken leaves before it looks: the slot is the next one's. */
static void a_slot_is_passed_on(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_ok(wait_on(0, 0));
    assert_ok(wait_on(1, 1));
    turns();
    slot_give(queues[0], &route->upstream, target()); /* rings for worker 1 */
    slot_queue_leave(queues[1], &waiters[1].w);
    turns();
    assert_true(waiters[0].has_slot);
    give(0);
}

/* It was freed after the look and before the wait. */
static void a_slot_that_is_free_already_is_found(void **state)
{
    (void)state;
    assert_ok(wait_on(0, 1));
    turns();
    assert_true(waiters[0].has_slot);
    give(1);
    slot_queue_free(NULL);
}

/* Whoever takes the new snapshot, or hears of a target that is back, has them look. */
static void a_higher_limit_helps_who_waits(void **state)
{
    (void)state;
    assert_true(slot_take(target(), max));
    assert_ok(wait_on(0, 1));
    assert_ok(wait_on(1, 1));
    assert_ok(wait_on(2, 0));
    turns();
    assert_int_equal(served(), 0);
    max = 2;
    slot_queue_on_wake(queues[0]);
    turns();
    assert_true(waiters[2].has_slot);
    max = 0; /* no limit any more */
    slot_queue_on_target_up(queues[0], &route->upstream);
    turns();
    assert_int_equal(served(), 3);
    assert_true(slot_is_free(target(), 0));
    assert_false(slot_is_free(target(), 4));
    for (int i = 0; i < 4; i++)
        give(0);
}

#define WITH_QUEUES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_QUEUES(there_are_no_more_slots_than_the_limit),
        WITH_QUEUES(first_come_first_served),
        WITH_QUEUES(a_queue_is_bounded_over_all_workers),
        WITH_QUEUES(workers_take_turns),
        WITH_QUEUES(a_slot_is_passed_on),
        WITH_QUEUES(a_higher_limit_helps_who_waits),
        WITH_QUEUES(a_slot_that_is_free_already_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
