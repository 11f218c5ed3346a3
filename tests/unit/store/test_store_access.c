#include "store/store.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>
#include <stdio.h>

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

static struct err create(struct temp_store *t, const char *name, unsigned scopes,
                         struct secret *ret_secret)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    const struct token *token;
    TRY(store_begin(t->store, &tx));
    TRY(tx_token_create(tx, str_from(name), scopes, 77, &token, ret_secret));
    return store_commit(&tx);
}

static const struct token *look_up(const struct snapshot *s, const struct secret *secret)
{
    unsigned char digest[32];
    struct str text = secret_bytes(secret);
    assert_int_equal(EVP_Digest(text.p, text.len, digest, NULL, EVP_sha256(), NULL), 1);
    return snapshot_token_by_digest(s, digest);
}

static void a_token_is_found_by_its_secret(void **state)
{
    struct temp_store *t = *state;
    struct secret secret, other;
    assert_false(failed(create(t, "Backup Script", SCOPE_WRITE, &secret)));
    assert_false(failed(create(t, "Backup Script", SCOPE_ADMIN, &other)));
    assert_true(str_starts(secret_bytes(&secret), STR("gh_")));
    assert_int_equal(secret_bytes(&secret).len, 3 + 43);
    assert_false(secret_eq(&secret, secret_bytes(&other)));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        const struct token *token = look_up(s, &secret);
        assert_non_null(token);
        assert_true(str_eq(token->object.id, STR("backup-script")));
        assert_true(str_eq(token->name, STR("Backup Script")));
        assert_int_equal(token->scopes, SCOPE_READ | SCOPE_WRITE);
        assert_int_equal(token->expires_at, 77);
        assert_int_equal(look_up(s, &other)->scopes, SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN);
        assert_ptr_equal(snapshot_token_find(s, STR("backup-script-2")), look_up(s, &other));
        snapshot_unref(s);
        temp_store_reopen(t);
    }
    secret_fini(&secret);
    secret_fini(&other);
}

static void the_secret_is_not_stored(void **state)
{
    struct temp_store *t = *state;
    struct secret secret;
    assert_false(failed(create(t, "x", SCOPE_READ, &secret)));
    store_close(t->store);
    t->store = NULL;
    FILE *f = fopen(temp_store_path(t, "gatehouse.db").text, "r");
    static char bytes[1024 * 1024];
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    struct str text = str_skip(secret_bytes(&secret), 3);
    assert_true(len > 0);
    assert_null(memmem(bytes, len, text.p, text.len));
    secret_fini(&secret);
}

static void a_deleted_token_opens_nothing(void **state)
{
    struct temp_store *t = *state;
    struct secret secret;
    struct tx *tx;
    assert_false(failed(create(t, "x", SCOPE_READ, &secret)));
    assert_false(failed(store_begin(t->store, &tx)));
    assert_true(err_is(tx_token_delete(tx, STR("y")), ERR_NOT_FOUND));
    assert_false(failed(tx_token_delete(tx, STR("x"))));
    assert_false(failed(store_commit(&tx)));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        assert_null(look_up(s, &secret));
        assert_null(snapshot_token_find(s, STR("x")));
        snapshot_unref(s);
        temp_store_reopen(t);
    }
    secret_fini(&secret);
}

static void odd_tokens_are_refused(void **state)
{
    struct temp_store *t = *state;
    struct secret secret;
    static char huge[300];
    memset(huge, 'a', sizeof(huge) - 1);
    assert_true(err_is(create(t, "", SCOPE_READ, &secret), ERR_INVALID));
    assert_true(err_is(create(t, huge, SCOPE_READ, &secret), ERR_INVALID));
    assert_true(err_is(create(t, "a\nb", SCOPE_READ, &secret), ERR_INVALID));
    assert_true(err_is(create(t, "x", 0, &secret), ERR_INVALID));
    assert_true(err_is(create(t, "x", 8, &secret), ERR_INVALID));
}

static void tokens_are_printed_without_anything_secret(void **state)
{
    struct temp_store *t = *state;
    struct secret secret;
    assert_false(failed(create(t, "x", SCOPE_WRITE, &secret)));
    const struct snapshot *s = store_snapshot(t->store);
    AUTO(json_decref) json_t *json = token_to_json(snapshot_token_find(s, STR("x")));
    AUTO(json_decref) json_t *scopes = temp_json("['read', 'write']");
    assert_true(json_equal(json_object_get(json, "scopes"), scopes));
    assert_string_equal(json_string_value(json_object_get(json, "expires_at")),
                        "1970-01-01T00:01:17Z");
    assert_int_equal(json_object_size(json), 7);
    AUTO(arena_free) struct arena *a = arena_new(512, 4096);
    const struct token *const *tokens;
    size_t count;
    assert_false(failed(snapshot_tokens(s, a, &tokens, &count)));
    assert_int_equal(count, 1);
    snapshot_unref(s);
    secret_fini(&secret);
}

static struct err put(struct temp_store *t, const char *id, const struct token *wanted,
                      struct secret *ret_secret)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    const struct token *token;
    TRY(store_begin(t->store, &tx));
    TRY(tx_token_put(tx, str_from(id), wanted, &token, ret_secret));
    return store_commit(&tx);
}

static void a_changed_token_keeps_its_secret(void **state)
{
    struct temp_store *t = *state;
    struct secret secret, untouched = {0};
    struct token wanted = {.name = STR("Script"), .scopes = SCOPE_READ};
    assert_false(failed(put(t, "mine", &wanted, &secret)));
    wanted.scopes = SCOPE_WRITE;
    wanted.expires_at = 99;
    assert_false(failed(put(t, "mine", &wanted, &untouched)));
    assert_false(failed(put(t, "mine", &wanted, &untouched))); /* the same again */
    assert_true(secret_is_empty(&untouched));
    assert_true(err_is(put(t, "A B", &wanted, &untouched), ERR_INVALID));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        const struct token *token = look_up(s, &secret);
        assert_ptr_equal(token, snapshot_token_find(s, STR("mine")));
        assert_int_equal(token->scopes, SCOPE_READ | SCOPE_WRITE);
        assert_true(token->expires_at == 99 && token->object.revision == 2);
        snapshot_unref(s);
        temp_store_reopen(t);
    }
    secret_fini(&secret);
}

static void a_change_keeps_the_secret(void **state)
{
    struct temp_store *t = *state;
    struct secret secret, none = {0};
    struct tx *tx;
    const struct token *token;
    const struct token wanted = {.name = STR("y"), .scopes = SCOPE_ADMIN, .expires_at = 99};
    assert_false(failed(create(t, "x", SCOPE_READ, &secret)));
    assert_false(failed(store_begin(t->store, &tx)));
    assert_false(failed(tx_token_put(tx, STR("x"), &wanted, &token, &none)));
    assert_int_equal(token->object.revision, 2);
    assert_false(failed(tx_token_put(tx, STR("x"), &wanted, &token, &none)));
    assert_int_equal(token->object.revision, 2);
    assert_true(secret_is_empty(&none));
    assert_true(err_is(tx_token_put(tx, STR("No slug"), &wanted, &token, &none), ERR_INVALID));
    assert_false(failed(store_commit(&tx)));
    for (int round = 0; round < 2; round++) {
        const struct snapshot *s = store_snapshot(t->store);
        const struct token *found = look_up(s, &secret);
        assert_non_null(found);
        assert_true(str_eq(found->name, STR("y")));
        assert_int_equal(found->scopes, SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN);
        assert_int_equal(found->expires_at, 99);
        snapshot_unref(s);
        temp_store_reopen(t);
    }
    secret_fini(&secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_found_by_its_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_secret_is_not_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_keeps_the_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_token_keeps_its_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deleted_token_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_tokens_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_are_printed_without_anything_secret, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
