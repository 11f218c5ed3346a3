/* prober.c - update -> add_probe -> (timer) start -> on_ready -> on_head -> finish ->
 * (timer). */
#include "gateway/upstream/prober.h"

#include "gateway/upstream/health.h"
#include "gateway/upstream/slot_queue.h"
#include "gateway/upstream/target_conn.h"
#include "gateway/upstream/target_note.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/rand.h"

struct probe {
    struct prober *prober;
    const struct route *route;
    const struct target *target; /* one of route's */
    struct list_node node;       /* in prober->all */
    struct timer timer;          /* until the next question, or of the answer */
    struct deferred work;
    struct target_call call; /* without a connection: resting */
    struct arena *arena;     /* of the question under way */
    bool has_verdict;
    uint64_t body_bytes;
};

struct prober {
    struct worker *worker;
    struct map *probes; /* of struct probe, by address of the target's live cell */
    struct list all;    /* of the same */
};

struct prober *prober_new(struct worker *w)
{
    struct prober *p = mem_new(struct prober);
    struct map *probes = p == NULL ? NULL : map_new();
    if (probes == NULL) {
        mem_free(p);
        return NULL;
    }
    p->worker = w;
    p->probes = probes;
    list_init(&p->all);
    return p;
}

/* ---- one question ---- */

/* Around the interval, so that targets are not all asked at once. */
static uint64_t next_ms(const struct probe *probe)
{
    uint64_t interval_ms = probe->route->upstream.health.interval_ms;
    return interval_ms - interval_ms / 10 + rand_u64() % (interval_ms / 5 + 1);
}

static void give_verdict(struct probe *probe, struct err e)
{
    const struct worker *w = probe->prober->worker;
    const struct loop *loop = w->loop;
    if (probe->has_verdict)
        return;
    probe->has_verdict = true;
    target_note_probe(probe->target, e, loop_now_at(loop));
    if (health_note_probe(probe->route, probe->target, e, loop_now_ms(loop)))
        slot_queue_on_target_up(w->slots, &probe->route->upstream);
}

/* In the deferred phase: the codec may be on the stack before. */
static void on_ended(struct deferred *d)
{
    struct probe *probe = container_of(d, struct probe, work);
    arena_free(TAKE(probe->arena));
}

static void end_question(struct probe *probe)
{
    struct loop *loop = probe->prober->worker->loop;
    target_call_abandon(&probe->call);
    loop_defer(loop, &probe->work);
    loop_timer_set(loop, &probe->timer, next_ms(probe));
}

static void finish(struct probe *probe, struct err e)
{
    give_verdict(probe, e);
    end_question(probe);
}

/* The first name that the route has, as a client would ask for it; a wildcard is none. */
static struct str host_of(const struct probe *probe)
{
    const struct route *r = probe->route;
    const struct target *t = probe->target;
    if (!str_eq(r->host_header, STR("preserve")) && !str_eq(r->host_header, STR("target")))
        return r->host_header;
    for (size_t i = 0; str_eq(r->host_header, STR("preserve")) && i < r->hosts.count; i++) {
        if (!str_starts(r->hosts.items[i], STR("*")))
            return r->hosts.items[i];
    }
    if (t->host_kind == TARGET_HOST_UNIX)
        return STR("localhost");
    return arena_fmt(probe->arena, t->host_kind == TARGET_HOST_IPV6 ? "[%.*s]:%u" : "%.*s:%u",
                     STR_ARG(t->host), (unsigned)t->port);
}

static struct err ask(struct probe *probe)
{
    struct leg leg;
    struct http_head head = {.method = STR("GET"),
                             .authority = host_of(probe),
                             .path = probe->route->upstream.health.path};
    TRY(http_fields_add(&head.fields, probe->arena, STR("User-Agent"),
                        STR("gatehouse-health-check")));
    TRY(target_call_open(&probe->call, probe->arena, &leg));
    return leg_send_head(&leg, &head, true);
}

static void on_ready(void *arg)
{
    struct probe *probe = arg;
    bool is_tcp = str_is_empty(probe->route->upstream.health.path);
    struct err e = is_tcp ? OK : ask(probe);
    if (is_tcp || failed(e))
        finish(probe, e);
}

static void on_failed(void *arg, struct err e)
{
    finish(arg, e);
}

static void on_sent(void *arg)
{
    (void)arg;
}

static struct err on_head(void *arg, struct http_head *head)
{
    struct probe *probe = arg;
    const struct upstream_health *h = &probe->route->upstream.health;
    if (http_is_interim(head))
        return OK;
    bool is_good = status_set_has(&h->expected, head->status);
    give_verdict(probe, is_good ? OK : fail(ERR_TARGET_PROBE, (int32_t)head->status));
    return OK;
}

/* A little of the body is read, so that the target does not see its answer refused. */
static struct err on_body(void *arg, struct str bytes)
{
    struct probe *probe = arg;
    probe->body_bytes += bytes.len;
    if (probe->body_bytes > PROBE_BODY_MAX_BYTES)
        end_question(probe);
    return OK;
}

static struct err on_end(void *arg, const struct http_fields *trailers)
{
    (void)trailers;
    end_question(arg);
    return OK;
}

static const struct target_user probe_user = {.on_ready = on_ready,
                                              .on_failed = on_failed,
                                              .on_sent = on_sent,
                                              .on_head = on_head,
                                              .on_body = on_body,
                                              .on_end = on_end};

static void start(struct probe *probe)
{
    struct worker *w = probe->prober->worker;
    struct target_conn_options o = {.route = probe->route,
                                    .target = probe->target,
                                    .user = &probe_user,
                                    .arg = probe,
                                    .need = TARGET_CONN_FRESH};
    probe->has_verdict = false;
    probe->body_bytes = 0;
    probe->arena = arena_new(EXCHANGE_ARENA_BYTES, EXCHANGE_ARENA_MAX_BYTES);
    struct err e =
        probe->arena == NULL ? fail(ERR_MEMORY, 0) : target_call_begin(w, &o, &probe->call);
    probe->has_verdict = failed(e); /* our trouble, not the target's */
    if (failed(e))
        end_question(probe);
    else
        loop_timer_set(w->loop, &probe->timer, probe->route->upstream.health.timeout_ms);
}

static void on_timer(struct timer *t)
{
    struct probe *probe = container_of(t, struct probe, timer);
    if (probe->call.conn == NULL)
        start(probe);
    else
        finish(probe, fail(ERR_TARGET_TIMEOUT, 0));
}

/* ---- who is asked ---- */

static struct str key_of(const struct target_live *const *live)
{
    return str_make(live, sizeof(*live));
}

/* Each target is one worker's; its live cell stays where it is through edits. */
static bool is_ours(const struct prober *p, const struct target *t)
{
    uint64_t mixed = (uint64_t)(uintptr_t)t->live * 0x9e3779b97f4a7c15ull >> 32;
    return mixed % p->worker->options.listeners->worker_count == p->worker->options.index;
}

static void use_route(struct probe *probe, const struct route *route, const struct target *t)
{
    if (probe->route != NULL)
        route_unref(probe->route);
    probe->route = route_ref(route);
    probe->target = t;
}

static void ask_soon(struct probe *probe)
{
    uint64_t interval_ms = probe->route->upstream.health.interval_ms;
    uint64_t soon_ms = interval_ms < PROBE_FIRST_MS ? interval_ms : PROBE_FIRST_MS;
    loop_timer_set(probe->prober->worker->loop, &probe->timer, rand_u64() % soon_ms);
}

/* Without memory it goes unasked until its route changes. */
static void add_probe(struct prober *p, const struct route *route, const struct target *t)
{
    const struct target_live *live = t->live;
    struct probe *probe = mem_new(struct probe);
    if (probe == NULL || failed(map_put(p->probes, key_of(&live), probe, NULL))) {
        mem_free(probe);
        return;
    }
    probe->prober = p;
    list_push_back(&p->all, &probe->node);
    probe->timer.on_fire = on_timer;
    probe->work.on_run = on_ended;
    use_route(probe, route, t);
    ask_soon(probe); /* nothing is known yet */
}

/* Under a new revision the question is asked anew. */
static void revise(struct probe *probe, const struct route *route, const struct target *t)
{
    if (probe->call.conn != NULL)
        end_question(probe);
    use_route(probe, route, t);
    ask_soon(probe);
}

static struct probe *find_probe(const struct prober *p, const struct target *t)
{
    const struct target_live *live = t->live;
    return is_ours(p, t) ? map_find(p->probes, key_of(&live)) : NULL;
}

static void drop_probe(struct probe *probe)
{
    struct prober *p = probe->prober;
    struct loop *loop = p->worker->loop;
    const struct target_live *live = probe->target->live;
    (void)map_take(p->probes, key_of(&live));
    list_remove(&probe->node);
    target_call_abandon(&probe->call);
    loop_timer_stop(loop, &probe->timer);
    loop_undefer(&probe->work);
    arena_free(probe->arena);
    route_unref(probe->route);
    mem_free(probe);
}

static bool has_target(const struct route *r, const struct target_live *live)
{
    for (size_t i = 0; r != NULL && i < r->upstream.targets_list.count; i++) {
        if (upstream_targets(&r->upstream)[i].live == live)
            return true;
    }
    return false;
}

/* NULL: there was none before, or there is none any more. */
static void follow_route(void *arg, const struct route *before, const struct route *after)
{
    struct prober *p = arg;
    for (size_t i = 0; before != NULL && i < before->upstream.targets_list.count; i++) {
        const struct target *t = &upstream_targets(&before->upstream)[i];
        struct probe *probe = has_target(after, t->live) ? NULL : find_probe(p, t);
        if (probe != NULL)
            drop_probe(probe);
    }
    for (size_t i = 0; after != NULL && i < after->upstream.targets_list.count; i++) {
        const struct target *t = &upstream_targets(&after->upstream)[i];
        struct probe *probe = find_probe(p, t);
        if (probe != NULL)
            revise(probe, after, t);
        else if (is_ours(p, t))
            add_probe(p, after, t);
    }
}

void prober_update(struct prober *p, const struct snapshot *old, const struct snapshot *newest)
{
    if (!p->worker->is_draining)
        snapshot_diff_checked(old, newest, follow_route, p);
}

void prober_stop(struct prober *p)
{
    while (!list_is_empty(&p->all))
        drop_probe(container_of(list_first(&p->all), struct probe, node));
}

void prober_free(struct prober *p)
{
    if (p == NULL)
        return;
    prober_stop(p);
    map_free(p->probes);
    mem_free(p);
}
