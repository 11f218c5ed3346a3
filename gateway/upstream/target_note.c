#include "gateway/upstream/target_note.h"

#include "gateway/base/clock.h"

#define load(cell)         atomic_load_explicit(cell, memory_order_relaxed)
#define store(cell, value) atomic_store_explicit(cell, value, memory_order_relaxed)

static void note_error(struct target_live *live, enum target_trouble trouble, struct err e)
{
    store(&live->trouble, trouble);
    store(&live->error, e.kind);
    store(&live->error_detail, e.detail);
    store(&live->error_at, clock_now_at());
}

/* It answers: what a cut answer makes doubtful, only one that comes to its end can clear. */
static void note_life(struct target_live *live, int64_t now_at)
{
    uint32_t trouble = load(&live->trouble);
    store(&live->ok_at, now_at);
    if (trouble == TROUBLE_SILENT)
        store(&live->trouble, TROUBLE_NONE);
    else if (trouble == TROUBLE_CUT)
        store(&live->trouble, TROUBLE_DOUBT);
}

void target_note_failure(const struct target *t, struct err e)
{
    note_error(t->live, TROUBLE_SILENT, e);
    atomic_fetch_add_explicit(&t->live->failures, 1, memory_order_relaxed);
}

void target_note_cut(const struct target *t, struct err e)
{
    note_error(t->live, TROUBLE_CUT, e);
    atomic_fetch_add_explicit(&t->live->failures, 1, memory_order_relaxed);
}

void target_note_answer(const struct target *t, int64_t now_at)
{
    note_life(t->live, now_at);
    atomic_fetch_add_explicit(&t->live->requests, 1, memory_order_relaxed);
}

void target_note_end(const struct target *t)
{
    uint32_t trouble = load(&t->live->trouble);
    if (trouble == TROUBLE_CUT || trouble == TROUBLE_DOUBT)
        store(&t->live->trouble, TROUBLE_NONE);
}

void target_note_probe(const struct target *t, struct err e, int64_t now_at)
{
    if (!failed(e)) {
        note_life(t->live, now_at);
        return;
    }
    note_error(t->live, TROUBLE_SILENT, e);
    atomic_fetch_add_explicit(&t->live->probe_failures, 1, memory_order_relaxed);
}
