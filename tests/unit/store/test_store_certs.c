#include "store/db.h"
#include "store/store.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/clock.h"

#include <openssl/pem.h>
#include <stdio.h>

AUTO_DEFINE(BIO_free_all, BIO *)

struct fixture {
    struct temp_store store;
    struct arena *arena;
    struct fake_issuer ca;
};

static int set_up(void **state)
{
    static struct fixture f;
    temp_store_init(&f.store);
    f.arena = arena_new(65536, 4 * 1024 * 1024);
    fake_issuer_init(&f.ca, "Test Root");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    temp_store_fini(&f->store);
    fake_issuer_fini(&f->ca);
    arena_free(f->arena);
    return 0;
}

struct test_pair {
    struct str chain_pem;
    struct str key_pem;
    struct str key_der;
};

static struct str pem_of_key(struct arena *a, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "pass", 4, NULL, NULL), 1);
    size_t len = (size_t)BIO_get_mem_data(bio, &text);
    return arena_dup(a, str_make(text, len));
}

static struct test_pair new_pair(struct fixture *f, const char *names, int64_t not_after_at)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    const struct fake_cert wanted = {.key = key,
                                     .names = names,
                                     .not_before_at = 1600000000,
                                     .not_after_at = not_after_at,
                                     .usage = "serverAuth"};
    struct str leaf = fake_issuer_sign(&f->ca, f->arena, &wanted);
    struct str root = fake_issuer_root(&f->ca, f->arena);
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(key, &der);
    struct test_pair p = {
        .chain_pem = arena_fmt(f->arena, "%.*s%.*s", STR_ARG(leaf), STR_ARG(root)),
        .key_pem = pem_of_key(f->arena, key, NULL),
        .key_der = arena_dup(f->arena, str_make(der, (size_t)len)),
    };
    OPENSSL_free(der);
    return p;
}

static struct err import(struct fixture *f, const char *id, const struct test_pair *p,
                         struct invalid *inv)
{
    AUTO(json_decref) json_t *body = json_object();
    AUTO(store_rollback) struct tx *tx = NULL;
    const struct cert *c;
    assert_int_equal(json_object_set_new(body, "chain_pem", json_from_str(p->chain_pem)), 0);
    assert_int_equal(json_object_set_new(body, "key_pem", json_from_str(p->key_pem)), 0);
    TRY(store_begin(f->store.store, &tx));
    TRY(tx_cert_import(tx, str_from(id), body, inv, &c));
    return store_commit(&tx);
}

static void must_import(struct fixture *f, const char *id, const struct test_pair *p)
{
    struct invalid inv;
    invalid_init(&inv);
    if (failed(import(f, id, p, &inv)))
        fail_msg("%.*s", STR_ARG(inv.entries[0].message));
    invalid_fini(&inv);
}

static const struct cert *find(const struct snapshot *s, const char *id)
{
    const struct cert *c = snapshot_cert_find(s, str_from(id));
    if (c == NULL)
        fail_msg("there is no certificate %s", id);
    return c;
}

static void an_import_serves_and_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org,DNS:*.b.org", 4000000000);
    must_import(f, "", &p);
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(f->store.store);
        const struct cert *c = find(s, "a.org");
        const struct cert_material *m;
        assert_int_equal(c->source, CERT_IMPORTED);
        assert_int_equal(c->state, CERT_ACTIVE);
        assert_true(str_eq(c->chain_pem, p.chain_pem));
        assert_false(failed(cert_material(c, &m)));
        assert_ptr_equal(snapshot_cert_for_host(s, STR("x.b.org")), c);
        assert_int_equal(c->names.count, 2);
        snapshot_unref(s);
        temp_store_reopen(&f->store);
    }
}

static void keys_are_on_disk_only_sealed(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    must_import(f, "x", &p);
    static const char *const files[] = {"gatehouse.db", "gatehouse.db-wal"};
    /* The middle of a PKCS#8 P-256 key is the scalar, whatever the wrapping. */
    struct str scalar = str_sub(p.key_der, 8, 24);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        FILE *file = fopen(temp_store_path(&f->store, files[i]).text, "r");
        assert_non_null(file);
        char *bytes = arena_bytes(f->arena, 1024 * 1024);
        size_t len = fread(bytes, 1, 1024 * 1024, file);
        (void)fclose(file);
        assert_true(len > 0);
        assert_null(memmem(bytes, len, scalar.p, scalar.len));
        assert_null(memmem(bytes, len, "PRIVATE KEY", 11));
    }
}

static void an_import_can_be_replaced_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    struct test_pair q = new_pair(f, "DNS:b.org", 4000000000);
    must_import(f, "x", &p);
    must_import(f, "x", &q);
    must_import(f, "x", &p);
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_int_equal(find(s, "x")->object.revision, 3);
    assert_non_null(snapshot_cert_for_host(s, STR("a.org")));
    assert_null(snapshot_cert_for_host(s, STR("b.org")));
    snapshot_unref(s);
    /* The active pair and its predecessor. */
    struct db *db;
    int64_t count;
    assert_false(failed(db_open(temp_store_path(&f->store, "gatehouse.db").text, &db)));
    assert_false(failed(db_get_int(db, "SELECT count(*) FROM certificate_pairs", &count)));
    assert_int_equal(count, 2);
    struct invalid inv;
    struct tx *tx;
    invalid_init(&inv);
    assert_false(failed(store_begin(f->store.store, &tx)));
    assert_false(failed(tx_cert_delete(tx, STR("x"), &inv)));
    assert_false(failed(store_commit(&tx)));
    assert_false(failed(db_get_int(db, "SELECT count(*) FROM sealed_values", &count)));
    assert_int_equal(count, 0);
    db_close(db);
}

static void a_certificate_that_a_route_names_stays(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    struct invalid inv;
    struct tx *tx;
    invalid_init(&inv);
    must_import(f, "x", &p);
    temp_store_add_route(&f->store, "r", "elsewhere.org", "x");
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_ptr_equal(snapshot_cert_for_host(s, STR("elsewhere.org")), find(s, "x"));
    snapshot_unref(s);
    assert_false(failed(store_begin(f->store.store, &tx)));
    assert_true(err_is(tx_cert_delete(tx, STR("x"), &inv), ERR_CONFLICT));
    assert_true(temp_says(&inv, "", "route \"r\""));
    store_rollback(tx);
    invalid_fini(&inv);
}

static void bad_pairs_are_refused_with_words(void **state)
{
    struct fixture *f = *state;
    struct test_pair good = new_pair(f, "DNS:a.org", 4000000000);
    struct test_pair other = new_pair(f, "DNS:b.org", 4000000000);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    struct str root = fake_issuer_root(&f->ca, f->arena);
    struct str encrypted = pem_of_key(f->arena, key, EVP_aes_128_cbc());
    /* clang-format off */
    const struct {
        const char *name;
        struct str chain_pem, key_pem;
        const char *field, *words;
    } rows[] = {
        {"no chain", STR("x"), good.key_pem, "/chain_pem", "BEGIN CERTIFICATE"},
        {"no key", good.chain_pem, STR("x"), "/key_pem", "BEGIN PRIVATE KEY"},
        {"neither: the key", STR("x"), STR("x"), "/key_pem", "BEGIN PRIVATE KEY"},
        {"neither: the chain", STR("x"), STR("x"), "/chain_pem", "BEGIN CERTIFICATE"},
        {"another key", good.chain_pem, other.key_pem, "/key_pem", "does not belong"},
        {"root first", root, good.key_pem, "/key_pem", "does not belong"},
        {"encrypted", good.chain_pem, encrypted, "/key_pem", "encrypted"},
        {"key in the chain", good.key_pem, good.key_pem, "/chain_pem", "no certificate"},
        {"empty", STR(""), STR(""), "/chain_pem", "BEGIN CERTIFICATE"},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_pair p = {.chain_pem = rows[i].chain_pem, .key_pem = rows[i].key_pem};
        struct invalid inv;
        invalid_init(&inv);
        struct err e = import(f, "", &p, &inv);
        if (!err_is(e, ERR_INVALID) || !temp_says(&inv, rows[i].field, rows[i].words))
            fail_msg("%s: %s %.*s", rows[i].name, err_name(e),
                     STR_ARG(inv.kept_count ? inv.entries[0].message : STR("-")));
        invalid_fini(&inv);
    }
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_int_equal(snapshot_cert_count(s), 0);
    snapshot_unref(s);
}

static void ids_of_imports_are_checked(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    struct invalid inv;
    invalid_init(&inv);
    temp_store_add_route(&f->store, "r", "auto.org", "auto");
    assert_true(err_is(import(f, "auto", &p, &inv), ERR_INVALID));
    assert_true(err_is(import(f, "A B", &p, &inv), ERR_INVALID));
    assert_true(err_is(import(f, "auto.org", &p, &inv), ERR_CONFLICT));
    must_import(f, "", &p);
    must_import(f, "", &p);
    const struct snapshot *s = store_snapshot(f->store.store);
    (void)find(s, "a.org-2");
    snapshot_unref(s);
    invalid_fini(&inv);
}

static void an_expired_certificate_is_served_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 1600086400);
    must_import(f, "x", &p);
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_int_equal(cert_state_now(find(s, "x"), clock_now_at()), CERT_EXPIRED);
    assert_non_null(snapshot_cert_for_host(s, STR("a.org")));
    snapshot_unref(s);
}

/* ---- for acme/ ---- */

static struct err install(struct fixture *f, const char *id, struct str chain, struct str key)
{
    const struct cert_next next = {.what = STR("renew"), .at = 7, .why = STR("later")};
    const struct cert_origin origin = {.directory = STR("https://ca.test/dir"),
                                       .account = STR("https://ca.test/account/1"),
                                       .profile = STR("short")};
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(f->store.store, &tx));
    TRY(tx_cert_install(tx, str_from(id), chain, key, &origin, &next));
    return store_commit(&tx);
}

static void progress_and_installation_are_kept(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    temp_store_add_route(&f->store, "r", "a.org", "auto");
    const struct cert_progress progress = {
        .state = CERT_FAILED,
        .next = {.what = STR("issue"), .at = 99, .why = STR("back-off")},
        .last_error = STR("{\"title\":\"no\"}"),
        .failures = 3,
    };
    struct tx *tx;
    assert_false(failed(store_begin(f->store.store, &tx)));
    assert_false(failed(tx_cert_progress(tx, STR("a.org"), &progress)));
    assert_true(err_is(tx_cert_progress(tx, STR("b.org"), &progress), ERR_NOT_FOUND));
    assert_false(failed(store_commit(&tx)));
    temp_store_reopen(&f->store);
    const struct snapshot *s = store_snapshot(f->store.store);
    const struct cert *c = find(s, "a.org");
    assert_true(c->state == CERT_FAILED && c->failures == 3 && c->next.at == 99);
    assert_true(str_eq(c->last_error, progress.last_error));
    snapshot_unref(s);

    assert_true(err_is(install(f, "b.org", p.chain_pem, p.key_der), ERR_NOT_FOUND));
    assert_false(failed(install(f, "a.org", p.chain_pem, p.key_der)));
    temp_store_reopen(&f->store);
    s = store_snapshot(f->store.store);
    c = find(s, "a.org");
    assert_true(c->state == CERT_ACTIVE && c->failures == 0 && str_is_empty(c->last_error));
    assert_true(c->next.at == 7 && c->has_material);
    assert_ptr_equal(snapshot_cert_for_host(s, STR("a.org")), c);
    assert_true(str_eq(c->origin.account, STR("https://ca.test/account/1")));
    assert_true(str_eq(c->origin.directory, STR("https://ca.test/dir")));
    assert_true(str_eq(c->origin.profile, STR("short")) && c->installed_at > 0);
    snapshot_unref(s);
}

/* It belongs to the pair: the next one begins without. */
static void renewal_information_is_kept_with_its_pair(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    temp_store_add_route(&f->store, "r", "a.org", "auto");
    const struct cert_renewal renewal = {.start_at = 100,
                                         .end_at = 200,
                                         .selected_at = 150,
                                         .check_at = 50,
                                         .errors = 2,
                                         .explanation = STR("https://ca.test/why")};
    const struct cert_next next = {.what = STR("renew"), .at = 150, .why = STR("asked")};
    struct tx *tx;
    assert_false(failed(store_begin(f->store.store, &tx)));
    assert_true(err_is(tx_cert_renewal(tx, STR("a.org"), &renewal, &next), ERR_NOT_FOUND));
    store_rollback(tx);
    assert_false(failed(install(f, "a.org", p.chain_pem, p.key_der)));
    assert_false(failed(store_begin(f->store.store, &tx)));
    assert_false(failed(tx_cert_renewal(tx, STR("a.org"), &renewal, &next)));
    assert_false(failed(store_commit(&tx)));
    temp_store_reopen(&f->store);
    const struct snapshot *s = store_snapshot(f->store.store);
    const struct cert *c = find(s, "a.org");
    assert_true(c->renewal.start_at == 100 && c->renewal.end_at == 200);
    assert_true(c->renewal.selected_at == 150 && c->renewal.check_at == 50);
    assert_true(c->renewal.errors == 2 && c->next.at == 150);
    assert_true(str_eq(c->renewal.explanation, renewal.explanation));
    snapshot_unref(s);
    assert_false(failed(install(f, "a.org", p.chain_pem, p.key_der)));
    temp_store_reopen(&f->store);
    s = store_snapshot(f->store.store);
    assert_int_equal(find(s, "a.org")->renewal.start_at, 0);
    snapshot_unref(s);
}

static void a_pair_that_does_not_fit_is_not_installed(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    struct test_pair q = new_pair(f, "DNS:a.org", 4000000000);
    temp_store_add_route(&f->store, "r", "a.org", "auto");
    assert_false(failed(install(f, "a.org", p.chain_pem, p.key_der)));
    assert_true(err_is(install(f, "a.org", q.chain_pem, p.key_der), ERR_CERT_MISMATCH));
    assert_true(err_is(install(f, "a.org", STR("<html>"), p.key_der), ERR_CERT_PARSE));
    assert_true(err_is(install(f, "a.org", p.chain_pem, STR("x")), ERR_CERT_KEY));
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_true(str_eq(find(s, "a.org")->chain_pem, p.chain_pem));
    assert_int_equal(find(s, "a.org")->object.revision, 2);
    snapshot_unref(s);
}

static void corrupt(struct fixture *f, const char *sql)
{
    struct db *db;
    store_close(f->store.store);
    f->store.store = NULL;
    assert_false(failed(db_open(temp_store_path(&f->store, "gatehouse.db").text, &db)));
    assert_false(failed(db_script(db, sql)));
    db_close(db);
}

/* clang-format off */
static const struct {
    const char *name, *sql;
} damages[] = {
    {"a key cut short", "UPDATE certificate_pairs SET sealed_key = substr(sealed_key, 1, 60)"
                        " WHERE certificate = 'a.org'"},
    {"another row's key",
     "UPDATE certificate_pairs SET sealed_key = (SELECT sealed_key FROM certificate_pairs"
     " WHERE certificate = 'whole') WHERE certificate = 'a.org'"},
    {"a broken chain", "UPDATE certificate_pairs SET chain_pem = 'x' || chain_pem || 'x',"
                       " fingerprint = '00' WHERE certificate = 'a.org'"},
    {"another row's chain",
     "UPDATE certificate_pairs SET chain_pem = (SELECT chain_pem FROM certificate_pairs"
     " WHERE certificate = 'whole') WHERE certificate = 'a.org'"},
};
/* clang-format on */

/* Only that certificate suffers, and an automatic one is issued anew. */
static void a_damaged_pair_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct test_pair p = new_pair(f, "DNS:a.org", 4000000000);
    struct test_pair whole = new_pair(f, "DNS:b.org", 4000000000);
    temp_store_add_route(&f->store, "r", "a.org", "auto");
    must_import(f, "whole", &whole);
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct invalid why;
        invalid_init(&why);
        assert_false(failed(install(f, "a.org", p.chain_pem, p.key_der)));
        corrupt(f, damages[i].sql);
        if (failed(store_open(f->store.dir, &why, &f->store.store)))
            fail_msg("%s stops the start", damages[i].name);
        if (!temp_says(&why, "/certificates/a.org", "damaged"))
            fail_msg("%s is not noticed", damages[i].name);
        const struct snapshot *s = store_snapshot(f->store.store);
        const struct cert *c = find(s, "a.org");
        assert_true(!c->has_material && c->state == CERT_FAILED);
        assert_true(str_eq(c->next.what, STR("issue")));
        assert_null(snapshot_cert_for_host(s, STR("a.org")));
        assert_non_null(snapshot_cert_for_host(s, STR("b.org")));
        snapshot_unref(s);
        invalid_fini(&why);
    }
}

static void a_lost_row_of_a_route_is_made_again(void **state)
{
    struct fixture *f = *state;
    temp_store_add_route(&f->store, "r", "a.org", "auto");
    corrupt(f, "DELETE FROM certificates");
    assert_false(failed(store_open(f->store.dir, NULL, &f->store.store)));
    const struct snapshot *s = store_snapshot(f->store.store);
    assert_int_equal(find(s, "a.org")->state, CERT_PENDING);
    snapshot_unref(s);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_import_serves_and_survives_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_are_on_disk_only_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_import_can_be_replaced_and_deleted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_that_a_route_names_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bad_pairs_are_refused_with_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_of_imports_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_expired_certificate_is_served_and_says_so, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(progress_and_installation_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renewal_information_is_kept_with_its_pair, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_pair_that_does_not_fit_is_not_installed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_pair_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_row_of_a_route_is_made_again, set_up, tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
