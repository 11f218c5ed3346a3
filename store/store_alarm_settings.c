/* store_alarm_settings.c - the third settings object, with two secrets sealed as one. */
#include "store/alarm_settings.h"
#include "store/counted.h"
#include "store/tx.h"

#include "gateway/base/limits.h"

static const struct str alarms_id = STR_LIT("alarms");
static const struct str seal_context = STR_LIT("alarms/secrets");

static bool is_same(const struct alarm_settings *a, const struct alarm_settings *b)
{
    AUTO(json_decref) json_t *x = shape_write(alarm_settings_shape, a);
    AUTO(json_decref) json_t *y = shape_write(alarm_settings_shape, b);
    return x != NULL && y != NULL && json_equal(x, y) &&
           str_eq(a->webhook.hmac_key, b->webhook.hmac_key) &&
           str_eq(a->email.password, b->email.password);
}

/* "hmac_key\npassword": neither holds a line feed. */
static struct err seal_secrets(struct tx *tx, const struct alarm_settings *s, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, 4 * KIB);
    struct err e = buf_append(&plain, s->webhook.hmac_key);
    if (!failed(e))
        e = buf_append(&plain, STR("\n"));
    if (!failed(e))
        e = buf_append(&plain, s->email.password);
    struct str view = buf_view(&plain);
    if (!failed(e))
        e = seal_close(tx->store->seal, seal_context, view, out);
    secret_wipe(COUNTED_MUTABLE(char, view.p), view.len);
    buf_fini(&plain);
    return e;
}

static struct err save(struct tx *tx, const struct alarm_settings *s)
{
    struct buf body, sealed;
    bool has_secrets = s->webhook.hmac_key.len > 0 || s->email.password.len > 0;
    buf_init(&body, 2 * MIB);
    buf_init(&sealed, MIB);
    struct err e = tx_body(alarm_settings_shape, s, &body);
    if (!failed(e) && has_secrets)
        e = seal_secrets(tx, s, &sealed);
    if (!failed(e))
        e = store_settings_write_row(tx, &s->object, buf_view(&body),
                                     has_secrets ? DB_BYTES(buf_view(&sealed)) : DB_NONE);
    buf_fini(&body);
    buf_fini(&sealed);
    TRY(e);
    draft_set_alarms(tx->draft, s);
    return OK;
}

struct err store_alarm_settings_put(struct tx *tx, struct json_path *path, const json_t *body,
                                    struct invalid *inv)
{
    AUTO(alarm_settings_drop) struct alarm_settings *s = NULL;
    const struct alarm_settings *old = tx->draft->alarms;
    TRY(alarm_settings_build(body, old, path, inv, &s));
    if (old != NULL && is_same(old, s))
        return OK;
    TRY(tx_next_object(tx, s->arena, alarms_id, old == NULL ? NULL : &old->object, &s->object));
    return save(tx, s);
}

struct err tx_alarm_settings_put(struct tx *tx, const json_t *body, struct invalid *inv)
{
    struct json_path path = {.len = 0};
    return tx_end_call(tx, store_alarm_settings_put(tx, &path, body, inv));
}

/* ---- loading ---- */

static void note(struct invalid *why, const char *words)
{
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, alarms_id);
    invalid_add(why, json_path_view(&path), "%s", words);
}

/* Puts what was sealed back where a request would say it. */
static void insert(json_t *body, const char *part, const char *field, struct str secret)
{
    json_t *object = json_object_get(body, part);
    if (json_is_object(object) && secret.len > 0)
        (void)json_object_set_new(object, field, json_from_str(secret));
}

static struct err unseal(struct store *s, struct str sealed, json_t *body)
{
    struct secret plain = {0};
    struct str key, password;
    if (sealed.len == 0)
        return OK;
    TRY(seal_unseal(s->seal, seal_context, sealed, &plain));
    (void)str_split(secret_bytes(&plain), '\n', &key, &password);
    insert(body, "webhook", "hmac_key", key);
    insert(body, "email", "password", password);
    secret_fini(&plain);
    return OK;
}

static struct err build(struct store *s, struct str text, struct str sealed,
                        struct invalid *why, struct alarm_settings **ret_settings)
{
    AUTO(json_decref) json_t *body = NULL;
    struct json_path path = {.len = 0};
    struct invalid inv;
    TRY(json_read(text, &body));
    struct err e = unseal(s, sealed, body);
    if (err_is(e, ERR_MEMORY))
        return e;
    if (failed(e)) {
        note(why, "the secrets cannot be opened; enter them again");
        /* Without its password a mail server cannot be logged in to. */
        json_t *email = json_object_get(body, "email");
        if (json_is_string(json_object_get(email, "user")))
            (void)json_object_del(body, "email");
    }
    invalid_init(&inv);
    e = alarm_settings_build(body, NULL, &path, &inv, ret_settings);
    invalid_fini(&inv);
    return e;
}

static struct err load_row(struct store *s, struct db_query *q, struct snapshot *draft,
                           struct invalid *why)
{
    AUTO(alarm_settings_drop) struct alarm_settings *settings = NULL;
    AUTO(json_decref) json_t *nothing = json_object();
    struct err e = build(s, db_text(q, 3), db_blob(q, 4), why, &settings);
    if (failed(e) && !err_is(e, ERR_MEMORY)) {
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        note(why, "cannot be read; nobody is told of alarms");
        e = alarm_settings_build(nothing, NULL, &path, &inv, &settings);
        invalid_fini(&inv);
    }
    TRY(e);
    settings->object = (struct object){.id = alarms_id,
                                       .revision = (uint64_t)db_int(q, 0),
                                       .created_at = db_int(q, 1),
                                       .updated_at = db_int(q, 2)};
    draft_set_alarms(draft, settings);
    return OK;
}

struct err store_alarm_settings_load(struct store *s, struct snapshot *draft,
                                     struct invalid *why)
{
    static const char sql[] = "SELECT revision, created_at, updated_at, body, sealed_hmac "
                              "FROM settings WHERE id = 'alarms'";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    TRY(db_next(q, &has_row));
    return has_row ? load_row(s, q, draft, why) : OK;
}
