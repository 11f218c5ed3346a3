#include "store/db.h"

#include "gateway/base/mem.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>

enum {
    DB_BUSY_MS = 5000,
    STATEMENTS_MAX = 64,
};

struct statement {
    const char *sql; /* compared by address */
    sqlite3_stmt *stmt;
};

struct db {
    sqlite3 *handle;
    struct statement statements[STATEMENTS_MAX];
    size_t statement_count;
    int log_pages; /* in the write-ahead log after the last commit */
};

static struct err db_error(int code, int extended)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(ERR_DB_BUSY, extended);
    case SQLITE_FULL:
        return fail(ERR_DB_FULL, extended);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(ERR_DB_CORRUPT, extended);
    case SQLITE_NOMEM:
        return fail(ERR_MEMORY, 0);
    default:
        return fail(ERR_DB, extended);
    }
}

static struct err check(const struct db *db, int code)
{
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return OK;
    return db_error(code, sqlite3_extended_errcode(db->handle));
}

/* ---- connection ---- */

static int on_commit(void *arg, sqlite3 *handle, const char *name, int log_pages)
{
    (void)handle;
    (void)name;
    struct db *db = arg;
    db->log_pages = log_pages;
    return SQLITE_OK;
}

int db_log_pages(const struct db *db)
{
    return db->log_pages;
}

struct err db_checkpoint(struct db *db, int *ret_left)
{
    int64_t ignored;
    int pages = 0, copied = 0;
    /* A connection that has never read does not know yet that there is a log. */
    TRY(db_get_int(db, "PRAGMA schema_version", &ignored));
    TRY(check(db, sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                            &copied)));
    *ret_left = pages - copied;
    return OK;
}

void db_truncate_log(struct db *db)
{
    if (sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
        SQLITE_OK)
        db->log_pages = 0;
}

/* The schema is ours alone, and still: SQL in a tampered file shall do nothing (SQLite,
 * "Defense Against The Dark Arts"). */
static struct err harden(struct db *db)
{
    sqlite3 *h = db->handle;
    (void)sqlite3_extended_result_codes(h, 1);
    (void)sqlite3_wal_hook(h, on_commit, db);
    TRY(check(db, sqlite3_busy_timeout(h, DB_BUSY_MS)));
    TRY(check(db, sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL)));
    TRY(check(db, sqlite3_db_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL)));
    TRY(check(db, sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL)));
    /* Until it is known to be ours, closing leaves the file as it was. */
    TRY(check(db, sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL)));
    return check(db, sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL));
}

struct err db_open(const char *path, struct db **ret_db)
{
    AUTO(db_close) struct db *db = mem_new(struct db);
    if (db == NULL)
        return fail(ERR_MEMORY, 0);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (db->handle == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(check(db, code));
    TRY(harden(db));
    *ret_db = TAKE(db);
    return OK;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < db->statement_count; i++)
        (void)sqlite3_finalize(db->statements[i].stmt);
    (void)sqlite3_close_v2(db->handle);
    mem_free(db);
}

struct err db_script(struct db *db, const char *sql)
{
    return check(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

struct err db_adopt(struct db *db)
{
    return check(db, sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL));
}

struct err db_prepare_file(struct db *db)
{
    int64_t id, tables;
    TRY(db_get_int(db, "PRAGMA application_id", &id));
    TRY(db_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables));
    if (id != DB_APPLICATION_ID && (id != 0 || tables != 0))
        return fail(ERR_DB_CORRUPT, SQLITE_NOTADB);
    TRY(db_script(db, "PRAGMA journal_mode = WAL;"
                      "PRAGMA synchronous = FULL;"
                      "PRAGMA secure_delete = ON;"
                      "PRAGMA temp_store = MEMORY;"
                      "PRAGMA cache_size = -1024;"
                      "PRAGMA journal_size_limit = 16777216;"));
    if (id == DB_APPLICATION_ID)
        return OK;
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", DB_APPLICATION_ID);
    return db_script(db, sql);
}

/* ---- statements ---- */

static struct err find_statement(struct db *db, const char *sql, sqlite3_stmt **ret_stmt)
{
    for (size_t i = 0; i < db->statement_count; i++) {
        if (db->statements[i].sql == sql) {
            *ret_stmt = db->statements[i].stmt;
            return OK;
        }
    }
    if (db->statement_count == STATEMENTS_MAX)
        return fail(ERR_LIMIT, 0);
    sqlite3_stmt *stmt;
    TRY(check(db,
              sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL)));
    db->statements[db->statement_count++] = (struct statement){.sql = sql, .stmt = stmt};
    *ret_stmt = stmt;
    return OK;
}

static int bind_one(sqlite3_stmt *stmt, int index, const struct db_value *v)
{
    const char *bytes = v->bytes.len > 0 ? v->bytes.p : "";
    switch (v->type) {
    case DB_NULL:
        return sqlite3_bind_null(stmt, index);
    case DB_I64:
        return sqlite3_bind_int64(stmt, index, v->i64);
    case DB_TEXT:
        return sqlite3_bind_text64(stmt, index, bytes, v->bytes.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(stmt, index, bytes, v->bytes.len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static struct err start(struct db *db, const char *sql, const struct db_value *values,
                        size_t count, sqlite3_stmt **ret_stmt)
{
    sqlite3_stmt *stmt;
    TRY(find_statement(db, sql, &stmt));
    for (size_t i = 1; i < count; i++)
        TRY(check(db, bind_one(stmt, (int)i, &values[i])));
    *ret_stmt = stmt;
    return OK;
}

/* Bindings borrow: none of them may outlive the call. */
static void finish(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
}

struct err db_run_values(struct db *db, const char *sql, const struct db_value *values,
                         size_t count)
{
    sqlite3_stmt *stmt;
    TRY(start(db, sql, values, count, &stmt));
    struct err e = check(db, sqlite3_step(stmt));
    finish(stmt);
    return e;
}

int db_changes(const struct db *db)
{
    return sqlite3_changes(db->handle);
}

int64_t db_last_id(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

/* ---- queries ---- */

/* A query is its statement: the type is only a name for it outside. */
static sqlite3_stmt *stmt_of(struct db_query *q)
{
    return (sqlite3_stmt *)q;
}

struct err db_query_values(struct db *db, const char *sql, const struct db_value *values,
                           size_t count, struct db_query **ret_query)
{
    sqlite3_stmt *stmt;
    TRY(start(db, sql, values, count, &stmt));
    *ret_query = (struct db_query *)stmt;
    return OK;
}

struct err db_next(struct db_query *q, bool *ret_has_row)
{
    int code = sqlite3_step(stmt_of(q));
    *ret_has_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return OK;
    return db_error(code, sqlite3_extended_errcode(sqlite3_db_handle(stmt_of(q))));
}

void db_end(struct db_query *q)
{
    finish(stmt_of(q));
}

int64_t db_int(struct db_query *q, int column)
{
    return sqlite3_column_int64(stmt_of(q), column);
}

struct str db_text(struct db_query *q, int column)
{
    const unsigned char *p = sqlite3_column_text(stmt_of(q), column);
    return str_make(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt_of(q), column));
}

struct str db_blob(struct db_query *q, int column)
{
    const void *p = sqlite3_column_blob(stmt_of(q), column);
    return str_make(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt_of(q), column));
}

struct err db_get_int(struct db *db, const char *sql, int64_t *ret_value)
{
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(db, &q, sql));
    TRY(db_next(q, &has_row));
    *ret_value = has_row ? db_int(q, 0) : 0;
    return OK;
}
