#include "admin/api_resource.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    (void)id;
    return snapshot_alarms(s)->object.revision;
}

static struct err show_settings(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    (void)id;
    *ret_doc = alarm_settings_to_json(snapshot_alarms(s));
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err put_settings(struct api_call *call, struct tx *tx, struct str id,
                               const json_t *doc, struct str *ret_id)
{
    TRY(tx_alarm_settings_put(tx, doc, &call->inv));
    *ret_id = id;
    return OK;
}

static const struct str own_id = STR_LIT("alarms");

static const struct api_resource settings = {
    .noun = "alarm settings object",
    .path = "/v1/alarms/settings",
    .revision = revision_of,
    .show = show_settings,
    .put = put_settings,
};

struct err api_alarms_show(struct api_call *call)
{
    return api_resource_show(call, &settings, own_id);
}

struct err api_alarms_put(struct api_call *call)
{
    return api_resource_put(call, &settings, own_id);
}

struct err api_alarms_patch(struct api_call *call)
{
    return api_resource_patch(call, &settings, own_id);
}

static struct err reply_items(struct api_call *call, json_t *items)
{
    AUTO(json_decref) json_t *doc = items == NULL ? NULL : json_pack("{s:o}", "items", items);
    return admin_reply_json(call->reply, 200, doc);
}

struct err api_alarms_list(struct api_call *call)
{
    const struct admin_ports *ports = &call->api->ports;
    return reply_items(call, ports->alarms == NULL ? json_array() : ports->alarms(ports->arg));
}

/* Waits for the receivers: who asks wants to know. */
struct err api_alarms_test(struct api_call *call)
{
    const struct admin_ports *ports = &call->api->ports;
    json_t *items = ports->alarm_test == NULL ? json_array() : ports->alarm_test(ports->arg);
    if (items == NULL || json_array_size(items) > 0)
        return reply_items(call, items);
    json_decref(items);
    call->detail = STR("nobody is told of alarms: set webhook.url or email.server first");
    return fail(ERR_CONFLICT, 0);
}
