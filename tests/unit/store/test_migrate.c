#include "store/migrate.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/gatehouse-test-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    /* A database that was not adopted keeps its log when it is closed. */
    static const char *const extras[] = {"-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
        char name[128];
        (void)snprintf(name, sizeof(name), "%s%s", path, extras[i]);
        (void)unlink(name);
    }
    return unlink(path);
}

static struct db *must_open(void)
{
    struct db *db;
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
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(migrate_run(db)));
    assert_int_equal(ask(db, "PRAGMA user_version"), migrate_latest());
    assert_int_equal(ask(db, "SELECT count(*) FROM routes"), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM sealed_values"), 0);
    assert_false(failed(migrate_run(db)));
}

static void a_database_from_the_future_is_refused(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(db_script(db, "PRAGMA user_version = 999")));
    struct err e = migrate_run(db);
    assert_true(err_is(e, ERR_DB_FUTURE) && e.detail == 999);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema"), 0);
}

/* A step that fails in the middle leaves nothing behind. */
static void a_failed_step_changes_nothing(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(db_script(db, "CREATE TABLE tokens (x)")));
    assert_true(failed(migrate_run(db)));
    assert_int_equal(ask(db, "PRAGMA user_version"), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_database_gets_the_schema, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_from_the_future_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failed_step_changes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
