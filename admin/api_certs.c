#include "admin/api_resource.h"
#include "admin/body.h"
#include "admin/condition_report.h"
#include "store/ledger.h"

#include "gateway/base/clock.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    const struct cert *c = snapshot_cert_find(s, id);
    return c == NULL ? 0 : c->object.revision;
}

/* New reference, NULL when out of memory. */
static json_t *cert_with_users(const struct cert *c, const struct cert_users *users)
{
    AUTO(json_decref) json_t *doc = cert_to_json(c, clock_now_at());
    if (doc == NULL ||
        json_object_set_new(doc, "used_by", cert_users_of(users, c->object.id)) != 0)
        return NULL;
    return TAKE(doc);
}

static struct err show_cert(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    AUTO(cert_users_free) struct cert_users *users = NULL;
    TRY(cert_users_new(s, &users));
    *ret_doc = cert_with_users(snapshot_cert_find(s, id), users);
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err import_cert(struct api_call *call, struct tx *tx, struct str id,
                              const json_t *doc, struct str *ret_id)
{
    const struct cert *c;
    TRY(tx_cert_import(tx, id, doc, &call->inv, &c));
    *ret_id = c->object.id;
    return OK;
}

static struct err remove_cert(struct api_call *call, struct tx *tx, struct str id)
{
    return tx_cert_delete(tx, id, &call->inv);
}

static const struct api_resource certs = {
    .noun = "certificate",
    .path = "/v1/certificates",
    .revision = revision_of,
    .show = show_cert,
    .put = import_cert,
    .remove = remove_cert,
};

struct err api_certs_list(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    AUTO(cert_users_free) struct cert_users *users = NULL;
    const struct cert *const *list;
    size_t count;
    TRY(snapshot_certs(s, call->request->arena, &list, &count));
    TRY(cert_users_new(s, &users));
    TRY(admin_reply_items_begin(call->reply));
    for (size_t i = 0; i < count; i++)
        TRY(admin_reply_item(call->reply, cert_with_users(list[i], users)));
    return admin_reply_items_end(call->reply);
}

struct err api_certs_create(struct api_call *call)
{
    return api_resource_create(call, &certs);
}

struct err api_certs_show(struct api_call *call)
{
    return api_resource_show(call, &certs, call->id);
}

/* Limits change without the object: they are no part of it. */
struct err api_certs_limits(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct cert *c = snapshot_cert_find(s, call->id);
    if (c == NULL)
        return api_resource_missing(call, &certs, call->id);
    struct ledger_query query = {
        .settings = snapshot_acme(s), .names = &c->names, .now_at = clock_now_at()};
    struct ledger_use *uses;
    size_t count = 0;
    if (c->source == CERT_ACME)
        TRY(store_ledger_read(call->api->store, call->request->arena, &query, &uses, &count));
    TRY(admin_reply_items_begin(call->reply));
    for (size_t i = 0; i < count; i++)
        TRY(admin_reply_item(call->reply, ledger_use_to_json(&uses[i])));
    return admin_reply_items_end(call->reply);
}

/* What handshakes with ourselves got; no part of the object either. */
struct err api_certs_served(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct cert *c = snapshot_cert_find(s, call->id);
    if (c == NULL)
        return api_resource_missing(call, &certs, call->id);
    AUTO(json_decref)
    json_t *doc = condition_report_served(store_conditions(call->api->store), c);
    return admin_reply_json(call->reply, 200, doc);
}

struct err api_certs_put(struct api_call *call)
{
    return api_resource_put(call, &certs, call->id);
}

/* Only the pair can be written, and only as a pair: a patch of nothing changes nothing. */
struct err api_certs_patch(struct api_call *call)
{
    AUTO(json_decref) json_t *patch = NULL;
    TRY(body_json(call->request, &call->detail, &patch));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    uint64_t revision = revision_of(tx_view(tx), call->id);
    if (revision == 0)
        return api_resource_missing(call, &certs, call->id);
    TRY(api_resource_check(call, &certs, revision));
    struct str id = call->id;
    if (!json_is_object(patch) || json_object_size(patch) > 0)
        TRY(import_cert(call, tx, call->id, patch, &id));
    return api_resource_finish(call, &certs, &tx, id, 200);
}

struct err api_certs_delete(struct api_call *call)
{
    return api_resource_delete(call, &certs, call->id);
}

/* An optional body may only be an object without members. */
static struct err check_empty_body(struct api_call *call)
{
    AUTO(json_decref) json_t *doc = NULL;
    if (str_is_empty(call->request->body))
        return OK;
    TRY(body_json(call->request, &call->detail, &doc));
    if (json_is_object(doc) && json_object_size(doc) == 0)
        return OK;
    const char *key = json_object_iter_key(json_object_iter(doc));
    struct str field = key == NULL ? STR("") : arena_fmt(call->request->arena, "/%s", key);
    invalid_add(&call->inv, field, "nothing is expected here");
    return fail(ERR_INVALID, 0);
}

/* Tells the ACME thread that this one is due now.  What it does is seen in the object. */
static struct err plan_now(struct tx *tx, const struct cert *c)
{
    bool is_first = !c->has_material;
    const struct cert_progress progress = {
        .state = c->state,
        .next = {.what = is_first ? STR("issue") : STR("renew"),
                 .at = clock_now_at(),
                 .why = STR("asked for by an administrator")},
        .last_error = c->last_error,
        .failures = c->failures,
    };
    return tx_cert_progress(tx, c->object.id, &progress);
}

struct err api_certs_renew(struct api_call *call)
{
    TRY(check_empty_body(call));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    const struct cert *c = snapshot_cert_find(tx_view(tx), call->id);
    if (c == NULL)
        return api_resource_missing(call, &certs, call->id);
    TRY(api_resource_check(call, &certs, c->object.revision));
    if (c->source != CERT_ACME) {
        call->detail =
            arena_fmt(call->request->arena,
                      "the certificate \"%.*s\" was imported: Gatehouse cannot renew "
                      "it; PUT the new pair to /v1/certificates/%.*s",
                      STR_ARG(call->id), STR_ARG(call->id));
        return fail(ERR_CONFLICT, 0);
    }
    TRY(plan_now(tx, c));
    return api_resource_finish(call, &certs, &tx, call->id, 202);
}

struct err api_certs_revoke(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    if (revision_of(s, call->id) == 0)
        return api_resource_missing(call, &certs, call->id);
    call->detail = STR("revocation is not available in this version; the certificate is "
                       "unchanged.  Until then: delete the route, or ask the CA directly");
    return fail(ERR_UNAVAILABLE, 0);
}
