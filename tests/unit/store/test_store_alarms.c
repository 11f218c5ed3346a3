#include "store/alarms.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdio.h>

static struct temp_store t;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    arena = arena_new(4096, 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    temp_store_fini(&t);
    return 0;
}

static void put(enum alarm_kind kind, const char *subject, const char *level)
{
    struct tx *tx;
    struct alarm_row row = {.kind = kind,
                            .subject = str_from(subject),
                            .level = str_from(level),
                            .names = STR("a\nb"),
                            .words = STR("w"),
                            .since_at = 1,
                            .changed_at = 2};
    assert_false(failed(store_begin(t.store, &tx)));
    assert_false(failed(tx_alarm_put(tx, &row)));
    assert_false(failed(store_commit(&tx)));
}

static size_t load(struct alarm_row **ret_rows)
{
    size_t count;
    assert_false(failed(store_alarms_load(t.store, arena, ret_rows, &count)));
    return count;
}

static void alarms_survive_and_end(void **state)
{
    (void)state;
    struct alarm_row *rows;
    struct tx *tx;
    put(ALARM_EXPIRING, "c", "third");
    put(ALARM_EXPIRING, "c", "tenth");
    put(ALARM_CLOCK_SKEW, "", "");
    temp_store_reopen(&t);
    assert_int_equal(load(&rows), 2);
    assert_int_equal(rows[0].kind, ALARM_CLOCK_SKEW);
    assert_true(str_eq(rows[1].level, STR("tenth")));
    assert_true(str_eq(rows[1].names, STR("a\nb")));
    assert_int_equal(rows[1].changed_at, 2);
    assert_false(failed(store_begin(t.store, &tx)));
    assert_false(failed(tx_alarm_remove(tx, ALARM_CLOCK_SKEW, STR(""))));
    assert_false(failed(store_commit(&tx)));
    assert_int_equal(load(&rows), 1);
}

static void an_alarm_publishes_no_snapshot(void **state)
{
    (void)state;
    const struct snapshot *before = store_snapshot(t.store);
    put(ALARM_FAILED, "c", "");
    const struct snapshot *after = store_snapshot(t.store);
    assert_ptr_equal(before, after);
    snapshot_unref(before);
    snapshot_unref(after);
}

static void an_alarm_is_shown(void **state)
{
    (void)state;
    struct alarm_row row = {
        .kind = ALARM_FAILED, .subject = STR("c"), .names = STR("a\nb"), .words = STR("w")};
    AUTO(json_decref) json_t *got = alarm_row_to_json(&row);
    AUTO(json_decref)
    json_t *want = temp_json("{'kind': 'failed', 'title': 'A certificate cannot be obtained',"
                             " 'level': null, 'certificate': 'c', 'names': ['a', 'b'],"
                             " 'detail': 'w', 'since': '1970-01-01T00:00:00Z',"
                             " 'changed': '1970-01-01T00:00:00Z'}");
    assert_true(json_equal(got, want));
}

/* ---- messages ---- */

static unsigned add(enum alarm_channel channel, const char *body)
{
    struct tx *tx;
    unsigned lost;
    assert_false(failed(store_begin(t.store, &tx)));
    assert_false(failed(tx_alarm_message_add(tx, channel, str_from(body), &lost)));
    assert_false(failed(store_commit(&tx)));
    return lost;
}

static struct alarm_message first(enum alarm_channel channel)
{
    struct alarm_message m;
    assert_false(failed(store_alarm_message_first(t.store, arena, channel, &m)));
    return m;
}

static void messages_wait_in_their_order(void **state)
{
    (void)state;
    struct tx *tx;
    assert_int_equal(first(ALARM_WEBHOOK).id, 0);
    assert_int_equal(add(ALARM_WEBHOOK, "1"), 0);
    assert_int_equal(add(ALARM_EMAIL, "other"), 0);
    assert_int_equal(add(ALARM_WEBHOOK, "2"), 0);
    temp_store_reopen(&t);
    struct alarm_message m = first(ALARM_WEBHOOK);
    assert_true(str_eq(m.body, STR("1")));
    assert_int_equal(m.attempts, 0);
    assert_false(failed(store_begin(t.store, &tx)));
    assert_false(failed(tx_alarm_message_tried(tx, m.id)));
    assert_false(failed(store_commit(&tx)));
    assert_int_equal(first(ALARM_WEBHOOK).attempts, 1);
    assert_false(failed(store_begin(t.store, &tx)));
    assert_false(failed(tx_alarm_message_remove(tx, m.id)));
    assert_false(failed(store_commit(&tx)));
    assert_true(str_eq(first(ALARM_WEBHOOK).body, STR("2")));
    assert_true(str_eq(first(ALARM_EMAIL).body, STR("other")));
}

static void too_many_messages_cost_the_oldest(void **state)
{
    (void)state;
    char body[16];
    struct tx *tx;
    unsigned lost, all = 0;
    add(ALARM_EMAIL, "stays");
    assert_false(failed(store_begin(t.store, &tx)));
    for (unsigned i = 0; i < ALARM_MESSAGES_MAX + 3; i++) {
        (void)snprintf(body, sizeof(body), "%u", i);
        assert_false(failed(tx_alarm_message_add(tx, ALARM_WEBHOOK, str_from(body), &lost)));
        all += lost;
    }
    assert_false(failed(store_commit(&tx)));
    assert_int_equal(all, 3);
    assert_true(str_eq(first(ALARM_WEBHOOK).body, STR("3")));
    assert_true(str_eq(first(ALARM_EMAIL).body, STR("stays")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alarms_survive_and_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_alarm_publishes_no_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_alarm_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_wait_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_messages_cost_the_oldest, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
