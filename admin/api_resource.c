#include "admin/api_resource.h"

#include "admin/body.h"
#include "admin/merge_patch.h"
#include "admin/precondition.h"

struct err api_resource_missing(struct api_call *call, const struct api_resource *r,
                                struct str id)
{
    call->detail =
        arena_fmt(call->request->arena, "there is no %s \"%.*s\"", r->noun, STR_ARG(id));
    return fail(ERR_NOT_FOUND, 0);
}

/* The tag of a revision; empty for none. */
static struct err make_etag(struct api_call *call, uint64_t revision, struct str *ret_etag)
{
    *ret_etag = STR_NONE;
    if (revision == 0)
        return OK;
    *ret_etag = admin_reply_etag(call->request->arena, revision);
    return ret_etag->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err api_resource_show(struct api_call *call, const struct api_resource *r, struct str id)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    uint64_t revision = r->revision(s, id);
    if (revision == 0)
        return api_resource_missing(call, r, id);
    struct str etag;
    TRY(make_etag(call, revision, &etag));
    TRY(admin_reply_field(call->reply, "ETag", etag));
    if (precondition_is_known(call->request, etag)) {
        admin_reply_empty(call->reply, 304);
        return OK;
    }
    AUTO(json_decref) json_t *doc = NULL;
    TRY(r->show(s, id, &doc));
    return admin_reply_json(call->reply, 200, doc);
}

/* Compares what the caller believes with what the transaction sees: nothing can come
 * between. */
struct err api_resource_check(struct api_call *call, const struct api_resource *r,
                              uint64_t revision)
{
    struct str etag;
    TRY(make_etag(call, revision, &etag));
    struct err e = precondition_check(call->request, etag);
    if (failed(e) && revision == 0)
        call->detail = arena_fmt(call->request->arena, "the %s does not exist", r->noun);
    else if (failed(e) && precondition_is_known(call->request, etag))
        call->detail =
            arena_fmt(call->request->arena, "the %s exists already, at revision %llu", r->noun,
                      (unsigned long long)revision);
    else if (failed(e))
        call->detail = arena_fmt(call->request->arena, "the %s is at revision %llu now",
                                 r->noun, (unsigned long long)revision);
    return e;
}

struct err api_resource_finish(struct api_call *call, const struct api_resource *r,
                               struct tx **tx, struct str id, unsigned status)
{
    struct arena *a = call->request->arena;
    AUTO(json_decref) json_t *doc = NULL;
    uint64_t revision = r->revision(tx_view(*tx), id);
    struct str kept_id = arena_dup(a, id); /* outlives the transaction */
    if (kept_id.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(r->show(tx_view(*tx), id, &doc));
    TRY(admin_reply_json(call->reply, status, doc));
    TRY(admin_reply_field(call->reply, "ETag", admin_reply_etag(a, revision)));
    if (status == 201)
        TRY(admin_reply_field(call->reply, "Location",
                              arena_fmt(a, "%s/%.*s", r->path, STR_ARG(kept_id))));
    TRY(store_commit(tx));
    api_audit(call, kept_id, revision);
    return OK;
}

static struct err read_doc(struct api_call *call, json_t **ret_doc)
{
    return body_json(call->request, &call->detail, ret_doc);
}

struct err api_resource_create(struct api_call *call, const struct api_resource *r)
{
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_doc(call, &doc));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    /* The store creates or replaces; what there was before tells which. */
    AUTO(snapshot_unref) const struct snapshot *before = store_snapshot(call->api->store);
    struct str id;
    TRY(r->put(call, tx, STR_NONE, doc, &id));
    if (r->revision(before, id) != 0) {
        call->detail = arena_fmt(call->request->arena,
                                 "the %s \"%.*s\" exists already; PUT replaces it, or choose "
                                 "another \"id\"",
                                 r->noun, STR_ARG(id));
        return fail(ERR_CONFLICT, 0);
    }
    TRY(api_resource_check(call, r, 0));
    return api_resource_finish(call, r, &tx, id, 201);
}

struct err api_resource_put(struct api_call *call, const struct api_resource *r, struct str id)
{
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_doc(call, &doc));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    uint64_t before = r->revision(tx_view(tx), id);
    TRY(api_resource_check(call, r, before));
    struct str put_id;
    TRY(r->put(call, tx, id, doc, &put_id));
    return api_resource_finish(call, r, &tx, put_id, before == 0 ? 201 : 200);
}

struct err api_resource_patch(struct api_call *call, const struct api_resource *r,
                              struct str id)
{
    AUTO(json_decref) json_t *patch = NULL;
    TRY(read_doc(call, &patch));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    uint64_t before = r->revision(tx_view(tx), id);
    if (before == 0)
        return api_resource_missing(call, r, id);
    TRY(api_resource_check(call, r, before));
    AUTO(json_decref) json_t *now = NULL;
    TRY(r->show(tx_view(tx), id, &now));
    AUTO(json_decref) json_t *merged = merge_patch(now, patch);
    if (merged == NULL)
        return fail(ERR_MEMORY, 0);
    struct str put_id;
    TRY(r->put(call, tx, id, merged, &put_id));
    return api_resource_finish(call, r, &tx, put_id, 200);
}

struct err api_resource_delete(struct api_call *call, const struct api_resource *r,
                               struct str id)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    uint64_t before = r->revision(tx_view(tx), id);
    if (before == 0)
        return api_resource_missing(call, r, id);
    TRY(api_resource_check(call, r, before));
    TRY(r->remove(call, tx, id));
    TRY(store_commit(&tx));
    admin_reply_empty(call->reply, 204);
    api_audit(call, id, before);
    return OK;
}
