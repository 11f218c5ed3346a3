/* test_loopback_http2.c - a target that speaks HTTP/2 and may vanish without a word. */
#include "tests/support/h2_frames.h"
#include "tests/support/loopback_asserts.h"

#include "gateway/base/limits.h"

enum { PREFACE_BYTES = 24, FRAME_HEAD_BYTES = 9, PING_BYTES = 8 };

static struct loopback b;

static int set_up(void **state)
{
    (void)state;
    loopback_start(&b, 0);
    loopback_upstream(&b, "a", "a.example", ",\"protocol\":\"2\",\"retries\":0");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

static void say_frame(int fd, unsigned type, unsigned flags, uint32_t stream,
                      struct str payload)
{
    struct buf frame;
    buf_init(&frame, 4096);
    h2_frames_add(&frame, type, flags, stream, payload);
    loopback_say_bytes(fd, buf_view(&frame));
    buf_fini(&frame);
}

/* The next frame of this type; others are passed over.  Its payload. */
static struct str hear_frame(int fd, unsigned wanted)
{
    for (;;) {
        const unsigned char *head =
            (const unsigned char *)loopback_hear(fd, FRAME_HEAD_BYTES).p;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        unsigned type = head[3];
        struct str payload = len == 0 ? STR("") : loopback_hear(fd, len);
        if (type == wanted)
            return payload;
    }
}

/* The client has asked, and the target has got it. */
static int ask_http2(int client)
{
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    assert_true(str_starts(loopback_hear(target, PREFACE_BYTES), STR("PRI ")));
    say_frame(target, H2_SETTINGS, 0, 0, STR_NONE);
    (void)hear_frame(target, H2_HEADERS);
    (void)hear_frame(target, H2_SETTINGS); /* acknowledged */
    return target;
}

static void pong(int target, struct str ping)
{
    char text[PING_BYTES];
    assert_int_equal(ping.len, PING_BYTES);
    memcpy(text, ping.p, PING_BYTES);
    say_frame(target, H2_PING, H2_ACK, 0, str_make(text, PING_BYTES));
}

static void a_silent_target_is_asked_whether_it_lives(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask_http2(client);
    loopback_pass(&b, TARGET_SILENCE_MS);
    pong(target, hear_frame(target, H2_PING));
    /* It lives, and may be silent: the next question comes when gRPC's servers allow one. */
    for (uint64_t ms = 0; ms < TARGET_PING_EVERY_MS; ms += TARGET_SILENCE_MS)
        loopback_pass(&b, TARGET_SILENCE_MS);
    pong(target, hear_frame(target, H2_PING));
    struct buf answer;
    buf_init(&answer, 4096);
    h2_frames_headers(&answer, H2_END_STREAM, 1, ":status: 204\n");
    loopback_say_bytes(target, buf_view(&answer));
    buf_fini(&answer);
    assert_string_equal(hear_status(client), "HTTP/1.1 204 No Content");
    (void)close(client);
    (void)close(target);
}

static void one_that_has_vanished_costs_no_more_than_a_minute(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask_http2(client);
    loopback_pass(&b, TARGET_SILENCE_MS);
    (void)hear_frame(target, H2_PING);
    loopback_pass(&b, TARGET_SILENCE_MS);
    assert_string_equal(hear_status(client), "HTTP/1.1 504 Gateway Timeout");
    (void)close(client);
    (void)close(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_target_is_asked_whether_it_lives, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_has_vanished_costs_no_more_than_a_minute,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
