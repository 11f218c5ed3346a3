#include "store/cert_new.h"
#include "store/draft.h"
#include "store/snapshot.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include <stdio.h>

struct fixture {
    struct temp_store store;
    struct snapshot *draft; /* a copy to play with; nothing of it is stored */
};

static int set_up(void **state)
{
    static struct fixture f;
    temp_store_init(&f.store);
    const struct snapshot *s = store_snapshot(f.store.store);
    assert_false(failed(draft_new(s, &f.draft)));
    snapshot_unref(s);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    draft_free(f->draft);
    temp_store_fini(&f->store);
    return 0;
}

static const struct snapshot *see(struct fixture *f)
{
    return store_snapshot(f->store.store);
}

/* A certificate value with these names, and material if it has a key. */
static void add_cert(struct snapshot *d, const char *id, const char *names,
                     int64_t not_after_at, enum cert_source source)
{
    struct cert *c;
    assert_false(failed(cert_new(&c)));
    assert_false(failed(cert_new_set_str(c, str_from(id), &c->object.id)));
    assert_false(failed(cert_new_split_names(c, str_from(names), &c->names)));
    if (not_after_at > 0) {
        c->facts.names = c->names;
        c->facts.not_after_at = not_after_at;
        assert_false(failed(cert_new_set_key_der(c, STR("key"))));
    }
    c->source = source;
    assert_false(failed(draft_put_cert(d, c)));
    cert_unref(c);
}

/* ---- hosts ---- */

/* clang-format off */
static const struct {
    const char *name, *host, *first, *second, *third;
} patterns[] = {
    {"a name", "a.example.org", "a.example.org", "*.example.org", "*"},
    {"two labels", "example.org", "example.org", "*.org", "*"},
    {"one label", "localhost", "localhost", "*", NULL},
    {"nothing", "", "", "*", NULL},
    {"a dot first", ".org", ".org", "*", NULL},
    {"a dot last", "org.", "org.", "*", NULL},
};
/* clang-format on */

static void a_host_may_be_claimed_in_three_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        char wildcard[256];
        struct str got[3] = {STR_NONE, STR_NONE, STR_NONE};
        size_t count = snapshot_host_patterns(str_from(patterns[i].host), wildcard, got);
        if (count != (patterns[i].third == NULL ? 2 : 3) ||
            !str_eq(got[0], str_from(patterns[i].first)) ||
            !str_eq(got[1], str_from(patterns[i].second)) ||
            !str_eq(got[2], str_from(patterns[i].third)))
            fail_msg("%s", patterns[i].name);
    }
    char wildcard[256], huge[5000];
    struct str got[3];
    memset(huge, 'a', sizeof(huge));
    huge[1] = '.';
    assert_int_equal(snapshot_host_patterns(str_make(huge, sizeof(huge)), wildcard, got), 2);
    assert_int_equal(snapshot_host_patterns(str_make(huge, 255), wildcard, got), 3);
    assert_int_equal(got[1].len, 255);
}

static void longer_paths_come_first(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/", "/a/b/c", "/a", "/a/b"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char body[256], id[8];
        (void)snprintf(id, sizeof(id), "r%zu", i);
        (void)snprintf(body, sizeof(body),
                       "{'hosts': ['a.org', '*.b.org'], 'path': '%s', 'certificate': 'none',"
                       " 'upstream': {'targets': [{'url': 'http://x'}]}}",
                       paths[i]);
        assert_false(failed(temp_store_put_route(&f->store, id, body, NULL)));
    }
    const struct snapshot *s = see(f);
    const struct host_routes *h = snapshot_host_find(s, STR("a.org"));
    static const char *const want[] = {"/a/b/c", "/a/b", "/a", "/"};
    assert_int_equal(h->count, 4);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(str_eq(h->routes[i]->path, str_from(want[i])));
    assert_true(snapshot_is_known_host(s, STR("a.org")));
    assert_true(snapshot_is_known_host(s, STR("x.b.org")));
    assert_false(snapshot_is_known_host(s, STR("x.y.b.org")));
    assert_false(snapshot_is_known_host(s, STR("b.org")));
    assert_null(snapshot_host_find(s, STR("x.b.org")));
    snapshot_unref(s);
}

static void a_disabled_route_claims_nothing(void **state)
{
    struct fixture *f = *state;
    assert_false(failed(temp_store_put_route(&f->store, "x",
                                             "{'hosts': ['a.org'], 'enabled': false,"
                                             " 'upstream': {'targets': [{'url': 'http://x'}]}}",
                                             NULL)));
    const struct snapshot *s = see(f);
    assert_false(snapshot_is_known_host(s, STR("a.org")));
    assert_non_null(snapshot_route_find(s, STR("x")));
    assert_int_equal(snapshot_cert_count(s), 0);
    snapshot_unref(s);
}

static void an_edit_touches_only_its_own_hosts(void **state)
{
    struct fixture *f = *state;
    temp_store_add_route(&f->store, "a", "a.org", "none");
    temp_store_add_route(&f->store, "b", "b.org", "none");
    const struct snapshot *before = see(f);
    temp_store_add_route(&f->store, "a", "c.org", "none");
    const struct snapshot *after = see(f);
    assert_null(snapshot_host_find(after, STR("a.org")));
    assert_non_null(snapshot_host_find(after, STR("c.org")));
    assert_ptr_equal(snapshot_host_find(after, STR("b.org")),
                     snapshot_host_find(before, STR("b.org")));
    assert_ptr_equal(snapshot_route_find(after, STR("b")),
                     snapshot_route_find(before, STR("b")));
    assert_non_null(snapshot_host_find(before, STR("a.org")));
    assert_true(snapshot_generation(after) == snapshot_generation(before) + 1);
    snapshot_unref(before);
    snapshot_unref(after);
}

/* ---- certificates ---- */

static struct str cert_for(const struct snapshot *s, const char *host)
{
    const struct cert *c = snapshot_cert_for_host(s, str_from(host));
    return c == NULL ? STR_NONE : c->object.id;
}

static void put(struct fixture *f, const char *id, const char *hosts, const char *certificate)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': [%s], 'certificate': '%s',"
                   " 'upstream': {'targets': [{'url': 'http://x'}]}}",
                   hosts, certificate);
    assert_false(failed(temp_store_put_route(&f->store, id, body, NULL)));
}

/* The routes as stored, and certificates that only the draft has. */
static struct snapshot *new_view(struct fixture *f)
{
    const struct snapshot *s = see(f);
    struct snapshot *d;
    assert_false(failed(draft_new(s, &d)));
    snapshot_unref(s);
    return d;
}

static void the_right_certificate_serves_a_name(void **state)
{
    struct fixture *f = *state;
    put(f, "auto", "'auto.org', '*'", "auto");
    put(f, "pending", "'pending.org'", "auto");
    put(f, "covered", "'x.wild.org'", "auto");
    put(f, "none", "'none.org'", "none");
    struct snapshot *d = new_view(f);
    assert_true(str_is_empty(cert_for(d, "auto.org"))); /* pending still */
    add_cert(d, "auto.org", "auto.org", 1000, CERT_ACME);
    add_cert(d, "wild", "*.wild.org", 1000, CERT_IMPORTED);
    add_cert(d, "old", "two.org", 1000, CERT_IMPORTED);
    add_cert(d, "new", "two.org\nauto.org\nnone.org", 2000, CERT_IMPORTED);
    /* clang-format off */
    static const struct {
        const char *name, *host, *want;
    } rows[] = {
        {"the managed one, though another one lasts longer", "auto.org", "auto.org"},
        {"a wildcard while the managed one is pending", "x.wild.org", "wild"},
        {"nothing covers it", "pending.org", ""},
        {"the route says none", "none.org", ""},
        {"the catch-all's certificate does not cover it, another one does", "two.org", "new"},
        {"the catch-all's certificate does not cover it", "elsewhere.org", ""},
        {"one label below a wildcard", "y.wild.org", "wild"},
        {"two labels below", "a.y.wild.org", ""},
        {"nothing", "", ""},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!str_eq(cert_for(d, rows[i].host), str_from(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, STR_ARG(cert_for(d, rows[i].host)));
    }
    assert_false(failed(draft_remove_cert(d, STR("new"))));
    assert_true(str_eq(cert_for(d, "two.org"), STR("old")));
    assert_false(failed(draft_remove_cert(d, STR("old"))));
    assert_true(str_is_empty(cert_for(d, "two.org")));
    draft_free(d);
}

static void names_of_a_replaced_certificate_are_forgotten(void **state)
{
    struct fixture *f = *state;
    add_cert(f->draft, "x", "a.org\nb.org\nb.org", 1000, CERT_IMPORTED);
    assert_true(str_eq(cert_for(f->draft, "b.org"), STR("x")));
    add_cert(f->draft, "x", "b.org", 1000, CERT_IMPORTED);
    assert_true(str_is_empty(cert_for(f->draft, "a.org")));
    assert_true(str_eq(cert_for(f->draft, "b.org"), STR("x")));
    assert_int_equal(snapshot_cert_count(f->draft), 1);
}

static void users_are_listed_by_certificate(void **state)
{
    struct fixture *f = *state;
    put(f, "b", "'a.org'", "auto");
    put(f, "c", "'none.org'", "none");
    assert_false(failed(temp_store_put_route(&f->store, "a",
                                             "{'hosts': ['a.org'], 'path': '/x',"
                                             " 'upstream': {'targets': [{'url': 'http://x'}]}}",
                                             NULL)));
    const struct snapshot *s = see(f);
    struct cert_users *u;
    assert_false(failed(cert_users_new(s, &u)));
    AUTO(json_decref) json_t *got = cert_users_of(u, STR("a.org"));
    AUTO(json_decref) json_t *want = temp_json("['a', 'b']");
    AUTO(json_decref) json_t *nobody = cert_users_of(u, STR("x"));
    assert_true(json_equal(got, want));
    assert_int_equal(cert_users_count(u, STR("a.org")), 2);
    assert_int_equal(cert_users_count(u, STR("x")), 0);
    assert_int_equal(json_array_size(nobody), 0);
    cert_users_free(u);
    snapshot_unref(s);
}

/* ---- challenges ---- */

static void challenges_are_found_by_host_and_token(void **state)
{
    struct fixture *f = *state;
    /* clang-format off */
    const struct draft_challenge list[] = {
        {.host = STR("a.org"), .token = STR("t1"), .key_authorization = STR("t1.k")},
        {.host = STR("b.org"), .token = STR("t2"), .key_authorization = STR("t2.k")},
    };
    /* clang-format on */
    struct snapshot *d = f->draft;
    assert_false(failed(draft_put_board(d, STR("x"), list, 2)));
    assert_true(str_eq(snapshot_challenge_find(d, STR("a.org"), STR("t1")), STR("t1.k")));
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("b.org"), STR("t1"))));
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("a.org"), STR("t"))));
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("a.or"), STR("g\nt1"))));
    static char huge[2000];
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("a.org"), str_make(huge, 2000))));
    assert_false(failed(draft_put_board(d, STR("x"), list + 1, 1)));
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("a.org"), STR("t1"))));
    assert_true(str_eq(snapshot_challenge_find(d, STR("b.org"), STR("t2")), STR("t2.k")));
    assert_false(failed(draft_put_board(d, STR("x"), NULL, 0)));
    assert_true(str_is_empty(snapshot_challenge_find(d, STR("b.org"), STR("t2"))));
}

static void lists_are_in_order(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"b", "c", "a", "10", "1"};
    static const char *const want[] = {"1", "10", "a", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char host[32];
        (void)snprintf(host, sizeof(host), "%s.example", ids[i]);
        temp_store_add_route(&f->store, ids[i], host, "none");
    }
    const struct snapshot *s = see(f);
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    const struct route *const *routes;
    size_t count;
    assert_false(failed(snapshot_routes(s, a, &routes, &count)));
    assert_int_equal(count, ARRAY_LEN(want));
    assert_int_equal(snapshot_route_count(s), count);
    for (size_t i = 0; i < count; i++)
        assert_true(str_eq(routes[i]->object.id, str_from(want[i])));
    snapshot_unref(s);
}

/* ---- health checks ---- */

struct changes {
    size_t added, removed, replaced;
};

static void note_change(void *arg, const struct route *before, const struct route *after)
{
    struct changes *c = arg;
    assert_true(before != NULL || after != NULL);
    c->added += before == NULL;
    c->removed += after == NULL;
    c->replaced += before != NULL && after != NULL;
}

/* Since the last call; the first one is told of all. */
static struct changes checked_changes(struct fixture *f, const struct snapshot **last)
{
    const struct snapshot *s = see(f);
    struct changes c = {0};
    snapshot_diff_checked(*last, s, note_change, &c);
    snapshot_unref(*last);
    *last = s;
    return c;
}

static void put_checked(struct fixture *f, const char *members, const char *health)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['c.org'], 'certificate': 'none'%s, 'upstream': {'targets': "
                   "[{'url': 'http://a'}], 'health': {%s}}}",
                   members, health);
    assert_false(failed(temp_store_put_route(&f->store, "c", body, NULL)));
}

#define assert_changes(added_, removed_, replaced_)                                            \
    do {                                                                                       \
        struct changes c_ = checked_changes(f, &last);                                         \
        assert_int_equal(c_.added, added_);                                                    \
        assert_int_equal(c_.removed, removed_);                                                \
        assert_int_equal(c_.replaced, replaced_);                                              \
    } while (0)

/* Among many routes, those with checks are found without looking at the others. */
static void routes_with_checks_stand_by_themselves(void **state)
{
    struct fixture *f = *state;
    const struct snapshot *last = NULL;
    temp_store_add_route(&f->store, "plain", "plain.org", "none");
    assert_changes(0, 0, 0);
    put_checked(f, "", "'path': '/up'");
    assert_changes(1, 0, 0);
    temp_store_add_route(&f->store, "other", "other.org", "none");
    assert_changes(0, 0, 0);
    put_checked(f, "", "'tcp': true");
    assert_changes(0, 0, 1);
    put_checked(f, ", 'enabled': false", "'tcp': true");
    assert_changes(0, 1, 0);
    put_checked(f, "", "'tcp': true");
    assert_changes(1, 0, 0);
    put_checked(f, "", "'interval': '1s'");
    assert_changes(0, 1, 0);
    put_checked(f, "", "'tcp': true");
    assert_false(failed(temp_store_delete_route(&f->store, "c")));
    assert_changes(0, 0, 0);
    put_checked(f, "", "'tcp': true");
    snapshot_unref(last);
    last = NULL;
    assert_changes(1, 0, 0);
    snapshot_unref(last);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_may_be_claimed_in_three_ways),
        cmocka_unit_test_setup_teardown(longer_paths_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disabled_route_claims_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_edit_touches_only_its_own_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_right_certificate_serves_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_a_replaced_certificate_are_forgotten, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(users_are_listed_by_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(challenges_are_found_by_host_and_token, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lists_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(routes_with_checks_stand_by_themselves, set_up,
                                        tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
