#include "store/route_live.h"

#include "store/counted.h"

#include "gateway/base/mem.h"

#include <stdatomic.h>

const uint64_t route_live_bounds_us[ROUTE_LIVE_BUCKETS - 1] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,   100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 60000000};

enum { CACHE_LINE_BYTES = 64 };

struct shard {
    _Atomic uint64_t begun;
    _Atomic uint64_t requests[ROUTE_CLASS_COUNT];
    _Atomic uint64_t ended[ENDED_BY_COUNT];
    _Atomic uint64_t in_bytes;
    _Atomic uint64_t out_bytes;
    _Atomic uint64_t timed_us;
    _Atomic uint64_t buckets[ROUTE_LIVE_BUCKETS];
    char apart[CACHE_LINE_BYTES]; /* from what another worker writes behind it on the heap */
};

struct route_live {
    atomic_uint refs;
    _Atomic(struct shard *) shards[ROUTE_LIVE_SHARDS];
};

struct route_live *route_live_new(void)
{
    struct route_live *l = mem_new(struct route_live);
    if (l != NULL)
        atomic_init(&l->refs, 1);
    return l;
}

struct route_live *route_live_ref(struct route_live *l)
{
    counted_ref(&l->refs);
    return l;
}

void route_live_unref(void *live)
{
    struct route_live *l = live;
    if (l == NULL || !counted_unref(&l->refs))
        return;
    for (size_t i = 0; i < ROUTE_LIVE_SHARDS; i++)
        mem_free(atomic_load_explicit(&l->shards[i], memory_order_relaxed));
    mem_free(l);
}

/* ---- counting ---- */

static struct shard *make_shard(_Atomic(struct shard *) *slot)
{
    struct shard *other = NULL;
    struct shard *fresh = mem_new(struct shard);
    if (fresh == NULL)
        return NULL;
    if (atomic_compare_exchange_strong(slot, &other, fresh))
        return fresh;
    mem_free(fresh);
    return other;
}

static unsigned index_of(unsigned worker)
{
    return worker < ROUTE_LIVE_SHARDS ? worker : ROUTE_LIVE_SHARDS - 1;
}

static struct shard *find_shard(struct route_live *l, unsigned worker)
{
    _Atomic(struct shard *) *slot = &l->shards[index_of(worker)];
    struct shard *s = atomic_load_explicit(slot, memory_order_acquire);
    return s != NULL ? s : make_shard(slot);
}

/* Where only one worker writes, no locked instruction is needed. */
static void add(unsigned worker, _Atomic uint64_t *value, uint64_t n)
{
    if (index_of(worker) == ROUTE_LIVE_SHARDS - 1)
        atomic_fetch_add_explicit(value, n, memory_order_relaxed);
    else
        atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

void route_live_begin(struct route_live *l, unsigned worker)
{
    struct shard *s = find_shard(l, worker);
    if (s != NULL)
        add(worker, &s->begun, 1);
}

static size_t bucket_of(uint64_t us)
{
    size_t i = 0;
    while (i < ROUTE_LIVE_BUCKETS - 1 && us > route_live_bounds_us[i])
        i++;
    return i;
}

void route_live_end(struct route_live *l, unsigned worker, const struct route_outcome *o)
{
    struct shard *s = atomic_load_explicit(&l->shards[index_of(worker)], memory_order_acquire);
    if (s == NULL)
        return; /* there was no memory to count its beginning */
    add(worker, &s->requests[o->class], 1);
    if (o->ended_by != ENDED_DONE)
        add(worker, &s->ended[o->ended_by], 1);
    if (o->in_bytes > 0)
        add(worker, &s->in_bytes, o->in_bytes);
    add(worker, &s->out_bytes, o->out_bytes);
    /* A tunnel lives as long as people talk, which says nothing about the target. */
    if (o->class == ROUTE_CLASS_1XX)
        return;
    add(worker, &s->timed_us, o->total_us);
    add(worker, &s->buckets[bucket_of(o->total_us)], 1);
}

/* ---- reading ---- */

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add_shard(struct route_numbers *n, const struct shard *s)
{
    uint64_t ended = 0;
    for (size_t i = 0; i < ROUTE_CLASS_COUNT; i++) {
        uint64_t count = get(&s->requests[i]);
        n->requests[i] += count;
        ended += count;
    }
    /* A request that ends just now may be seen ended and not begun. */
    uint64_t begun = get(&s->begun);
    n->open += begun > ended ? begun - ended : 0;
    for (size_t i = 0; i < ENDED_BY_COUNT; i++)
        n->ended[i] += get(&s->ended[i]);
    n->in_bytes += get(&s->in_bytes);
    n->out_bytes += get(&s->out_bytes);
    n->timed_us += get(&s->timed_us);
    for (size_t i = 0; i < ROUTE_LIVE_BUCKETS; i++) {
        uint64_t count = get(&s->buckets[i]);
        n->buckets[i] += count;
        n->timed += count;
    }
}

bool route_live_read(const struct route_live *l, struct route_numbers *ret_numbers)
{
    bool has_any = false;
    *ret_numbers = (struct route_numbers){0};
    for (size_t i = 0; i < ROUTE_LIVE_SHARDS; i++) {
        const struct shard *s = atomic_load_explicit(&l->shards[i], memory_order_acquire);
        if (s == NULL)
            continue;
        add_shard(ret_numbers, s);
        has_any = true;
    }
    return has_any;
}

bool route_numbers_percentile_us(const struct route_numbers *n, unsigned percent,
                                 uint64_t *ret_us)
{
    if (n->timed == 0)
        return false;
    uint64_t rank = (n->timed * percent + 99) / 100, below = 0;
    size_t i = 0;
    while (i < ROUTE_LIVE_BUCKETS - 1 && below + n->buckets[i] < rank)
        below += n->buckets[i++];
    uint64_t low = i == 0 ? 0 : route_live_bounds_us[i - 1];
    if (i == ROUTE_LIVE_BUCKETS - 1) {
        *ret_us = low;
        return true;
    }
    double part = (double)(rank - below) / (double)n->buckets[i];
    *ret_us = low + (uint64_t)(part * (double)(route_live_bounds_us[i] - low));
    return true;
}
