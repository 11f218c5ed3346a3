#include "gateway/upstream/balance.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

_Static_assert(TARGETS_MAX <= 64, "a set of targets is one uint64_t");

struct turns {
    uint64_t revision;           /* of the route the counters belong to */
    int64_t credit[TARGETS_MAX]; /* smooth round robin: highest serves */
};

struct balancer {
    struct map *turns; /* of struct turns, by route id */
};

struct balancer *balancer_new(void)
{
    struct balancer *b = mem_new(struct balancer);
    if (b == NULL)
        return NULL;
    b->turns = map_new();
    if (b->turns == NULL) {
        mem_free(b);
        return NULL;
    }
    return b;
}

static void empty(struct balancer *b)
{
    struct str key;
    void *value;
    for (size_t at = 0; map_next(b->turns, &at, &key, &value);)
        mem_free(value);
    map_free(b->turns);
    b->turns = NULL;
}

void balancer_free(struct balancer *b)
{
    if (b == NULL)
        return;
    empty(b);
    mem_free(b);
}

/* Which targets may serve: the ordinary ones, or when there is none the backups. */
static uint64_t eligible(const struct upstream *u, uint64_t tried)
{
    const struct target *targets = upstream_targets(u);
    uint64_t ordinary = 0, backups = 0;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        uint64_t bit = 1ull << i;
        if ((tried & bit) != 0 || targets[i].is_draining || targets[i].weight == 0)
            continue;
        if (targets[i].is_backup)
            backups |= bit;
        else
            ordinary |= bit;
    }
    return ordinary != 0 ? ordinary : backups;
}

static struct turns *find_turns(struct balancer *b, const struct route *route)
{
    struct turns *t = map_find(b->turns, route->object.id);
    if (t == NULL) {
        if (map_count(b->turns) >= BALANCER_ROUTES_MAX) {
            struct map *fresh = map_new();
            if (fresh == NULL)
                return NULL;
            empty(b);
            b->turns = fresh;
        }
        t = mem_new(struct turns);
        if (t == NULL || failed(map_put(b->turns, route->object.id, t, NULL))) {
            mem_free(t);
            return NULL;
        }
    }
    if (t->revision != route->object.revision)
        *t = (struct turns){.revision = route->object.revision};
    return t;
}

/* Each round every candidate earns its weight; the richest serves and pays the sum. */
static size_t take_turn(struct turns *t, const struct upstream *u, uint64_t candidates)
{
    int64_t total = 0;
    size_t best = 0;
    bool has_best = false;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        if ((candidates & (1ull << i)) == 0)
            continue;
        int64_t weight = upstream_targets(u)[i].weight;
        t->credit[i] += weight;
        total += weight;
        if (!has_best || t->credit[i] > t->credit[best]) {
            best = i;
            has_best = true;
        }
    }
    t->credit[best] -= total;
    return best;
}

const struct target *balancer_pick(struct balancer *b, const struct route *route,
                                   uint64_t tried)
{
    const struct upstream *u = &route->upstream;
    uint64_t candidates = eligible(u, tried);
    if (candidates == 0)
        return NULL;
    const struct target *first = &upstream_targets(u)[__builtin_ctzll(candidates)];
    if ((candidates & (candidates - 1)) == 0)
        return first;
    struct turns *t = find_turns(b, route);
    return t == NULL ? first : &upstream_targets(u)[take_turn(t, u, candidates)];
}
