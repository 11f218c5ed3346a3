#include "store/checkpointer.h"
#include "store/tx.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdio.h>

/* One small change of the same route. */
static void edit(struct temp_store *t, int n)
{
    char body[256];
    (void)snprintf(
        body, sizeof(body),
        "{'hosts': ['a.example.org'], 'certificate': 'none', 'upstream': {'retries': "
        "%d, 'targets': [{'url': 'http://127.0.0.1:8080'}]}}",
        n % 5);
    assert_false(failed(temp_store_put_route(t, "a", body, NULL)));
}

static void the_log_begins_anew_after_it_was_woken(void **state)
{
    (void)state;
    struct temp_store t;
    struct checkpointer *c;
    temp_store_init(&t);
    for (int i = 0; i < 20; i++)
        edit(&t, i);
    int before = db_log_pages(t.store->db);
    assert_true(before >= 20);
    assert_false(
        failed(checkpointer_new(t.store, temp_store_path(&t, "gatehouse.db").text, &c)));
    checkpointer_wake(c);
    checkpointer_free(c);
    edit(&t, 20);
    assert_true(db_log_pages(t.store->db) < before);
    temp_store_fini(&t);
}

/* Writing on and on does not make the log grow on and on. */
static void the_log_is_bounded_under_changes_without_rest(void **state)
{
    (void)state;
    struct temp_store t;
    temp_store_init(&t);
    int restarts = 0, pages = 0;
    for (int i = 0; i < 3 * DB_LOG_MAX_PAGES && restarts < 3; i++) {
        edit(&t, i);
        int now = db_log_pages(t.store->db);
        assert_true(now < DB_LOG_MAX_PAGES);
        restarts += now < pages;
        pages = now;
    }
    assert_int_equal(restarts, 3);
    temp_store_fini(&t);
}

static void a_missing_database_is_an_error(void **state)
{
    (void)state;
    struct temp_store t;
    struct checkpointer *c = NULL;
    temp_store_init(&t);
    assert_true(failed(checkpointer_new(t.store, "/tmp/gatehouse-test-there-is-none", &c)));
    checkpointer_free(NULL);
    temp_store_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_begins_anew_after_it_was_woken),
        cmocka_unit_test(the_log_is_bounded_under_changes_without_rest),
        cmocka_unit_test(a_missing_database_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
