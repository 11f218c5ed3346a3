#include "store/migrate.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct db *new_db(char path[64])
{
    struct db *db;
    (void)snprintf(path, 64, "/tmp/gatehouse-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_false(failed(db_open(path, &db)));
    assert_false(failed(db_prepare_file(db)));
    return db;
}

static int64_t ask(struct db *db, const char *sql)
{
    int64_t value = -1;
    assert_false(failed(db_get_int(db, sql, &value)));
    return value;
}

static void an_empty_database_gets_the_schema(void **state)
{
    (void)state;
    char path[64];
    AUTO(db_close) struct db *db = new_db(path);
    assert_false(failed(migrate_run(db)));
    assert_int_equal(ask(db, "PRAGMA user_version"), migrate_latest());
    assert_int_equal(ask(db, "SELECT count(*) FROM routes"), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM sealed_values"), 0);
    assert_false(failed(migrate_run(db)));
    (void)unlink(path);
}

static void a_database_from_the_future_is_refused(void **state)
{
    (void)state;
    char path[64];
    AUTO(db_close) struct db *db = new_db(path);
    assert_false(failed(db_script(db, "PRAGMA user_version = 999")));
    struct err e = migrate_run(db);
    assert_true(err_is(e, ERR_DB_FUTURE) && e.detail == 999);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema"), 0);
    (void)unlink(path);
}

/* A step that fails in the middle leaves nothing behind. */
static void a_failed_step_changes_nothing(void **state)
{
    (void)state;
    char path[64];
    AUTO(db_close) struct db *db = new_db(path);
    assert_false(failed(db_script(db, "CREATE TABLE tokens (x)")));
    assert_true(failed(migrate_run(db)));
    assert_int_equal(ask(db, "PRAGMA user_version"), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema"), 1);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_the_schema),
        cmocka_unit_test(a_database_from_the_future_is_refused),
        cmocka_unit_test(a_failed_step_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
