/* api_config.c - the whole configuration as one document.
 *
 * GET -> snapshot_config_to_json.  PUT -> tx_config_replace -> list_changes -> commit, or
 * not. */
#include "admin/api_resource.h"
#include "admin/body.h"
#include "admin/json_diff.h"
#include "admin/precondition.h"

#include "gateway/base/mem.h"
#include "gateway/base/text.h"

#include <openssl/evp.h>

/* A hash of the text: generations start again with each start of the process, and grow
 * when an ACME challenge opens.  That a renewal changes it too is the price of
 * certificates inside. */
static struct err make_etag(struct arena *a, struct str text, struct str *ret_etag)
{
    unsigned char digest[32];
    size_t len = 0;
    if (EVP_Q_digest(NULL, "SHA256", NULL, text.p, text.len, digest, &len) != 1)
        return fail(ERR_CRYPTO, 0);
    struct buf hex;
    buf_init(&hex, 2 * sizeof(digest));
    struct err e = text_hex(&hex, str_make(digest, 16));
    if (!failed(e))
        *ret_etag = arena_fmt(a, "\"%.*s\"", STR_ARG(buf_view(&hex)));
    buf_fini(&hex);
    TRY(e);
    return ret_etag->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* Writes the document into the reply. */
static struct err write_config(struct api_call *call, const struct snapshot *s,
                               struct str *ret_etag)
{
    AUTO(json_decref) json_t *doc = snapshot_config_to_json(s);
    TRY(admin_reply_json(call->reply, 200, doc));
    return make_etag(call->request->arena, buf_view(&call->reply->body), ret_etag);
}

struct err api_config_show(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    struct str etag;
    TRY(write_config(call, s, &etag));
    if (precondition_is_known(call->request, etag))
        admin_reply_empty(call->reply, 304);
    return admin_reply_field(call->reply, "ETag", etag);
}

/* What counts as a change: everything but the book-keeping. */
static void drop_bookkeeping(json_t *doc)
{
    static const char *const members[] = {"revision", "created_at", "updated_at"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        (void)json_object_del(doc, members[i]);
}

/* Appends {"kind","id","change","fields"} if the two differ; takes over both references; NULL
 * stands for an absent object. */
static struct err add_change(json_t *changes, const char *kind, struct str id, json_t *before,
                             json_t *after)
{
    AUTO(json_decref) json_t *old = before;
    AUTO(json_decref) json_t *new = after;
    const char *change = old == NULL ? "create" : new == NULL ? "delete" : "update";
    AUTO(json_decref) json_t *fields = NULL;
    if (old != NULL && new != NULL) {
        drop_bookkeeping(old);
        drop_bookkeeping(new);
        fields = json_diff(old, new);
        if (fields == NULL)
            return fail(ERR_MEMORY, 0);
        if (json_array_size(fields) == 0)
            return OK;
    }
    json_t *entry = json_pack("{s:s, s:s%, s:s, s:O*}", "kind", kind, "id", id.p, id.len,
                              "change", change, "fields", fields);
    return json_array_append_new(changes, entry) != 0 ? fail(ERR_MEMORY, 0) : OK;
}

/* A route on one side only. */
static struct err add_lone_route(json_t *changes, const struct route *r, bool is_new)
{
    json_t *doc = route_to_json(r);
    if (doc == NULL)
        return fail(ERR_MEMORY, 0);
    return add_change(changes, "route", r->object.id, is_new ? NULL : doc, is_new ? doc : NULL);
}

static struct err add_route_pair(json_t *changes, const struct route *before,
                                 const struct route *after)
{
    if (before == after)
        return OK;
    json_t *old = route_to_json(before);
    json_t *new = route_to_json(after);
    if (old == NULL || new == NULL) {
        json_decref(old);
        json_decref(new);
        return fail(ERR_MEMORY, 0);
    }
    return add_change(changes, "route", after->object.id, old, new);
}

/* Both lists are in order of id, so one walk finds all differences. */
static struct err add_routes(struct api_call *call, const struct snapshot *before,
                             const struct snapshot *after, json_t *changes)
{
    const struct route *const *old;
    const struct route *const *new;
    size_t old_count;
    size_t new_count;
    TRY(snapshot_routes(before, call->request->arena, &old, &old_count));
    TRY(snapshot_routes(after, call->request->arena, &new, &new_count));
    size_t i = 0;
    size_t k = 0;
    while (i < old_count || k < new_count) {
        int order = i == old_count   ? 1
                    : k == new_count ? -1
                                     : str_cmp(old[i]->object.id, new[k]->object.id);
        if (order < 0)
            TRY(add_lone_route(changes, old[i++], false));
        else if (order > 0)
            TRY(add_lone_route(changes, new[k++], true));
        else
            TRY(add_route_pair(changes, old[i++], new[k++]));
    }
    return OK;
}

/* New reference in *ret_changes: everything that tx changes. */
static struct err list_changes(struct api_call *call, const struct snapshot *before,
                               const struct snapshot *after, json_t **ret_changes)
{
    AUTO(json_decref) json_t *changes = json_array();
    if (changes == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(add_change(changes, "settings", STR("settings"),
                   settings_to_json(snapshot_settings(before)),
                   settings_to_json(snapshot_settings(after))));
    TRY(add_change(changes, "acme", STR("acme"), acme_settings_to_json(snapshot_acme(before)),
                   acme_settings_to_json(snapshot_acme(after))));
    TRY(add_change(changes, "alarms", STR("alarms"),
                   alarm_settings_to_json(snapshot_alarms(before)),
                   alarm_settings_to_json(snapshot_alarms(after))));
    TRY(add_routes(call, before, after, changes));
    *ret_changes = TAKE(changes);
    return OK;
}

/* Parts with credentials are an administrator's, by whichever door. */
static const struct guarded_part {
    const char *name, *object, *secret;
} guarded_parts[] = {
    {"acme", "eab", "hmac"},
    {"alarms", "webhook", "hmac_key"},
    {"alarms", "email", "password"},
};

static bool touches(const struct guarded_part *part, const json_t *doc, json_t *changes)
{
    size_t i;
    json_t *change;
    const json_t *object = json_object_get(json_object_get(doc, part->name), part->object);
    /* A secret never shows among the changes; sending one is enough. */
    bool is_touched = json_is_string(json_object_get(object, part->secret));
    json_array_foreach(changes, i, change) is_touched |=
        str_eq(json_str(json_object_get(change, "kind")), str_from(part->name));
    return is_touched;
}

static struct err check_scope(struct api_call *call, const json_t *doc, json_t *changes)
{
    if (auth_allows(call->caller.scopes, SCOPE_ADMIN))
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(guarded_parts); i++) {
        if (!touches(&guarded_parts[i], doc, changes))
            continue;
        call->detail = arena_fmt(call->request->arena,
                                 "changing \"%s\" needs a token with the scope \"admin\"",
                                 guarded_parts[i].name);
        return fail(ERR_FORBIDDEN, 0);
    }
    return OK;
}

static struct err read_dry_run(struct api_call *call, bool *ret_is_dry)
{
    const struct admin_field *field = admin_request_query(call->request, "dry_run");
    *ret_is_dry = field != NULL && str_eq(field->value, STR("true"));
    if (field == NULL || *ret_is_dry || str_eq(field->value, STR("false")))
        return OK;
    call->detail = STR("dry_run must be true or false");
    return fail(ERR_BAD_REQUEST, 0);
}

/* If-Match costs an export, so it is looked at only when it is there. */
static struct err check_precondition(struct api_call *call, const struct snapshot *now)
{
    struct str etag;
    if (admin_request_field(call->request, "If-Match") == NULL &&
        admin_request_field(call->request, "If-None-Match") == NULL)
        return OK;
    TRY(write_config(call, now, &etag));
    admin_reply_clear(call->reply);
    call->detail = STR("the configuration has changed since it was read");
    TRY(precondition_check(call->request, etag));
    call->detail = STR_NONE;
    return OK;
}

static struct err replace_config(struct api_call *call)
{
    bool is_dry;
    TRY(read_dry_run(call, &is_dry));
    AUTO(json_decref) json_t *doc = NULL;
    TRY(body_json(call->request, &call->detail, &doc));
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(call->api->store, &tx));
    AUTO(snapshot_unref) const struct snapshot *before = store_snapshot(call->api->store);
    TRY(check_precondition(call, before));
    TRY(tx_config_replace(tx, doc, &call->inv));
    AUTO(json_decref) json_t *changes = NULL;
    TRY(list_changes(call, before, tx_view(tx), &changes));
    TRY(check_scope(call, doc, changes));
    AUTO(json_decref)
    json_t *answer =
        json_pack("{s:b, s:I, s:O}", "dry_run", (int)is_dry, "routes",
                  (json_int_t)snapshot_route_count(tx_view(tx)), "changes", changes);
    TRY(admin_reply_json(call->reply, 200, answer));
    if (is_dry)
        return OK;
    TRY(store_commit(&tx));
    api_audit(call, STR("config"), json_array_size(changes));
    return OK;
}

/* What 100,000 routes have left in the heap is not for the next edit to tidy up. */
struct err api_config_put(struct api_call *call)
{
    struct err e = replace_config(call);
    mem_settle();
    return e;
}
