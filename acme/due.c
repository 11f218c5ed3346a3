#include "acme/due.h"

#include "acme/renew.h"

static bool uses(const struct snapshot *s, const struct route *r, struct str cert_id)
{
    if (str_eq(r->certificate, STR("auto")))
        return str_eq(snapshot_managed_cert_id(s, r), cert_id);
    return str_eq(r->certificate, cert_id);
}

bool due_is_used(const struct snapshot *s, const struct cert *c)
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

int64_t due_renewal_at(const struct cert *c)
{
    int64_t begin_at = c->facts.not_before_at;
    return renew_at(begin_at, c->facts.not_after_at, begin_at,
                    renew_seed(c->object.id, c->facts.fingerprint_sha256));
}

static bool is_planned(const struct cert *c)
{
    return str_eq(c->next.what, STR("issue")) || str_eq(c->next.what, STR("renew"));
}

/* A plan without a time was held up by something that may be over. */
static int64_t due_at(const struct cert *c)
{
    if (is_planned(c))
        return c->next.at;
    return c->has_material ? due_renewal_at(c) : 0;
}

enum due_verdict due_judge(const struct snapshot *s, const struct cert *c, int64_t now_at,
                           int64_t *ret_at)
{
    if (c->source != CERT_ACME)
        return DUE_NEVER;
    int64_t at = due_at(c);
    *ret_at = at;
    if (is_planned(c) && at > now_at)
        return DUE_LATER;
    bool is_used = due_is_used(s, c);
    if (!is_used)
        return str_eq(c->next.what, STR("none")) ? DUE_NEVER : DUE_UNUSED;
    return at > now_at ? DUE_REPLAN : DUE_NOW;
}
