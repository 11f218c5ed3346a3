#include "gateway/upstream/target_note.h"

#include "gateway/base/clock.h"

static void note_error(struct target_live *live, struct err e)
{
    atomic_store_explicit(&live->error, e.kind, memory_order_relaxed);
    atomic_store_explicit(&live->error_detail, e.detail, memory_order_relaxed);
    atomic_store_explicit(&live->error_at, clock_now_at(), memory_order_relaxed);
}

void target_note_failure(const struct target *t, struct err e)
{
    note_error(t->live, e);
    atomic_fetch_add_explicit(&t->live->failures, 1, memory_order_relaxed);
}

void target_note_answer(const struct target *t, int64_t now_at)
{
    atomic_store_explicit(&t->live->ok_at, now_at, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->live->requests, 1, memory_order_relaxed);
}

void target_note_probe(const struct target *t, struct err e, int64_t now_at)
{
    if (!failed(e)) {
        atomic_store_explicit(&t->live->ok_at, now_at, memory_order_relaxed);
        return;
    }
    note_error(t->live, e);
    atomic_fetch_add_explicit(&t->live->probe_failures, 1, memory_order_relaxed);
}
