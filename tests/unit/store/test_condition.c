#include "store/condition.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
    struct conditions *conditions;
    struct arena *arena;
    int wake_fd;
} b;

static int set_up(void **state)
{
    (void)state;
    assert_false(failed(conditions_new(&b.conditions)));
    b.arena = arena_new(4096, 65536);
    b.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    conditions_watch(b.conditions, b.wake_fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conditions_free(b.conditions);
    arena_free(b.arena);
    (void)close(b.wake_fd);
    return 0;
}

static void put(const char *subject, enum condition_state state, const char *words)
{
    conditions_put(b.conditions, &(struct condition){.kind = CONDITION_SERVED,
                                                     .state = state,
                                                     .subject = str_from(subject),
                                                     .about = STR("f00d"),
                                                     .words = str_from(words),
                                                     .at = 7});
}

static struct condition get(const char *subject)
{
    struct condition c;
    assert_false(
        failed(conditions_get(b.conditions, CONDITION_SERVED, str_from(subject), b.arena, &c)));
    return c;
}

static bool was_woken(void)
{
    eventfd_t count;
    return eventfd_read(b.wake_fd, &count) == 0;
}

static void what_nobody_found_out_is_unknown(void **state)
{
    (void)state;
    struct condition c = get("a");
    assert_int_equal(c.state, CONDITION_UNKNOWN);
    assert_int_equal(c.at, 0);
}

static void the_last_word_counts(void **state)
{
    (void)state;
    char subject[] = "a", words[] = "old";
    put(subject, CONDITION_BAD, words);
    subject[0] = words[0] = 'x'; /* it has copies */
    struct condition c = get("a");
    assert_int_equal(c.state, CONDITION_BAD);
    assert_true(str_eq(c.words, STR("old")));
    assert_true(str_eq(c.about, STR("f00d")));
    assert_int_equal(c.at, 7);
    put("a", CONDITION_GOOD, "");
    assert_int_equal(get("a").state, CONDITION_GOOD);
    conditions_drop(b.conditions, CONDITION_SERVED, STR("a"));
    assert_int_equal(get("a").state, CONDITION_UNKNOWN);
}

static void who_watches_hears_of_changes_only(void **state)
{
    (void)state;
    put("a", CONDITION_BAD, "old");
    assert_true(was_woken());
    put("a", CONDITION_BAD, "old");
    assert_false(was_woken());
    put("a", CONDITION_BAD, "older");
    assert_true(was_woken());
    conditions_drop(b.conditions, CONDITION_SERVED, STR("a"));
    assert_true(was_woken());
    conditions_drop(b.conditions, CONDITION_SERVED, STR("a"));
    assert_false(was_woken());
}

static void subjects_can_be_listed(void **state)
{
    (void)state;
    struct str *subjects;
    size_t count;
    put("a", CONDITION_BAD, "");
    put("b", CONDITION_GOOD, "");
    assert_false(failed(
        conditions_subjects(b.conditions, CONDITION_SERVED, b.arena, &subjects, &count)));
    assert_int_equal(count, 2);
    assert_true(str_eq(subjects[0], STR("a")) || str_eq(subjects[1], STR("a")));
    assert_false(
        failed(conditions_subjects(b.conditions, CONDITION_CLOCK, b.arena, &subjects, &count)));
    assert_int_equal(count, 0);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(condition_state_name(CONDITION_UNKNOWN), "unknown");
    assert_string_equal(condition_state_name(CONDITION_GOOD), "good");
    assert_string_equal(condition_state_name(CONDITION_BAD), "bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_nobody_found_out_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_word_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_watches_hears_of_changes_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(subjects_can_be_listed, set_up, tear_down),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
