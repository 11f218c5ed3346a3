#include "store/db.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

static struct temp_store t;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_store_fini(&t);
    return 0;
}

static struct err put(const char *text, struct invalid *inv)
{
    AUTO(json_decref) json_t *body = temp_json(text);
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(t.store, &tx));
    TRY(tx_alarm_settings_put(tx, body, inv));
    return store_commit(&tx);
}

static void must_put(const char *text)
{
    struct invalid inv;
    invalid_init(&inv);
    assert_false(failed(put(text, &inv)));
    invalid_fini(&inv);
}

static void expect_secrets(const char *key, const char *password)
{
    const struct snapshot *s = store_snapshot(t.store);
    assert_true(str_eq(snapshot_alarms(s)->webhook.hmac_key, str_from(key)));
    assert_true(str_eq(snapshot_alarms(s)->email.password, str_from(password)));
    snapshot_unref(s);
}

#define MAIL "'from': 'a@b.org', 'to': ['c@d.org']"

/* clang-format off */
static const struct {
    const char *body, *field, *words;
} wrong[] = {
    {"{'webhook': {'url': 'ftp://x'}}", "/webhook/url", "https://"},
    {"{'webhook': {'url': 'https://'}}", "/webhook/url", "https://"},
    {"{'webhook': {'url': 'https://a b'}}", "/webhook/url", "https://"},
    {"{'webhook': {'url': 'https://u:p@x/'}}", "/webhook/url", "password"},
    {"{'webhook': {'url': 'http://x', 'hmac_key': 'a\\nb'}}", "/webhook/hmac_key", "control"},
    {"{'webhook': {'url': 'http://x', 'ca_bundle': 'x'}}", "/webhook/ca_bundle", "PEM"},
    {"{'webhook': {'hmac_key': 'x'}}", "/webhook/url", "required"},
    {"{'email': {'server': 'smtp://x/y', " MAIL "}}", "/email/server", "mail server"},
    {"{'email': {'server': 'smtp://u@x', " MAIL "}}", "/email/server", "mail server"},
    {"{'email': {'server': 'mail.example.org', " MAIL "}}", "/email/server", "mail server"},
    {"{'email': {'server': 'smtp://x', 'from': 'a', 'to': ['c@d.org']}}", "/email/from", "one"},
    {"{'email': {'server': 'smtp://x', 'from': 'a@b.org', 'to': ['c@d.org, e@f.org']}}",
     "/email/to/0", "one"},
    {"{'email': {'server': 'smtp://x', 'from': 'a@b.org', 'to': ['<c@d.org>']}}",
     "/email/to/0", "one"},
    {"{'email': {'server': 'smtp://x', 'from': 'a@b.org', 'to': ['c;e@d.org']}}",
     "/email/to/0", "quoting"},
    {"{'email': {'server': 'smtp://x', 'from': 'a@b.org', 'to': ['c@d.org\\r\\nDATA']}}",
     "/email/to/0", "one"},
    {"{'email': {'server': 'smtp://x', 'from': 'a@b.org', 'to': []}}", "/email/to", ""},
    {"{'email': {'server': 'smtp://x', 'user': 'u', " MAIL "}}", "/email/password", "together"},
    {"{'email': {'server': 'smtp://x', 'password': 'u', " MAIL "}}", "/email/user", "together"},
    {"{'email': {'server': 'SMTP://x', 'user': 'u', 'password': 'p', 'tls': 'off', " MAIL "}}",
     "/email/tls", "plain text"},
    {"{'sms': {}}", "/sms", ""},
};
/* clang-format on */

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct invalid inv;
        invalid_init(&inv);
        assert_true(err_is(put(wrong[i].body, &inv), ERR_INVALID));
        if (!temp_says(&inv, wrong[i].field, wrong[i].words))
            fail_msg("%s: not %s", wrong[i].body, wrong[i].field);
        invalid_fini(&inv);
    }
}

static void nobody_is_told_at_first(void **state)
{
    (void)state;
    const struct snapshot *s = store_snapshot(t.store);
    AUTO(json_decref) json_t *doc = alarm_settings_to_json(snapshot_alarms(s));
    assert_true(json_is_null(json_object_get(doc, "webhook")));
    assert_true(json_is_null(json_object_get(doc, "email")));
    snapshot_unref(s);
}

static void secrets_are_sealed_and_stay_with_their_receiver(void **state)
{
    (void)state;
    must_put("{'webhook': {'url': 'https://x', 'hmac_key': 'between us'}, 'email': "
             "{'server': 'smtps://x', 'user': 'u', 'password': 'hunter', " MAIL "}}");
    must_put("{'webhook': {'url': 'https://x'}, 'email': "
             "{'server': 'smtps://x', 'user': 'u', " MAIL "}}");
    temp_store_reopen(&t);
    expect_secrets("between us", "hunter");
    must_put("{'webhook': {'url': 'https://y'}}");
    expect_secrets("", "");
}

static void secrets_are_not_shown_and_not_in_the_file(void **state)
{
    (void)state;
    must_put("{'webhook': {'url': 'https://x', 'hmac_key': 'between us'}}");
    const struct snapshot *s = store_snapshot(t.store);
    AUTO(json_decref) json_t *doc = alarm_settings_to_json(snapshot_alarms(s));
    json_t *hook = json_object_get(doc, "webhook");
    assert_non_null(json_object_get(hook, "url"));
    assert_null(json_object_get(hook, "hmac_key"));
    snapshot_unref(s);
    struct db *db;
    int64_t open_text;
    assert_false(failed(db_open(temp_store_path(&t, "gatehouse.db").text, &db)));
    assert_false(failed(db_get_int(db,
                                   "SELECT count(*) FROM settings WHERE body LIKE '%between%' "
                                   "OR sealed_hmac LIKE '%between%'",
                                   &open_text)));
    assert_int_equal(open_text, 0);
    db_close(db);
}

static void the_same_again_is_no_change(void **state)
{
    (void)state;
    must_put("{'webhook': {'url': 'https://x', 'hmac_key': 'k'}}");
    const struct snapshot *before = store_snapshot(t.store);
    must_put("{'webhook': {'url': 'https://x', 'hmac_key': 'k'}}");
    const struct snapshot *after = store_snapshot(t.store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void a_damaged_row_tells_nobody(void **state)
{
    (void)state;
    struct db *db;
    must_put("{'webhook': {'url': 'https://x'}}");
    store_close(t.store);
    t.store = NULL;
    assert_false(failed(db_open(temp_store_path(&t, "gatehouse.db").text, &db)));
    assert_false(failed(
        db_script(db, "UPDATE settings SET body = '{\"webhook\": 1}' WHERE id = 'alarms'")));
    db_close(db);
    struct invalid why;
    invalid_init(&why);
    assert_false(failed(store_open(t.dir, &why, &t.store)));
    assert_true(temp_says(&why, "/alarms", "nobody is told"));
    invalid_fini(&why);
    expect_secrets("", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_told_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_sealed_and_stay_with_their_receiver, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_not_shown_and_not_in_the_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_same_again_is_no_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_row_tells_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
