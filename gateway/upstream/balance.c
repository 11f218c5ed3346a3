/* balance.c - pick: sticky -> candidates -> choose by method -> claim a trial, or again. */
#include "gateway/upstream/balance.h"

#include "gateway/http/http_cookie.h"
#include "gateway/upstream/balance_hash.h"
#include "gateway/upstream/health.h"
#include "gateway/upstream/slot_queue.h"
#include "gateway/upstream/stick.h"

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
    uint64_t random;   /* state of the generator */
};

struct balancer *balancer_new(uint64_t seed)
{
    struct balancer *b = mem_new(struct balancer);
    if (b == NULL)
        return NULL;
    b->turns = map_new();
    if (b->turns == NULL) {
        mem_free(b);
        return NULL;
    }
    b->random = seed;
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

/* ---- what the methods choose from ---- */

/* One choice under way. */
struct choice {
    struct balancer *balancer;
    const struct route *route;
    const struct balance_request *request;
    uint64_t ordinary; /* bit i: target i may serve */
    uint64_t backups;
    uint64_t trials; /* of both: those that need their trial first */
    bool has_full;   /* others would serve, but have no slot free */
};

static const struct target *target_at(const struct choice *c, size_t i)
{
    return &upstream_targets(&c->route->upstream)[i];
}

static uint32_t weight_of(const struct choice *c, size_t i)
{
    return health_weight(&c->route->upstream, target_at(c, i), c->request->now_ms);
}

/* The lowest bit, which leaves the set. */
static size_t take_bit(uint64_t *set)
{
    size_t i = (size_t)__builtin_ctzll(*set);
    *set &= *set - 1;
    return i;
}

static bool is_single(uint64_t set)
{
    return (set & (set - 1)) == 0;
}

static size_t first_of(uint64_t set)
{
    return (size_t)__builtin_ctzll(set);
}

/* Looked at before a trial is claimed: one that finds no slot would be lost. */
static bool is_full(struct choice *c, const struct target *t)
{
    bool is_full = !slot_is_free(t, c->request->max_connections);
    c->has_full |= is_full;
    return is_full;
}

static void consider(struct choice *c, size_t i)
{
    const struct target *t = target_at(c, i);
    uint64_t bit = 1ull << i;
    if ((c->request->tried & bit) != 0 || t->is_draining)
        return;
    enum health_state state = health_read(&c->route->upstream, t, c->request->now_ms);
    if (state == HEALTH_DOWN)
        return;
    if (is_full(c, t))
        return;
    if (state == HEALTH_TRIAL)
        c->trials |= bit;
    if (t->is_backup)
        c->backups |= bit;
    else
        c->ordinary |= bit;
}

/* ---- round robin ---- */

/* Each round every candidate earns its weight; the richest serves and pays the sum. */
static size_t take_turn(const struct choice *c, uint64_t candidates)
{
    struct turns *t = is_single(candidates) ? NULL : find_turns(c->balancer, c->route);
    int64_t total = 0;
    size_t best = first_of(candidates);
    if (t == NULL)
        return best;
    while (candidates != 0) {
        size_t i = take_bit(&candidates);
        int64_t weight = weight_of(c, i);
        t->credit[i] += weight;
        total += weight;
        if (t->credit[i] > t->credit[best])
            best = i;
    }
    t->credit[best] -= total;
    return best;
}

/* ---- by load ---- */

/* With the request that asks, so that weights count among idle targets too. */
static uint64_t load_of(const struct choice *c, size_t i)
{
    int32_t active = atomic_load_explicit(&target_at(c, i)->live->active, memory_order_relaxed);
    return 1 + (active > 0 ? (uint64_t)active : 0);
}

/* <0: a has less to do for its weight; 0: as much. */
static int compare_load(const struct choice *c, size_t a, size_t b)
{
    uint64_t of_a = load_of(c, a) * weight_of(c, b), of_b = load_of(c, b) * weight_of(c, a);
    return of_a < of_b ? -1 : of_a > of_b;
}

static size_t find_least(const struct choice *c, uint64_t candidates)
{
    size_t least = take_bit(&candidates);
    uint64_t equals = 1ull << least;
    while (candidates != 0) {
        size_t i = take_bit(&candidates);
        int order = compare_load(c, i, least);
        if (order < 0) {
            least = i;
            equals = 0;
        }
        if (order <= 0)
            equals |= 1ull << i;
    }
    return take_turn(c, equals);
}

/* splitmix64: good from any seed. */
static uint64_t draw(struct balancer *b)
{
    uint64_t x = b->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static size_t draw_by_weight(const struct choice *c, uint64_t candidates)
{
    uint64_t total = 0, set = candidates;
    while (set != 0)
        total += weight_of(c, take_bit(&set));
    uint64_t at = draw(c->balancer) % total;
    for (set = candidates; !is_single(set);) {
        size_t i = take_bit(&set);
        uint64_t weight = weight_of(c, i);
        if (at < weight)
            return i;
        at -= weight;
    }
    return first_of(set);
}

static size_t choose_of_two(const struct choice *c, uint64_t candidates)
{
    if (is_single(candidates))
        return first_of(candidates);
    size_t a = draw_by_weight(c, candidates);
    size_t b = draw_by_weight(c, candidates & ~(1ull << a));
    /* Weights have decided who is drawn: idle ones are alike. */
    uint64_t of_a = (load_of(c, a) - 1) * weight_of(c, b);
    uint64_t of_b = (load_of(c, b) - 1) * weight_of(c, a);
    return of_b < of_a ? b : a;
}

/* ---- by hash ---- */

static size_t find_place(const struct choice *c, uint64_t candidates, struct str text)
{
    uint64_t key = balance_hash_key(text);
    size_t best = first_of(candidates);
    double best_score = -1;
    while (candidates != 0) {
        size_t i = take_bit(&candidates);
        double score = balance_hash_score(key, target_at(c, i)->hash, weight_of(c, i));
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static size_t choose(const struct choice *c, uint64_t candidates)
{
    const struct balance_request *q = c->request;
    const struct upstream *u = &c->route->upstream;
    switch (u->method) {
    case BALANCE_ROUND_ROBIN:
        break;
    case BALANCE_LEAST_CONN:
        return find_least(c, candidates);
    case BALANCE_RANDOM_TWO:
        return choose_of_two(c, candidates);
    case BALANCE_HASH_IP:
        return find_place(c, candidates, q->client);
    case BALANCE_HASH_URI:
        return find_place(c, candidates, q->head->path);
    case BALANCE_HASH_COOKIE: {
        struct str value = http_cookie_find(&q->head->fields, u->hash_cookie);
        if (value.len > 0)
            return find_place(c, candidates, value);
        break;
    }
    }
    return take_turn(c, candidates);
}

/* ---- all of it ---- */

/* The target that the request sticks to, if it can serve. */
static const struct target *find_stuck(struct choice *c)
{
    const struct balance_request *q = c->request;
    const struct upstream *u = &c->route->upstream;
    const struct target *t = stick_find(c->route, q->head);
    if (t == NULL || (q->tried & 1ull << (t - upstream_targets(u))) != 0)
        return NULL;
    enum health_state state = health_read(u, t, q->now_ms);
    if (state == HEALTH_DOWN || is_full(c, t))
        return NULL;
    return state == HEALTH_UP || health_claim_trial(u, t, q->now_ms) ? t : NULL;
}

/* Why none is left. */
static struct err explain(const struct choice *c)
{
    const struct upstream *u = &c->route->upstream;
    uint64_t least_ms = UINT64_MAX;
    if (c->has_full)
        return fail(ERR_AGAIN, 0);
    for (size_t i = 0; i < u->targets_list.count; i++) {
        if ((c->request->tried & 1ull << i) != 0 || target_at(c, i)->is_draining)
            continue;
        uint64_t wait_ms = health_wait_ms(u, target_at(c, i), c->request->now_ms);
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
    }
    if (least_ms == UINT64_MAX)
        return fail(ERR_NO_TARGET, 0);
    uint64_t seconds = (least_ms + 999) / 1000;
    return fail(ERR_TARGETS_DOWN, seconds > 0 ? (int32_t)seconds : 1);
}

struct err balancer_pick(struct balancer *b, const struct route *route,
                         const struct balance_request *q, const struct target **ret_target)
{
    struct choice c = {.balancer = b, .route = route, .request = q};
    if (stick_is_on(route)) {
        *ret_target = find_stuck(&c);
        if (*ret_target != NULL)
            return OK;
    }
    for (size_t i = 0; i < route->upstream.targets_list.count; i++)
        consider(&c, i);
    while ((c.ordinary | c.backups) != 0) {
        size_t i = choose(&c, c.ordinary != 0 ? c.ordinary : c.backups);
        uint64_t bit = 1ull << i;
        if ((c.trials & bit) == 0 ||
            health_claim_trial(&route->upstream, target_at(&c, i), q->now_ms)) {
            *ret_target = target_at(&c, i);
            return OK;
        }
        c.ordinary &= ~bit;
        c.backups &= ~bit;
    }
    return explain(&c);
}
