/* store_settings.c - the two objects of which there is one each. */
#include "store/counted.h"
#include "store/model_parts.h"
#include "store/route_build.h"
#include "store/settings_build.h"
#include "store/tx.h"

#include "gateway/base/limits.h"

static const struct str settings_id = STR_LIT("settings"), acme_id = STR_LIT("acme");

/* What the HMAC is sealed for; another key id needs another HMAC. */
static struct str hmac_context(struct arena *a, struct str kid)
{
    return arena_fmt(a, "acme/eab/%.*s", STR_ARG(kid));
}

struct err store_settings_write_row(struct tx *tx, const struct object *o, struct str body,
                                    struct db_value sealed)
{
    static const char sql[] =
        "INSERT INTO settings (id, revision, created_at, updated_at, body, sealed_hmac) "
        "VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, updated_at = "
        "excluded.updated_at, body = excluded.body, sealed_hmac = excluded.sealed_hmac";
    tx_touch(tx);
    return db_run(tx->store->db, sql, DB_STR(o->id), DB_INT(o->revision), DB_INT(o->created_at),
                  DB_INT(o->updated_at), DB_STR(body), sealed);
}

/* ---- settings ---- */

static void check_unknown_host(struct tx *tx, const struct settings *s, struct json_path *path,
                               struct invalid *inv)
{
    struct str word = s->unknown_host;
    if (str_eq(word, STR("reject")) || str_eq(word, STR("404")) ||
        snapshot_route_find(tx->draft, word) != NULL)
        return;
    size_t mark = json_path_push(path, STR("unknown_host"));
    invalid_add(inv, json_path_view(path),
                "there is no route \"%.*s\"; use \"reject\", \"404\" or the id of one",
                STR_ARG(word));
    json_path_pop(path, mark);
}

static bool is_same(const struct shape *shape, const void *a, const void *b)
{
    AUTO(json_decref) json_t *x = shape_write(shape, a);
    AUTO(json_decref) json_t *y = shape_write(shape, b);
    return x != NULL && y != NULL && json_equal(x, y);
}

static struct err save_settings(struct tx *tx, const struct settings *s)
{
    struct buf body;
    buf_init(&body, MIB);
    struct err e = tx_body(settings_shape, s, &body);
    if (!failed(e))
        e = store_settings_write_row(tx, &s->object, buf_view(&body), DB_NONE);
    buf_fini(&body);
    TRY(e);
    draft_set_settings(tx->draft, s);
    return OK;
}

struct err store_settings_put(struct tx *tx, struct json_path *path, const json_t *body,
                              struct invalid *inv)
{
    AUTO(model_drop_settings) struct settings *s = NULL;
    const struct settings *old = tx->draft->settings;
    size_t before = inv->count;
    TRY(settings_build(body, path, inv, &s));
    check_unknown_host(tx, s, path, inv);
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    if (old != NULL && is_same(settings_shape, old, s))
        return OK;
    TRY(tx_next_object(tx, s->arena, settings_id, old == NULL ? NULL : &old->object,
                       &s->object));
    return save_settings(tx, s);
}

struct err tx_settings_put(struct tx *tx, const json_t *body, struct invalid *inv)
{
    struct json_path path = {.len = 0};
    return tx_end_call(tx, store_settings_put(tx, &path, body, inv));
}

/* ---- ACME settings ---- */

static struct err save_acme(struct tx *tx, const struct acme_settings *s)
{
    struct buf body, sealed;
    buf_init(&body, MIB);
    buf_init(&sealed, MIB);
    struct str context = hmac_context(s->arena, s->eab.kid);
    struct err e =
        context.p == NULL ? fail(ERR_MEMORY, 0) : tx_body(acme_settings_shape, s, &body);
    bool has_hmac = !str_is_empty(s->eab.hmac);
    if (!failed(e) && has_hmac)
        e = seal_close(tx->store->seal, context, s->eab.hmac, &sealed);
    if (!failed(e))
        e = store_settings_write_row(tx, &s->object, buf_view(&body),
                                     has_hmac ? DB_BYTES(buf_view(&sealed)) : DB_NONE);
    buf_fini(&body);
    buf_fini(&sealed);
    TRY(e);
    draft_set_acme(tx->draft, s);
    return OK;
}

struct err store_settings_put_acme(struct tx *tx, struct json_path *path, const json_t *body,
                                   struct invalid *inv)
{
    static const struct acme_eab nothing;
    AUTO(model_drop_acme_settings) struct acme_settings *s = NULL;
    const struct acme_settings *old = tx->draft->acme;
    TRY(settings_build_acme(body, old == NULL ? &nothing : &old->eab, path, inv, &s));
    if (old != NULL && is_same(acme_settings_shape, old, s) &&
        str_eq(old->eab.hmac, s->eab.hmac))
        return OK;
    TRY(tx_next_object(tx, s->arena, acme_id, old == NULL ? NULL : &old->object, &s->object));
    return save_acme(tx, s);
}

struct err tx_acme_settings_put(struct tx *tx, const json_t *body, struct invalid *inv)
{
    struct json_path path = {.len = 0};
    return tx_end_call(tx, store_settings_put_acme(tx, &path, body, inv));
}

/* ---- the first start ---- */

struct err store_settings_add_standard(struct tx *tx)
{
    AUTO(json_decref) json_t *standard = json_object();
    struct json_path path = {.len = 0};
    struct invalid inv;
    invalid_init(&inv);
    struct err e = standard == NULL ? fail(ERR_MEMORY, 0) : OK;
    if (!failed(e) && tx->draft->settings == NULL)
        e = store_settings_put(tx, &path, standard, &inv);
    if (!failed(e) && tx->draft->acme == NULL)
        e = store_settings_put_acme(tx, &path, standard, &inv);
    if (!failed(e) && tx->draft->alarms == NULL)
        e = store_alarm_settings_put(tx, &path, standard, &inv);
    invalid_fini(&inv);
    return e;
}

/* ---- loading ---- */

struct row {
    struct object object; /* its id is a constant */
    struct str body;
    struct str sealed_hmac;
};

static void note(struct invalid *why, struct str id, const char *words)
{
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, id);
    invalid_add(why, json_path_view(&path), "%s", words);
}

/* The standard values serve in memory; the row stays as it is until somebody repairs it. */
static struct err load_settings(const struct row *row, struct snapshot *draft,
                                struct invalid *why)
{
    AUTO(json_decref) json_t *body = NULL;
    AUTO(json_decref) json_t *standard = json_object();
    AUTO(model_drop_settings) struct settings *s = NULL;
    struct json_path path = {.len = 0};
    struct invalid inv;
    invalid_init(&inv);
    struct err e = json_read(row->body, &body);
    if (!failed(e))
        e = settings_build(body, &path, &inv, &s);
    if (failed(e) && !err_is(e, ERR_MEMORY)) {
        note(why, settings_id, "cannot be read; the standard values are used");
        path.len = 0;
        e = settings_build(standard, &path, &inv, &s);
    }
    invalid_fini(&inv);
    TRY(e);
    s->object = row->object;
    draft_set_settings(draft, s);
    return OK;
}

/* The stored binding; without its HMAC if that cannot be opened. */
static struct err unseal_eab(struct store *s, const struct row *row, const json_t *body,
                             struct arena *a, struct acme_eab *ret_eab)
{
    json_t *eab;
    struct secret plain = {0};
    *ret_eab = (struct acme_eab){.kid = STR_NONE};
    if (failed(json_need_object(body, "eab", &eab)))
        return OK;
    TRY(json_want_str(eab, "kid", &ret_eab->kid));
    struct str context = hmac_context(a, ret_eab->kid);
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(seal_unseal(s->seal, context, row->sealed_hmac, &plain));
    ret_eab->hmac = arena_dup(a, secret_bytes(&plain));
    secret_fini(&plain);
    return ret_eab->hmac.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err build_stored_acme(struct store *s, const struct row *row, struct invalid *why,
                                    struct acme_settings **ret_settings)
{
    AUTO(json_decref) json_t *body = NULL;
    AUTO(arena_free) struct arena *a = arena_new(1024, MIB);
    struct acme_eab eab;
    struct json_path path = {.len = 0};
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(json_read(row->body, &body));
    struct err e = unseal_eab(s, row, body, a, &eab);
    if (err_is(e, ERR_MEMORY))
        return e;
    if (failed(e)) {
        note(why, acme_id,
             "the HMAC of the external account binding cannot be opened; enter it "
             "again");
        (void)json_object_del(body, "eab");
    }
    struct invalid inv;
    invalid_init(&inv);
    e = settings_build_acme(body, &eab, &path, &inv, ret_settings);
    invalid_fini(&inv);
    /* The arena does not wipe what it frees. */
    secret_wipe(COUNTED_MUTABLE(char, eab.hmac.p), eab.hmac.len);
    return e;
}

static struct err load_acme(struct store *s, const struct row *row, struct snapshot *draft,
                            struct invalid *why)
{
    static const struct acme_eab nothing;
    AUTO(json_decref) json_t *standard = json_object();
    AUTO(model_drop_acme_settings) struct acme_settings *acme = NULL;
    struct err e = build_stored_acme(s, row, why, &acme);
    if (failed(e) && !err_is(e, ERR_MEMORY)) {
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        note(why, acme_id, "cannot be read; the standard values are used");
        e = settings_build_acme(standard, &nothing, &path, &inv, &acme);
        invalid_fini(&inv);
    }
    TRY(e);
    acme->object = row->object;
    draft_set_acme(draft, acme);
    return OK;
}

struct err store_settings_load(struct store *s, struct snapshot *draft, struct invalid *why)
{
    static const char sql[] =
        "SELECT id, revision, created_at, updated_at, body, sealed_hmac FROM settings "
        "WHERE id IN ('settings', 'acme')";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        bool is_acme = str_eq(db_text(q, 0), acme_id);
        struct row row = {
            .object = {.id = is_acme ? acme_id : settings_id,
                       .revision = (uint64_t)db_int(q, 1),
                       .created_at = db_int(q, 2),
                       .updated_at = db_int(q, 3)},
            .body = db_text(q, 4),
            .sealed_hmac = db_blob(q, 5),
        };
        TRY(is_acme ? load_acme(s, &row, draft, why) : load_settings(&row, draft, why));
    }
}
