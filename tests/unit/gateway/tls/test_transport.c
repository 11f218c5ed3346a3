#include "gateway/tls/transport.h"
#include "tests/support/asserts.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/clock.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end with the edges that a loop would tell it. */
struct end {
    struct transport t;
    int epoll_fd;
};

static struct scratch scratch; /* shared, as by all connections of a worker */
static struct fake_issuer ca;
static SSL_CTX *server_ctx, *client_ctx;
static struct end client, server;

static char big[1024 * 1024], got_bytes[1024 * 1024];

static int set_up_all(void **state)
{
    (void)state;
    fake_issuer_init(&ca, "Test CA");
    server_ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + 86400);
    client_ctx = tls_pair_client_ctx();
    SSL_CTX_set_mode(server_ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_mode(client_ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 251);
    return failed(scratch_init(&scratch));
}

static int tear_down_all(void **state)
{
    (void)state;
    scratch_fini(&scratch);
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    fake_issuer_fini(&ca);
    return 0;
}

static void open_end(struct end *e, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev), 0);
    transport_open(&e->t, fd, &scratch);
}

static void open_pair(int family, bool is_tls)
{
    int fds[2];
    tls_pair_sockets(family, fds);
    open_end(&client, fds[0]);
    open_end(&server, fds[1]);
    if (is_tls) {
        assert_ok(transport_start_tls(&client.t, tls_pair_connect(client_ctx, "a.example")));
        assert_ok(transport_start_tls(&server.t, tls_pair_accept(server_ctx)));
    }
}

static void close_pair(void)
{
    transport_close(&client.t);
    transport_close(&server.t);
    transport_close(&server.t); /* twice is harmless */
    (void)close(client.epoll_fd);
    (void)close(server.epoll_fd);
}

/* What epoll would tell now; waits for it if asked to. */
static bool notice(struct end *e, int wait_ms)
{
    struct epoll_event ev;
    if (epoll_wait(e->epoll_fd, &ev, 1, wait_ms) != 1)
        return false;
    transport_on_ready(&e->t, ev.events);
    return true;
}

static void shake_hands(void)
{
    size_t len;
    struct err c = fail(ERR_AGAIN, 0), s = fail(ERR_AGAIN, 0);
    for (int i = 0; i < 1000 && (failed(c) || failed(s)); i++) {
        (void)notice(&client, 0);
        (void)notice(&server, 0);
        if (failed(c))
            c = transport_handshake(&client.t);
        if (!failed(c)) /* what the server still waits for */
            assert_ok(transport_write(&client.t, STR_NONE, STR_NONE, &len));
        if (failed(s))
            s = transport_handshake(&server.t);
        assert_true(!failed(c) || err_is(c, ERR_AGAIN));
        assert_true(!failed(s) || err_is(s, ERR_AGAIN));
    }
    assert_ok(c);
    assert_ok(s);
}

static void make_tiny(struct end *e)
{
    int bytes = 1;
    assert_int_equal(
        setsockopt(transport_fd(&e->t), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

static struct str read_some(struct end *e)
{
    size_t len;
    (void)notice(e, 0);
    assert_ok(transport_read(&e->t, got_bytes, PLAIN_BYTES, &len));
    return str_make(got_bytes, len);
}

static struct err try_read(struct end *e)
{
    size_t len;
    (void)notice(e, 0);
    return transport_read(&e->t, got_bytes, PLAIN_BYTES, &len);
}

static void write_all(struct end *e, struct str bytes)
{
    size_t len;
    assert_ok(transport_write(&e->t, bytes, STR_NONE, &len));
    assert_int_equal(len, bytes.len);
}

/* ---- both kinds ---- */

static void bytes_go_both_ways(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        assert_int_equal(transport_is_tls(&client.t), is_tls != 0);
        assert_int_equal(transport_ssl(&client.t) != NULL, is_tls != 0);
        assert_err(try_read(&server), ERR_AGAIN);
        assert_false(transport_may_read(&server.t));
        write_all(&client, STR("ping"));
        assert_str(read_some(&server), "ping");
        write_all(&server, STR("pong"));
        (void)notice(&client, 0);
        assert_true(transport_may_read(&client.t));
        assert_str(read_some(&client), "pong");
        close_pair();
    }
}

/* Sends all of big with the smallest buffers there are; nothing is lost, doubled or torn. */
static void send_big(struct end *from, struct end *to)
{
    size_t sent = 0, got = 0, full_count = 0;
    for (int i = 0; i < 100000 && got < sizeof(big); i++) {
        size_t len = 0;
        (void)notice(from, 0);
        if (sent < sizeof(big) || !transport_is_flushed(&from->t)) {
            struct str rest = str_make(big + sent, sizeof(big) - sent);
            struct err e =
                transport_write(&from->t, str_sub(rest, 0, 20000), str_skip(rest, 20000), &len);
            assert_true(!failed(e) || err_is(e, ERR_AGAIN));
            full_count += failed(e);
            sent += len;
        }
        (void)notice(to, 0);
        struct err e = transport_read(&to->t, got_bytes + got, sizeof(big) - got, &len);
        assert_true(!failed(e) || err_is(e, ERR_AGAIN));
        if (!failed(e)) {
            assert_true(len > 0);
            got += len;
        }
    }
    assert_int_equal(got, sizeof(big));
    assert_true(transport_is_flushed(&from->t));
    assert_true(full_count > 10);
    assert_memory_equal(got_bytes, big, sizeof(big));
}

static void much_is_sent_through_little_room(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        make_tiny(&client);
        make_tiny(&server);
        if (is_tls != 0)
            shake_hands();
        send_big(&server, &client);
        send_big(&client, &server);
        close_pair();
    }
}

/* Bytes behind a read of few bytes need no new event; with TLS they may be OpenSSL's
 * already. */
static void small_reads_lose_nothing(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        write_all(&client, str_make(big, 40000));
        size_t got = 0;
        (void)notice(&server, 0);
        while (transport_may_read(&server.t)) {
            size_t len;
            struct err e = transport_read(&server.t, got_bytes + got, 100, &len);
            if (failed(e)) {
                assert_err(e, ERR_AGAIN);
                break;
            }
            got += len;
        }
        assert_int_equal(got, 40000);
        assert_memory_equal(got_bytes, big, got);
        close_pair();
    }
}

/* ---- ends ---- */

static void a_proper_end_is_told_and_the_other_direction_goes_on(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        write_all(&client, STR("last words"));
        transport_shutdown(&client.t);
        assert_str(read_some(&server), "last words");
        assert_true(transport_may_read(&server.t));
        assert_str(read_some(&server), "");
        write_all(&server, STR("answer"));
        assert_str(read_some(&client), "answer");
        transport_close(&server.t);
        assert_str(read_some(&client), "");
        assert_false(transport_is_open(&server.t));
        close_pair();
    }
}

/* close_notify in the same packet as the data, and no FIN behind it. */
static void a_goodbye_behind_data_needs_no_new_event(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    shake_hands();
    write_all(&client, STR("data"));
    assert_true(SSL_shutdown(transport_ssl(&client.t)) >= 0);
    size_t len;
    assert_ok(transport_write(&client.t, STR_NONE, STR_NONE, &len)); /* flushes the goodbye */
    assert_str(read_some(&server), "data");
    assert_true(transport_may_read(&server.t));
    assert_ok(transport_read(&server.t, got_bytes, PLAIN_BYTES, &len));
    assert_int_equal(len, 0);
    close_pair();
}

/* A client that only wanted to see whether the server is there must not look like a broken
 * one. */
static void closing_behind_the_handshake_completes_it(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    assert_err(transport_handshake(&client.t), ERR_AGAIN);
    (void)notice(&server, 0);
    assert_err(transport_handshake(&server.t), ERR_AGAIN);
    (void)notice(&client, 0);
    assert_ok(transport_handshake(&client.t));
    transport_close(&client.t);
    assert_true(notice(&server, 0));
    assert_ok(transport_handshake(&server.t));
    assert_int_equal(read_some(&server).len, 0); /* a proper end */
    close_pair();
}

static void a_cut_is_not_an_end(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_INET, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        write_all(&client, STR("half a mess"));
        assert_true(notice(&server, 1000));
        transport_cut(&client.t);
        transport_cut(&client.t);
        struct err e = fail(ERR_AGAIN, 0);
        for (int i = 0; i < 10 && (!failed(e) || err_is(e, ERR_AGAIN)); i++) {
            (void)notice(&server, 100);
            e = try_read(&server);
        }
        assert_err(e, ERR_IO);
        assert_int_equal(e.detail, ECONNRESET);
        close_pair();
    }
}

/* FIN without close_notify: somebody in between may have shortened the message. */
static void a_missing_goodbye_is_a_cut(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    shake_hands();
    write_all(&client, STR("data"));
    assert_int_equal(shutdown(transport_fd(&client.t), SHUT_WR), 0);
    assert_str(read_some(&server), "data");
    assert_true(transport_may_read(&server.t));
    struct err e = try_read(&server);
    assert_err(e, ERR_IO);
    assert_int_equal(e.detail, 0);
    close_pair();
}

static void writing_to_a_closed_peer_is_an_error_not_a_signal(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        transport_close(&client.t);
        size_t len;
        (void)notice(&server, 0);
        struct err e = transport_write(&server.t, STR("anybody there?"), STR_NONE, &len);
        assert_err(e, ERR_IO);
        assert_int_equal(e.detail, EPIPE);
        close_pair();
    }
}

/* ---- TLS ---- */

/* A client may speak at once behind its last handshake message; the server reads both with one
 * read(2), and no further event will come for the rest. */
static void data_behind_the_handshake_is_kept(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    assert_err(transport_handshake(&client.t), ERR_AGAIN);
    (void)notice(&server, 0);
    assert_err(transport_handshake(&server.t), ERR_AGAIN);
    (void)notice(&client, 0);
    assert_ok(transport_handshake(&client.t));
    write_all(&client, str_make(big, 50000));
    assert_true(notice(&server, 0));
    assert_ok(transport_handshake(&server.t));
    size_t got = 0;
    while (transport_may_read(&server.t)) {
        size_t len;
        struct err e = transport_read(&server.t, got_bytes + got, PLAIN_BYTES, &len);
        if (failed(e)) {
            assert_err(e, ERR_AGAIN);
            break;
        }
        got += len;
    }
    assert_int_equal(got, 50000);
    assert_memory_equal(got_bytes, big, got);
    close_pair();
}

/* Each side works with the other's leftovers in the scratch memory in between. */
static void connections_do_not_mix_in_the_shared_memory(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    shake_hands();
    for (int round = 0; round < 50; round++) {
        size_t len = (size_t)(round * 1301 % 60000) + 1;
        write_all(&client, str_make(big, len));
        write_all(&server, str_make(big + 1, len));
        struct str at_server = read_some(&server);
        assert_true(str_eq(at_server, str_make(big, at_server.len)) && at_server.len > 0);
        size_t rest = len - at_server.len;
        struct str at_client = read_some(&client);
        assert_true(str_eq(at_client, str_make(big + 1, at_client.len)));
        while (rest > 0)
            rest -= read_some(&server).len;
        for (rest = len - at_client.len; rest > 0;)
            rest -= read_some(&client).len;
    }
    close_pair();
}

static void keys_may_be_updated(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    shake_hands();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(transport_ssl(&client.t), SSL_KEY_UPDATE_REQUESTED), 1);
        write_all(&client, STR("ping"));
        assert_str(read_some(&server), "ping");
        write_all(&server, STR("pong"));
        assert_str(read_some(&client), "pong");
    }
    close_pair();
}

static void what_is_no_tls_fails_the_handshake(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    assert_int_equal(send(transport_fd(&client.t), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    (void)notice(&server, 0);
    assert_err(transport_handshake(&server.t), ERR_CRYPTO);
    int32_t code = transport_tls_error();
    assert_int_equal(ERR_GET_REASON((unsigned long)code), SSL_R_HTTP_REQUEST);
    assert_int_equal(transport_tls_error(), 0);
    close_pair();
}

static void an_end_in_the_handshake_is_an_error(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    assert_err(transport_handshake(&client.t), ERR_AGAIN);
    transport_close(&client.t);
    (void)notice(&server, 0);
    struct err e = transport_handshake(&server.t);
    for (int i = 0; i < 3 && err_is(e, ERR_AGAIN); i++)
        e = transport_handshake(&server.t);
    assert_err(e, ERR_IO);
    close_pair();
}

static void a_forged_record_is_refused_and_the_peer_told(void **state)
{
    (void)state;
    static const char forged[] = "\x17\x03\x03\x00\x20................................";
    open_pair(AF_UNIX, true);
    shake_hands();
    write_all(&client, STR("genuine"));
    assert_int_equal(send(transport_fd(&client.t), forged, sizeof(forged) - 1, 0),
                     sizeof(forged) - 1);
    assert_str(read_some(&server), "genuine");
    assert_true(transport_may_read(&server.t)); /* the error stands behind the bytes */
    assert_true(failed(try_read(&server)));
    assert_err(try_read(&client), ERR_CRYPTO); /* an alert */
    assert_int_equal(ERR_GET_REASON((unsigned long)transport_tls_error()),
                     SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    close_pair();
}

static void handshakes_fit_through_little_room(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    make_tiny(&client);
    make_tiny(&server);
    shake_hands();
    write_all(&client, STR("through"));
    assert_str(read_some(&server), "through");
    close_pair();
}

/* Bytes that the socket of `e` holds, unread. */
static size_t waiting_bytes(struct end *e)
{
    static char bytes[4096];
    ssize_t n = recv(transport_fd(&e->t), bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    return n < 0 ? 0 : (size_t)n;
}

static void the_ticket_goes_with_the_first_answer(void **state)
{
    (void)state;
    open_pair(AF_UNIX, true);
    shake_hands();
    assert_int_equal(waiting_bytes(&client), 0);
    assert_true(transport_is_flushed(&server.t));
    write_all(&server, STR("answer"));
    assert_true(waiting_bytes(&client) > 100);
    assert_str(read_some(&client), "answer");
    close_pair();
}

static void the_last_bytes_and_the_goodbye_leave_together(void **state)
{
    (void)state;
    size_t len;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        open_pair(AF_UNIX, is_tls != 0);
        if (is_tls != 0)
            shake_hands();
        assert_ok(transport_write_last(&server.t, STR("bye"), &len));
        assert_int_equal(len, 3);
        assert_str(read_some(&client), "bye");
        if (is_tls != 0)
            assert_str(read_some(&client), ""); /* before the FIN */
        transport_shutdown(&server.t);
        assert_str(read_some(&client), "");
        close_pair();
    }
}

static void without_memory_there_is_no_scratch(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        struct scratch s;
        struct err e = scratch_init(&s);
        assert_int_equal(failed(e), mem_fault_fired());
        if (!failed(e))
            scratch_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(much_is_sent_through_little_room),
        cmocka_unit_test(small_reads_lose_nothing),
        cmocka_unit_test(a_proper_end_is_told_and_the_other_direction_goes_on),
        cmocka_unit_test(a_goodbye_behind_data_needs_no_new_event),
        cmocka_unit_test(closing_behind_the_handshake_completes_it),
        cmocka_unit_test(a_cut_is_not_an_end),
        cmocka_unit_test(a_missing_goodbye_is_a_cut),
        cmocka_unit_test(writing_to_a_closed_peer_is_an_error_not_a_signal),
        cmocka_unit_test(data_behind_the_handshake_is_kept),
        cmocka_unit_test(connections_do_not_mix_in_the_shared_memory),
        cmocka_unit_test(keys_may_be_updated),
        cmocka_unit_test(what_is_no_tls_fails_the_handshake),
        cmocka_unit_test(an_end_in_the_handshake_is_an_error),
        cmocka_unit_test(a_forged_record_is_refused_and_the_peer_told),
        cmocka_unit_test(handshakes_fit_through_little_room),
        cmocka_unit_test(without_memory_there_is_no_scratch),
        cmocka_unit_test(the_ticket_goes_with_the_first_answer),
        cmocka_unit_test(the_last_bytes_and_the_goodbye_leave_together),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
