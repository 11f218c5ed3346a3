#include "store/migrate.h"

#include "gateway/base/embedded.h"

#include <stdio.h>

extern const struct embedded_file store_migrations[];

int migrate_latest(void)
{
    int count = 0;
    while (store_migrations[count].name != NULL)
        count++;
    return count;
}

static struct err run_from(struct db *db, int64_t version)
{
    char sql[64];
    for (int64_t i = version; i < migrate_latest(); i++)
        TRY(db_script(db, (const char *)store_migrations[i].data));
    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", migrate_latest());
    return db_script(db, sql);
}

struct err migrate_run(struct db *db)
{
    int64_t version;
    TRY(db_get_int(db, "PRAGMA user_version", &version));
    if (version > migrate_latest() || version < 0)
        return fail(ERR_DB_FUTURE, (int32_t)version);
    if (version == migrate_latest())
        return OK;
    TRY(db_script(db, "BEGIN IMMEDIATE"));
    struct err e = run_from(db, version);
    if (!failed(e))
        e = db_script(db, "COMMIT");
    if (failed(e))
        (void)db_script(db, "ROLLBACK");
    return e;
}
