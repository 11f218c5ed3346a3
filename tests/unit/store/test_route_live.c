#include "store/route_live.h"
#include "tests/support/asserts.h"

#include <pthread.h>

static void ask(struct route_live *l, unsigned worker, enum route_class class, uint64_t us)
{
    route_live_begin(l, worker);
    route_live_end(l, worker,
                   &(struct route_outcome){
                       .class = class, .in_bytes = 1, .out_bytes = 10, .total_us = us});
}

static void a_route_without_requests_has_no_numbers(void **state)
{
    (void)state;
    struct route_numbers n;
    struct route_live *l = route_live_new();
    assert_false(route_live_read(l, &n));
    assert_int_equal(n.requests[ROUTE_CLASS_2XX], 0);
    route_live_unref(l);
}

static void workers_are_summed_up(void **state)
{
    (void)state;
    struct route_numbers n;
    struct route_live *l = route_live_new();
    for (unsigned worker = 0; worker < 3 * ROUTE_LIVE_SHARDS; worker++)
        ask(l, worker, ROUTE_CLASS_2XX, 100);
    ask(l, 0, ROUTE_CLASS_5XX, 1000000);
    assert_true(route_live_read(l, &n));
    assert_int_equal(n.requests[ROUTE_CLASS_2XX], 3 * ROUTE_LIVE_SHARDS);
    assert_int_equal(n.requests[ROUTE_CLASS_5XX], 1);
    assert_int_equal(n.in_bytes, 3 * ROUTE_LIVE_SHARDS + 1);
    assert_int_equal(n.out_bytes, 10 * (3 * ROUTE_LIVE_SHARDS + 1));
    assert_int_equal(n.timed_us, 3 * ROUTE_LIVE_SHARDS * 100 + 1000000);
    assert_int_equal(n.open, 0);
    route_live_unref(l);
}

static void requests_under_way_are_open(void **state)
{
    (void)state;
    struct route_numbers n;
    struct route_live *l = route_live_ref(route_live_new());
    route_live_begin(l, 1);
    route_live_begin(l, 2);
    route_live_begin(l, 2);
    assert_true(route_live_read(l, &n));
    assert_int_equal(n.open, 3);
    assert_int_equal(n.timed, 0);
    route_live_end(l, 2, &(struct route_outcome){.ended_by = ENDED_BY_CLIENT});
    assert_true(route_live_read(l, &n));
    assert_int_equal(n.open, 2);
    assert_int_equal(n.requests[ROUTE_CLASS_NONE], 1);
    assert_int_equal(n.ended[ENDED_BY_CLIENT], 1);
    assert_int_equal(n.ended[ENDED_DONE], 0);
    route_live_unref(l);
    route_live_unref(l);
}

static void tunnels_are_counted_and_not_timed(void **state)
{
    (void)state;
    struct route_numbers n;
    struct route_live *l = route_live_new();
    ask(l, 0, ROUTE_CLASS_1XX, 3600000000);
    assert_true(route_live_read(l, &n));
    assert_int_equal(n.requests[ROUTE_CLASS_1XX], 1);
    assert_int_equal(n.timed, 0);
    assert_int_equal(n.timed_us, 0);
    route_live_unref(l);
}

static const struct {
    const char *name;
    uint64_t us[4]; /* up to 0 */
    unsigned percent;
    bool want_any;
    uint64_t want_us;
} percentiles[] = {
    {"nothing", {0}, 50, false, 0},
    {"one, as slow as its bucket may be", {400}, 50, true, 500},
    {"an end of a bucket belongs to it", {500}, 99, true, 500},
    {"the middle of two in one bucket", {600, 700}, 50, true, 750},
    {"half of them in the first bucket", {1, 600}, 50, true, 500},
    {"the slow one is beyond the median", {1, 1, 900000}, 50, true, 500},
    {"but not beyond the 99th", {1, 1, 900000}, 99, true, 1000000},
    {"beyond the last bound nobody knows", {61000000}, 99, true, 60000000},
    {"hours", {UINT64_MAX / 2}, 1, true, 60000000},
};

static void percentiles_come_from_the_buckets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
        struct route_numbers n;
        uint64_t us = 0;
        struct route_live *l = route_live_new();
        for (size_t k = 0; k < 4 && percentiles[i].us[k] > 0; k++)
            ask(l, 0, ROUTE_CLASS_2XX, percentiles[i].us[k]);
        (void)route_live_read(l, &n);
        assert_row(percentiles[i].name,
                   route_numbers_percentile_us(&n, percentiles[i].percent, &us) ==
                       percentiles[i].want_any);
        assert_row_u64(percentiles[i].name, us, percentiles[i].want_us);
        route_live_unref(l);
    }
}

static void without_memory_requests_are_not_counted(void **state)
{
    (void)state;
    struct route_numbers n;
    mem_fault_arm(1);
    assert_null(route_live_new());
    mem_fault_arm(0);
    struct route_live *l = route_live_new();
    mem_fault_arm(1);
    ask(l, 0, ROUTE_CLASS_2XX, 1);
    mem_fault_arm(0);
    assert_false(route_live_read(l, &n));
    route_live_unref(l);
}

enum { THREADS = 4, ROUNDS = 2000 };

struct counter {
    pthread_t thread;
    struct route_live *live;
    unsigned worker;
};

static void *count_on(void *arg)
{
    const struct counter *c = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        ask(c->live, c->worker, ROUTE_CLASS_3XX, i);
    return NULL;
}

/* Two with blocks of their own, two that share the last one, and a reader. */
static void no_request_is_lost_between_workers(void **state)
{
    (void)state;
    static const unsigned workers[THREADS] = {0, 1, 7, 40};
    struct counter counters[THREADS];
    struct route_numbers n;
    struct route_live *l = route_live_new();
    for (size_t i = 0; i < THREADS; i++) {
        counters[i] = (struct counter){.live = l, .worker = workers[i]};
        assert_int_equal(pthread_create(&counters[i].thread, NULL, count_on, &counters[i]), 0);
    }
    for (unsigned i = 0; i < 100; i++)
        (void)route_live_read(l, &n);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(counters[i].thread, NULL);
    assert_true(route_live_read(l, &n));
    assert_int_equal(n.requests[ROUTE_CLASS_3XX], THREADS * ROUNDS);
    assert_int_equal(n.timed, THREADS * ROUNDS);
    assert_int_equal(n.open, 0);
    route_live_unref(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_without_requests_has_no_numbers),
        cmocka_unit_test(workers_are_summed_up),
        cmocka_unit_test(requests_under_way_are_open),
        cmocka_unit_test(tunnels_are_counted_and_not_timed),
        cmocka_unit_test(percentiles_come_from_the_buckets),
        cmocka_unit_test(without_memory_requests_are_not_counted),
        cmocka_unit_test(no_request_is_lost_between_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
