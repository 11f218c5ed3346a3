/* snapshot_certs.c - which certificate serves a name, and who uses which. */
#include "store/snapshot_parts.h"

#include "gateway/base/map.h"
#include "gateway/base/mem.h"

const struct cert *snapshot_cert_find(const struct snapshot *s, struct str id)
{
    return pmap_find(&s->certs, id);
}

const struct cert *snapshot_stand_in(const struct snapshot *s)
{
    return s->base->stand_in;
}

size_t snapshot_cert_count(const struct snapshot *s)
{
    return s->certs.count;
}

struct err snapshot_certs(const struct snapshot *s, struct arena *a,
                          const struct cert *const **ret_certs, size_t *ret_count)
{
    const struct snapshot_entry *entries;
    TRY(snapshot_sorted(&s->certs, a, &entries));
    const struct cert **certs = arena_array(a, const struct cert *, s->certs.count);
    if (certs == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < s->certs.count; i++)
        certs[i] = entries[i].value;
    *ret_certs = certs;
    *ret_count = s->certs.count;
    return OK;
}

/* ---- managed certificates ---- */

struct err snapshot_managed_key(struct arena *a, const struct str_list *names,
                                struct str *ret_key)
{
    size_t len = 0;
    for (size_t i = 0; i < names->count; i++)
        len += names->items[i].len + 1;
    char *text = arena_bytes(a, len + 1);
    if (text == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_key = str_make(text, len > 0 ? len - 1 : 0);
    for (size_t i = 0; i < names->count; i++) {
        memcpy(text, names->items[i].p, names->items[i].len);
        text[names->items[i].len] = '\n';
        text += names->items[i].len + 1;
    }
    return OK;
}

struct str snapshot_managed_cert_id(const struct snapshot *s, const struct route *r)
{
    if (str_is_empty(r->managed_names))
        return STR_NONE;
    const struct managed *m = pmap_find(&s->managed, r->managed_names);
    return m == NULL ? STR_NONE : str_make(m->id, m->id_len);
}

/* ---- by host ---- */

static const struct cert *first_covering(const struct snapshot *s, struct str name)
{
    const struct cert_list *l = pmap_find(&s->cert_names, name);
    return l == NULL ? NULL : l->certs[0];
}

/* Any certificate with key material for the name, exact before wildcard. */
static const struct cert *find_covering(const struct snapshot *s, const struct str *patterns,
                                        size_t pattern_count)
{
    for (size_t i = 0; i + 1 < pattern_count; i++) {
        const struct cert *c = first_covering(s, patterns[i]);
        if (c != NULL)
            return c;
    }
    return NULL;
}

static const struct cert *with_material(const struct cert *c)
{
    return c != NULL && c->has_material ? c : NULL;
}

/* The managed certificate of an "auto" route, if it is there and for this name: a route may
 * also claim "*" or addresses, which its certificate does not cover. */
static const struct cert *find_managed(const struct snapshot *s, const struct route *r,
                                       struct str host)
{
    const struct cert *c = with_material(snapshot_cert_find(s, snapshot_managed_cert_id(s, r)));
    return c != NULL && cert_names_cover(&c->facts.names, host) ? c : NULL;
}

const struct cert *snapshot_cert_for_host(const struct snapshot *s, struct str host)
{
    char wildcard[256];
    struct str patterns[3];
    size_t pattern_count = snapshot_host_patterns(host, wildcard, patterns);
    const struct host_routes *claimed = NULL;
    for (size_t i = 0; claimed == NULL && i < pattern_count; i++)
        claimed = snapshot_host_find(s, patterns[i]);

    bool is_auto = claimed == NULL;
    for (size_t i = 0; claimed != NULL && i < claimed->count; i++) {
        const struct route *r = claimed->routes[i];
        bool is_auto_route = str_eq(r->certificate, STR("auto"));
        const struct cert *c = is_auto_route
                                   ? find_managed(s, r, host)
                                   : with_material(snapshot_cert_find(s, r->certificate));
        if (c != NULL)
            return c;
        is_auto = is_auto || is_auto_route;
    }
    return is_auto ? find_covering(s, patterns, pattern_count) : NULL;
}

/* ---- users ---- */

struct user_list {
    struct user_list *next; /* earlier route */
    struct str route_id;
    size_t count; /* from here on */
};

struct cert_users {
    struct arena *arena;
    struct map *by_cert; /* certificate id -> struct user_list, newest first */
};

void cert_users_free(struct cert_users *u)
{
    if (u == NULL)
        return;
    map_free(u->by_cert);
    arena_free(u->arena);
    mem_free(u);
}

static struct err add_user(struct cert_users *u, struct str cert_id, struct str route_id)
{
    struct user_list *head = map_find(u->by_cert, cert_id);
    struct user_list *l = arena_one(u->arena, struct user_list);
    if (l == NULL)
        return fail(ERR_MEMORY, 0);
    *l = (struct user_list){
        .next = head, .route_id = route_id, .count = head == NULL ? 1 : head->count + 1};
    return map_put(u->by_cert, cert_id, l, NULL);
}

static struct str cert_id_of(const struct snapshot *s, const struct route *r)
{
    if (str_eq(r->certificate, STR("auto")))
        return snapshot_managed_cert_id(s, r);
    return str_eq(r->certificate, STR("none")) ? STR_NONE : r->certificate;
}

struct err cert_users_new(const struct snapshot *s, struct cert_users **ret_users)
{
    AUTO(cert_users_free) struct cert_users *u = mem_new(struct cert_users);
    if (u == NULL)
        return fail(ERR_MEMORY, 0);
    u->arena = arena_new(4096, SIZE_MAX / 2);
    u->by_cert = map_new();
    if (u->arena == NULL || u->by_cert == NULL)
        return fail(ERR_MEMORY, 0);
    const struct route *const *routes;
    size_t count;
    TRY(snapshot_routes(s, u->arena, &routes, &count));
    /* Last route first: each list is then in order. */
    for (size_t i = count; i > 0; i--) {
        const struct route *r = routes[i - 1];
        struct str id = cert_id_of(s, r), client_id = r->upstream.tls.certificate;
        if (!str_is_empty(id))
            TRY(add_user(u, id, r->object.id));
        if (!str_is_empty(client_id) && !str_eq(client_id, id))
            TRY(add_user(u, client_id, r->object.id));
    }
    *ret_users = TAKE(u);
    return OK;
}

json_t *cert_users_of(const struct cert_users *u, struct str cert_id)
{
    AUTO(json_decref) json_t *list = json_array();
    for (const struct user_list *l = map_find(u->by_cert, cert_id); l != NULL; l = l->next) {
        if (json_array_append_new(list, json_from_str(l->route_id)) != 0)
            return NULL;
    }
    return TAKE(list);
}

size_t cert_users_count(const struct cert_users *u, struct str cert_id)
{
    const struct user_list *l = map_find(u->by_cert, cert_id);
    return l == NULL ? 0 : l->count;
}
