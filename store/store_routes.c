/* store_routes.c - routes: build, check against the others, save. */
#include "store/ids.h"
#include "store/model_check.h"
#include "store/model_parts.h"
#include "store/route_build.h"
#include "store/tx.h"

#include "gateway/base/limits.h"

#define BODY_MAX_BYTES (64 * MIB)

/* ---- id ---- */

static void complain(struct json_path *path, struct str key, struct invalid *inv,
                     const char *words)
{
    size_t mark = json_path_push(path, key);
    invalid_add(inv, json_path_view(path), "%s", words);
    json_path_pop(path, mark);
}

static const char *check_id(struct str id)
{
    /* unknown_host gives these words a meaning of their own. */
    if (str_eq(id, STR("reject")) || str_eq(id, STR("404")))
        return "is a word with a meaning of its own; choose another id";
    return model_check_id(NULL, &id);
}

/* The id that the change is addressed to, else the one in the body, else empty: made later. */
static struct str choose_id(struct str id, const json_t *body, struct json_path *path,
                            struct invalid *inv)
{
    const json_t *value = json_object_get(body, "id");
    if (value != NULL && !json_is_string(value)) {
        complain(path, STR("id"), inv, "must be text");
        return id;
    }
    struct str body_id = json_str(value);
    if (value != NULL && !str_is_empty(id) && !str_eq(id, body_id))
        complain(path, STR("id"), inv, "differs from the id that the change is addressed to");
    if (str_is_empty(id) && value != NULL)
        id = body_id;
    bool is_given = !str_is_empty(id) || value != NULL;
    const char *words = is_given ? check_id(id) : NULL;
    if (words != NULL)
        complain(path, STR("id"), inv, words);
    return id;
}

static struct err name_route(struct tx *tx, struct str id, const struct pmap *taken,
                             struct route *r)
{
    struct str slug;
    if (str_is_empty(id)) {
        struct str path = str_eq(r->path, STR("/")) ? STR_NONE : r->path;
        TRY(ids_from_host(r->arena, r->hosts.items[0], path, &slug));
        TRY(ids_make_unique(r->arena, slug, taken, &id));
    }
    const struct route *old = snapshot_route_find(tx->draft, id);
    return tx_next_object(tx, r->arena, id, old == NULL ? NULL : &old->object, &r->object);
}

/* ---- building ---- */

static void check_certificate(struct tx *tx, const struct route *r, struct json_path *path,
                              struct invalid *inv)
{
    if (str_eq(r->certificate, STR("auto")) || str_eq(r->certificate, STR("none")) ||
        snapshot_cert_find(tx->draft, r->certificate) != NULL)
        return;
    size_t mark = json_path_push(path, STR("certificate"));
    invalid_add(inv, json_path_view(path),
                "there is no certificate \"%.*s\"; use \"auto\", \"none\" or the id of one",
                STR_ARG(r->certificate));
    json_path_pop(path, mark);
}

static void check_client_certificate(struct tx *tx, const struct route *r,
                                     struct json_path *path, struct invalid *inv)
{
    struct str id = r->upstream.tls.certificate;
    if (str_is_empty(id) || snapshot_cert_find(tx->draft, id) != NULL)
        return;
    size_t mark = json_path_push(path, STR("upstream"));
    (void)json_path_push(path, STR("tls"));
    (void)json_path_push(path, STR("certificate"));
    invalid_add(inv, json_path_view(path), "there is no certificate \"%.*s\"; import it first",
                STR_ARG(id));
    json_path_pop(path, mark);
}

struct err store_routes_build(struct tx *tx, struct json_path *path, struct str id,
                              const json_t *body, const struct pmap *taken, struct invalid *inv,
                              struct route **ret_route)
{
    size_t before = inv->count;
    AUTO(model_drop_route) struct route *r = NULL;
    id = choose_id(id, body, path, inv);
    struct route_origin origin = {.trust = &tx->store->trust,
                                  .sticky_key = secret_bytes(&tx->store->sticky_key)};
    if (!str_is_empty(id))
        origin.previous = snapshot_route_find(tx->draft, id);
    TRY(route_build(&origin, body, path, inv, &r));
    check_certificate(tx, r, path, inv);
    check_client_certificate(tx, r, path, inv);
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    TRY(name_route(tx, id, taken, r));
    *ret_route = TAKE(r);
    return OK;
}

bool store_routes_is_same(const struct route *a, const struct route *b)
{
    AUTO(json_decref) json_t *x = shape_write(route_shape, a);
    AUTO(json_decref) json_t *y = shape_write(route_shape, b);
    return x != NULL && y != NULL && json_equal(x, y);
}

/* ---- saving ---- */

static struct err refuse_conflict(struct tx *tx, const struct route *r, struct json_path *path,
                                  struct invalid *inv)
{
    size_t host;
    const struct route *other = r->is_enabled ? draft_find_conflict(tx->draft, r, &host) : NULL;
    if (other == NULL)
        return OK;
    size_t mark = json_path_push(path, STR("hosts"));
    (void)json_path_push_index(path, host);
    invalid_add(inv, json_path_view(path), "route \"%.*s\" already claims %.*s with path %.*s",
                STR_ARG(other->object.id), STR_ARG(r->hosts.items[host]), STR_ARG(r->path));
    json_path_pop(path, mark);
    return fail(ERR_CONFLICT, 0);
}

static struct err write_row(struct tx *tx, const struct route *r)
{
    static const char sql[] = "INSERT INTO routes (id, revision, created_at, updated_at, body) "
                              "VALUES (?, ?, ?, ?, ?) "
                              "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, "
                              "updated_at = excluded.updated_at, body = excluded.body";
    const struct object *o = &r->object;
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    struct err e = tx_body(route_shape, r, &body);
    if (!failed(e))
        e = db_run(tx->store->db, sql, DB_STR(o->id), DB_INT(o->revision),
                   DB_INT(o->created_at), DB_INT(o->updated_at), DB_STR(buf_view(&body)));
    buf_fini(&body);
    return e;
}

struct err store_routes_save(struct tx *tx, struct json_path *path, struct route *r,
                             struct invalid *inv)
{
    const struct route *old = snapshot_route_find(tx->draft, r->object.id);
    TRY(refuse_conflict(tx, r, path, inv));
    tx_touch(tx);
    TRY(write_row(tx, r));
    if (old == NULL)
        return draft_put_route(tx->draft, r);
    /* The old route leaves the draft; its names are still needed afterwards. */
    (void)route_ref(old);
    struct err e = draft_put_route(tx->draft, r);
    if (!failed(e) && !str_eq(old->managed_names, r->managed_names))
        e = store_managed_retire(tx, old->managed_names);
    route_unref(old);
    return e;
}

static struct err put_route(struct tx *tx, struct str id, const json_t *body,
                            struct invalid *inv, const struct route **ret_route)
{
    struct json_path path = {.len = 0};
    AUTO(model_drop_route) struct route *r = NULL;
    TRY(store_routes_build(tx, &path, id, body, &tx->draft->routes, inv, &r));
    const struct route *old = snapshot_route_find(tx->draft, r->object.id);
    if (old != NULL && store_routes_is_same(old, r)) {
        *ret_route = old;
        return OK;
    }
    TRY(store_routes_save(tx, &path, r, inv));
    TRY(store_managed_want(tx, r));
    *ret_route = snapshot_route_find(tx->draft, r->object.id);
    return OK;
}

struct err tx_route_put(struct tx *tx, struct str id, const json_t *body, struct invalid *inv,
                        const struct route **ret_route)
{
    return tx_end_call(tx, put_route(tx, id, body, inv, ret_route));
}

/* ---- deleting ---- */

static struct err drop_route(struct tx *tx, const struct route *old)
{
    tx_touch(tx);
    (void)route_ref(old);
    struct err e =
        db_run(tx->store->db, "DELETE FROM routes WHERE id = ?", DB_STR(old->object.id));
    if (!failed(e))
        e = draft_remove_route(tx->draft, old->object.id);
    if (!failed(e))
        e = store_managed_retire(tx, old->managed_names);
    route_unref(old);
    return e;
}

static struct err delete_route(struct tx *tx, struct str id, struct invalid *inv)
{
    const struct route *old = snapshot_route_find(tx->draft, id);
    if (old == NULL)
        return fail(ERR_NOT_FOUND, 0);
    if (str_eq(snapshot_settings(tx->draft)->unknown_host, id)) {
        invalid_add(inv, STR_NONE,
                    "settings.unknown_host names this route; change that setting first");
        return fail(ERR_CONFLICT, 0);
    }
    return drop_route(tx, old);
}

struct err tx_route_delete(struct tx *tx, struct str id, struct invalid *inv)
{
    return tx_end_call(tx, delete_route(tx, id, inv));
}

/* ---- loading ---- */

static struct err load_row(struct store *s, struct snapshot *draft, struct db_query *q,
                           struct invalid *inv)
{
    AUTO(json_decref) json_t *body = NULL;
    AUTO(model_drop_route) struct route *r = NULL;
    struct route_origin origin = {.trust = &s->trust,
                                  .sticky_key = secret_bytes(&s->sticky_key)};
    struct json_path path = {.len = 0};
    TRY(json_read(db_text(q, 4), &body));
    TRY(route_build(&origin, body, &path, inv, &r));
    r->object = (struct object){.id = arena_dup(r->arena, db_text(q, 0)),
                                .revision = (uint64_t)db_int(q, 1),
                                .created_at = db_int(q, 2),
                                .updated_at = db_int(q, 3)};
    if (r->object.id.p == NULL)
        return fail(ERR_MEMORY, 0);
    return draft_put_route(draft, r);
}

/* A route that no longer validates is that route's trouble: it is left out. */
static void note_left_out(struct invalid *why, struct str id, const struct invalid *inv)
{
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, STR("routes"));
    (void)json_path_push(&path, id);
    if (inv->kept_count == 0) {
        invalid_add(why, json_path_view(&path), "cannot be read and is left out");
        return;
    }
    const struct invalid_entry *first = &inv->entries[0];
    invalid_add(why, json_path_view(&path), "is left out: %.*s %.*s", STR_ARG(first->field),
                STR_ARG(first->message));
}

struct err store_routes_load(struct store *s, struct snapshot *draft, struct invalid *why)
{
    static const char sql[] = "SELECT id, revision, created_at, updated_at, body FROM routes";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        struct invalid inv;
        invalid_init(&inv);
        struct err e = load_row(s, draft, q, &inv);
        if (err_is(e, ERR_INVALID) || err_is(e, ERR_JSON)) {
            note_left_out(why, db_text(q, 0), &inv);
            e = OK;
        }
        invalid_fini(&inv);
        TRY(e);
    }
}
