/* test_loopback_tunnel.c - upgrades through a whole worker: what passes, who ends it, what it
 * survives. */
#include "tests/support/loopback_asserts.h"

#include "gateway/base/limits.h"

#include <sys/socket.h>

#define UPGRADE                                                                                \
    "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHING                                                                              \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static struct loopback b;

static int set_up(void **state)
{
    (void)state;
    loopback_start(&b, 0);
    loopback_route(&b, "a", "a.example", "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

static void open_tunnel(int *ret_client, int *ret_target)
{
    *ret_client = loopback_connect(&b);
    loopback_say(*ret_client, UPGRADE);
    *ret_target = loopback_accept(&b);
    (void)loopback_hear_head(*ret_target);
    loopback_say(*ret_target, SWITCHING);
    (void)loopback_hear_head(*ret_client);
}

/* A word each way. */
static void check_tunnel(int client, int target)
{
    loopback_say(client, "ping");
    hear_text(target, "ping");
    loopback_say(target, "pong");
    hear_text(client, "pong");
}

static void an_upgrade_becomes_a_tunnel_with_two_ends(void **state)
{
    (void)state;
    bool is_cut;
    for (int client_first = 0; client_first < 2; client_first++) {
        int client = loopback_connect(&b);
        loopback_say(client, UPGRADE);
        int target = loopback_accept(&b);
        assert_has(loopback_hear_head(target), "\r\nUpgrade: websocket\r\n");
        loopback_say(target, SWITCHING "hello");
        assert_has(loopback_hear_head(client), "HTTP/1.1 101 ");
        hear_text(client, "hello");
        loopback_say(client, "GET / HTTP/1.1\r\n\r\n"); /* only bytes */
        hear_text(target, "GET / HTTP/1.1\r\n\r\n");
        int first = client_first != 0 ? client : target;
        int second = client_first != 0 ? target : client;
        loopback_say(first, "bye");
        assert_int_equal(shutdown(first, SHUT_WR), 0);
        hear_text(second, "bye");
        hear_end(second);
        loopback_say(second, "bye, too"); /* the other direction is open */
        hear_text(first, "bye, too");
        assert_int_equal(shutdown(second, SHUT_WR), 0);
        (void)loopback_hear_all(first, &is_cut);
        assert_false(is_cut);
        (void)close(client);
        (void)close(target);
    }
}

static void a_client_may_speak_before_the_tunnel_is_there(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, UPGRADE "early");
    loopback_say(target, SWITCHING);
    (void)loopback_hear_head(client);
    hear_text(target, "early");
    (void)close(client);
    hear_end(target);
    (void)close(target);
}

static void a_refused_upgrade_is_an_ordinary_answer(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, UPGRADE);
    serve(target, client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target);
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

static void a_cut_tunnel_is_cut_on_both_sides(void **state)
{
    (void)state;
    bool is_cut;
    struct linger at_once = {.l_onoff = 1};
    int client = loopback_connect(&b);
    int target = ask(&b, client, UPGRADE);
    loopback_say(target, SWITCHING);
    (void)loopback_hear_head(client);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(client);
    (void)loopback_hear_all(target, &is_cut);
    (void)close(target);
}

/* The target ends its direction first and does not read for a while: what the client says then
 * waits in the worker, and its end behind it. */
static void what_waits_for_a_target_that_has_ended_is_not_lost(void **state)
{
    (void)state;
    enum { MUCH = 4 * MIB, STEP = 64 * KIB };
    static char sent[MUCH];
    int client, target;
    for (size_t i = 0; i < MUCH; i++)
        sent[i] = (char)(i * 31 + i / 509);
    open_tunnel(&client, &target);
    assert_int_equal(shutdown(target, SHUT_WR), 0);
    hear_end(client);
    size_t at = 0;
    for (ssize_t n = 1; at < MUCH && n > 0; at += n > 0 ? (size_t)n : 0)
        n = send(client, sent + at, at + STEP < MUCH ? STEP : MUCH - at, MSG_DONTWAIT);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    for (size_t heard = 0; heard < at;) {
        size_t step = at - heard < STEP ? at - heard : STEP;
        assert_true(str_eq(loopback_hear(target, step), str_make(sent + heard, step)));
        heard += step;
    }
    hear_end(target);
    (void)close(client);
    (void)close(target);
}

static void it_survives_every_edit_of_its_route(void **state)
{
    (void)state;
    int client, target;
    open_tunnel(&client, &target);
    loopback_route(&b, "other", "b.example", "");
    check_tunnel(client, target);
    loopback_route(&b, "a", "a.example", ", 'max_body': '1KiB'");
    check_tunnel(client, target);
    loopback_route(&b, "a", "c.example", "");
    check_tunnel(client, target);
    assert_ok(temp_store_delete_route(&b.store, "a"));
    check_tunnel(client, target);
    (void)close(client);
    hear_end(target);
    (void)close(target);
}

/* By the route's idle limit, never by a total; a tunnel knows no limit of a response. */
static void it_rests_as_long_as_its_route_allows(void **state)
{
    (void)state;
    bool is_cut;
    int client, target;
    loopback_upstream(&b, "a", "a.example", ", 'timeouts': {'response': '3s', 'idle': '7s'}");
    open_tunnel(&client, &target);
    for (int i = 0; i < 5; i++) {
        loopback_pass(&b, 6000);
        check_tunnel(client, target);
    }
    loopback_pass(&b, 6000);
    loopback_say(client, "one side is enough");
    hear_text(target, "one side is enough");
    loopback_pass(&b, 6000);
    loopback_say(target, "either");
    hear_text(client, "either");
    loopback_pass(&b, 7000 + LOOP_TICK_MS);
    assert_str(loopback_hear_all(client, &is_cut), "");
    assert_str(loopback_hear_all(target, &is_cut), "");
    (void)close(client);
    (void)close(target);
}

/* What a client says behind its end cannot be heard: there is no tunnel with it. */
static void a_client_that_has_ended_gets_none(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    int target = ask(&b, client, UPGRADE);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    (void)loopback_hear_all(target, &is_cut);
    (void)loopback_hear_all(client, &is_cut);
    (void)close(client);
    (void)close(target);
}

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(an_upgrade_becomes_a_tunnel_with_two_ends),
        LOOPBACK(a_client_may_speak_before_the_tunnel_is_there),
        LOOPBACK(a_refused_upgrade_is_an_ordinary_answer),
        LOOPBACK(a_cut_tunnel_is_cut_on_both_sides),
        LOOPBACK(what_waits_for_a_target_that_has_ended_is_not_lost),
        LOOPBACK(it_survives_every_edit_of_its_route),
        LOOPBACK(it_rests_as_long_as_its_route_allows),
        LOOPBACK(a_client_that_has_ended_gets_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
