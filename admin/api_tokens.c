#include "admin/api_resource.h"
#include "admin/body.h"
#include "admin/token_request.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    const struct token *t = snapshot_token_find(s, id);
    return t == NULL ? 0 : t->object.revision;
}

static struct err show_token(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    *ret_doc = token_to_json(snapshot_token_find(s, id));
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err remove_token(struct api_call *call, struct tx *tx, struct str id)
{
    (void)call;
    return tx_token_delete(tx, id);
}

static const struct api_resource tokens = {
    .noun = "token",
    .path = "/v1/tokens",
    .revision = revision_of,
    .show = show_token,
    .remove = remove_token,
};

struct err api_tokens_list(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct token *const *list;
    size_t count;
    TRY(snapshot_tokens(s, call->request->arena, &list, &count));
    TRY(admin_reply_items_begin(call->reply));
    for (size_t i = 0; i < count; i++)
        TRY(admin_reply_item(call->reply, token_to_json(list[i])));
    return admin_reply_items_end(call->reply);
}

/* The one answer that carries the secret; it is not kept anywhere. */
static struct err answer_secret(struct api_call *call, const struct token *t,
                                const struct secret *secret)
{
    struct arena *a = call->request->arena;
    struct str bytes = secret_bytes(secret);
    AUTO(json_decref) json_t *doc = token_to_json(t);
    if (doc == NULL || json_object_set_new(doc, "token", json_from_str(bytes)) != 0)
        return fail(ERR_MEMORY, 0);
    TRY(admin_reply_field(call->reply, "Location",
                          arena_fmt(a, "/v1/tokens/%.*s", STR_ARG(t->object.id))));
    TRY(admin_reply_field(call->reply, "ETag", admin_reply_etag(a, t->object.revision)));
    return admin_reply_json(call->reply, 201, doc);
}

static struct err create_token(struct api_call *call, const struct token_request *request,
                               struct secret *secret)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    const struct token *t;
    TRY(store_begin(call->api->store, &tx));
    TRY(tx_token_create(tx, request->name, request->scopes, request->expires_at, &t, secret));
    TRY(answer_secret(call, t, secret));
    struct str id = arena_dup(call->request->arena, t->object.id);
    TRY(store_commit(&tx));
    api_audit(call, id, 1);
    return OK;
}

struct err api_tokens_create(struct api_call *call)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct token_request request;
    struct secret secret = {0};
    TRY(body_json(call->request, &call->detail, &doc));
    TRY(token_request_read(doc, call->request->arena, &call->inv, &request));
    struct err e = create_token(call, &request, &secret);
    secret_fini(&secret);
    return e;
}

struct err api_tokens_show(struct api_call *call)
{
    return api_resource_show(call, &tokens, call->id);
}

struct err api_tokens_delete(struct api_call *call)
{
    return api_resource_delete(call, &tokens, call->id);
}
