#include "store/store.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/mem.h"

#define UP "'upstream': {'targets': [{'url': 'http://x'}]}"

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

/* clang-format off */
static const struct {
    const char *name, *id, *body;
    const char *want; /* id; NULL: refused */
    const char *field, *words;
} rows[] = {
    {"id of the address", "x", "{'hosts': ['a.org'], " UP "}", "x", "", ""},
    {"id of the body", "", "{'id': 'y', 'hosts': ['b.org'], " UP "}", "y", "", ""},
    {"both, the same", "z", "{'id': 'z', 'hosts': ['c.org'], " UP "}", "z", "", ""},
    {"made from the host", "", "{'hosts': ['D.org'], " UP "}", "d.org", "", ""},
    {"made from host and path", "", "{'hosts': ['d.org'], 'path': '/api/', " UP "}",
     "d.org-api", "", ""},
    {"both, different", "z", "{'id': 'w', 'hosts': ['e.org'], " UP "}", NULL, "/id", "differs"},
    {"no id", "", "{'id': 'A B', 'hosts': ['e.org'], " UP "}", NULL, "/id", "no id"},
    {"no text", "", "{'id': 7, 'hosts': ['e.org'], " UP "}", NULL, "/id", "text"},
    {"bad id of the address", "A B", "{'hosts': ['e.org'], " UP "}", NULL, "/id", "no id"},
    {"a word with a meaning", "", "{'id': 'reject', 'hosts': ['e.org'], " UP "}", NULL, "/id",
     "meaning"},
    {"a word with a meaning, as address", "404", "{'hosts': ['e.org'], " UP "}", NULL, "/id",
     "meaning"},
    {"no such certificate", "q", "{'hosts': ['e.org'], 'certificate': 'nix', " UP "}", NULL,
     "/certificate", "no certificate \"nix\""},
};
/* clang-format on */

static void ids_are_chosen_or_refused(void **state)
{
    struct temp_store *t = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct invalid inv;
        invalid_init(&inv);
        struct err e = temp_store_put_route(t, rows[i].id, rows[i].body, &inv);
        const struct snapshot *s = store_snapshot(t->store);
        if (rows[i].want != NULL &&
            (failed(e) || snapshot_route_find(s, str_from(rows[i].want)) == NULL))
            fail_msg("%s: %s", rows[i].name, err_name(e));
        if (rows[i].want == NULL &&
            (!err_is(e, ERR_INVALID) || !temp_says(&inv, rows[i].field, rows[i].words)))
            fail_msg("%s: %s", rows[i].name, err_name(e));
        snapshot_unref(s);
        invalid_fini(&inv);
    }
}

/* Faults that others cause are told together with those of the fields. */
static void all_faults_come_at_once(void **state)
{
    struct temp_store *t = *state;
    static const struct {
        const char *field;
        const char *words;
    } want[] = {
        {"/hosts/0", ""},
        {"/hosts/1", "route \"a\" already claims a.org with path /"},
        {"/certificate", "no certificate \"nix\""},
        {"/max_body", "size"},
        {"/upstream/tls/certificate", "no certificate \"nox\""},
    };
    struct invalid inv;
    temp_store_add_route(t, "a", "a.org", "none");
    invalid_init(&inv);
    assert_true(err_is(temp_store_put_route(
                           t, "b",
                           "{'hosts': ['b b', 'A.org'], 'certificate': 'nix', 'max_body': 'x',"
                           " 'upstream': {'targets': [{'url': 'http://a'}],"
                           " 'tls': {'certificate': 'nox'}}}",
                           &inv),
                       ERR_INVALID));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        if (!temp_says(&inv, want[i].field, want[i].words))
            fail_msg("%s is not told", want[i].field);
    }
    assert_int_equal(inv.count, ARRAY_LEN(want));
    invalid_fini(&inv);
    /* A route is not in its own way, and a disabled one in nobody's. */
    static const char *const bodies[] = {"{'hosts': ['a.org'], 'max_body': 'x', " UP "}",
                                         "{'hosts': ['a.org'], 'max_body': 'x', "
                                         "'enabled': false, " UP "}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        invalid_init(&inv);
        assert_true(
            err_is(temp_store_put_route(t, i == 0 ? "a" : "b", bodies[i], &inv), ERR_INVALID));
        assert_int_equal(inv.count, 1);
        invalid_fini(&inv);
    }
}

static void a_second_claim_is_a_conflict_that_names_the_first(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(t, "first", "a.org", "none");
    struct err e =
        temp_store_put_route(t, "second", "{'hosts': ['b.org', 'A.org'], " UP "}", &inv);
    assert_true(err_is(e, ERR_CONFLICT));
    assert_true(temp_says(&inv, "/hosts/1", "route \"first\" already claims a.org"));
    /* Other paths, disabled routes and the route itself are in nobody's way. */
    assert_false(failed(temp_store_put_route(
        t, "second", "{'hosts': ['a.org'], 'path': '/x', 'certificate': 'none', " UP "}",
        NULL)));
    assert_false(failed(temp_store_put_route(
        t, "third", "{'hosts': ['a.org'], 'enabled': false, " UP "}", NULL)));
    assert_false(failed(temp_store_put_route(
        t, "first", "{'hosts': ['a.org', 'c.org'], 'certificate': 'none', " UP "}", NULL)));
    assert_true(err_is(temp_store_put_route(t, "third", "{'hosts': ['a.org'], " UP "}", NULL),
                       ERR_CONFLICT));
    assert_false(failed(temp_store_delete_route(t, "first")));
    assert_false(
        failed(temp_store_put_route(t, "third", "{'hosts': ['a.org'], " UP "}", NULL)));
    invalid_fini(&inv);
}

static void saying_the_same_again_changes_nothing(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "x", "a.org", "auto");
    const struct snapshot *before = store_snapshot(t->store);
    temp_store_add_route(t, "x", "A.ORG", "auto");
    const struct snapshot *after = store_snapshot(t->store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void what_was_got_can_be_put(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "x",
                         "b\xc3\xbc"
                         "cher.example",
                         "auto");
    const struct snapshot *s = store_snapshot(t->store);
    AUTO(json_decref) json_t *body = route_to_json(snapshot_route_find(s, STR("x")));
    assert_int_equal(json_object_set_new(body, "strip_prefix", json_true()), 0);
    snapshot_unref(s);
    struct invalid inv;
    struct tx *tx;
    const struct route *r;
    invalid_init(&inv);
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_route_put(tx, STR("x"), body, &inv, &r)));
    assert_int_equal(r->object.revision, 2);
    assert_true(r->strip_prefix);
    assert_false(failed(store_commit(&tx)));
}

static void deleting_has_its_refusals(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    struct tx *tx;
    invalid_init(&inv);
    assert_true(err_is(temp_store_delete_route(t, "x"), ERR_NOT_FOUND));
    temp_store_add_route(t, "x", "a.org", "none");
    AUTO(json_decref) json_t *settings = temp_json("{'unknown_host': 'x'}");
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_settings_put(tx, settings, &inv)));
    assert_true(err_is(tx_route_delete(tx, STR("x"), &inv), ERR_CONFLICT));
    assert_true(temp_says(&inv, "", "unknown_host"));
    assert_false(failed(store_commit(&tx)));
    assert_true(err_is(temp_store_delete_route(t, "x"), ERR_CONFLICT));
    invalid_fini(&inv);
}

/* A call that refuses its input leaves the transaction usable. */
static void a_refused_call_does_not_break_the_transaction(void **state)
{
    struct temp_store *t = *state;
    AUTO(json_decref) json_t *good = temp_json("{'hosts': ['a.org'], " UP "}");
    AUTO(json_decref) json_t *bad = temp_json("{'hosts': ['a..org'], " UP "}");
    struct invalid inv;
    struct tx *tx;
    const struct route *r;
    invalid_init(&inv);
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_route_put(tx, STR("a"), good, &inv, &r)));
    assert_true(err_is(tx_route_put(tx, STR("b"), bad, &inv, &r), ERR_INVALID));
    assert_true(err_is(tx_route_put(tx, STR("b"), good, &inv, &r), ERR_CONFLICT));
    assert_true(err_is(tx_route_delete(tx, STR("b"), &inv), ERR_NOT_FOUND));
    assert_false(failed(store_commit(&tx)));
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_count(s), 1);
    snapshot_unref(s);
    invalid_fini(&inv);
}

static void live_cells_survive_an_edit(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "x", "a.org", "none");
    const struct snapshot *before = store_snapshot(t->store);
    struct target_live *live =
        upstream_targets(&snapshot_route_find(before, STR("x"))->upstream)[0].live;
    temp_store_add_route(t, "x", "b.org", "none");
    const struct snapshot *after = store_snapshot(t->store);
    assert_ptr_equal(upstream_targets(&snapshot_route_find(after, STR("x"))->upstream)[0].live,
                     live);
    snapshot_unref(before);
    snapshot_unref(after);
}

/* Every allocation of a change fails once: no leak (the sanitizer looks), and the same state in
 * memory and on disk as before; or the change can do without it, and has happened whole. */
static void a_change_without_memory_has_not_happened(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "x", "a.org", "auto");
    AUTO(json_decref)
    json_t *body =
        temp_json("{'hosts': ['b.org', 'c.org'], 'request_headers': {'set': {'a': '1'}},"
                  " 'upstream': {'targets': [{'url': 'https://y'}],"
                  " 'tls': {'verify': 'off'}}}");
    bool has_fired = true;
    unsigned n, changes = 0;
    for (n = 1; has_fired; n++) {
        const struct snapshot *before = store_snapshot(t->store);
        struct invalid inv;
        struct tx *tx = NULL;
        const struct route *r;
        invalid_init(&inv);
        mem_fault_arm(n);
        struct err e = store_begin(t->store, &tx);
        if (!failed(e))
            e = tx_route_put(tx, STR("x"), body, &inv, &r);
        /* Whoever goes on after a failure does not get far. */
        struct err e_commit = tx == NULL ? e : store_commit(&tx);
        has_fired = mem_fault_fired();
        mem_fault_arm(0);
        const struct snapshot *after = store_snapshot(t->store);
        if (failed(e) != failed(e_commit) || (failed(e) && !has_fired))
            fail_msg("allocation %u: %s, %s", n, err_name(e), err_name(e_commit));
        assert_true(!failed(e) || (err_is(e, ERR_MEMORY) && before == after));
        changes += before != after;
        snapshot_unref(before);
        snapshot_unref(after);
        invalid_fini(&inv);
    }
    assert_true(n > 20);
    temp_store_reopen(t);
    const struct snapshot *s = store_snapshot(t->store);
    assert_true(changes > 0);
    assert_int_equal(snapshot_route_find(s, STR("x"))->object.revision, 1 + changes);
    assert_int_equal(snapshot_cert_count(s), 1);
    assert_non_null(snapshot_cert_find(s, STR("b.org")));
    snapshot_unref(s);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_are_chosen_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_faults_come_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_claim_is_a_conflict_that_names_the_first,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(saying_the_same_again_changes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_got_can_be_put, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleting_has_its_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_call_does_not_break_the_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(live_cells_survive_an_edit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_without_memory_has_not_happened, set_up,
                                        tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
