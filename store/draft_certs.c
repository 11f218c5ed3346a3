/* draft_certs.c - certificates of a snapshot under construction, and what depends on them:
 * which names they cover, which routes want them, which challenges their orders have open. */
#include "store/counted.h"
#include "store/draft.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <stdlib.h>

/* Values that a map has taken a reference on are released by the map's own type. */
static void release(const struct pmap *map, const void *value)
{
    map->type->unref(value);
}

/* ---- certificates by name ---- */

static int compare_ends(const void *a, const void *b)
{
    const struct cert *x = *(const struct cert *const *)a, *y = *(const struct cert *const *)b;
    if (x->facts.not_after_at != y->facts.not_after_at)
        return x->facts.not_after_at > y->facts.not_after_at ? -1 : 1;
    return str_cmp(x->object.id, y->object.id);
}

/* Takes old out of a name's certificates and puts c in; either may be NULL. */
static struct err cover_name(struct snapshot *d, struct str name, const struct cert *old,
                             const struct cert *c)
{
    const struct cert_list *now = pmap_find(&d->cert_names, name);
    size_t count = now == NULL ? 0 : now->count;
    struct cert_list *next = mem_alloc(1, sizeof(*next) + (count + 1) * sizeof(next->certs[0]));
    if (next == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&next->refs, 1);
    for (size_t i = 0; i < count; i++) {
        /* c is there already if its leaf has the name twice. */
        if (now->certs[i] != old && now->certs[i] != c)
            next->certs[next->count++] = cert_ref(now->certs[i]);
    }
    if (c != NULL)
        next->certs[next->count++] = cert_ref(c);
    qsort(next->certs, next->count, sizeof(next->certs[0]), compare_ends);
    struct err e = next->count > 0 ? pmap_put(&d->cert_names, name, next)
                                   : pmap_remove(&d->cert_names, name);
    release(&d->cert_names, next);
    return e;
}

static struct err index_names(struct snapshot *d, const struct cert *old, const struct cert *c)
{
    for (size_t i = 0; old != NULL && i < old->facts.names.count; i++)
        TRY(cover_name(d, old->facts.names.items[i], old, NULL));
    for (size_t i = 0; c != NULL && i < c->facts.names.count; i++)
        TRY(cover_name(d, c->facts.names.items[i], NULL, c));
    return OK;
}

/* ---- managed certificates ---- */

const struct managed *draft_find_managed(const struct snapshot *d, struct str names)
{
    return pmap_find(&d->managed, names);
}

static struct err set_managed(struct snapshot *d, struct str names, size_t user_count,
                              struct str id)
{
    if (user_count == 0 && str_is_empty(id))
        return pmap_remove(&d->managed, names);
    struct managed *m = mem_alloc(1, sizeof(*m) + id.len);
    if (m == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&m->refs, 1);
    m->user_count = user_count;
    m->id_len = id.len;
    if (id.len > 0)
        memcpy(m->id, id.p, id.len);
    struct err e = pmap_put(&d->managed, names, m);
    release(&d->managed, m);
    return e;
}

struct err draft_count_user(struct snapshot *d, struct str names, int change)
{
    if (str_is_empty(names))
        return OK;
    const struct managed *now = draft_find_managed(d, names);
    size_t user_count = (now == NULL ? 0 : now->user_count) + (size_t)change;
    struct str id = now == NULL ? STR_NONE : str_make(now->id, now->id_len);
    return set_managed(d, names, user_count, id);
}

static struct err set_managed_id(struct snapshot *d, const struct cert *c, struct str id)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, MIB);
    struct str key;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(snapshot_managed_key(a, &c->names, &key));
    const struct managed *now = draft_find_managed(d, key);
    return set_managed(d, key, now == NULL ? 0 : now->user_count, id);
}

/* ---- certificates by id ---- */

struct err draft_put_cert(struct snapshot *d, const struct cert *c)
{
    const struct cert *old = pmap_find(&d->certs, c->object.id);
    TRY(index_names(d, old, c));
    if (c->source == CERT_ACME)
        TRY(set_managed_id(d, c, c->object.id));
    return pmap_put(&d->certs, c->object.id, c);
}

struct err draft_remove_cert(struct snapshot *d, struct str id)
{
    const struct cert *old = pmap_find(&d->certs, id);
    if (old == NULL)
        return OK;
    TRY(draft_put_board(d, id, NULL, 0));
    TRY(index_names(d, old, NULL));
    if (old->source == CERT_ACME)
        TRY(set_managed_id(d, old, STR_NONE));
    return pmap_remove(&d->certs, id);
}

/* ---- challenges ---- */

static struct challenge *new_challenge(const struct draft_challenge *from)
{
    char key[CHALLENGE_KEY_MAX_BYTES];
    size_t key_len = snapshot_challenge_key(from->host, from->token, key);
    struct challenge *c = mem_alloc(1, sizeof(*c) + key_len + from->key_authorization.len);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    memcpy(c->bytes, key, key_len);
    memcpy(c->bytes + key_len, from->key_authorization.p, from->key_authorization.len);
    c->key = str_make(c->bytes, key_len);
    c->key_authorization = str_make(c->bytes + key_len, from->key_authorization.len);
    return c;
}

static struct err new_board(const struct snapshot *d, const struct draft_challenge *list,
                            size_t count, struct board **ret_board)
{
    struct board *b = mem_alloc(1, sizeof(*b) + count * sizeof(b->challenges[0]));
    if (b == NULL)
        return fail(ERR_MEMORY, 0);
    atomic_init(&b->refs, 1);
    for (; b->count < count; b->count++) {
        b->challenges[b->count] = new_challenge(&list[b->count]);
        if (b->challenges[b->count] == NULL) {
            release(&d->boards, b);
            return fail(ERR_MEMORY, 0);
        }
    }
    *ret_board = b;
    return OK;
}

static struct err clear_board(struct snapshot *d, struct str cert_id)
{
    const struct board *old = pmap_find(&d->boards, cert_id);
    for (size_t i = 0; old != NULL && i < old->count; i++)
        TRY(pmap_remove(&d->challenges, old->challenges[i]->key));
    return pmap_remove(&d->boards, cert_id);
}

static struct err post_board(struct snapshot *d, struct str cert_id, const struct board *b)
{
    for (size_t i = 0; i < b->count; i++)
        TRY(pmap_put(&d->challenges, b->challenges[i]->key, b->challenges[i]));
    return pmap_put(&d->boards, cert_id, b);
}

struct err draft_put_board(struct snapshot *d, struct str cert_id,
                           const struct draft_challenge *list, size_t count)
{
    TRY(clear_board(d, cert_id));
    if (count == 0)
        return OK;
    if (d->challenges.count + count > CHALLENGES_MAX)
        return fail(ERR_LIMIT, 0);
    struct board *b;
    TRY(new_board(d, list, count, &b));
    struct err e = post_board(d, cert_id, b);
    release(&d->boards, b);
    return e;
}
