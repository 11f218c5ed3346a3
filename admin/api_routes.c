#include "admin/api_resource.h"

static uint64_t revision_of(const struct snapshot *s, struct str id)
{
    const struct route *r = snapshot_route_find(s, id);
    return r == NULL ? 0 : r->object.revision;
}

static struct err show_route(const struct snapshot *s, struct str id, json_t **ret_doc)
{
    *ret_doc = route_to_json(snapshot_route_find(s, id));
    return *ret_doc == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err put_route(struct api_call *call, struct tx *tx, struct str id,
                            const json_t *doc, struct str *ret_id)
{
    const struct route *r;
    TRY(tx_route_put(tx, id, doc, &call->inv, &r));
    *ret_id = r->object.id;
    return OK;
}

static struct err remove_route(struct api_call *call, struct tx *tx, struct str id)
{
    return tx_route_delete(tx, id, &call->inv);
}

static const struct api_resource routes = {
    .noun = "route",
    .path = "/v1/routes",
    .revision = revision_of,
    .show = show_route,
    .put = put_route,
    .remove = remove_route,
};

struct err api_routes_list(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct route *const *list;
    size_t count;
    TRY(snapshot_routes(s, call->request->arena, &list, &count));
    TRY(admin_reply_items_begin(call->reply));
    for (size_t i = 0; i < count; i++)
        TRY(admin_reply_item(call->reply, route_to_json(list[i])));
    return admin_reply_items_end(call->reply);
}

struct err api_routes_create(struct api_call *call)
{
    return api_resource_create(call, &routes);
}

struct err api_routes_show(struct api_call *call)
{
    return api_resource_show(call, &routes, call->id);
}

struct err api_routes_put(struct api_call *call)
{
    return api_resource_put(call, &routes, call->id);
}

struct err api_routes_patch(struct api_call *call)
{
    return api_resource_patch(call, &routes, call->id);
}

struct err api_routes_delete(struct api_call *call)
{
    return api_resource_delete(call, &routes, call->id);
}
