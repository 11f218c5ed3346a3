#include "store/db.h"
#include "store/store.h"
#include "store/store_orders.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
    static struct temp_store t;
    temp_store_init(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    temp_store_fini(*state);
    return 0;
}

static void a_new_store_has_standard_settings(void **state)
{
    struct temp_store *t = *state;
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_generation(s), 1);
    assert_int_equal(snapshot_route_count(s), 0);
    assert_true(str_eq(snapshot_settings(s)->unknown_host, STR("reject")));
    assert_int_equal(snapshot_settings(s)->object.revision, 1);
    assert_true(str_eq(snapshot_acme(s)->object.id, STR("acme")));
    assert_non_null(snapshot_stand_in(s));
    snapshot_unref(s);
}

static json_t *export(struct temp_store *t)
{
    const struct snapshot *s = store_snapshot(t->store);
    json_t *doc = snapshot_config_to_json(s);
    snapshot_unref(s);
    return doc;
}

static void everything_is_there_after_a_restart(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "one",
                         "b\xc3\xbc"
                         "cher.example",
                         "auto");
    temp_store_add_route(t, "two", "two.example", "none");
    temp_store_add_route(t, "two", "three.example", "none");
    AUTO(json_decref) json_t *before = export(t);
    temp_store_reopen(t);
    AUTO(json_decref) json_t *after = export(t);
    assert_true(json_equal(before, after));
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_find(s, STR("two"))->object.revision, 2);
    assert_non_null(snapshot_host_find(s, STR("xn--bcher-kva.example")));
    assert_null(snapshot_host_find(s, STR("two.example")));
    snapshot_unref(s);
}

static void a_rollback_changes_nothing(void **state)
{
    struct temp_store *t = *state;
    AUTO(json_decref) json_t *before = export(t);
    AUTO(json_decref)
    json_t *body = temp_json("{'hosts': ['a.example'], 'upstream':"
                             " {'targets': [{'url': 'http://x'}]}}");
    struct invalid inv;
    const struct route *r;
    struct tx *tx;
    invalid_init(&inv);
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_route_put(tx, STR("x"), body, &inv, &r)));
    assert_non_null(snapshot_route_find(tx_view(tx), STR("x")));
    const struct snapshot *s = store_snapshot(t->store);
    assert_null(snapshot_route_find(s, STR("x")));
    snapshot_unref(s);
    store_rollback(tx);
    AUTO(json_decref) json_t *after = export(t);
    assert_true(json_equal(before, after));
    temp_store_reopen(t);
    AUTO(json_decref) json_t *again = export(t);
    assert_true(json_equal(before, again));
}

static void an_empty_transaction_publishes_nothing(void **state)
{
    struct temp_store *t = *state;
    struct tx *tx;
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(store_commit(&tx)));
    assert_null(tx);
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_generation(s), 1);
    snapshot_unref(s);
    store_rollback(NULL);
}

/* ---- opening what others have left ---- */

static struct err open_again(struct temp_store *t, struct invalid *why)
{
    store_close(t->store);
    t->store = NULL;
    return store_open(t->dir, why, &t->store);
}

static void script(const struct temp_store *t, const char *sql)
{
    struct db *db;
    assert_false(failed(db_open(temp_store_path(t, "gatehouse.db").text, &db)));
    struct err e = db_script(db, sql);
    if (failed(e))
        fail_msg("%s: %d", sql, (int)e.detail);
    db_close(db);
}

static void a_second_process_is_told_so(void **state)
{
    struct temp_store *t = *state;
    struct store *other = NULL;
    struct invalid why;
    invalid_init(&why);
    assert_true(err_is(store_open(t->dir, &why, &other), ERR_DATA_LOCKED));
    assert_true(temp_says(&why, "", "another gatehouse"));
    assert_null(other);
    assert_true(err_is(store_open(t->dir, NULL, &other), ERR_DATA_LOCKED));
    invalid_fini(&why);
}

static void a_database_from_the_future_is_refused(void **state)
{
    struct temp_store *t = *state;
    struct invalid why;
    invalid_init(&why);
    script(t, "PRAGMA user_version = 99");
    assert_true(err_is(open_again(t, &why), ERR_DB_FUTURE));
    assert_true(temp_says(&why, "", "schema 99"));
    assert_true(temp_says(&why, "", "newer version"));
    invalid_fini(&why);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct temp_store *t = *state;
    struct invalid why;
    invalid_init(&why);
    store_close(t->store);
    t->store = NULL;
    FILE *f = fopen(temp_store_path(t, "gatehouse.db").text, "w");
    for (int i = 0; i < 9000; i++)
        (void)fputc('x', f);
    (void)fclose(f);
    assert_true(err_is(store_open(t->dir, &why, &t->store), ERR_DB_CORRUPT));
    assert_true(temp_says(&why, "", "backup"));
    invalid_fini(&why);
}

static void add_account(struct temp_store *t)
{
    struct tx *tx;
    struct account_row row = {.directory = STR("https://ca.example")};
    assert_false(failed(secret_init(&row.key_der, STR("a private key"))));
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_account_put(tx, &row)));
    assert_false(failed(store_commit(&tx)));
    secret_fini(&row.key_der);
}

static void a_missing_key_matters_only_if_something_is_sealed(void **state)
{
    struct temp_store *t = *state;
    struct invalid why;
    invalid_init(&why);
    assert_int_equal(unlink(temp_store_path(t, "master.key").text), 0);
    assert_false(failed(open_again(t, &why)));
    add_account(t);
    assert_int_equal(unlink(temp_store_path(t, "master.key").text), 0);
    assert_true(err_is(open_again(t, &why), ERR_KEY_MISSING));
    assert_true(temp_says(&why, "", "from a backup"));
    assert_int_equal(access(temp_store_path(t, "master.key").text, F_OK), -1);
    invalid_fini(&why);
}

static void another_key_is_refused(void **state)
{
    struct temp_store *t = *state;
    struct invalid why;
    invalid_init(&why);
    add_account(t);
    FILE *f = fopen(temp_store_path(t, "master.key").text, "w");
    for (int i = 0; i < 32; i++)
        (void)fputc('k', f);
    (void)fclose(f);
    assert_true(err_is(open_again(t, &why), ERR_KEY_WRONG));
    assert_true(temp_says(&why, "", "belongs to this gatehouse.db"));
    invalid_fini(&why);
}

static void a_folder_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct invalid why;
    invalid_init(&why);
    struct err e = store_open("/dev/null/x", &why, &s);
    assert_true(err_is(e, ERR_DATA_DIR) && e.detail == ENOTDIR);
    assert_true(temp_says(&why, "", "Not a directory"));
    invalid_fini(&why);
}

/* ---- rows that cannot be used ---- */

static void a_bad_row_does_not_stop_the_start(void **state)
{
    struct temp_store *t = *state;
    struct invalid why;
    invalid_init(&why);
    temp_store_add_route(t, "bad", "bad.example", "none");
    temp_store_add_route(t, "worse", "worse.example", "none");
    temp_store_add_route(t, "good", "good.example", "none");
    store_close(t->store);
    t->store = NULL;
    script(t, "UPDATE routes SET body = '{\"hosts\": [\"a b\"]}' WHERE id = 'bad';"
              "UPDATE routes SET body = '{' WHERE id = 'worse';"
              "UPDATE settings SET body = '{\"x\": 1}' WHERE id = 'settings'");
    assert_false(failed(store_open(t->dir, &why, &t->store)));
    assert_true(temp_says(&why, "/routes/bad", "left out"));
    assert_true(temp_says(&why, "/routes/worse", "left out"));
    assert_true(temp_says(&why, "/settings", "standard"));
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_count(s), 1);
    assert_non_null(snapshot_route_find(s, STR("good")));
    assert_true(str_eq(snapshot_settings(s)->unknown_host, STR("reject")));
    snapshot_unref(s);
    invalid_fini(&why);
    /* It can be repaired, and nothing has been overwritten before. */
    script(t, "SELECT 1 / (SELECT count(*) FROM routes WHERE id = 'worse' AND body = '{')");
    temp_store_add_route(t, "bad", "bad.example", "none");
    temp_store_reopen(t);
}

/* ---- modes ---- */

static unsigned mode_of(const struct temp_store *t, const char *name)
{
    struct stat st;
    if (stat(temp_store_path(t, name).text, &st) != 0)
        fail_msg("there is no %s", name);
    return st.st_mode & 07777;
}

static void files_are_the_owners_whatever_the_umask(void **state)
{
    struct temp_store *t = *state;
    static const char *const names[] = {"gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm",
                                        "master.key"};
    store_close(t->store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(temp_store_path(t, names[i]).text);
    mode_t old = umask(0);
    struct err e = store_open(t->dir, NULL, &t->store);
    temp_store_add_route(t, "x", "x.example", "none");
    (void)umask(old);
    assert_false(failed(e));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(mode_of(t, names[i]), 0600);
}

/* ---- kill -9 ---- */

/* Writes for ever, and says so after each commit that was acknowledged. */
static void write_until_killed(const char *dir, int out)
{
    struct temp_store t = {.store = NULL};
    (void)snprintf(t.dir, sizeof(t.dir), "%s", dir);
    if (failed(store_open(t.dir, NULL, &t.store)))
        _exit(1);
    for (unsigned i = 0;; i++) {
        char id[16], host[32];
        (void)snprintf(id, sizeof(id), "r%u", i);
        (void)snprintf(host, sizeof(host), "h%u.example", i);
        temp_store_add_route(&t, id, host, i % 2 == 0 ? "auto" : "none");
        if (write(out, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void kill_9_loses_no_acknowledged_write(void **state)
{
    struct temp_store *t = *state;
    for (int round = 0; round < 4; round++) {
        store_close(t->store);
        t->store = NULL;
        temp_store_remove_dir(t->dir);
        int pipe_fd[2];
        unsigned last = 0, seen;
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(t->dir, pipe_fd[1]);
        (void)close(pipe_fd[1]);
        /* An odd number of writes, and then at whatever instant that is. */
        for (int i = 0; i < 7 + 13 * round; i++) {
            assert_int_equal(read(pipe_fd[0], &seen, sizeof(seen)), sizeof(seen));
            last = seen;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(pipe_fd[0], &seen, sizeof(seen)) == sizeof(seen))
            last = seen;
        (void)close(pipe_fd[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);

        assert_false(failed(store_open(t->dir, NULL, &t->store)));
        const struct snapshot *s = store_snapshot(t->store);
        for (unsigned i = 0; i <= last; i++) {
            char id[16];
            int len = snprintf(id, sizeof(id), "r%u", i);
            const struct route *r = snapshot_route_find(s, str_make(id, (size_t)len));
            if (r == NULL)
                fail_msg("write %u of %u is lost", i, last);
            assert_true(i % 2 == 1 || !str_is_empty(snapshot_managed_cert_id(s, r)));
        }
        /* At most the one that was on its way when the process died. */
        assert_true(snapshot_route_count(s) <= last + 2);
        snapshot_unref(s);
    }
}

/* ---- a disk that is full ---- */

static void a_full_disk_refuses_the_write_and_recovers(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "x", "x.example", "none");
    AUTO(json_decref) json_t *before = export(t);
    /* A header value makes a body of a size that a few pages cannot hold. */
    char *body = malloc(300000);
    int len =
        snprintf(body, 300000, "{'hosts': ['big.example'], 'response_headers': {'add': {");
    for (int i = 0; i < 30; i++)
        len += snprintf(body + len, (size_t)(300000 - len), "%s'X-%d': '%08000d'", i ? "," : "",
                        i, 7);
    (void)snprintf(body + len, (size_t)(300000 - len),
                   "}}, 'upstream': {'targets': [{'url': 'http://x'}]}}");
    struct rlimit old, small = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err e = temp_store_put_route(t, "big", body, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(failed(e));
    AUTO(json_decref) json_t *after = export(t);
    assert_true(json_equal(before, after));
    assert_false(failed(temp_store_put_route(t, "big", body, NULL)));
    temp_store_reopen(t);
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_count(s), 2);
    snapshot_unref(s);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_store_has_standard_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_is_there_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rollback_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_transaction_publishes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_second_process_is_told_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_from_the_future_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_missing_key_matters_only_if_something_is_sealed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_is_refused, set_up, tear_down),
        cmocka_unit_test(a_folder_that_cannot_be_is_refused),
        cmocka_unit_test_setup_teardown(a_bad_row_does_not_stop_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_the_owners_whatever_the_umask, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(kill_9_loses_no_acknowledged_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_the_write_and_recovers, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
