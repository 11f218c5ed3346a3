/* draft.c - routes, settings and tokens of a snapshot under construction. */
#include "store/draft.h"

#include "store/counted.h"
#include "store/stand_in.h"

#include "gateway/base/mem.h"

#include <stdlib.h>

/* ---- how values are counted ---- */

#define DEFINE_TYPE(name, type)                                                                \
    static const void *ref_##name(const void *v)                                               \
    {                                                                                          \
        counted_ref(&((const struct type *)v)->refs);                                          \
        return v;                                                                              \
    }                                                                                          \
    static const struct pmap_type name##_type = {.ref = ref_##name, .unref = unref_##name};

static void unref_route(const void *v)
{
    route_unref(v);
}
DEFINE_TYPE(route, route)

static void unref_cert(const void *v)
{
    cert_unref(v);
}
DEFINE_TYPE(cert, cert)

static void unref_token(const void *v)
{
    token_unref(v);
}
DEFINE_TYPE(token, token)

static void unref_host_routes(const void *v)
{
    const struct host_routes *h = v;
    if (!counted_unref(&h->refs))
        return;
    for (size_t i = 0; i < h->count; i++)
        route_unref(h->routes[i]);
    mem_free(COUNTED_MUTABLE(void, h));
}
DEFINE_TYPE(host_routes, host_routes)

static void unref_cert_list(const void *v)
{
    const struct cert_list *l = v;
    if (!counted_unref(&l->refs))
        return;
    for (size_t i = 0; i < l->count; i++)
        cert_unref(l->certs[i]);
    mem_free(COUNTED_MUTABLE(void, l));
}
DEFINE_TYPE(cert_list, cert_list)

static void unref_managed(const void *v)
{
    const struct managed *m = v;
    if (counted_unref(&m->refs))
        mem_free(COUNTED_MUTABLE(void, m));
}
DEFINE_TYPE(managed, managed)

static void unref_challenge(const void *v)
{
    const struct challenge *c = v;
    if (counted_unref(&c->refs))
        mem_free(COUNTED_MUTABLE(void, c));
}
DEFINE_TYPE(challenge, challenge)

static void unref_board(const void *v)
{
    const struct board *b = v;
    if (!counted_unref(&b->refs))
        return;
    for (size_t i = 0; i < b->count; i++)
        unref_challenge(b->challenges[i]);
    mem_free(COUNTED_MUTABLE(void, b));
}
DEFINE_TYPE(board, board)

/* ---- beginning ---- */

static void unref_base(const struct snapshot_base *b)
{
    if (b == NULL || !counted_unref(&b->refs))
        return;
    cert_unref(b->stand_in);
    mem_free(COUNTED_MUTABLE(void, b));
}

static struct err new_base(const struct snapshot_base **ret_base)
{
    struct snapshot_base *b = mem_new(struct snapshot_base);
    if (b == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&b->refs, 1);
    b->hash_key = hash_key_random();
    struct err e = stand_in_new(&b->stand_in);
    if (failed(e)) {
        mem_free(b);
        return e;
    }
    *ret_base = b;
    return OK;
}

struct err draft_new_empty(struct snapshot **ret_draft)
{
    AUTO(draft_free) struct snapshot *d = mem_new(struct snapshot);
    if (d == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&d->refs, 1);
    d->generation = 1;
    TRY(new_base(&d->base));
    const struct hash_key *key = &d->base->hash_key;
    d->routes = pmap_empty(&route_type, key);
    d->checked = pmap_empty(&route_type, key);
    d->hosts = pmap_empty(&host_routes_type, key);
    d->certs = pmap_empty(&cert_type, key);
    d->cert_names = pmap_empty(&cert_list_type, key);
    d->managed = pmap_empty(&managed_type, key);
    d->boards = pmap_empty(&board_type, key);
    d->challenges = pmap_empty(&challenge_type, key);
    d->tokens = pmap_empty(&token_type, key);
    d->digests = pmap_empty(&token_type, key);
    *ret_draft = TAKE(d);
    return OK;
}

struct err draft_new(const struct snapshot *s, struct snapshot **ret_draft)
{
    struct snapshot *d = mem_new(struct snapshot);
    if (d == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&d->refs, 1);
    d->generation = s->generation + 1;
    counted_ref(&s->base->refs);
    d->base = s->base;
    d->settings = settings_ref(s->settings);
    d->acme = acme_settings_ref(s->acme);
    d->alarms = alarm_settings_ref(s->alarms);
    d->routes = pmap_ref(&s->routes);
    d->checked = pmap_ref(&s->checked);
    d->hosts = pmap_ref(&s->hosts);
    d->certs = pmap_ref(&s->certs);
    d->cert_names = pmap_ref(&s->cert_names);
    d->managed = pmap_ref(&s->managed);
    d->boards = pmap_ref(&s->boards);
    d->challenges = pmap_ref(&s->challenges);
    d->tokens = pmap_ref(&s->tokens);
    d->digests = pmap_ref(&s->digests);
    *ret_draft = d;
    return OK;
}

const struct snapshot *snapshot_ref(const struct snapshot *s)
{
    counted_ref(&s->refs);
    return s;
}

bool snapshot_is_sole(const struct snapshot *s)
{
    return counted_is_sole(&s->refs);
}

void snapshot_unref(const struct snapshot *s)
{
    if (s == NULL || !counted_unref(&s->refs))
        return;
    struct snapshot *own = COUNTED_MUTABLE(struct snapshot, s);
    settings_unref(own->settings);
    acme_settings_unref(own->acme);
    alarm_settings_unref(own->alarms);
    if (own->routes.type != NULL) {
        pmap_unref(&own->routes);
        pmap_unref(&own->checked);
        pmap_unref(&own->hosts);
        pmap_unref(&own->certs);
        pmap_unref(&own->cert_names);
        pmap_unref(&own->managed);
        pmap_unref(&own->boards);
        pmap_unref(&own->challenges);
        pmap_unref(&own->tokens);
        pmap_unref(&own->digests);
    }
    unref_base(own->base);
    mem_free(own);
}

/* ---- settings ---- */

void draft_set_settings(struct snapshot *d, const struct settings *s)
{
    (void)settings_ref(s);
    settings_unref(d->settings);
    d->settings = s;
}

void draft_set_acme(struct snapshot *d, const struct acme_settings *s)
{
    (void)acme_settings_ref(s);
    acme_settings_unref(d->acme);
    d->acme = s;
}

void draft_set_alarms(struct snapshot *d, const struct alarm_settings *s)
{
    (void)alarm_settings_ref(s);
    alarm_settings_unref(d->alarms);
    d->alarms = s;
}

/* ---- routes ---- */

static int compare_paths(const void *a, const void *b)
{
    const struct route *x = *(const struct route *const *)a,
                       *y = *(const struct route *const *)b;
    if (x->path.len != y->path.len)
        return x->path.len > y->path.len ? -1 : 1;
    return str_cmp(x->path, y->path);
}

/* Takes old (may be NULL) out of a host's routes and puts r (may be NULL) in. */
static struct err claim_host(struct snapshot *d, struct str host, const struct route *old,
                             const struct route *r)
{
    const struct host_routes *now = pmap_find(&d->hosts, host);
    size_t count = now == NULL ? 0 : now->count;
    struct host_routes *next =
        mem_alloc(1, sizeof(*next) + (count + 1) * sizeof(next->routes[0]));
    if (next == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&next->refs, 1);
    for (size_t i = 0; i < count; i++) {
        if (now->routes[i] != old)
            next->routes[next->count++] = route_ref(now->routes[i]);
    }
    if (r != NULL)
        next->routes[next->count++] = route_ref(r);
    qsort(next->routes, next->count, sizeof(next->routes[0]), compare_paths);
    struct err e =
        next->count > 0 ? pmap_put(&d->hosts, host, next) : pmap_remove(&d->hosts, host);
    unref_host_routes(next);
    return e;
}

static bool has_host(const struct route *r, struct str host)
{
    for (size_t i = 0; r != NULL && i < r->hosts.count; i++) {
        if (str_eq(r->hosts.items[i], host))
            return true;
    }
    return false;
}

/* Only enabled routes claim hosts and want certificates. */
static const struct route *if_enabled(const struct route *r)
{
    return r != NULL && r->is_enabled ? r : NULL;
}

/* The same names are wanted by as many as before: nothing changes, not even the map. */
static struct err count_users(struct snapshot *d, const struct route *old,
                              const struct route *r)
{
    struct str before = old == NULL ? STR_NONE : old->managed_names;
    struct str after = r == NULL ? STR_NONE : r->managed_names;
    if (str_eq(before, after))
        return OK;
    TRY(draft_count_user(d, after, 1));
    return draft_count_user(d, before, -1);
}

static struct err index_route(struct snapshot *d, const struct route *old,
                              const struct route *r)
{
    old = if_enabled(old);
    r = if_enabled(r);
    for (size_t i = 0; r != NULL && i < r->hosts.count; i++)
        TRY(claim_host(d, r->hosts.items[i], old, r));
    for (size_t i = 0; old != NULL && i < old->hosts.count; i++) {
        if (!has_host(r, old->hosts.items[i]))
            TRY(claim_host(d, old->hosts.items[i], old, NULL));
    }
    TRY(count_users(d, old, r));
    if (r != NULL && upstream_is_checked(&r->upstream))
        return pmap_put(&d->checked, r->object.id, r);
    return old == NULL ? OK : pmap_remove(&d->checked, old->object.id);
}

const struct route *draft_find_conflict(const struct snapshot *d, const struct route *r,
                                        size_t *ret_host)
{
    for (size_t i = 0; i < r->hosts.count; i++) {
        const struct host_routes *h = pmap_find(&d->hosts, r->hosts.items[i]);
        for (size_t k = 0; h != NULL && k < h->count; k++) {
            const struct route *other = h->routes[k];
            if (str_eq(other->path, r->path) && !str_eq(other->object.id, r->object.id)) {
                *ret_host = i;
                return other;
            }
        }
    }
    return NULL;
}

struct err draft_put_route(struct snapshot *d, const struct route *r)
{
    TRY(index_route(d, pmap_find(&d->routes, r->object.id), r));
    return pmap_put(&d->routes, r->object.id, r);
}

struct err draft_remove_route(struct snapshot *d, struct str id)
{
    const struct route *old = pmap_find(&d->routes, id);
    if (old == NULL)
        return OK;
    TRY(index_route(d, old, NULL));
    return pmap_remove(&d->routes, id);
}

/* ---- tokens ---- */

static struct str digest_view(const struct token *t)
{
    return str_make(t->digest, sizeof(t->digest));
}

struct err draft_put_token(struct snapshot *d, const struct token *t)
{
    TRY(pmap_put(&d->digests, digest_view(t), t));
    return pmap_put(&d->tokens, t->object.id, t);
}

struct err draft_remove_token(struct snapshot *d, const struct token *t)
{
    TRY(pmap_remove(&d->digests, digest_view(t)));
    return pmap_remove(&d->tokens, t->object.id);
}
