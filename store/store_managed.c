/* store_managed.c - the certificates that "auto" routes need: one per distinct set of names.
 * They come with the first route that wants them and go with the last one, unless they hold
 * material. */
#include "store/cert_new.h"
#include "store/host_name.h"
#include "store/ids.h"
#include "store/tx.h"

/* When a certificate that rested is looked at again; acme/ has the last word on renewal. */
static int64_t due_at(const struct tx *tx, const struct cert *c)
{
    if (!c->has_material)
        return tx->now_at;
    int64_t lifetime = c->facts.not_after_at - c->facts.not_before_at;
    int64_t due = c->facts.not_before_at + lifetime / 3 * 2;
    return due > tx->now_at ? due : tx->now_at;
}

/* The certificate is called after the route's first name that it is for. */
static struct str first_provable(const struct route *r)
{
    size_t i = 0;
    while (!host_name_is_provable(r->hosts.items[i]))
        i++;
    return r->hosts.items[i];
}

static struct err plan(struct cert *c, struct str what, int64_t at, struct str why)
{
    struct cert_next next = {.what = what, .at = at, .why = why};
    return why.p == NULL ? fail(ERR_MEMORY, 0) : cert_new_set_next(c, &next);
}

static struct err create(struct tx *tx, const struct route *r)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    struct str slug, id;
    TRY(cert_new(&c));
    TRY(cert_new_split_names(c, r->managed_names, &c->names));
    TRY(ids_from_host(c->arena, first_provable(r), STR_NONE, &slug));
    TRY(ids_make_unique(c->arena, slug, &tx->draft->certs, &id));
    TRY(tx_next_object(tx, c->arena, id, NULL, &c->object));
    c->source = CERT_ACME;
    c->state = CERT_PENDING;
    TRY(plan(c, STR("issue"), tx->now_at,
             arena_fmt(c->arena, "route %.*s needs it", STR_ARG(r->object.id))));
    return store_certs_save(tx, c);
}

/* A new revision of old; its plan is set by the caller. */
static struct err revise(struct tx *tx, const struct cert *old, struct cert **ret_cert)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(cert_new_copy(old, &c));
    TRY(tx_next_object(tx, c->arena, old->object.id, &old->object, &c->object));
    *ret_cert = TAKE(c);
    return OK;
}

static struct err adopt(struct tx *tx, const struct cert *old, const struct route *r)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(revise(tx, old, &c));
    c->failures = 0;
    TRY(plan(c, old->has_material ? STR("renew") : STR("issue"), due_at(tx, old),
             arena_fmt(c->arena, "route %.*s uses it again", STR_ARG(r->object.id))));
    return store_certs_save(tx, c);
}

static const struct cert *find_cert(const struct tx *tx, const struct managed *m)
{
    return m == NULL ? NULL : snapshot_cert_find(tx->draft, str_make(m->id, m->id_len));
}

struct err store_managed_want(struct tx *tx, const struct route *r)
{
    if (str_is_empty(r->managed_names))
        return OK;
    const struct cert *c = find_cert(tx, draft_find_managed(tx->draft, r->managed_names));
    if (c == NULL)
        return create(tx, r);
    return str_eq(c->next.what, STR("none")) ? adopt(tx, c, r) : OK;
}

static const struct str unused_why = STR_LIT("no route uses it");

struct err store_managed_plan_unused(struct tx *tx, struct cert *c)
{
    struct str names;
    TRY(snapshot_managed_key(c->arena, &c->names, &names));
    const struct managed *m = draft_find_managed(tx->draft, names);
    if (c->source != CERT_ACME || (m != NULL && m->user_count > 0))
        return OK;
    return plan(c, STR("none"), 0, unused_why);
}

static struct err rest(struct tx *tx, const struct cert *old)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(revise(tx, old, &c));
    c->state = CERT_ACTIVE;
    TRY(plan(c, STR("none"), 0, unused_why));
    return store_certs_save(tx, c);
}

struct err store_managed_retire(struct tx *tx, struct str names)
{
    const struct managed *m = str_is_empty(names) ? NULL : draft_find_managed(tx->draft, names);
    const struct cert *c = find_cert(tx, m);
    if (c == NULL || m->user_count > 0)
        return OK;
    return c->has_material ? rest(tx, c) : store_certs_remove(tx, c->object.id);
}
