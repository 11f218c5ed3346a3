/* What one edit costs, counted and not timed: it must not grow with the number of routes. */
#include "store/tx.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/mem.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>

enum { FEW = 100, MANY = 5000, EDITS = 30 };

struct cost {
    unsigned allocations;
    int pages; /* written to the log */
};

static json_t *body_of(int number, int retries)
{
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "{'hosts': ['h%d.example.org'], 'upstream': {'retries': %d, 'targets': "
                   "[{'url': 'http://127.0.0.1:8080'}]}}",
                   number, retries);
    return temp_json(text);
}

static void put(struct tx *tx, int number, int retries)
{
    AUTO(json_decref) json_t *body = body_of(number, retries);
    const struct route *route;
    struct invalid inv;
    char id[16];
    (void)snprintf(id, sizeof(id), "r%d", number);
    invalid_init(&inv);
    assert_false(failed(tx_route_put(tx, str_from(id), body, &inv, &route)));
    invalid_fini(&inv);
}

static void import(struct temp_store *t, int count)
{
    struct tx *tx;
    assert_false(failed(store_begin(t->store, &tx)));
    for (int i = 0; i < count; i++)
        put(tx, i, 1);
    assert_false(failed(store_commit(&tx)));
    /* Again while the checkpointer, which so large a change wakes, is at it itself. */
    while (db_log_pages(t->store->db) > 0) {
        db_truncate_log(t->store->db);
        (void)sched_yield();
    }
}

static struct cost count_edits(int routes)
{
    struct temp_store t;
    temp_store_init(&t);
    import(&t, routes);
    mem_fault_arm(UINT_MAX);
    for (int i = 0; i < EDITS; i++) {
        struct tx *tx;
        assert_false(failed(store_begin(t.store, &tx)));
        put(tx, i * 37 % routes, 2 + i % 5);
        assert_false(failed(store_commit(&tx)));
    }
    struct cost c = {.allocations = UINT_MAX - mem_fault_left(),
                     .pages = db_log_pages(t.store->db)};
    mem_fault_arm(0);
    temp_store_fini(&t);
    return c;
}

/* The depth of the maps and of the tables grows by one, and nothing else does. */
static void an_edit_costs_the_same_among_many_routes(void **state)
{
    (void)state;
    struct cost few = count_edits(FEW), many = count_edits(MANY);
    assert_true(few.allocations > 0);
    assert_true(few.pages >= EDITS);
    assert_in_range(many.allocations, 1, few.allocations * 5 / 4);
    assert_in_range(many.pages, 1, few.pages * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_costs_the_same_among_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
