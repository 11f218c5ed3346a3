/* test_send.c - what answers mean; that messages arrive is for
 * tests/scenario/test_55_alarms.py. */
#include "alarm/send.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static void statuses_of_http_are_judged(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        enum send_outcome want;
    } rows[] = {{0, SEND_LATER},     {200, SEND_DONE},    {204, SEND_DONE},
                {301, SEND_REFUSED}, {400, SEND_REFUSED}, {401, SEND_REFUSED},
                {404, SEND_REFUSED}, {408, SEND_LATER},   {425, SEND_LATER},
                {429, SEND_LATER},   {500, SEND_LATER},   {503, SEND_LATER}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(send_judge_http(rows[i].status), rows[i].want);
}

static void replies_of_smtp_are_judged(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        enum send_outcome want;
    } rows[] = {{0, SEND_LATER},   {250, SEND_DONE},    {354, SEND_LATER},  {421, SEND_LATER},
                {451, SEND_LATER}, {550, SEND_REFUSED}, {535, SEND_REFUSED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(send_judge_smtp(rows[i].status), rows[i].want);
}

static void pauses_grow_and_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(send_backoff_ms(1), SEND_BACKOFF_MIN_MS);
    assert_int_equal(send_backoff_ms(2), 2 * SEND_BACKOFF_MIN_MS);
    for (unsigned i = 1; i < 100; i++)
        assert_true(send_backoff_ms(i + 1) >= send_backoff_ms(i));
    assert_int_equal(send_backoff_ms(1000), SEND_BACKOFF_MAX_MS);
}

static void nobody_to_tell_is_a_refusal(void **state)
{
    (void)state;
    static const struct alarm_settings nobody;
    static const atomic_bool no = false;
    for (int i = 0; i < ALARM_CHANNEL_COUNT; i++) {
        enum alarm_channel channel = (enum alarm_channel)i;
        assert_false(send_is_wanted(&nobody, channel));
        assert_int_equal(send_message(&nobody, channel, STR("{}"), &no).outcome, SEND_REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_of_http_are_judged),
        cmocka_unit_test(replies_of_smtp_are_judged),
        cmocka_unit_test(pauses_grow_and_are_bounded),
        cmocka_unit_test(nobody_to_tell_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
