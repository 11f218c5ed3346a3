#include "tests/support/asserts.h"

#include "gateway/base/limits.h"
#include "gateway/base/metrics.h"

#include <pthread.h>

static void every_row_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *r = &metric_rows[i];
        struct str name = str_from(r->name), type = str_from(r->type);
        assert_row(r->name, str_starts(name, STR("gatehouse_")));
        bool is_counter = str_eq(type, STR("counter"));
        assert_row(r->name, is_counter || str_eq(type, STR("gauge")));
        /* Prometheus: counters end in _total, gauges do not. */
        assert_row(r->name, str_ends(name, STR("_total")) == is_counter);
        assert_row(r->name, r->help[0] != '\0');
        for (size_t other = 0; other < i; other++)
            assert_row(r->name, !str_eq(str_from(metric_rows[other].name), name));
    }
}

static void a_gauge_goes_up_and_down(void **state)
{
    (void)state;
    int64_t before = metric_read(METRIC_CONNECTIONS_OPEN);
    metric_add(METRIC_CONNECTIONS_OPEN, 3);
    metric_add(METRIC_CONNECTIONS_OPEN, -5);
    assert_int_equal(metric_read(METRIC_CONNECTIONS_OPEN), before - 2);
    metric_add(METRIC_CONNECTIONS_OPEN, 2);
}

enum { THREADS = METRICS_THREADS_MAX + 16, ROUNDS = 1000 };

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        metric_add(METRIC_BYTES_IN, 1);
    return NULL;
}

/* More threads than blocks: the last block is shared, and nothing is lost. */
static void no_count_of_any_thread_is_lost(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int64_t before = metric_read(METRIC_BYTES_IN);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    int64_t last = before;
    for (int i = 0; i < 1000; i++) { /* a counter read meanwhile never runs backwards */
        int64_t now = metric_read(METRIC_BYTES_IN);
        assert_true(now >= last);
        last = now;
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_read(METRIC_BYTES_IN) - before, (int64_t)THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_of_its_own),
        cmocka_unit_test(a_gauge_goes_up_and_down),
        cmocka_unit_test(no_count_of_any_thread_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
