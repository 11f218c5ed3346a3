#include "store/store.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_store.h"

#include <stdio.h>
#include <stdlib.h>

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

static json_t *export(struct temp_store *t)
{
    const struct snapshot *s = store_snapshot(t->store);
    json_t *doc = snapshot_config_to_json(s);
    snapshot_unref(s);
    return doc;
}

static struct err replace_with(struct temp_store *t, const json_t *doc, struct invalid *inv)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(t->store, &tx));
    TRY(tx_config_replace(tx, doc, inv));
    return store_commit(&tx);
}

static struct err replace(struct temp_store *t, const char *text, struct invalid *inv)
{
    AUTO(json_decref) json_t *doc = temp_json(text);
    return replace_with(t, doc, inv);
}

static const struct route *find(const struct snapshot *s, const char *id)
{
    return snapshot_route_find(s, str_from(id));
}

static void what_was_exported_changes_nothing(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(t, "a", "a.org", "auto");
    temp_store_add_route(t, "b", "b.org", "none");
    const struct snapshot *before = store_snapshot(t->store);
    AUTO(json_decref) json_t *doc = export(t);
    assert_int_equal(json_object_size(doc), 6);
    assert_false(failed(replace_with(t, doc, &inv)));
    const struct snapshot *after = store_snapshot(t->store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void only_what_differs_gets_a_new_revision(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(t, "gone", "gone.org", "auto");
    temp_store_add_route(t, "same", "same.org", "auto");
    temp_store_add_route(t, "other", "other.org", "auto");
    const struct snapshot *before = store_snapshot(t->store);
    assert_false(failed(replace(t,
                                "{'routes': [{'id': 'same', 'hosts': ['same.org'],"
                                " 'upstream': {'targets': [{'url': 'http://127.0.0.1:8080'}]}},"
                                " {'id': 'other', 'hosts': ['new.org'], " UP "},"
                                " {'hosts': ['made.org'], " UP "}],"
                                " 'settings': {'unknown_host': 'other'}}",
                                &inv)));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        assert_int_equal(snapshot_route_count(s), 3);
        assert_null(find(s, "gone"));
        assert_true(find(s, "same")->object.revision == 1);
        assert_true(find(s, "other")->object.revision == 2);
        assert_true(find(s, "other")->object.created_at ==
                    find(before, "other")->object.created_at);
        assert_non_null(find(s, "made.org"));
        assert_true(str_eq(snapshot_settings(s)->unknown_host, STR("other")));
        assert_int_equal(snapshot_settings(s)->object.revision, 2);
        assert_int_equal(snapshot_acme(s)->object.revision, 1);
        assert_int_equal(snapshot_cert_count(s), 3);
        assert_non_null(snapshot_cert_find(s, STR("new.org")));
        assert_false(snapshot_is_known_host(s, STR("other.org")));
        snapshot_unref(s);
        temp_store_reopen(t);
    }
    snapshot_unref(before);
}

static void hosts_may_change_places(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(t, "a", "a.org", "auto");
    temp_store_add_route(t, "b", "b.org", "auto");
    assert_false(failed(replace(t,
                                "{'routes': [{'id': 'a', 'hosts': ['b.org'], " UP "},"
                                " {'id': 'b', 'hosts': ['a.org'], " UP "}]}",
                                &inv)));
    const struct snapshot *s = store_snapshot(t->store);
    assert_true(str_eq(find(s, "a")->hosts.items[0], STR("b.org")));
    assert_true(str_eq(snapshot_host_find(s, STR("b.org"))->routes[0]->object.id, STR("a")));
    /* The certificates have stayed what they were. */
    assert_int_equal(snapshot_cert_count(s), 2);
    assert_true(snapshot_cert_find(s, STR("a.org"))->object.revision == 1);
    snapshot_unref(s);
}

static void a_document_without_ids_can_be_repeated(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    static const char doc[] = "{'routes': [{'hosts': ['a.org'], " UP "},"
                              " {'hosts': ['a.org'], 'path': '/x', " UP "},"
                              " {'hosts': ['*'], " UP "}]}";
    invalid_init(&inv);
    assert_false(failed(replace(t, doc, &inv)));
    const struct snapshot *before = store_snapshot(t->store);
    assert_non_null(find(before, "a.org"));
    assert_non_null(find(before, "a.org-x"));
    assert_non_null(find(before, "any"));
    assert_false(failed(replace(t, doc, &inv)));
    const struct snapshot *after = store_snapshot(t->store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void put_acme(struct temp_store *t, const char *body)
{
    struct invalid inv;
    struct tx *tx;
    AUTO(json_decref) json_t *acme = temp_json(body);
    invalid_init(&inv);
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_acme_settings_put(tx, acme, &inv)));
    assert_false(failed(store_commit(&tx)));
}

static const struct {
    const char *name, *doc;
    size_t routes;
    uint64_t settings, acme; /* revisions afterwards */
} parts[] = {
    {"nothing", "{}", 1, 2, 2},
    {"certificates and streams", "{'streams': [], 'certificates': []}", 1, 2, 2},
    {"no routes", "{'routes': []}", 0, 2, 2},
    {"settings alone, back to the standard", "{'settings': {}}", 1, 3, 2},
    {"ACME settings alone, back to the standard", "{'acme': {}}", 1, 2, 3},
    {"alarm settings alone", "{'alarms': {'webhook': {'url': 'https://x'}}}", 1, 2, 2},
    {"all", "{'routes': [], 'settings': {}, 'acme': {}}", 0, 3, 3},
};

static void what_a_document_leaves_out_stays(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        temp_store_fini(t);
        temp_store_init(t);
        temp_store_add_route(t, "a", "a.org", "auto");
        assert_false(failed(replace(t, "{'settings': {'tls_min_version': '1.3'}}", &inv)));
        put_acme(t, "{'tos_agreed': true}");
        assert_false(failed(replace(t, parts[i].doc, &inv)));
        const struct snapshot *s = store_snapshot(t->store);
        assert_row(parts[i].name, snapshot_route_count(s) == parts[i].routes);
        assert_row(parts[i].name, snapshot_cert_count(s) == parts[i].routes);
        assert_row(parts[i].name, snapshot_settings(s)->object.revision == parts[i].settings);
        assert_row(parts[i].name, snapshot_acme(s)->object.revision == parts[i].acme);
        assert_row(parts[i].name, (snapshot_settings(s)->tls_min_version == TLS_MIN_1_3) ==
                                      (parts[i].settings == 2));
        assert_row(parts[i].name, snapshot_acme(s)->tos_agreed == (parts[i].acme == 2));
        snapshot_unref(s);
    }
}

/* Neither part is wrong alone. */
static void settings_that_stay_may_not_name_a_route_that_goes(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(t, "a", "a.org", "auto");
    assert_false(failed(replace(t, "{'settings': {'unknown_host': 'a'}}", &inv)));
    assert_true(err_is(replace(t, "{'routes': []}", &inv), ERR_INVALID));
    assert_true(temp_says(&inv, "/settings/unknown_host", "no route"));
    invalid_fini(&inv);
    invalid_init(&inv);
    assert_false(
        failed(replace(t, "{'routes': [], 'settings': {'unknown_host': '404'}}", &inv)));
}

/* clang-format off */
static const struct {
    const char *name, *doc, *field, *words;
    bool is_conflict;
} bad[] = {
    {"no object", "[]", "", "must be an object", false},
    {"unknown member", "{'route': []}", "/route", "no field", false},
    {"routes that are no list", "{'routes': {}}", "/routes", "must be a list", false},
    {"settings that are no object", "{'settings': 7}", "/settings", "must be an object", false},
    {"streams", "{'streams': [{'listen': ':1'}]}", "/streams", "not available yet", false},
    {"a bad route", "{'routes': [{'hosts': ['a.org'], " UP "}, {'hosts': ['a b'], " UP "}]}",
     "/routes/1/hosts/0", "letters", false},
    {"no route", "{'routes': [7]}", "/routes/0", "must be an object", false},
    {"bad settings", "{'settings': {'max_header': 1}}", "/settings/max_header", "size", false},
    {"bad ACME settings", "{'acme': {'directory': 'x'}}", "/acme/directory", "https", false},
    {"bad alarm settings", "{'alarms': {'webhook': {'url': 'x'}}}", "/alarms/webhook/url",
     "https", false},
    {"an id twice",
     "{'routes': [{'id': 'x', 'hosts': ['a.org'], " UP "},"
     " {'id': 'x', 'hosts': ['b.org'], " UP "}]}",
     "/routes/1/id", "two routes", false},
    {"unknown certificate", "{'routes': [{'hosts': ['a.org'], 'certificate': 'nix', " UP "}]}",
     "/routes/0/certificate", "no certificate", false},
    {"unknown_host that is none", "{'settings': {'unknown_host': 'nix'}}",
     "/settings/unknown_host", "no route", false},
    {"a host twice",
     "{'routes': [{'id': 'x', 'hosts': ['a.org'], " UP "},"
     " {'id': 'y', 'hosts': ['b.org', 'a.org'], " UP "}]}",
     "/routes/1/hosts/1", "route \"x\" already claims", true},
};
/* clang-format on */

static void a_refused_document_changes_nothing(void **state)
{
    struct temp_store *t = *state;
    temp_store_add_route(t, "kept", "kept.org", "auto");
    const struct snapshot *before = store_snapshot(t->store);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(json_decref) json_t *doc = temp_json(bad[i].doc);
        struct invalid inv;
        struct tx *tx;
        invalid_init(&inv);
        assert_false(failed(store_begin(t->store, &tx)));
        struct err e = tx_config_replace(tx, doc, &inv);
        if (!err_is(e, bad[i].is_conflict ? ERR_CONFLICT : ERR_INVALID) ||
            !temp_says(&inv, bad[i].field, bad[i].words))
            fail_msg("%s: %s %.*s %.*s", bad[i].name, err_name(e),
                     STR_ARG(inv.kept_count ? inv.entries[0].field : STR("-")),
                     STR_ARG(inv.kept_count ? inv.entries[0].message : STR("-")));
        /* Even if somebody tries. */
        (void)store_commit(&tx);
        const struct snapshot *after = store_snapshot(t->store);
        if (before != after)
            fail_msg("%s: has changed something", bad[i].name);
        snapshot_unref(after);
        invalid_fini(&inv);
    }
    snapshot_unref(before);
    temp_store_reopen(t);
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_count(s), 1);
    snapshot_unref(s);
}

static void all_faults_come_at_once(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    assert_true(err_is(replace(t,
                               "{'x': 1, 'settings': {'y': 1}, 'acme': {'z': 1},"
                               " 'routes': [{'hosts': ['a b'], " UP
                               "}, {'hosts': ['c'], 'q': 1, " UP "}], 'streams': 7}",
                               &inv),
                       ERR_INVALID));
    assert_true(temp_says(&inv, "/x", "") && temp_says(&inv, "/settings/y", ""));
    assert_true(temp_says(&inv, "/acme/z", "") && temp_says(&inv, "/routes/0/hosts/0", ""));
    assert_true(temp_says(&inv, "/routes/1/q", "") && temp_says(&inv, "/streams", ""));
    invalid_fini(&inv);
}

static void secrets_neither_leave_nor_get_lost(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    put_acme(t, "{'eab': {'kid': 'k', 'hmac': 'dmVyeSBzZWNyZXQ'}}");
    AUTO(json_decref) json_t *doc = export(t);
    char *text = json_dumps(doc, 0);
    assert_null(strstr(text, "dmVyeSBzZWNyZXQ"));
    free(text);
    assert_false(failed(replace_with(t, doc, &inv)));
    const struct snapshot *s = store_snapshot(t->store);
    assert_true(str_eq(snapshot_acme(s)->eab.hmac, STR("dmVyeSBzZWNyZXQ")));
    snapshot_unref(s);
}

/* A thousand routes arrive and one of them changes. */
static void many_routes_fit(void **state)
{
    struct temp_store *t = *state;
    struct invalid inv;
    invalid_init(&inv);
    AUTO(json_decref) json_t *doc = json_object();
    json_t *routes = json_array();
    assert_int_equal(json_object_set_new(doc, "routes", routes), 0);
    for (int i = 0; i < 1000; i++) {
        char body[160];
        (void)snprintf(body, sizeof(body), "{'hosts': ['h%d.example'], " UP "}", i);
        assert_int_equal(json_array_append_new(routes, temp_json(body)), 0);
    }
    assert_false(failed(replace_with(t, doc, &inv)));
    temp_store_add_route(t, "h7.example", "seven.example", "none");
    temp_store_reopen(t);
    const struct snapshot *s = store_snapshot(t->store);
    assert_int_equal(snapshot_route_count(s), 1000);
    assert_int_equal(snapshot_cert_count(s), 999);
    assert_true(snapshot_is_known_host(s, STR("seven.example")));
    snapshot_unref(s);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_exported_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_what_differs_gets_a_new_revision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hosts_may_change_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_without_ids_can_be_repeated, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_document_leaves_out_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_that_stay_may_not_name_a_route_that_goes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_document_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_faults_come_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_neither_leave_nor_get_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_routes_fit, set_up, tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
