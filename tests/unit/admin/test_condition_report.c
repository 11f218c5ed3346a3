#include "admin/condition_report.h"
#include "tests/support/temp_config.h"
#include "tests/support/unit.h"

static struct {
    struct temp_store store;
    struct fake_issuer ca;
    const struct snapshot *snapshot;
    const struct cert *cert;
    struct arena *arena;
} b;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&b.store);
    fake_issuer_init(&b.ca, "Test CA");
    temp_config_cert(&b.store, &b.ca, "c", "DNS:a.example");
    b.snapshot = store_snapshot(b.store.store);
    b.cert = snapshot_cert_find(b.snapshot, STR("c"));
    b.arena = arena_new(4096, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snapshot_unref(b.snapshot);
    fake_issuer_fini(&b.ca);
    arena_free(b.arena);
    temp_store_fini(&b.store);
    return 0;
}

static struct conditions *conditions(void)
{
    return store_conditions(b.store.store);
}

static void find(enum condition_state state, struct str about, const char *words)
{
    conditions_put(conditions(), &(struct condition){.kind = CONDITION_SERVED,
                                                     .state = state,
                                                     .subject = STR("c"),
                                                     .about = about,
                                                     .words = str_from(words),
                                                     .at = 1795456320});
}

static void expect(const char *want)
{
    AUTO(json_decref) json_t *wanted = temp_json(want);
    AUTO(json_decref) json_t *got = condition_report_served(conditions(), b.cert);
    assert_true(json_equal(wanted, got));
}

static void what_was_found_out_is_shown(void **state)
{
    (void)state;
    struct str now = b.cert->facts.fingerprint_sha256;
    expect("{'state': 'unknown', 'checked_at': null, 'detail': null}");
    find(CONDITION_GOOD, now, "");
    expect("{'state': 'good', 'checked_at': '2026-11-23T17:52:00Z', 'detail': null}");
    assert_true(str_is_empty(condition_report_not_served(b.arena, conditions(), b.cert)));
    find(CONDITION_BAD, now, "oh");
    expect("{'state': 'bad', 'checked_at': '2026-11-23T17:52:00Z', 'detail': 'oh'}");
    assert_true(str_eq(condition_report_not_served(b.arena, conditions(), b.cert), STR("oh")));
}

static void what_was_found_out_of_a_former_pair_is_not(void **state)
{
    (void)state;
    find(CONDITION_BAD, STR("f00d"), "oh");
    expect("{'state': 'unknown', 'checked_at': null, 'detail': null}");
    assert_true(str_is_empty(condition_report_not_served(b.arena, conditions(), b.cert)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_found_out_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_found_out_of_a_former_pair_is_not, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
