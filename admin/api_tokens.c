#include "admin/api_resource.h"
#include "admin/body.h"
#include "admin/token_request.h"
#include "store/model_check.h"

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

/* What a document asks for.  Book-keeping, as a GET shows it, is ignored; the id must agree.
 * *id empty: taken from the document, if it is there. */
static struct err read_wanted(struct api_call *call, const json_t *doc, struct str *id,
                              struct token *ret_wanted)
{
    static const char *const ignored[] = {"id", "revision", "created_at", "updated_at"};
    struct arena *a = call->request->arena;
    AUTO(json_decref) json_t *rest = json_deep_copy(doc);
    const json_t *given = json_object_get(doc, "id");
    struct str given_id = json_is_string(given) ? json_str(given) : STR("");
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)json_object_del(rest, ignored[i]);
    struct token_request request = {.scopes = 0};
    struct err e = token_request_read(rest, a, &call->inv, &request);
    if (failed(e) && !err_is(e, ERR_INVALID))
        return e;
    if (str_is_empty(*id) && given != NULL)
        *id = arena_dup(a, given_id);
    const char *words = given == NULL && str_is_empty(*id) ? NULL : model_check_id(a, id);
    if (words == NULL && given != NULL && !str_eq(given_id, *id))
        words = "differs from the id that the change is addressed to";
    if (words != NULL)
        invalid_add(&call->inv, STR("/id"), "%s", words);
    *ret_wanted = (struct token){
        .name = request.name, .scopes = request.scopes, .expires_at = request.expires_at};
    return invalid_is_empty(&call->inv) ? OK : fail(ERR_INVALID, 0);
}

/* Changes one that is there: its secret stays what it is. */
static struct err change_token(struct api_call *call, struct tx *tx, struct str id,
                               const json_t *doc, struct str *ret_id)
{
    struct token wanted;
    const struct token *t;
    struct secret none = {0};
    TRY(read_wanted(call, doc, &id, &wanted));
    TRY(tx_token_put(tx, id, &wanted, &t, &none));
    *ret_id = t->object.id;
    return OK;
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
    .put = change_token,
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

static struct err commit_new(struct api_call *call, struct tx **tx, struct str id,
                             const struct token *wanted, struct secret *secret)
{
    const struct token *t;
    TRY(tx_token_put(*tx, id, wanted, &t, secret));
    TRY(answer_secret(call, t, secret));
    struct str kept_id = arena_dup(call->request->arena, t->object.id);
    TRY(store_commit(tx));
    api_audit(call, kept_id, 1);
    return OK;
}

static struct err create_token(struct api_call *call, struct tx **tx, struct str id,
                               const struct token *wanted)
{
    struct secret secret = {0};
    struct err e = commit_new(call, tx, id, wanted, &secret);
    secret_fini(&secret);
    return e;
}

struct err api_tokens_create(struct api_call *call)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct token wanted;
    struct str id = STR_NONE;
    TRY(body_json(call->request, &call->detail, &doc));
    TRY(read_wanted(call, doc, &id, &wanted));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    TRY(api_resource_check(call, &tokens, 0));
    if (!str_is_empty(id) && revision_of(tx_view(tx), id) != 0) {
        call->detail =
            arena_fmt(call->request->arena, "the token \"%.*s\" exists already", STR_ARG(id));
        return fail(ERR_CONFLICT, 0);
    }
    return create_token(call, &tx, id, &wanted);
}

struct err api_tokens_put(struct api_call *call)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct token wanted;
    struct str id = call->id;
    TRY(body_json(call->request, &call->detail, &doc));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    uint64_t before = revision_of(tx_view(tx), id);
    TRY(api_resource_check(call, &tokens, before));
    if (before == 0) {
        TRY(read_wanted(call, doc, &id, &wanted));
        return create_token(call, &tx, id, &wanted);
    }
    TRY(change_token(call, tx, id, doc, &id));
    return api_resource_finish(call, &tokens, &tx, id, 200);
}

struct err api_tokens_patch(struct api_call *call)
{
    return api_resource_patch(call, &tokens, call->id);
}

struct err api_tokens_show(struct api_call *call)
{
    return api_resource_show(call, &tokens, call->id);
}

struct err api_tokens_delete(struct api_call *call)
{
    return api_resource_delete(call, &tokens, call->id);
}
