#include "gateway/base/metrics.h"

#include "gateway/base/limits.h"

#include <stdalign.h>
#include <stdatomic.h>

const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, name_, type_, help_)                                                        \
    [METRIC_##id] = {.name = (name_), .type = #type_, .help = (help_)},
#include "gateway/base/metrics.def"
#undef METRIC
};

struct block {
    alignas(64) _Atomic int64_t values[METRIC_COUNT];
};

static struct block blocks[METRICS_THREADS_MAX];
static atomic_uint blocks_taken;
static _Thread_local unsigned my_block; /* index + 1; 0: none taken yet */

static unsigned take_block(void)
{
    unsigned taken = atomic_fetch_add(&blocks_taken, 1);
    return (taken < METRICS_THREADS_MAX ? taken : METRICS_THREADS_MAX - 1) + 1;
}

void metric_add(enum metric m, int64_t n)
{
    if (my_block == 0)
        my_block = take_block();
    _Atomic int64_t *value = &blocks[my_block - 1].values[m];
    if (my_block == METRICS_THREADS_MAX) {
        atomic_fetch_add_explicit(value, n, memory_order_relaxed);
        return;
    }
    /* Only this thread writes the block, so no locked instruction is needed. */
    int64_t now = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, now + n, memory_order_relaxed);
}

int64_t metric_read(enum metric m)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < METRICS_THREADS_MAX; i++)
        sum += atomic_load_explicit(&blocks[i].values[m], memory_order_relaxed);
    return sum;
}
