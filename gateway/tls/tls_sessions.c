#include "gateway/tls/tls_sessions.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

struct entry {
    struct list_node node;
    const struct route *route;
    const struct target_live *live; /* its target's: the key */
    SSL_SESSION *session;
    X509 *leaf;           /* client certificate it was made with; NULL: none */
    uint64_t verified_ms; /* of the last full handshake */
};

struct tls_sessions {
    struct map *by_target;
    struct list entries; /* the one used last comes first */
};

struct err tls_sessions_new(struct tls_sessions **ret_sessions)
{
    struct tls_sessions *s = mem_new(struct tls_sessions);
    struct map *by_target = s == NULL ? NULL : map_new();
    if (by_target == NULL) {
        mem_free(s);
        return fail(ERR_MEMORY, 0);
    }
    s->by_target = by_target;
    list_init(&s->entries);
    *ret_sessions = s;
    return OK;
}

/* The cell's address: the entry's route keeps it from being given to another. */
static struct str key_of(const struct target_live *const *live)
{
    return str_make(live, sizeof(*live));
}

static struct entry *entry_at(struct list_node *n)
{
    return container_of(n, struct entry, node);
}

static void drop(struct tls_sessions *s, struct entry *e)
{
    (void)map_take(s->by_target, key_of(&e->live));
    list_remove(&e->node);
    SSL_SESSION_free(e->session);
    X509_free(e->leaf);
    route_unref(e->route);
    mem_free(e);
}

void tls_sessions_free(struct tls_sessions *s)
{
    if (s == NULL)
        return;
    while (!list_is_empty(&s->entries))
        drop(s, entry_at(list_first(&s->entries)));
    map_free(s->by_target);
    mem_free(s);
}

static struct entry *find(const struct tls_sessions *s, const struct target *target)
{
    const struct target_live *live = target->live;
    return map_find(s->by_target, key_of(&live));
}

static bool is_same(const struct entry *e, const struct route *route, const SSL *ssl)
{
    return e->route->object.revision == route->object.revision &&
           e->leaf == SSL_get_certificate(ssl);
}

static bool is_fresh(const struct entry *e)
{
    return clock_mono_ms() - e->verified_ms < TLS_SESSION_MAX_MS;
}

void tls_sessions_offer(struct tls_sessions *s, const struct route *route,
                        const struct target *target, SSL *ssl)
{
    struct entry *e = find(s, target);
    if (e == NULL || e->session == NULL)
        return;
    if (!is_same(e, route, ssl) || !is_fresh(e) || SSL_set_session(ssl, e->session) != 1) {
        drop(s, e);
        return;
    }
    list_remove(&e->node);
    list_push_front(&s->entries, &e->node);
}

static struct entry *add(struct tls_sessions *s, const struct route *route,
                         const struct target *target, const SSL *ssl)
{
    struct entry *e = mem_new(struct entry);
    if (e == NULL)
        return NULL;
    e->live = target->live;
    if (failed(map_put(s->by_target, key_of(&e->live), e, NULL))) {
        mem_free(e);
        return NULL;
    }
    e->route = route_ref(route);
    e->leaf = SSL_get_certificate(ssl);
    if (e->leaf != NULL)
        X509_up_ref(e->leaf);
    e->verified_ms = clock_mono_ms();
    list_push_front(&s->entries, &e->node);
    if (map_count(s->by_target) > TLS_SESSIONS_MAX)
        drop(s, entry_at(list_last(&s->entries)));
    return e;
}

void tls_sessions_keep(struct tls_sessions *s, const struct route *route,
                       const struct target *target, const SSL *ssl)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    struct entry *e = find(s, target);
    bool is_new = SSL_session_reused(ssl) != 1;
    if (session == NULL || SSL_SESSION_is_resumable(session) != 1)
        return;
    if (e != NULL && (is_new || !is_same(e, route, ssl))) {
        drop(s, e);
        e = NULL;
    }
    /* What was resumed is only as good as the full handshake that it goes back to. */
    if (e == NULL && is_new)
        e = add(s, route, target, ssl);
    /* A copy: OpenSSL spoils the session of a connection that ends without a goodbye. */
    SSL_SESSION *copy = e == NULL ? NULL : SSL_SESSION_dup(session);
    if (copy == NULL)
        return;
    SSL_SESSION_free(e->session);
    e->session = copy;
}

void tls_sessions_drop(struct tls_sessions *s, const struct target *target)
{
    struct entry *e = find(s, target);
    if (e != NULL)
        drop(s, e);
}

static bool is_current(const struct entry *e, const struct snapshot *newest)
{
    const struct route *r = snapshot_route_find(newest, e->route->object.id);
    return r != NULL && r->object.revision == e->route->object.revision;
}

/* What nobody uses any more ends up last, and a changed route's session is dropped when it is
 * asked for: a few at a time are enough, and no edit makes traffic wait for all of them. */
void tls_sessions_sweep(struct tls_sessions *s, const struct snapshot *newest)
{
    struct list_node *n = list_last(&s->entries);
    for (size_t i = 0; n != NULL && i < TLS_SWEEP_MAX; i++) {
        struct list_node *before = list_before(&s->entries, n);
        if (!is_current(entry_at(n), newest))
            drop(s, entry_at(n));
        n = before;
    }
}
