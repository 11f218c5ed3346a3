#include "gateway/upstream/target_pool.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

#include <assert.h>

/* Lives as long as a connection of its key does, so that edited routes leave nothing behind. */
struct pool_slot {
    struct pool_key {
        const struct target_live *live;
        uint64_t revision;
    } key;
    const struct route *route; /* of this revision; holds live */
    struct list_node node;     /* in known or unswept */
    bool is_stale;             /* the newest snapshot has no use for it */
    struct list idle;          /* of places, hottest first */
    struct list shared;        /* of places in use that have room */
    size_t idle_count;
    size_t conn_count; /* with the busy ones */
};

struct target_pool {
    struct loop *loop;
    struct map *slots; /* of struct pool_slot, by pool_key */
    size_t conns_max;
    size_t conn_count;  /* at rest and in use */
    struct list by_age; /* of places at rest, the oldest first */
    const struct snapshot *newest;
    struct list known;   /* slots that have been compared with newest */
    struct list unswept; /* slots that have not */
    struct deferred work;
};

static void on_work(struct deferred *d);

struct err target_pool_new(struct loop *loop, size_t conns_max, struct target_pool **ret_pool)
{
    struct target_pool *p = mem_new(struct target_pool);
    struct map *slots = p == NULL ? NULL : map_new();
    if (slots == NULL) {
        mem_free(p);
        return fail(ERR_MEMORY, 0);
    }
    p->loop = loop;
    p->slots = slots;
    p->conns_max = conns_max;
    p->work.on_run = on_work;
    list_init(&p->by_age);
    list_init(&p->known);
    list_init(&p->unswept);
    *ret_pool = p;
    return OK;
}

/* ---- slots ---- */

static struct str key_view(const struct pool_key *key)
{
    return str_make(key, sizeof(*key));
}

static struct pool_key key_of(const struct route *route, const struct target *target)
{
    return (struct pool_key){.live = target->live, .revision = route->object.revision};
}

/* A route that was deleted and made again begins with the first revision again, but not with
 * the same cells. */
static bool has_target(const struct route *r, const struct pool_key *key)
{
    const struct upstream *u = &r->upstream;
    for (size_t i = 0; i < u->targets_list.count; i++) {
        if (upstream_targets(u)[i].live == key->live)
            return r->object.revision == key->revision;
    }
    return false;
}

static struct pool_slot *slot_at(struct list_node *n)
{
    return container_of(n, struct pool_slot, node);
}

static bool is_known(const struct target_pool *p, const struct pool_slot *slot)
{
    if (p->newest == NULL)
        return true;
    const struct route *r = snapshot_route_find(p->newest, slot->route->object.id);
    return r == slot->route || (r != NULL && has_target(r, &slot->key));
}

static struct pool_slot *make_slot(struct target_pool *p, const struct route *route,
                                   const struct target *target)
{
    struct pool_key key = key_of(route, target);
    struct pool_slot *slot = mem_new(struct pool_slot);
    if (slot == NULL || failed(map_put(p->slots, key_view(&key), slot, NULL))) {
        mem_free(slot);
        return NULL;
    }
    slot->key = key;
    slot->route = route_ref(route);
    slot->is_stale = !is_known(p, slot);
    list_init(&slot->idle);
    list_init(&slot->shared);
    list_push_back(&p->known, &slot->node);
    return slot;
}

static void free_slot(struct target_pool *p, struct pool_slot *slot)
{
    (void)map_take(p->slots, key_view(&slot->key));
    list_remove(&slot->node);
    route_unref(slot->route);
    mem_free(slot);
}

/* ---- places ---- */

static struct pool_place *hottest(const struct pool_slot *slot)
{
    struct list_node *n = list_first(&slot->idle);
    return n == NULL ? NULL : container_of(n, struct pool_place, priv.node);
}

static void stop_resting(struct pool_place *place)
{
    list_remove(&place->priv.node);
    list_remove(&place->priv.age_node);
    place->priv.slot->idle_count--;
}

bool target_pool_evict_oldest(struct target_pool *p)
{
    struct list_node *n = list_first(&p->by_age);
    if (n == NULL)
        return false;
    struct pool_place *place = container_of(n, struct pool_place, priv.age_node);
    place->on_evict(place);
    return true;
}

bool target_pool_join(struct target_pool *p, struct pool_place *place,
                      const struct route *route, const struct target *target)
{
    if (p->conn_count >= p->conns_max)
        (void)target_pool_evict_oldest(p); /* before the look-up: its slot may go with it */
    struct pool_key key = key_of(route, target);
    struct pool_slot *slot = map_find(p->slots, key_view(&key));
    if (slot == NULL)
        slot = make_slot(p, route, target);
    if (slot == NULL)
        return false;
    p->conn_count++;
    slot->conn_count++;
    place->priv.slot = slot;
    return true;
}

void target_pool_leave(struct target_pool *p, struct pool_place *place)
{
    if (list_has_node(&place->priv.node))
        stop_resting(place);
    target_pool_unshare(place);
    struct pool_slot *slot = TAKE(place->priv.slot);
    p->conn_count--;
    if (--slot->conn_count == 0)
        free_slot(p, slot);
}

bool target_pool_rest(struct target_pool *p, struct pool_place *place)
{
    struct pool_slot *slot = place->priv.slot;
    if (slot->is_stale || slot->idle_count >= POOL_IDLE_MAX)
        return false;
    list_push_front(&slot->idle, &place->priv.node);
    list_push_back(&p->by_age, &place->priv.age_node);
    slot->idle_count++;
    return true;
}

struct pool_place *target_pool_take(struct target_pool *p, const struct route *route,
                                    const struct target *target)
{
    struct pool_key key = key_of(route, target);
    const struct pool_slot *slot = map_find(p->slots, key_view(&key));
    struct pool_place *place = slot == NULL ? NULL : hottest(slot);
    if (place != NULL)
        stop_resting(place);
    return place;
}

void target_pool_share(struct pool_place *place)
{
    if (!place->priv.slot->is_stale && !list_has_node(&place->priv.share_node))
        list_push_back(&place->priv.slot->shared, &place->priv.share_node);
}

void target_pool_unshare(struct pool_place *place)
{
    list_remove(&place->priv.share_node);
}

struct pool_place *target_pool_shared(struct target_pool *p, const struct route *route,
                                      const struct target *target)
{
    struct pool_key key = key_of(route, target);
    const struct pool_slot *slot = map_find(p->slots, key_view(&key));
    struct list_node *n = slot == NULL ? NULL : list_first(&slot->shared);
    return n == NULL ? NULL : container_of(n, struct pool_place, priv.share_node);
}

/* ---- what a change leaves behind ---- */

/* Closes one connection of the slot, or goes on to the next slot. */
static void step(struct target_pool *p, struct pool_slot *slot)
{
    slot->is_stale = slot->is_stale || !is_known(p, slot);
    struct pool_place *place = slot->is_stale ? hottest(slot) : NULL;
    if (place != NULL) {
        place->on_evict(place);
        return;
    }
    list_remove(&slot->node);
    list_push_back(&p->known, &slot->node);
}

static void on_work(struct deferred *d)
{
    struct target_pool *p = container_of(d, struct target_pool, work);
    for (int i = 0; i < POOL_SWEEP_STEPS && !list_is_empty(&p->unswept); i++)
        step(p, slot_at(list_first(&p->unswept)));
    if (!list_is_empty(&p->unswept))
        loop_defer_next(p->loop, &p->work);
}

void target_pool_sweep(struct target_pool *p, const struct snapshot *newest)
{
    p->newest = newest;
    list_splice_back(&p->unswept, &p->known);
    if (!list_is_empty(&p->unswept))
        loop_defer(p->loop, &p->work);
}

void target_pool_free(struct target_pool *p)
{
    if (p == NULL)
        return;
    loop_undefer(&p->work);
    list_splice_back(&p->known, &p->unswept);
    while (!list_is_empty(&p->known)) {
        struct pool_place *place = hottest(slot_at(list_first(&p->known)));
        assert(place != NULL); /* no exchange is left */
        place->on_evict(place);
    }
    map_free(p->slots);
    mem_free(p);
}
