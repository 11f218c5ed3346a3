/* db.h - SQLite, as much of it as the store needs.
 *
 * Purpose: one connection with a cache of prepared statements; values bound and read by type.
 * Thread:  one at a time: the store's writer lock.
 * Owns:    the connection and its statements.  Texts and blobs read are borrowed until the
 *          query's next step; values bound are borrowed until the statement has run.
 * Limits:  waits DB_BUSY_MS for another process (a backup) that reads or writes.
 * Fails:   ERR_DB (detail: SQLite's extended code), ERR_DB_BUSY, ERR_DB_FULL, ERR_DB_CORRUPT,
 *          ERR_MEMORY.
 *
 * The journal is a write-ahead log, and each commit is on disk before it returns
 * (synchronous=FULL).  What is deleted is overwritten with zeros. */
#pragma once

#include "gateway/base/str.h"

struct db;
struct db_query;

enum { DB_APPLICATION_ID = 0x47544853 }; /* "GTHS" */

/* The file must exist: whoever creates it decides on its mode. */
struct err db_open(const char *path, struct db **ret_db);
void db_close(struct db *db);
AUTO_DEFINE(db_close, struct db *)

/* After the version was found to be one of ours: closing tidies the journal up.  A database
 * that is refused stays untouched, byte for byte. */
struct err db_adopt(struct db *db);

/* Checks the application id (an empty database gets it) and sets up the journal. */
struct err db_prepare_file(struct db *db);

struct db_value {
    enum { DB_NULL, DB_I64, DB_TEXT, DB_BLOB } type;
    int64_t i64;
    struct str bytes;
};

#define DB_INT(v)   ((struct db_value){.type = DB_I64, .i64 = (int64_t)(v)})
#define DB_STR(v)   ((struct db_value){.type = DB_TEXT, .bytes = (v)})
#define DB_BYTES(v) ((struct db_value){.type = DB_BLOB, .bytes = (v)})
#define DB_NONE     ((struct db_value){.type = DB_NULL})

/* The log that commits write: how many pages it has since the last one of this connection. */
int db_log_pages(const struct db *db);

/* Copies the log into the database file, beside a writer.  *ret_left: how many pages of it
 * could not be copied yet, since somebody wrote or reads them.  If none, the next commit begins
 * the log anew. */
struct err db_checkpoint(struct db *db, int *ret_left);

/* The same, and gives the log's room back; waits for readers.  For whoever has written very
 * much: the next commit would have to do it.  Failing is harmless, the log just grows on. */
void db_truncate_log(struct db *db);

/* Several statements without values, such as a migration. */
struct err db_script(struct db *db, const char *sql);

/* One statement that returns no rows; sql must be a literal: its address is the cache's key. */
struct err db_run_values(struct db *db, const char *sql, const struct db_value *values,
                         size_t count);
#define db_run(db, sql, ...)                                                                   \
    db_run_values((db), (sql), DB_VALUES(__VA_ARGS__), DB_VALUE_COUNT(__VA_ARGS__))

/* values[0] is a placeholder, so that none at all is legal C. */
#define DB_VALUES(...)      ((const struct db_value[]){{.type = DB_NULL}, ##__VA_ARGS__})
#define DB_VALUE_COUNT(...) (sizeof(DB_VALUES(__VA_ARGS__)) / sizeof(struct db_value))

/* Rows changed by the last statement. */
int db_changes(const struct db *db);
int64_t db_last_id(const struct db *db);

/* Begins a query; while (db_next(q, &e)) reads rows; the query ends with db_end, also by AUTO.
 * */
struct err db_query_values(struct db *db, const char *sql, const struct db_value *values,
                           size_t count, struct db_query **ret_query);
#define db_query(db, ret_query, sql, ...)                                                      \
    db_query_values((db), (sql), DB_VALUES(__VA_ARGS__), DB_VALUE_COUNT(__VA_ARGS__),          \
                    (ret_query))

/* *ret_has_row: false at the end. */
struct err db_next(struct db_query *q, bool *ret_has_row);
void db_end(struct db_query *q);
AUTO_DEFINE(db_end, struct db_query *)

int64_t db_int(struct db_query *q, int column);
struct str db_text(struct db_query *q, int column);
struct str db_blob(struct db_query *q, int column);

/* One number. */
struct err db_get_int(struct db *db, const char *sql, int64_t *ret_value);
