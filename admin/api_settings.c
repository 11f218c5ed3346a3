#include "admin/api_resource.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    (void)id;
    return snapshot_settings(s)->object.revision;
}

static struct err show_settings(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    (void)id;
    *ret_doc = settings_to_json(snapshot_settings(s));
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err put_settings(struct api_call *call, struct tx *tx, struct str id,
                               const json_t *doc, struct str *ret_id)
{
    TRY(tx_settings_put(tx, doc, &call->inv));
    *ret_id = id;
    return OK;
}

static const struct str own_id = STR_LIT("settings");

static const struct api_resource settings = {
    .noun = "settings object",
    .path = "/v1/settings",
    .revision = revision_of,
    .show = show_settings,
    .put = put_settings,
};

struct err api_settings_show(struct api_call *call)
{
    return api_resource_show(call, &settings, own_id);
}

struct err api_settings_put(struct api_call *call)
{
    return api_resource_put(call, &settings, own_id);
}

struct err api_settings_patch(struct api_call *call)
{
    return api_resource_patch(call, &settings, own_id);
}
