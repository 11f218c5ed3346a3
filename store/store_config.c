/* store_config.c - the configuration replaced by a document, part by part.  In this order, so
 * that no route is in the way of another one that takes over its host: build all routes, remove
 * what goes and what changes, save what changed, then the settings, which may name a route. */
#include "store/counted.h"
#include "store/model_parts.h"
#include "store/settings_build.h"
#include "store/tx.h"

struct config {
    const json_t *doc;
    struct arena *arena;
    struct pmap by_id;     /* -> struct route of the document */
    struct route **routes; /* in the document's order; NULL: nothing to save */
    size_t count;
};

/* The map only points: the array owns. */
static const void *ref_nothing(const void *value)
{
    return value;
}

static void unref_nothing(const void *value)
{
    (void)value;
}

static const struct pmap_type pointing = {.ref = ref_nothing, .unref = unref_nothing};

static void config_fini(struct config *c)
{
    pmap_unref(&c->by_id);
    for (size_t i = 0; i < c->count; i++)
        model_drop_route(c->routes[i]);
    arena_free(c->arena);
}

/* ---- reading ---- */

static void check_members(const json_t *doc, struct invalid *inv)
{
    static const struct {
        struct str name;
        bool is_list;
    } rows[] = {{STR_LIT("settings"), false}, {STR_LIT("acme"), false},
                {STR_LIT("alarms"), false},   {STR_LIT("routes"), true},
                {STR_LIT("streams"), true},   {STR_LIT("certificates"), true}};
    const char *name;
    json_t *value;
    json_object_foreach(COUNTED_MUTABLE(json_t, doc), name, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(rows) && !str_eq(rows[i].name, str_from(name)))
            i++;
        struct json_path path = {.len = 0};
        struct str shown = invalid_excerpt(str_from(name));
        (void)json_path_push(&path, shown);
        if (i == ARRAY_LEN(rows))
            invalid_add(inv, json_path_view(&path), "there is no field \"%.*s\"",
                        STR_ARG(shown));
        else if (rows[i].is_list ? !json_is_array(value) : !json_is_object(value))
            invalid_add(inv, json_path_view(&path), "must be %s",
                        rows[i].is_list ? "a list" : "an object");
    }
    if (json_array_size(json_object_get(doc, "streams")) > 0)
        invalid_add(inv, STR("/streams"), "streams are not available yet");
}

/* ERR_INVALID is no reason to stop: the other parts may hold errors too. */
static struct err go_on(struct err e)
{
    return err_is(e, ERR_INVALID) ? OK : e;
}

static struct err read_route(struct tx *tx, struct config *c, struct json_path *path,
                             size_t index, struct invalid *inv)
{
    const json_t *body = json_array_get(json_object_get(c->doc, "routes"), index);
    AUTO(model_drop_route) struct route *r = NULL;
    TRY(store_routes_build(tx, path, STR_NONE, body, &c->by_id, inv, &r));
    if (pmap_find(&c->by_id, r->object.id) != NULL) {
        size_t mark = json_path_push(path, STR("id"));
        invalid_add(inv, json_path_view(path), "is used by two routes");
        json_path_pop(path, mark);
        return OK;
    }
    TRY(pmap_put(&c->by_id, r->object.id, r));
    c->routes[c->count++] = TAKE(r);
    return OK;
}

static struct err read_routes(struct tx *tx, struct config *c, struct invalid *inv)
{
    size_t count = json_array_size(json_object_get(c->doc, "routes"));
    struct json_path path = {.len = 0};
    c->routes = arena_array(c->arena, struct route *, count);
    if (c->routes == NULL)
        return fail(ERR_MEMORY, 0);
    (void)json_path_push(&path, STR("routes"));
    for (size_t i = 0; i < count; i++) {
        size_t mark = json_path_push_index(&path, i);
        TRY(go_on(read_route(tx, c, &path, i, inv)));
        json_path_pop(&path, mark);
    }
    return OK;
}

static struct err check_settings(struct tx *tx, const struct config *c, struct invalid *inv)
{
    const json_t *settings_body = json_object_get(c->doc, "settings");
    const json_t *acme_body = json_object_get(c->doc, "acme");
    AUTO(model_drop_settings) struct settings *settings = NULL;
    const json_t *alarms_body = json_object_get(c->doc, "alarms");
    AUTO(model_drop_acme_settings) struct acme_settings *acme = NULL;
    AUTO(alarm_settings_drop) struct alarm_settings *alarms = NULL;
    struct json_path path = {.len = 0};
    size_t mark = json_path_push(&path, STR("settings"));
    if (json_is_object(settings_body))
        TRY(go_on(settings_build(settings_body, &path, inv, &settings)));
    json_path_pop(&path, mark);
    mark = json_path_push(&path, STR("acme"));
    if (json_is_object(acme_body))
        TRY(go_on(settings_build_acme(acme_body, &tx->draft->acme->eab, &path, inv, &acme)));
    json_path_pop(&path, mark);
    (void)json_path_push(&path, STR("alarms"));
    if (json_is_object(alarms_body))
        TRY(go_on(alarm_settings_build(alarms_body, tx->draft->alarms, &path, inv, &alarms)));
    return OK;
}

/* ---- applying ---- */

/* Takes out what goes and what changes; what stays as it is needs no saving. */
static struct err clear_way(struct tx *tx, struct config *c, const struct route *const *old,
                            size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        struct str id = old[i]->object.id;
        const struct route *next = pmap_find(&c->by_id, id);
        if (next != NULL && store_routes_is_same(old[i], next))
            continue;
        tx_touch(tx);
        if (next == NULL)
            TRY(db_run(tx->store->db, "DELETE FROM routes WHERE id = ?", DB_STR(id)));
        TRY(draft_remove_route(tx->draft, id));
    }
    return OK;
}

static struct err save_routes(struct tx *tx, struct config *c, struct invalid *inv)
{
    struct json_path path = {.len = 0};
    struct err refusal = OK;
    (void)json_path_push(&path, STR("routes"));
    for (size_t i = 0; i < c->count; i++) {
        if (snapshot_route_find(tx->draft, c->routes[i]->object.id) != NULL)
            continue; /* it has stayed as it was */
        size_t mark = json_path_push_index(&path, i);
        struct err e = store_routes_save(tx, &path, c->routes[i], inv);
        json_path_pop(&path, mark);
        if (err_is(e, ERR_CONFLICT))
            refusal = e;
        else
            TRY(e);
    }
    return refusal;
}

static struct err settle_certificates(struct tx *tx, const struct config *c,
                                      const struct route *const *old, size_t old_count)
{
    for (size_t i = 0; i < c->count; i++)
        TRY(store_managed_want(tx, c->routes[i]));
    for (size_t i = 0; i < old_count; i++)
        TRY(store_managed_retire(tx, old[i]->managed_names));
    return OK;
}

/* Settings that stay are put again as they are: they may name a route that goes. */
static struct err put_settings(struct tx *tx, const struct config *c, struct invalid *inv)
{
    AUTO(json_decref) json_t *now = settings_to_json(tx->draft->settings);
    const json_t *body = json_object_get(c->doc, "settings");
    struct json_path path = {.len = 0};
    if (now == NULL)
        return fail(ERR_MEMORY, 0);
    (void)json_path_push(&path, STR("settings"));
    return store_settings_put(tx, &path, body != NULL ? body : now, inv);
}

static struct err put_acme(struct tx *tx, const struct config *c, struct invalid *inv)
{
    const json_t *body = json_object_get(c->doc, "acme");
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, STR("acme"));
    return body == NULL ? OK : store_settings_put_acme(tx, &path, body, inv);
}

static struct err put_alarms(struct tx *tx, const struct config *c, struct invalid *inv)
{
    const json_t *body = json_object_get(c->doc, "alarms");
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, STR("alarms"));
    return body == NULL ? OK : store_alarm_settings_put(tx, &path, body, inv);
}

static struct err replace_routes(struct tx *tx, struct config *c, const struct snapshot *before,
                                 struct invalid *inv)
{
    const struct route *const *old;
    size_t old_count;
    TRY(snapshot_routes(before, c->arena, &old, &old_count));
    TRY(clear_way(tx, c, old, old_count));
    TRY(save_routes(tx, c, inv));
    return settle_certificates(tx, c, old, old_count);
}

static struct err apply(struct tx *tx, struct config *c, const struct snapshot *before,
                        struct invalid *inv)
{
    if (json_object_get(c->doc, "routes") != NULL)
        TRY(replace_routes(tx, c, before, inv));
    TRY(put_settings(tx, c, inv));
    TRY(put_acme(tx, c, inv));
    return put_alarms(tx, c, inv);
}

static struct err read_config(struct tx *tx, struct config *c, struct invalid *inv)
{
    size_t before = inv->count;
    if (!json_is_object(c->doc)) {
        invalid_add(inv, STR_NONE, "must be an object");
        return fail(ERR_INVALID, 0);
    }
    check_members(c->doc, inv);
    TRY(check_settings(tx, c, inv));
    TRY(read_routes(tx, c, inv));
    return inv->count > before ? fail(ERR_INVALID, 0) : OK;
}

static struct err replace(struct tx *tx, struct config *c, struct invalid *inv)
{
    AUTO(draft_free) struct snapshot *before = NULL;
    TRY(read_config(tx, c, inv));
    /* Keeps the old routes alive while they leave the draft. */
    TRY(draft_new(tx->draft, &before));
    struct err e = apply(tx, c, before, inv);
    /* Whatever stops it here leaves some routes replaced and others not. */
    if (failed(e) && !failed(tx->broken))
        tx->broken = e;
    return e;
}

struct err tx_config_replace(struct tx *tx, const json_t *doc, struct invalid *inv)
{
    struct config c = {.doc = doc,
                       .arena = arena_new(4096, SIZE_MAX / 2),
                       .by_id = pmap_empty(&pointing, &tx->draft->base->hash_key)};
    struct err e = c.arena == NULL ? fail(ERR_MEMORY, 0) : replace(tx, &c, inv);
    config_fini(&c);
    return tx_end_call(tx, e);
}
