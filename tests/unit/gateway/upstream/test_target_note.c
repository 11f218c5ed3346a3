#include "gateway/upstream/target_note.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include <errno.h>

enum { NOW_AT = 1795456320 };

static struct fake_clock fake;
static struct target_live live;
static const struct target target = {.live = &live};

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, NOW_AT);
    live = (struct target_live){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    return 0;
}

static void assert_last(const struct err_kind *kind, int32_t detail)
{
    assert_ptr_equal(atomic_load(&live.error), kind);
    assert_int_equal(atomic_load(&live.error_detail), detail);
    assert_int_equal(atomic_load(&live.error_at), NOW_AT);
}

static void assert_counts(uint64_t requests, uint64_t failures, uint64_t probe_failures)
{
    assert_int_equal(atomic_load(&live.requests), requests);
    assert_int_equal(atomic_load(&live.failures), failures);
    assert_int_equal(atomic_load(&live.probe_failures), probe_failures);
}

static void a_failure_is_counted_and_kept(void **state)
{
    (void)state;
    target_note_failure(&target, fail(ERR_TARGET_CONNECT, ECONNREFUSED));
    assert_last(ERR_TARGET_CONNECT, ECONNREFUSED);
    assert_counts(0, 1, 0);
}

static void an_answer_is_counted(void **state)
{
    (void)state;
    target_note_answer(&target, NOW_AT);
    assert_int_equal(atomic_load(&live.ok_at), NOW_AT);
    assert_counts(1, 0, 0);
}

static void probes_are_no_requests(void **state)
{
    (void)state;
    target_note_probe(&target, OK, NOW_AT);
    assert_int_equal(atomic_load(&live.ok_at), NOW_AT);
    assert_counts(0, 0, 0);
    target_note_probe(&target, fail(ERR_TARGET_PROBE, 500), NOW_AT);
    assert_last(ERR_TARGET_PROBE, 500);
    assert_counts(0, 0, 1);
}

/* One letter for what happens, in order. */
static void happens(char what)
{
    switch (what) {
    case 'f':
        target_note_failure(&target, fail(ERR_TARGET_CONNECT, ECONNREFUSED));
        break;
    case 'c':
        target_note_cut(&target, fail(ERR_TARGET_RESET, 0));
        break;
    case 'a':
        target_note_answer(&target, NOW_AT);
        break;
    case 'e':
        target_note_end(&target);
        break;
    case 'p':
        target_note_probe(&target, OK, NOW_AT);
        break;
    case 'b':
        target_note_probe(&target, fail(ERR_TARGET_PROBE, 500), NOW_AT);
        break;
    default:
        fail_msg("%c", what);
    }
}

static const struct {
    const char *name, *what;
    enum target_trouble want;
} rows[] = {
    {"answers", "aeae", TROUBLE_NONE},
    {"no connection", "aef", TROUBLE_SILENT},
    {"and then one", "fa", TROUBLE_NONE},
    {"an older answer ends while there is no connection", "afe", TROUBLE_SILENT},
    {"a cut answer", "ac", TROUBLE_CUT},
    {"all answers are cut", "acaca", TROUBLE_DOUBT},
    {"a whole one", "acae", TROUBLE_NONE},
    {"one that was older ends", "aace", TROUBLE_NONE},
    {"a bad probe", "aeb", TROUBLE_SILENT},
    {"a good probe", "bp", TROUBLE_NONE},
    {"a good probe tells nothing of long answers", "acp", TROUBLE_DOUBT},
    {"cut, then gone, then back", "acfa", TROUBLE_NONE},
};

static void what_came_last_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        live = (struct target_live){0};
        for (const char *at = rows[i].what; *at != '\0'; at++)
            happens(*at);
        assert_row(rows[i].name, atomic_load(&live.trouble) == rows[i].want);
    }
}

#define WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLOCK(a_failure_is_counted_and_kept),
        WITH_CLOCK(an_answer_is_counted),
        WITH_CLOCK(what_came_last_is_known),
        WITH_CLOCK(probes_are_no_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
