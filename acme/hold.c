#include "acme/hold.h"

#include "acme/due.h"

bool hold_is_exempt(const struct cert *c, struct str directory, int64_t now_at)
{
    return c->has_material && c->renewal.start_at != 0 && now_at >= c->renewal.start_at &&
           str_eq(c->origin.directory, directory);
}

/* True if this limit is in the way. */
static bool is_full(const struct hold_question *q, const struct ledger_use *use)
{
    uint32_t most = use->most, ours = most - ledger_limits[use->limit].reserve;
    bool is_renewal = q->cert->has_material;
    switch (use->limit) {
    case LEDGER_FAILURES:
        return use->used >= ours;
    case LEDGER_DOMAIN:
        /* Another certificate for the same names is no new one. */
        return !is_renewal && use->used >= ours;
    case LEDGER_ORDERS:
    case LEDGER_SET:
        if (hold_is_exempt(q->cert, q->directory, q->now_at))
            return false;
        return use->used >= (due_is_emergency(q->cert, q->now_at) ? most : ours);
    case LEDGER_LIMIT_COUNT:
        break;
    }
    return false;
}

const struct ledger_use *hold_find(const struct hold_question *q)
{
    const struct ledger_use *last = NULL;
    for (size_t i = 0; i < q->use_count; i++) {
        const struct ledger_use *use = &q->uses[i];
        if (is_full(q, use) && (last == NULL || use->free_at > last->free_at))
            last = use;
    }
    return last;
}

struct str hold_words(struct arena *a, const struct ledger_use *use)
{
    struct str words = arena_fmt(a, "held back: %u of %u %s%s%.*s", use->used, use->most,
                                 ledger_limits[use->limit].words,
                                 use->subject.len > 0 ? ", " : "", STR_ARG(use->subject));
    return words.p != NULL ? words : STR("held back: a limit of the CA is reached");
}
