#include "store/db.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static void values_come_back_as_they_went_in(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(
        failed(db_script(db, "CREATE TABLE t (i INTEGER, s TEXT, b BLOB, n TEXT) STRICT")));
    for (int i = 0; i < 3; i++)
        assert_false(
            failed(db_run(db, "INSERT INTO t VALUES (?, ?, ?, ?)", DB_INT(INT64_MIN + i),
                          DB_STR(STR("t\xc3\xa4xt")), DB_BYTES(STR("\0\1")), DB_NONE)));
    assert_int_equal(db_changes(db), 1);
    assert_int_equal(db_last_id(db), 3);
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    assert_false(failed(db_query(db, &q, "SELECT i, s, b, n FROM t WHERE i > ? ORDER BY i",
                                 DB_INT(INT64_MIN))));
    for (int i = 1; i < 3; i++) {
        assert_false(failed(db_next(q, &has_row)));
        assert_true(has_row);
        assert_true(db_int(q, 0) == INT64_MIN + i);
        assert_true(str_eq(db_text(q, 1), STR("t\xc3\xa4xt")));
        assert_true(str_eq(db_blob(q, 2), STR("\0\1")));
        assert_true(str_is_empty(db_text(q, 3)));
    }
    assert_false(failed(db_next(q, &has_row)));
    assert_false(has_row);
}

static void an_empty_text_is_not_null(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(
        failed(db_script(db, "CREATE TABLE e (s TEXT NOT NULL, b BLOB NOT NULL) STRICT")));
    assert_false(failed(
        db_run(db, "INSERT INTO e VALUES (?, ?)", DB_STR(STR_NONE), DB_BYTES(STR_NONE))));
    assert_true(failed(db_run(db, "INSERT INTO e VALUES (?, ?)", DB_NONE, DB_BYTES(STR_NONE))));
}

/* The settings that durability and secrecy rest on, asked from SQLite itself. */
static void the_connection_is_set_up(void **state)
{
    (void)state;
    static const struct {
        const char *pragma;
        int64_t want;
    } rows[] = {
        {"PRAGMA synchronous", 2},
        {"PRAGMA foreign_keys", 1},
        {"PRAGMA secure_delete", 1},
        {"PRAGMA trusted_schema", 0},
        {"PRAGMA application_id", DB_APPLICATION_ID},
        {"SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1},
    };
    AUTO(db_close) struct db *db = must_open();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = -1;
        struct err e = db_get_int(db, rows[i].pragma, &got);
        if (failed(e) || got != rows[i].want)
            fail_msg("%s: %lld", rows[i].pragma, (long long)got);
    }
    assert_true(failed(db_script(db, "SELECT load_extension('x')")));
}

static void a_failed_statement_can_run_again(void **state)
{
    (void)state;
    static const char sql[] = "INSERT INTO u VALUES (?)";
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(db_script(db, "CREATE TABLE u (k TEXT PRIMARY KEY) STRICT")));
    assert_false(failed(db_run(db, sql, DB_STR(STR("a")))));
    assert_true(err_is(db_run(db, sql, DB_STR(STR("a"))), ERR_DB));
    assert_false(failed(db_run(db, sql, DB_STR(STR("b")))));
}

static void another_programs_database_is_left_alone(void **state)
{
    (void)state;
    struct db *db;
    assert_false(failed(db_open(path, &db)));
    assert_false(failed(db_script(db, "PRAGMA application_id = 7")));
    assert_true(err_is(db_prepare_file(db), ERR_DB_CORRUPT));
    assert_false(failed(db_script(db, "PRAGMA application_id = 0; CREATE TABLE x (y)")));
    assert_true(err_is(db_prepare_file(db), ERR_DB_CORRUPT));
    db_close(db);
}

static void what_is_no_database_is_called_damaged(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 10000; i++)
        (void)fputc('x', f);
    (void)fclose(f);
    struct db *db = NULL;
    struct err e = db_open(path, &db);
    if (!failed(e))
        e = db_prepare_file(db);
    assert_true(err_is(e, ERR_DB_CORRUPT));
    db_close(db);
}

static void a_missing_file_is_not_made(void **state)
{
    (void)state;
    struct db *db;
    assert_true(err_is(db_open("/tmp/gatehouse-test-there-is-none", &db), ERR_DB));
}

/* A page limit fails like a full disk. */
static void a_full_disk_has_its_own_error(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(db_script(db, "CREATE TABLE big (b BLOB)")));
    assert_false(failed(db_script(db, "PRAGMA max_page_count = 20")));
    assert_true(
        err_is(db_script(db, "INSERT INTO big VALUES (zeroblob(1000000))"), ERR_DB_FULL));
    assert_false(failed(db_script(db, "INSERT INTO big VALUES (zeroblob(10))")));
}

/* Ten rows of 200,000 bytes, a commit each. */
static void write_much(struct db *db)
{
    for (int i = 0; i < 10; i++)
        assert_false(failed(db_run(db, "INSERT INTO log VALUES (zeroblob(200000))")));
}

static off_t log_bytes(void)
{
    char log_path[128];
    struct stat st;
    (void)snprintf(log_path, sizeof(log_path), "%s-wal", path);
    assert_int_equal(stat(log_path, &st), 0);
    return st.st_size;
}

/* Commits do not move the log; another connection may, beside the one that writes. */
static void the_log_begins_anew_when_it_was_copied(void **state)
{
    (void)state;
    AUTO(db_close) struct db *writer = must_open();
    AUTO(db_close) struct db *copier = NULL;
    int left;
    assert_false(failed(db_open(path, &copier)));
    assert_false(failed(db_script(writer, "CREATE TABLE log (b BLOB)")));
    for (int round = 0; round < 10; round++) {
        write_much(writer);
        assert_true(db_log_pages(writer) >= 10 * 200000 / 4096);
        assert_true(db_log_pages(writer) < 2 * 10 * 200000 / 4096);
        assert_false(failed(db_checkpoint(copier, &left)));
        assert_int_equal(left, 0);
    }
    assert_true(log_bytes() < 10 * 1000 * 1000);
    int64_t count;
    assert_false(failed(db_get_int(writer, "SELECT count(*) FROM log", &count)));
    assert_int_equal(count, 100);
}

static void what_is_being_read_is_left_in_the_log(void **state)
{
    (void)state;
    AUTO(db_close) struct db *writer = must_open();
    AUTO(db_close) struct db *reader = NULL;
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    int left;
    assert_false(failed(db_script(writer, "CREATE TABLE log (b BLOB)")));
    assert_false(failed(db_open(path, &reader)));
    write_much(writer);
    assert_false(failed(db_query(reader, &q, "SELECT count(*) FROM log")));
    assert_false(failed(db_next(q, &has_row)));
    write_much(writer);
    assert_false(failed(db_checkpoint(writer, &left)));
    assert_true(left > 0);
    db_end(TAKE(q));
    assert_false(failed(db_checkpoint(writer, &left)));
    assert_int_equal(left, 0);
}

static void truncating_gives_the_room_back(void **state)
{
    (void)state;
    AUTO(db_close) struct db *db = must_open();
    assert_false(failed(db_script(db, "CREATE TABLE log (b BLOB)")));
    write_much(db);
    db_truncate_log(db);
    assert_int_equal(log_bytes(), 0);
    assert_int_equal(db_log_pages(db), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_come_back_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_text_is_not_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_connection_is_set_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_statement_can_run_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_programs_database_is_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_called_damaged, set_up,
                                        tear_down),
        cmocka_unit_test(a_missing_file_is_not_made),
        cmocka_unit_test_setup_teardown(a_full_disk_has_its_own_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_begins_anew_when_it_was_copied, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_being_read_is_left_in_the_log, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(truncating_gives_the_room_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
