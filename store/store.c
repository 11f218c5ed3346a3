/* store.c - opening, and the life of a transaction:
 *   store_open -> store_begin -> tx_... -> store_commit (COMMIT, publish, wait)
 *                                      \-> store_rollback                       */
#include "store/store.h"

#include "store/checkpointer.h"
#include "store/data_dir.h"
#include "store/migrate.h"
#include "store/tx.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char db_name[] = "gatehouse.db";

/* ---- opening ---- */

/* One sentence for the person who started the program. */
static void explain(struct invalid *why, struct err e, const char *data_dir)
{
    static const struct {
        const struct err_kind *kind;
        const char *advice;
    } rows[] = {
        {ERR_DATA_LOCKED, "stop it first, or choose another folder with --data"},
        {ERR_KEY_MISSING, "put it back from a backup: the stored private keys need it"},
        {ERR_KEY_WRONG, "put the master.key back that belongs to this gatehouse.db"},
        {ERR_DB_CORRUPT, "put a backup in the place of gatehouse.db"},
        {ERR_DB_FULL, "make room on the disk"},
        {ERR_DB_BUSY, "another program holds gatehouse.db open"},
    };
    if (err_is(e, ERR_DB_FUTURE)) {
        invalid_add(
            why, STR_NONE,
            "%s: gatehouse.db has schema %d, this program knows schemas up to %d; run the "
            "newer version again, or put a backup in its place",
            data_dir, (int)e.detail, migrate_latest());
        return;
    }
    const char *advice = "";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (err_is(e, rows[i].kind))
            advice = rows[i].advice;
    }
    bool has_errno = err_is(e, ERR_DATA_DIR) || err_is(e, ERR_IO);
    char reason[128] = "";
    if (has_errno)
        (void)snprintf(reason, sizeof(reason), "%s", strerrordesc_np(e.detail));
    const char *more = has_errno ? reason : advice;
    invalid_add(why, STR_NONE, "%s: %s%s%s", data_dir, e.kind->text, *more != '\0' ? "; " : "",
                more);
}

static struct err open_db(struct store *s, const char *data_dir)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/%s", data_dir, db_name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return fail(ERR_DATA_DIR, ENAMETOOLONG);
    /* SQLite gives its -wal and -shm files the mode of the database itself. */
    TRY(data_dir_ensure_file(s->dir_fd, db_name));
    TRY(db_open(path, &s->db));
    TRY(db_prepare_file(s->db));
    TRY(migrate_run(s->db));
    TRY(db_adopt(s->db));
    return checkpointer_new(s, path, &s->checkpointer);
}

/* Without master.key a new one is made, unless something is sealed; with another one than
 * everything is sealed with, nothing can be read. */
static struct err open_seal(struct store *s)
{
    static const char count[] = "SELECT count(*) FROM sealed_values";
    static const char ours[] =
        "SELECT count(*) FROM sealed_values WHERE substr(value, ?, ?) = ?";
    int64_t sealed_count;
    bool has_row;
    TRY(db_get_int(s->db, count, &sealed_count));
    TRY(seal_open(s->dir_fd, sealed_count == 0, &s->seal));
    if (sealed_count == 0)
        return OK;
    AUTO(db_end) struct db_query *q = NULL;
    TRY(db_query(s->db, &q, ours, DB_INT(SEAL_KEY_ID_AT + 1), DB_INT(SEAL_KEY_ID_BYTES),
                 DB_BYTES(seal_key_id(s->seal))));
    TRY(db_next(q, &has_row));
    return has_row && db_int(q, 0) > 0 ? OK : fail(ERR_KEY_WRONG, 0);
}

/* Objects that a database lacks: the settings of a new one, and the certificate of a route
 * whose row could not be read. */
static struct err complete(struct tx *tx)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, SIZE_MAX / 2);
    const struct route *const *routes;
    size_t count;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(store_settings_add_standard(tx));
    TRY(snapshot_routes(tx->draft, a, &routes, &count));
    for (size_t i = 0; i < count; i++)
        TRY(store_managed_want(tx, routes[i]));
    return OK;
}

static struct err load(struct store *s, struct invalid *why)
{
    AUTO(draft_free) struct snapshot *draft = NULL;
    TRY(draft_new_empty(&draft));
    TRY(store_settings_load(s, draft, why));
    TRY(store_alarm_settings_load(s, draft, why));
    TRY(store_certs_load(s, draft, why));
    TRY(store_routes_load(s, draft, why));
    TRY(store_orders_load_boards(s, draft));
    TRY(store_access_load(s, draft));
    struct tx tx = {.store = s, .draft = draft, .now_at = clock_now_at()};
    TRY(db_script(s->db, "BEGIN IMMEDIATE"));
    struct err e = complete(&tx);
    if (!failed(e))
        e = db_script(s->db, tx.is_changed ? "COMMIT" : "ROLLBACK");
    if (failed(e)) {
        (void)db_script(s->db, "ROLLBACK");
        return e;
    }
    return publisher_publish(s->publisher, TAKE(draft));
}

static struct err open_all(struct store *s, const char *data_dir, struct invalid *why)
{
    pthread_mutexattr_t attr;
    TRY(data_dir_open(data_dir, &s->dir_fd));
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    s->has_writer = pthread_mutex_init(&s->writer, &attr) == 0;
    (void)pthread_mutexattr_destroy(&attr);
    if (!s->has_writer)
        return fail(ERR_MEMORY, 0);
    TRY(publisher_new(&s->publisher));
    TRY(conditions_new(&s->conditions));
    TRY(open_db(s, data_dir));
    TRY(open_seal(s));
    TRY(seal_derive(s->seal, STR("sticky"), &s->sticky_key));
    return load(s, why);
}

struct err store_open(const char *data_dir, struct invalid *why, struct store **ret_store)
{
    struct invalid nowhere;
    invalid_init(&nowhere);
    AUTO(store_close) struct store *s = mem_new(struct store);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->dir_fd = -1;
    struct err e = open_all(s, data_dir, why != NULL ? why : &nowhere);
    if (failed(e) && why != NULL)
        explain(why, e, data_dir);
    invalid_fini(&nowhere);
    TRY(e);
    *ret_store = TAKE(s);
    return OK;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    checkpointer_free(s->checkpointer);
    publisher_free(s->publisher);
    conditions_free(s->conditions);
    db_close(s->db);
    secret_fini(&s->sticky_key);
    seal_free(s->seal);
    trust_fini(&s->trust);
    if (s->has_writer)
        (void)pthread_mutex_destroy(&s->writer);
    if (s->dir_fd >= 0)
        data_dir_close(s->dir_fd); /* last: the lock covers everything above */
    mem_free(s);
}

struct publisher *store_publisher(struct store *s)
{
    return s->publisher;
}

struct conditions *store_conditions(struct store *s)
{
    return s->conditions;
}

const struct snapshot *store_snapshot(struct store *s)
{
    publisher_sweep(s->publisher); /* what exchanges have let go since the last change */
    return publisher_current(s->publisher);
}

/* ---- transactions ---- */

static void free_tx(struct tx *tx)
{
    snapshot_unref(tx->draft);
    mem_free(tx);
}
AUTO_DEFINE(free_tx, struct tx *)

static struct err begin(struct store *s, struct tx **ret_tx)
{
    AUTO(free_tx) struct tx *tx = mem_new(struct tx);
    if (tx == NULL)
        return fail(ERR_MEMORY, 0);
    const struct snapshot *current = publisher_current(s->publisher);
    struct err e = draft_new(current, &tx->draft);
    snapshot_unref(current);
    TRY(e);
    TRY(db_script(s->db, "BEGIN IMMEDIATE"));
    tx->store = s;
    tx->now_at = clock_now_at();
    *ret_tx = TAKE(tx);
    return OK;
}

void store_lock(struct store *s)
{
    /* An error here is a thread that begins twice: it would wait for itself. */
    int code = pthread_mutex_lock(&s->writer);
    assert(code == 0);
}

void store_unlock(struct store *s)
{
    int code = pthread_mutex_unlock(&s->writer);
    assert(code == 0);
}

struct err store_begin(struct store *s, struct tx **ret_tx)
{
    store_lock(s);
    struct err e = begin(s, ret_tx);
    if (failed(e))
        store_unlock(s);
    return e;
}

static void end(struct tx *tx)
{
    struct store *s = tx->store;
    free_tx(tx);
    store_unlock(s);
}

void store_rollback(struct tx *tx)
{
    if (tx == NULL)
        return;
    /* Some errors (a full disk) have rolled back already; then this one says so, which is fine.
     * */
    (void)db_script(tx->store->db, "ROLLBACK");
    end(tx);
}

/* The change is durable and visible from here on whatever a slow worker does: not an error of
 * the write, but somebody should know. */
static void publish(struct tx *tx)
{
    struct err e = publisher_publish(tx->store->publisher, TAKE(tx->draft));
    if (failed(e))
        log_warn("snapshot_not_taken", KV_I64("workers", e.detail),
                 KV_U64("ms", PUBLISH_WAIT_MS));
}

/* A change that wrote very much puts it away itself; what many small ones wrote waits for no
 * one. */
static void tidy_log(struct store *s)
{
    int pages = db_log_pages(s->db);
    if (pages >= DB_LOG_MAX_PAGES)
        db_truncate_log(s->db);
    else if (pages >= DB_LOG_PAGES)
        checkpointer_wake(s->checkpointer);
}

struct err store_commit(struct tx **tx_at)
{
    struct tx *tx = TAKE(*tx_at);
    struct err e = tx->broken;
    if (!failed(e))
        e = db_script(tx->store->db, "COMMIT");
    if (failed(e)) {
        store_rollback(tx);
        return e;
    }
    if (tx->is_changed)
        publish(tx);
    tidy_log(tx->store);
    end(tx);
    return OK;
}

const struct snapshot *tx_view(const struct tx *tx)
{
    return tx->draft;
}

/* ---- for store_*.c ---- */

struct err tx_end_call(struct tx *tx, struct err e)
{
    bool is_refusal =
        err_is(e, ERR_INVALID) || err_is(e, ERR_CONFLICT) || err_is(e, ERR_NOT_FOUND);
    if (failed(e) && !is_refusal && !failed(tx->broken))
        tx->broken = e;
    return e;
}

void tx_touch(struct tx *tx)
{
    tx->is_changed = true;
}

struct err tx_next_object(const struct tx *tx, struct arena *a, struct str id,
                          const struct object *old, struct object *ret_object)
{
    struct str copy = arena_dup(a, id);
    if (copy.p == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_object = (struct object){
        .id = copy,
        .revision = old == NULL ? 1 : old->revision + 1,
        .created_at = old == NULL ? tx->now_at : old->created_at,
        .updated_at = tx->now_at,
    };
    return OK;
}

struct err tx_body(const struct shape *shape, const void *from, struct buf *out)
{
    AUTO(json_decref) json_t *json = shape_write(shape, from);
    if (json == NULL)
        return fail(ERR_MEMORY, 0);
    return json_write(json, out);
}
