#include "acme/due.h"

#include "acme/key.h"

static bool uses(const struct snapshot *s, const struct route *r, struct str cert_id)
{
    if (str_eq(r->certificate, STR("auto")))
        return str_eq(snapshot_managed_cert_id(s, r), cert_id);
    return str_eq(r->certificate, cert_id);
}

static bool serves_a_name(const struct snapshot *s, const struct cert *c)
{
    for (size_t i = 0; i < c->names.count; i++) {
        const struct host_routes *routes = snapshot_host_find(s, c->names.items[i]);
        for (size_t k = 0; routes != NULL && k < routes->count; k++) {
            if (uses(s, routes->routes[k], c->object.id))
                return true;
        }
    }
    return false;
}

/* Whoever has it otherwise: towards targets, for instance.  This looks at every route, but only
 * when the names lead to none. */
static bool has_user(const struct snapshot *s, const struct cert *c)
{
    AUTO(cert_users_free) struct cert_users *users = NULL;
    return failed(cert_users_new(s, &users)) || cert_users_count(users, c->object.id) > 0;
}

bool due_is_used(const struct snapshot *s, const struct cert *c)
{
    return serves_a_name(s, c) || has_user(s, c);
}

/* ---- plans ---- */

static struct renew_life life_of(const struct cert *c)
{
    return (struct renew_life){.not_before_at = c->facts.not_before_at,
                               .not_after_at = c->facts.not_after_at,
                               .got_at = c->installed_at};
}

struct renew_plan due_plan(const struct cert *c, const struct cert_renewal *renewal)
{
    struct renew_life life = life_of(c);
    return renew_plan(&life, renewal, renew_seed(c->object.id, c->facts.fingerprint_sha256));
}

struct err due_next_renewal(struct arena *a, const struct cert *c,
                            const struct cert_renewal *renewal, struct cert_next *ret_next)
{
    struct renew_plan plan = due_plan(c, renewal);
    struct str why = str_from(renew_words(plan.reason));
    if (plan.reason == RENEW_ASKED && renewal->explanation.len > 0)
        why = arena_fmt(a, "%.*s; see %.*s", STR_ARG(why), STR_ARG(renewal->explanation));
    if (why.p == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_next = (struct cert_next){.what = STR("renew"), .at = plan.at, .why = why};
    return OK;
}

static bool is_planned(const struct cert *c)
{
    return str_eq(c->next.what, STR("issue")) || str_eq(c->next.what, STR("renew"));
}

bool due_is_plain(const struct cert *c, int64_t now_at)
{
    return c->has_material && str_eq(c->next.what, STR("renew")) && c->next.at > now_at &&
           c->failures == 0 && c->last_error.len == 0 &&
           str_starts(c->next.why, str_from(renew_words(due_plan(c, &c->renewal).reason)));
}

bool due_is_emergency(const struct cert *c, int64_t now_at)
{
    struct renew_life life = life_of(c);
    return c->has_material && now_at >= renew_emergency_at(&life);
}

bool due_is_outdated(const struct cert *c, const struct acme_settings *settings, int64_t now_at)
{
    return c->source == CERT_ACME && due_is_plain(c, now_at) &&
           str_eq(c->origin.directory, settings->directory) &&
           (!str_eq(c->facts.key_type, str_from(key_type_name(settings->key_type))) ||
            !str_eq(c->origin.profile, settings->profile));
}

/* A plan without a time was held up by something that may be over. */
static int64_t due_at(const struct cert *c, int64_t now_at)
{
    if (!is_planned(c))
        return c->has_material ? due_plan(c, &c->renewal).at : 0;
    struct renew_life life = life_of(c);
    int64_t last_at = c->has_material && c->failures == 0 ? renew_emergency_at(&life)
                                                          : now_at + RENEW_RETRY_MAX_S;
    if (c->next.at <= last_at)
        return c->next.at;
    return c->has_material && c->failures == 0 ? last_at : now_at;
}

enum due_verdict due_judge(const struct snapshot *s, const struct cert *c, int64_t now_at,
                           int64_t *ret_at)
{
    if (c->source != CERT_ACME)
        return DUE_NEVER;
    int64_t at = due_at(c, now_at);
    *ret_at = at;
    if (is_planned(c) && at > now_at)
        return DUE_LATER;
    /* What rests is looked at with each change: by its names only. */
    if (!is_planned(c) && !serves_a_name(s, c))
        return DUE_NEVER;
    if (!due_is_used(s, c))
        return DUE_UNUSED;
    return at > now_at ? DUE_REPLAN : DUE_NOW;
}
