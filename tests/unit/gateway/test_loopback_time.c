/* test_loopback_time.c - slow peers, time limits and draining. */
#include "tests/support/loopback_asserts.h"

#include "gateway/base/limits.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct loopback b;

static int set_up(void **state)
{
    (void)state;
    loopback_start(&b, 0);
    loopback_route(&b, "a", "a.example", "");
    return 0;
}

static int set_up_tight(void **state)
{
    (void)state;
    loopback_start(&b, 1); /* the kernel takes a few KiB; the rest waits in the worker */
    loopback_route(&b, "a", "a.example", "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

/* ---- clients that stop speaking or listening ---- */

static void a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    struct str answer = loopback_hear_all(client, &is_cut); /* and then the end, at once */
    assert_true(str_ends(answer, STR("\r\n\r\nok")));
    assert_false(is_cut);
    (void)close(client);
    (void)close(target);
}

enum { LONG = 200 * 1024 };

/* The head and LONG bytes, and then the worker is done with the target. */
static void send_long_answer(int target)
{
    static char body[LONG];
    memset(body, 'x', sizeof(body));
    loopback_say(target,
                 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 204800\r\n\r\n");
    loopback_say_bytes(target, str_make(body, sizeof(body)));
    hear_end(target);
    (void)close(target);
}

static const struct {
    const char *name, *request;
    bool half_closes;
    uint64_t pause_ms;
} slow_rows[] = {
    {"kept alive", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", false, 0},
    {"the last on its connection",
     "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", false, 0},
    {"the last, read only after a while",
     "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", false, LINGER_MS + 1000},
    {"the client has half closed",
     "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", true, 0},
    {"half closed, read only after a while",
     "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", true, LINGER_MS + 1000},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n", false, LINGER_MS + 1000},
};

static void a_slow_client_gets_all_of_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slow_rows); i++) {
        int client = loopback_connect(&b);
        loopback_say(client, slow_rows[i].request);
        if (slow_rows[i].half_closes)
            assert_int_equal(shutdown(client, SHUT_WR), 0);
        int target = loopback_accept(&b);
        (void)loopback_hear_head(target);
        send_long_answer(target);
        if (slow_rows[i].pause_ms > 0)
            loopback_pass(&b, slow_rows[i].pause_ms);
        if (i == 0) {
            (void)loopback_hear_head(client);
            (void)loopback_hear(client, LONG);
        } else {
            bool is_cut;
            struct str all = loopback_hear_all(client, &is_cut);
            const char *body = strstr(all.p, "\r\n\r\n");
            assert_row(slow_rows[i].name, body != NULL);
            assert_row_u64(slow_rows[i].name, all.len - (size_t)(body + 4 - all.p), LONG);
            assert_row(slow_rows[i].name, !is_cut);
        }
        (void)close(client);
    }
}

static void say_big_answer(int target)
{
    static char body[50000];
    memset(body, 'x', sizeof(body));
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n");
    loopback_say_bytes(target, str_make(body, sizeof(body)));
}

static void hear_big_answer(int client)
{
    assert_string_equal(hear_status(client), "HTTP/1.1 200 OK");
    (void)loopback_hear(client, 50000);
}

/* Whoever asks without reading the answers does not fill our memory, and loses none of them. */
static void pipelined_requests_wait_for_the_client_to_read(void **state)
{
    (void)state;
    enum { ASKED = 60, TOO_MANY = 4 * RELAY_HIGH_BYTES / 50000 };
    int client = loopback_connect(&b), served = 1;
    for (int i = 1; i < ASKED; i++)
        loopback_say(client, GET);
    int target = ask(&b, client, GET);
    say_big_answer(target);
    for (; served < ASKED; served++) {
        struct pollfd p = {.fd = target, .events = POLLIN};
        loopback_pass(&b, 0);
        loopback_pass(&b, 0);
        if (poll(&p, 1, 0) == 0)
            break;
        (void)loopback_hear_head(target);
        say_big_answer(target);
    }
    assert_true(served < TOO_MANY);
    for (int i = 0; i < served; i++)
        hear_big_answer(client);
    for (; served < ASKED; served++) {
        (void)loopback_hear_head(target);
        say_big_answer(target);
        hear_big_answer(client);
    }
    (void)close(client);
    (void)close(target);
}

/* Sending the rest of an answer is not a request that has begun. */
static void a_client_that_was_slow_may_rest_like_others(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    send_long_answer(target);
    loopback_pass(&b, 10);
    (void)loopback_hear_head(client);
    (void)loopback_hear(client, LONG);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    target = ask(&b, client, GET);
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

/* ---- time limits ---- */

static void a_head_must_come_in_time(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, "GET / HTTP/1.1\r\nHost:");
    loopback_pass(&b, 0); /* has been read */
    loopback_pass(&b, HEAD_LIMIT_MS + LOOP_TICK_MS);
    loopback_say(client, " a.exam");
    loopback_pass(&b, 0);
    loopback_pass(&b, HEAD_LIMIT_MS + LOOP_TICK_MS);
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 408 ");
    (void)close(client);
}

/* RFC 9112 2.2: an empty line begins no request: whoever sent it is idle. */
static void an_empty_line_is_no_head(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    serve(target, client);
    loopback_say(client, "\r\n");
    loopback_pass(&b, 0);
    for (int i = 0; i <= KEEPALIVE_IDLE_MS / HEAD_LIMIT_MS; i++)
        loopback_pass(&b, HEAD_LIMIT_MS + LOOP_TICK_MS);
    hear_end(client);
    (void)close(client);
    (void)close(target);
}

static void an_idle_client_is_let_go(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    serve(target, client);
    for (int i = 0; i <= KEEPALIVE_IDLE_MS / HEAD_LIMIT_MS; i++)
        loopback_pass(&b, HEAD_LIMIT_MS + LOOP_TICK_MS);
    hear_end(client);
    (void)close(client);
    (void)close(target);
}

static void a_silent_target_becomes_504(void **state)
{
    (void)state;
    loopback_upstream(&b, "slow", "slow.example",
                      ", 'timeouts': {'response': '3s', 'idle': '7s'}");
    int client = loopback_connect(&b);
    int target = ask(&b, client, "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
    loopback_pass(&b, 3000 + LOOP_TICK_MS);
    assert_has(hear_status(client), "HTTP/1.1 504 ");
    hear_end(target);
    (void)close(client);
    (void)close(target);

    bool is_cut;
    client = loopback_connect(&b); /* silence in the middle of the answer */
    target = ask(&b, client, "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nha");
    (void)loopback_hear_head(client);
    (void)loopback_hear(client, 2);
    loopback_pass(&b, 3000 + LOOP_TICK_MS);
    loopback_say(target, "l");
    (void)loopback_hear(client, 1);
    loopback_pass(&b, 6900);
    loopback_say(target, "f"); /* idle limits, never totals */
    (void)loopback_hear(client, 1);
    loopback_pass(&b, 7000 + LOOP_TICK_MS);
    assert_str(loopback_hear_all(client, &is_cut), "");
    assert_true(is_cut);
    (void)close(client);
    (void)close(target);
}

/* The limits of two phases differ: the timer looks in time for whichever comes next. */
static void the_shorter_of_two_limits_is_kept(void **state)
{
    (void)state;
    bool is_cut;
    loopback_upstream(&b, "slow", "slow.example",
                      ", 'timeouts': {'response': '600s', 'idle': '5s'}");
    int client = loopback_connect(&b);
    int target = ask(&b, client, "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
    loopback_pass(&b, 20000); /* waiting for the answer is no silence */
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nha");
    (void)loopback_hear_head(client);
    hear_text(client, "ha");
    loopback_pass(&b, 5000 + LOOP_TICK_MS);
    assert_str(loopback_hear_all(client, &is_cut), "");
    assert_true(is_cut);
    (void)close(client);
    (void)close(target);
}

static void a_client_silent_in_its_body_becomes_408(void **state)
{
    (void)state;
    bool is_cut;
    loopback_upstream(&b, "slow", "slow.example", ", 'timeouts': {'idle': '7s'}");
    int client = loopback_connect(&b);
    int target = ask(&b, client,
                     "POST / HTTP/1.1\r\nHost: slow.example\r\n"
                     "Content-Length: 10\r\n\r\nha");
    hear_text(target, "ha");
    loopback_pass(&b, 7000 + LOOP_TICK_MS);
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 408 ");
    assert_false(is_cut);
    (void)loopback_hear_all(target, &is_cut);
    (void)close(client);
    (void)close(target);
}

/* The client waits for 100 Continue: until it comes the silence is the target's. */
static void a_client_that_waits_to_be_told_to_go_on_is_not_silent(void **state)
{
    static const char asked[] = "POST / HTTP/1.1\r\nHost: slow.example\r\n"
                                "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    (void)state;
    bool is_cut;
    loopback_upstream(&b, "slow", "slow.example",
                      ", 'timeouts': {'response': '9s', 'idle': '3s'}");
    int client = loopback_connect(&b);
    int target = ask(&b, client, asked);
    loopback_pass(&b, 8000);
    loopback_pass(&b, 1000 + LOOP_TICK_MS);
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 504 ");
    assert_false(is_cut);
    (void)loopback_hear_all(target, &is_cut);
    (void)close(client);
    (void)close(target);

    client = loopback_connect(&b); /* told, and silent */
    target = ask(&b, client, asked);
    loopback_pass(&b, 8000);
    loopback_say(target, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(hear_status(client), "HTTP/1.1 100 Continue");
    loopback_pass(&b, 3000 + LOOP_TICK_MS);
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 408 ");
    (void)loopback_hear_all(target, &is_cut);
    (void)close(client);
    (void)close(target);
}

static void a_handshake_must_come_in_time(void **state)
{
    (void)state;
    int client = loopback_connect_tls(&b);
    loopback_pass(&b, 0); /* has been accepted */
    loopback_pass(&b, HANDSHAKE_LIMIT_MS + LOOP_TICK_MS);
    hear_end(client);
    (void)close(client);
}

/* ---- draining ---- */

static void a_draining_worker_ends_what_it_has_begun(void **state)
{
    (void)state;
    bool is_cut;
    int idle = loopback_connect(&b), busy = loopback_connect(&b);
    loopback_say(idle, "HEAD / HTTP/1.1\r\nHost: nobody.example\r\n\r\n");
    (void)loopback_hear_head(idle);
    int target = ask(&b, busy, GET);
    worker_drain(b.worker);
    hear_end(idle);
    loopback_say(target, ANSWER);
    assert_has(loopback_hear_head(busy), "\r\nConnection: close\r\n");
    assert_str(loopback_hear_all(busy, &is_cut), "ok");
    assert_false(is_cut);
    hear_end(target); /* not kept */
    (void)close(idle);
    (void)close(busy);
    (void)close(target);
}

static void a_drained_worker_waits_no_longer_than_it_must(void **state)
{
    (void)state;
    bool is_cut;
    int stuck = loopback_connect(&b);
    int target = ask(&b, stuck, GET);
    worker_drain(b.worker);
    /* The port is closed, so that the clock can only be moved by hand. */
    for (int i = 0; i < 10000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(b.listeners->items[0].port)};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int result = connect(fd, (const struct sockaddr *)&at, sizeof(at));
        (void)close(fd);
        if (result != 0)
            break;
    }
    fake_clock_advance(&b.clock, DRAIN_LIMIT_MS + LOOP_TICK_MS);
    loop_wake(b.worker->loop);
    (void)loopback_hear_all(stuck, &is_cut);
    assert_true(is_cut); /* an answer was due: its absence must not look like an end */
    (void)close(stuck);
    (void)close(target);
}

/* A connection that is idle again, after its answer went out late, is idle. */
static void an_answer_sent_late_does_not_hold_up_the_drain(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    send_long_answer(target);
    loopback_pass(&b, 100);
    (void)loopback_hear_head(client);
    (void)loopback_hear(client, LONG);
    worker_drain(b.worker);
    hear_end(client);
    (void)close(client);
}

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define TIGHT(test)    cmocka_unit_test_setup_teardown(test, set_up_tight, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(a_half_closed_client_gets_its_answer),
        TIGHT(a_slow_client_gets_all_of_its_answer),
        TIGHT(pipelined_requests_wait_for_the_client_to_read),
        TIGHT(a_client_that_was_slow_may_rest_like_others),
        LOOPBACK(a_head_must_come_in_time),
        LOOPBACK(an_empty_line_is_no_head),
        LOOPBACK(an_idle_client_is_let_go),
        LOOPBACK(a_silent_target_becomes_504),
        LOOPBACK(the_shorter_of_two_limits_is_kept),
        LOOPBACK(a_client_silent_in_its_body_becomes_408),
        LOOPBACK(a_client_that_waits_to_be_told_to_go_on_is_not_silent),
        LOOPBACK(a_handshake_must_come_in_time),
        LOOPBACK(a_draining_worker_ends_what_it_has_begun),
        LOOPBACK(a_drained_worker_waits_no_longer_than_it_must),
        TIGHT(an_answer_sent_late_does_not_hold_up_the_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
