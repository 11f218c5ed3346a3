#include "admin/api_resource.h"
#include "store/store_orders.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    (void)id;
    return snapshot_acme(s)->object.revision;
}

static struct err show_acme(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    (void)id;
    *ret_doc = acme_settings_to_json(snapshot_acme(s));
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err put_acme(struct api_call *call, struct tx *tx, struct str id,
                           const json_t *doc, struct str *ret_id)
{
    TRY(tx_acme_settings_put(tx, doc, &call->inv));
    *ret_id = id;
    return OK;
}

static const struct str own_id = STR_LIT("acme");

static const struct api_resource acme = {
    .noun = "ACME settings object",
    .path = "/v1/acme",
    .revision = revision_of,
    .show = show_acme,
    .put = put_acme,
};

struct err api_acme_show(struct api_call *call)
{
    return api_resource_show(call, &acme, own_id);
}

struct err api_acme_put(struct api_call *call)
{
    return api_resource_put(call, &acme, own_id);
}

struct err api_acme_patch(struct api_call *call)
{
    return api_resource_patch(call, &acme, own_id);
}

/* What the store knows of the account for the settings as they are now. */
struct err api_acme_account(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct acme_settings *now = snapshot_acme(s);
    struct account_row row = {0};
    struct err e = store_account_load(call->api->store, call->request->arena, now->directory,
                                      now->eab.kid, &row);
    secret_fini(&row.key_der);
    if (err_is(e, ERR_NOT_FOUND) || (!failed(e) && str_is_empty(row.url))) {
        call->detail = arena_fmt(call->request->arena,
                                 "no account at %.*s yet; one is registered with the first "
                                 "certificate, once tos_agreed is true",
                                 STR_ARG(now->directory));
        return fail(ERR_NOT_FOUND, 0);
    }
    TRY(e);
    AUTO(json_decref)
    json_t *doc = json_pack(
        "{s:s%, s:o, s:s%, s:s%}", "directory", row.directory.p, row.directory.len, "eab_kid",
        str_is_empty(row.eab_kid) ? json_null() : json_from_str(row.eab_kid), "url", row.url.p,
        row.url.len, "status", row.status.p, row.status.len);
    return admin_reply_json(call->reply, 200, doc);
}
