/* store_routes.c - routes: build, check against the others, save. */
#include "store/host_name.h"
#include "store/ids.h"
#include "store/model_check.h"
#include "store/model_parts.h"
#include "store/route_build.h"
#include "store/sticky.h"
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

/* A text that can be an id, and names no certificate. */
static bool is_unknown_cert(const struct tx *tx, const json_t *value)
{
    struct str id = json_str(value);
    return json_is_string(value) && model_check_id(NULL, &id) == NULL &&
           snapshot_cert_find(tx->draft, id) == NULL;
}

/* By the body, so that this is told together with whatever else is wrong with it. */
static void check_certificates(struct tx *tx, const json_t *body, struct json_path *path,
                               struct invalid *inv)
{
    const json_t *own = json_object_get(body, "certificate");
    const json_t *tls = json_object_get(json_object_get(body, "upstream"), "tls");
    const json_t *client = json_object_get(tls, "certificate");
    size_t mark = json_path_push(path, STR("certificate"));
    if (is_unknown_cert(tx, own) && !str_eq(json_str(own), STR("auto")) &&
        !str_eq(json_str(own), STR("none")))
        invalid_add(inv, json_path_view(path),
                    "there is no certificate \"%.*s\"; use \"auto\", \"none\" or the id of one",
                    STR_ARG(json_str(own)));
    json_path_pop(path, mark);
    (void)json_path_push(path, STR("upstream"));
    (void)json_path_push(path, STR("tls"));
    (void)json_path_push(path, STR("certificate"));
    if (is_unknown_cert(tx, client))
        invalid_add(inv, json_path_view(path),
                    "there is no certificate \"%.*s\"; import it first",
                    STR_ARG(json_str(client)));
    json_path_pop(path, mark);
}

struct err store_routes_build(struct tx *tx, struct json_path *path, struct str id,
                              const json_t *body, const struct pmap *taken, struct invalid *inv,
                              struct route **ret_route)
{
    size_t before = inv->count;
    AUTO(model_drop_route) struct route *r = NULL;
    id = choose_id(id, body, path, inv);
    struct route_origin origin = {.trust = &tx->store->trust};
    if (!str_is_empty(id))
        origin.previous = snapshot_route_find(tx->draft, id);
    check_certificates(tx, body, path, inv);
    TRY(route_build(&origin, body, path, inv, &r));
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    TRY(name_route(tx, id, taken, r));
    TRY(sticky_build(r, secret_bytes(&tx->store->sticky_key)));
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

/* A host of a route, by its place among the hosts, that another route claims. */
struct conflict {
    const struct route *other;
    struct str host;
    size_t index;
};

static void say_conflict(const struct conflict *c, struct json_path *path, struct invalid *inv)
{
    size_t mark = json_path_push(path, STR("hosts"));
    (void)json_path_push_index(path, c->index);
    invalid_add(inv, json_path_view(path), "route \"%.*s\" already claims %.*s with path %.*s",
                STR_ARG(c->other->object.id), STR_ARG(c->host), STR_ARG(c->other->path));
    json_path_pop(path, mark);
}

static struct err refuse_conflict(struct tx *tx, const struct route *r, struct json_path *path,
                                  struct invalid *inv)
{
    struct conflict c;
    c.other = r->is_enabled ? draft_find_conflict(tx->draft, r, &c.index) : NULL;
    if (c.other == NULL)
        return OK;
    c.host = r->hosts.items[c.index];
    say_conflict(&c, path, inv);
    return fail(ERR_CONFLICT, 0);
}

/* What a refused body claims, as far as it can be read: conflicts are told together with its
 * other faults. */
static struct err note_conflicts(struct tx *tx, struct str id, const json_t *body,
                                 struct json_path *path, struct invalid *inv)
{
    AUTO(arena_free) struct arena *a = arena_new(KIB, MIB);
    const json_t *prefix = json_object_get(body, "path");
    const json_t *hosts = json_object_get(body, "hosts");
    struct str host;
    struct route claim = {.hosts = {.items = &host, .count = 1}};
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    claim.object.id = str_is_empty(id) ? json_str(json_object_get(body, "id")) : id;
    claim.path = prefix == NULL ? STR("/") : json_str(prefix);
    if (json_is_false(json_object_get(body, "enabled")) ||
        model_check_path(a, &claim.path) != NULL)
        return OK;
    size_t count = json_array_size(hosts);
    for (size_t i = 0; i < count && i < HOSTS_PER_ROUTE_MAX; i++) {
        size_t ignored;
        host = json_str(json_array_get(hosts, i));
        if (str_is_empty(host) || host_name_check_host(a, &host) != NULL)
            continue;
        struct conflict c = {.other = draft_find_conflict(tx->draft, &claim, &ignored),
                             .host = host,
                             .index = i};
        if (c.other != NULL)
            say_conflict(&c, path, inv);
    }
    return OK;
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
    struct err e = store_routes_build(tx, &path, id, body, &tx->draft->routes, inv, &r);
    if (err_is(e, ERR_INVALID))
        TRY(note_conflicts(tx, id, body, &path, inv));
    TRY(e);
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
    struct route_origin origin = {.trust = &s->trust};
    struct json_path path = {.len = 0};
    TRY(json_read(db_text(q, 4), &body));
    TRY(route_build(&origin, body, &path, inv, &r));
    r->object = (struct object){.id = arena_dup(r->arena, db_text(q, 0)),
                                .revision = (uint64_t)db_int(q, 1),
                                .created_at = db_int(q, 2),
                                .updated_at = db_int(q, 3)};
    if (r->object.id.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(sticky_build(r, secret_bytes(&s->sticky_key)));
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
