/* snapshot_config.c - the whole configuration as one document. */
#include "store/snapshot_parts.h"
#include "store/store.h"

#include "gateway/base/clock.h"

static json_t *routes_to_json(const struct snapshot *s, struct arena *a)
{
    AUTO(json_decref) json_t *list = json_array();
    const struct route *const *routes;
    size_t count;
    if (failed(snapshot_routes(s, a, &routes, &count)))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, route_to_json(routes[i])) != 0)
            return NULL;
    }
    return TAKE(list);
}

static json_t *certs_to_json(const struct snapshot *s, struct arena *a)
{
    AUTO(json_decref) json_t *list = json_array();
    const struct cert *const *certs;
    size_t count;
    if (failed(snapshot_certs(s, a, &certs, &count)))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, cert_to_json(certs[i], clock_now_at())) != 0)
            return NULL;
    }
    return TAKE(list);
}

json_t *snapshot_config_to_json(const struct snapshot *s)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, SIZE_MAX / 2);
    AUTO(json_decref) json_t *doc = json_object();
    if (a == NULL || json_object_set_new(doc, "settings", settings_to_json(s->settings)) != 0 ||
        json_object_set_new(doc, "acme", acme_settings_to_json(s->acme)) != 0 ||
        json_object_set_new(doc, "alarms", alarm_settings_to_json(s->alarms)) != 0 ||
        json_object_set_new(doc, "routes", routes_to_json(s, a)) != 0 ||
        json_object_set_new(doc, "streams", json_array()) != 0 ||
        json_object_set_new(doc, "certificates", certs_to_json(s, a)) != 0)
        return NULL;
    return TAKE(doc);
}
