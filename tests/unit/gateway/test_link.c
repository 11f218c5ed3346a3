#include "gateway/link.h"
#include "tests/support/asserts.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a codec that records ---- */

struct stub {
    struct codec codec;
    struct buf heard;
    size_t may_take; /* bytes it takes before it waits, as for an answer */
    struct err result;
    void (*on_feed)(void); /* inside the feed, as codec events are */
    unsigned eof_count;
};

static struct loop *l;
static struct scratch scratch;
static struct link conn;
static int peer;
static char story[64]; /* o: open, e: error, f: end of file, s: sent, x: codec freed */
static struct err last_error;
static struct stub stub;
static void (*on_error_hook)(void), (*on_sent_hook)(void);

static void tell(char letter)
{
    size_t len = strlen(story);
    if (len + 1 < sizeof(story))
        story[len] = letter;
}

static struct err stub_feed(struct codec *c, struct str bytes, size_t *ret_used)
{
    struct stub *s = container_of(c, struct stub, codec);
    *ret_used = bytes.len < s->may_take ? bytes.len : s->may_take;
    s->may_take -= *ret_used;
    assert_ok(buf_append(&s->heard, str_sub(bytes, 0, *ret_used)));
    if (s->on_feed != NULL)
        s->on_feed();
    return s->result;
}

static struct err stub_feed_eof(struct codec *c)
{
    struct stub *s = container_of(c, struct stub, codec);
    s->eof_count++;
    if (s->on_feed != NULL)
        s->on_feed();
    return s->result;
}

static void stub_free(struct codec *c)
{
    (void)c;
    tell('x');
}

static const struct codec_ops stub_ops = {
    .feed = stub_feed, .feed_eof = stub_feed_eof, .free = stub_free};

static void on_open(struct link *of)
{
    assert_ptr_equal(of, &conn);
    tell('o');
}

static void on_error(struct link *of, struct err e)
{
    (void)of;
    last_error = e;
    tell('e');
    if (on_error_hook != NULL)
        on_error_hook();
}

static void on_eof(struct link *of)
{
    (void)of;
    tell('f');
}

static void on_sent(struct link *of)
{
    (void)of;
    tell('s');
    if (on_sent_hook != NULL)
        on_sent_hook();
}

static const struct link_events events = {
    .on_open = on_open, .on_error = on_error, .on_eof = on_eof, .on_sent = on_sent};

static int set_up(void **state)
{
    (void)state;
    assert_ok(loop_new(&l));
    assert_ok(scratch_init(&scratch));
    memset(story, 0, sizeof(story));
    stub = (struct stub){.codec = {.ops = &stub_ops}, .may_take = SIZE_MAX};
    buf_init(&stub.heard, 16 * MIB);
    on_error_hook = on_sent_hook = NULL;
    last_error = OK;
    peer = -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    link_close(&conn);
    loop_settle(l);
    buf_fini(&stub.heard);
    if (peer >= 0)
        (void)close(peer);
    scratch_fini(&scratch);
    loop_free(l);
    return 0;
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        loop_turn(l, false);
}

static void open_link(int family)
{
    int fds[2];
    tls_pair_sockets(family, fds);
    peer = fds[1];
    assert_ok(
        link_open(&conn, &(struct link_options){
                             .loop = l, .scratch = &scratch, .events = &events, .fd = fds[0]}));
    conn.codec = &stub.codec;
}

static void say(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static struct str hear(void)
{
    static char text[256 * 1024];
    ssize_t n = recv(peer, text, sizeof(text), 0);
    return n < 0 ? STR("(nothing)") : str_make(text, (size_t)n);
}

static void queue(struct str bytes)
{
    assert_ok(buf_append(&conn.out, bytes));
    link_flush_soon(&conn);
}

/* ---- both directions ---- */

static void bytes_reach_the_codec_and_its_output_the_peer(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    say("one");
    turns(1);
    assert_str(buf_view(&stub.heard), "one");
    say("two");
    turns(2);
    assert_str(buf_view(&stub.heard), "onetwo");
    queue(STR("answer"));
    assert_int_equal(link_queued(&conn), 6);
    assert_false(link_is_flushed(&conn));
    assert_str(hear(), "(nothing)"); /* not before the end of the turn */
    turns(1);
    assert_str(hear(), "answer");
    assert_true(link_is_flushed(&conn));
    assert_string_equal(story, "s");
}

static void queue_an_answer(void)
{
    queue(STR("answer"));
}

static void an_answer_from_inside_the_codec_leaves_in_the_same_turn(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.on_feed = queue_an_answer;
    say("question");
    turns(1);
    assert_str(hear(), "answer");
}

static void one_turn_reads_once(void **state)
{
    (void)state;
    static char big[3 * PLAIN_BYTES / 2];
    int room = 4 * PLAIN_BYTES;
    open_link(AF_UNIX);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(send(peer, big, sizeof(big), 0), sizeof(big));
    turns(1);
    assert_int_equal(buf_len(&stub.heard), PLAIN_BYTES);
    turns(1); /* the rest without a new event */
    assert_int_equal(buf_len(&stub.heard), sizeof(big));
}

/* ---- back-pressure ---- */

static void what_does_not_fit_waits_and_is_told_when_it_went(void **state)
{
    (void)state;
    static char big[MIB];
    size_t got = 0;
    open_link(AF_UNIX);
    queue(str_make(big, sizeof(big)));
    turns(1);
    assert_true(link_queued(&conn) > 0 && link_queued(&conn) < sizeof(big));
    assert_ok(buf_append(&conn.out, STR("x")));
    for (int i = 0; i < 1000 && got < sizeof(big) + 1; i++) {
        struct str part = hear();
        if (!str_eq(part, STR("(nothing)")))
            got += part.len;
        turns(1);
    }
    assert_int_equal(got, sizeof(big) + 1);
    assert_true(link_is_flushed(&conn));
    assert_true(str_ends(str_from(story), STR("s")));
}

static void a_paused_link_reads_nothing_until_resumed(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    link_pause(&conn);
    link_pause(&conn);
    say("held back");
    turns(3);
    assert_int_equal(buf_len(&stub.heard), 0);
    link_resume(&conn);
    assert_int_equal(buf_len(&stub.heard), 0); /* never from inside the call */
    turns(2);
    assert_str(buf_view(&stub.heard), "held back");
    link_resume(&conn);
}

static void pause_link(void)
{
    link_pause(&conn);
}

static void a_pause_from_inside_the_codec_holds(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.on_feed = pause_link;
    say("one");
    turns(2);
    say("two");
    turns(3);
    assert_str(buf_view(&stub.heard), "one");
    stub.on_feed = NULL;
    link_resume(&conn);
    turns(2);
    assert_str(buf_view(&stub.heard), "onetwo");
}

static void an_end_is_seen_after_a_pause(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    link_pause(&conn);
    say("last");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(3);
    assert_string_equal(story, "");
    link_resume(&conn);
    turns(3);
    assert_str(buf_view(&stub.heard), "last");
    assert_string_equal(story, "f");
    assert_int_equal(stub.eof_count, 1);
}

/* A request behind one that is not answered yet: the codec leaves it. */
static void what_the_codec_leaves_is_offered_again_in_order(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.may_take = 3;
    say("onetwo");
    turns(2);
    assert_str(buf_view(&stub.heard), "one");
    say("three");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(3); /* reading on would not help, and the end is not yet the codec's business */
    assert_str(buf_view(&stub.heard), "one");
    assert_int_equal(stub.eof_count, 0);
    stub.may_take = SIZE_MAX;
    link_read_soon(&conn);
    turns(5);
    assert_str(buf_view(&stub.heard), "onetwothree");
    assert_int_equal(stub.eof_count, 1);
    assert_string_equal(story, "f");
}

/* ---- past the queue ---- */

static void passed_bytes_leave_at_once_behind_what_is_queued(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    queue(STR("head "));
    assert_int_equal(link_pass(&conn, STR("body")), 4);
    assert_str(hear(), "head body");
    assert_true(link_is_flushed(&conn));
    turns(2);
    assert_str(hear(), "(nothing)");
}

static void what_cannot_be_passed_stays_with_the_caller(void **state)
{
    (void)state;
    static char big[2 * MIB], queued[BODY_PASS_QUEUE_BYTES + 1];
    size_t got = 0;
    open_link(AF_UNIX);
    size_t passed = link_pass(&conn, str_make(big, sizeof(big)));
    assert_true(passed > 0 && passed < sizeof(big));
    assert_int_equal(link_pass(&conn, STR("more")), 0); /* the socket is full */
    queue(STR("more"));
    for (int i = 0; i < 1000 && got < passed + 4; i++) {
        struct str part = hear();
        if (!str_eq(part, STR("(nothing)")))
            got += part.len;
        turns(1);
    }
    assert_int_equal(got, passed + 4);
    queue(str_make(queued, sizeof(queued))); /* not past a long queue */
    assert_int_equal(link_pass(&conn, STR("x")), 0);
    turns(2);
    assert_int_equal(hear().len, sizeof(queued));
}

static void a_failed_pass_is_told_at_the_end_of_the_turn_and_once(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    turns(1);
    link_pause(&conn);
    (void)close(peer);
    peer = -1;
    assert_int_equal(link_pass(&conn, STR("nobody there")), 0);
    assert_int_equal(link_pass(&conn, STR("nobody there")), 0);
    assert_string_equal(story, "");
    queue(STR("nobody there"));
    loop_settle(l);
    assert_string_equal(story, "e");
    assert_err(last_error, ERR_IO);
    assert_int_equal(link_queued(&conn), 0);
    link_flush_soon(&conn);
    loop_settle(l);
    assert_string_equal(story, "e");
    link_close(&conn);
    assert_int_equal(link_pass(&conn, STR("nobody there")), 0);
}

/* ---- ends ---- */

static void a_half_close_waits_for_the_queue(void **state)
{
    (void)state;
    static char big[MIB];
    size_t got = 0;
    open_link(AF_UNIX);
    queue(str_make(big, sizeof(big)));
    link_half_close(&conn);
    turns(1);
    for (int i = 0; i < 1000; i++) {
        struct str part = hear();
        if (part.len == 0)
            break;
        if (!str_eq(part, STR("(nothing)")))
            got += part.len;
        turns(1);
    }
    assert_int_equal(got, sizeof(big));
    say("still heard"); /* the other direction is open */
    turns(2);
    assert_str(buf_view(&stub.heard), "still heard");
}

static void a_half_close_of_an_empty_queue_is_at_once(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    link_half_close(&conn);
    turns(1);
    assert_str(hear(), "");
}

static void discarded_input_is_read_to_its_end(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.may_take = 1;
    say("one");
    turns(1);
    link_pause(&conn);
    link_discard_input(&conn, UINT64_MAX);
    say("two");
    turns(3);
    assert_str(buf_view(&stub.heard), "o");
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), -1); /* no reset */
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(3);
    assert_string_equal(story, "f");
    assert_int_equal(stub.eof_count, 0);
}

static void discarding_has_a_ceiling(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    link_discard_input(&conn, 5);
    say("12345");
    turns(3);
    assert_string_equal(story, "");
    say("6");
    turns(3);
    assert_string_equal(story, "e");
}

static void the_end_that_was_seen_is_told_again_to_who_discards(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(2);
    assert_string_equal(story, "f");
    link_discard_input(&conn, UINT64_MAX);
    turns(3);
    assert_string_equal(story, "ff");
}

static void discard(void)
{
    link_discard_input(&conn, UINT64_MAX);
}

static void discarding_from_inside_the_codec_is_safe(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.may_take = 1;
    say("left over");
    turns(1);
    stub.may_take = SIZE_MAX;
    stub.on_feed = discard;
    link_read_soon(&conn); /* feeds from what was kept */
    turns(2);
    assert_str(buf_view(&stub.heard), "left over");
    say("unheard");
    turns(2);
    assert_str(buf_view(&stub.heard), "left over");
}

static void close_link(void)
{
    link_close(&conn);
    assert_true(link_is_closed(&conn));
}

static void closing_from_inside_the_codec_waits_for_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"bytes", ""};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (i > 0) {
            (void)tear_down(NULL);
            (void)set_up(NULL);
        }
        open_link(AF_UNIX);
        stub.on_feed = close_link;
        say(texts[i]);
        if (texts[i][0] == '\0')
            assert_int_equal(shutdown(peer, SHUT_WR), 0);
        turns(1);
        assert_string_equal(story, "x"); /* the codec was freed, once, and nothing else came */
        assert_int_equal(link_state(&conn), LINK_CLOSED);
        assert_str(hear(), "");
    }
}

static void a_closed_link_is_quiet(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    say("too late");
    queue(STR("lost"));
    link_close(&conn);
    link_close(&conn);
    link_flush_soon(&conn);
    link_read_soon(&conn);
    link_cut(&conn);
    turns(2);
    assert_string_equal(story, "x");
    assert_int_equal(buf_len(&stub.heard), 0);
}

static void a_cut_is_seen_as_one(void **state)
{
    (void)state;
    open_link(AF_INET);
    queue(STR("lost"));
    link_cut(&conn);
    char byte;
    ssize_t n = -1;
    errno = EAGAIN;
    for (int i = 0; i < 1000 && n < 0 && errno == EAGAIN; i++)
        n = recv(peer, &byte, 1, 0);
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
}

/* ---- errors ---- */

static void an_error_of_the_codec_ends_the_reading(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.result = fail(ERR_BAD_REQUEST, 7);
    say("nonsense");
    turns(1);
    assert_err(last_error, ERR_BAD_REQUEST);
    assert_int_equal(last_error.detail, 7);
    say("more");
    turns(3);
    assert_str(buf_view(&stub.heard), "nonsense");
    assert_string_equal(story, "e");
    queue(STR("400")); /* it can still be answered */
    turns(1);
    assert_str(hear(), "400");
}

static void an_error_of_the_codec_at_the_end_is_told(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    stub.result = fail(ERR_CLIENT_GONE, 0);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(3);
    assert_err(last_error, ERR_CLIENT_GONE);
    assert_string_equal(story, "e");
}

static void a_reset_is_an_error(void **state)
{
    (void)state;
    struct linger at_once = {.l_onoff = 1};
    open_link(AF_INET);
    turns(1);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(peer);
    peer = -1;
    for (int i = 0; i < 1000 && story[0] == '\0'; i++)
        turns(1);
    assert_string_equal(story, "e");
    assert_err(last_error, ERR_IO);
    assert_int_equal(last_error.detail, ECONNRESET);
}

/* The peer has spoken and stopped listening: its words are heard before the failed write
 * counts. */
static void last_words_are_heard_after_a_failed_write(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    turns(1);
    say("go away");
    (void)close(peer);
    peer = -1;
    queue(STR("hello?"));
    turns(5);
    assert_str(buf_view(&stub.heard), "go away");
    assert_string_equal(story, "e");
    assert_err(last_error, ERR_IO);
}

/* The same over TCP: the write finds the reset before any event tells of it. */
static void last_words_before_a_reset_are_heard(void **state)
{
    (void)state;
    open_link(AF_INET);
    turns(1);
    assert_int_equal(link_pass(&conn, STR("a long story")), 12);
    say("go away");
    (void)close(peer); /* with bytes unread: RST */
    peer = -1;
    assert_int_equal(link_pass(&conn, STR("goes on")), 0);
    loop_settle(l);
    for (int i = 0; i < 1000 && story[0] == '\0'; i++)
        turns(1);
    assert_str(buf_view(&stub.heard), "go away");
    assert_string_equal(story, "e");
    assert_err(last_error, ERR_IO);
}

static void closing_in_an_error_callback_is_safe(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    on_error_hook = close_link;
    stub.result = fail(ERR_BAD_REQUEST, 0);
    say("nonsense");
    turns(2);
    assert_string_equal(story, "ex");
}

static void closing_in_a_sent_callback_is_safe(void **state)
{
    (void)state;
    open_link(AF_UNIX);
    on_sent_hook = close_link;
    queue(STR("bye"));
    turns(2);
    assert_string_equal(story, "sx");
    assert_str(hear(), "bye");
}

static void a_descriptor_that_cannot_be_watched_is_closed(void **state)
{
    (void)state;
    int file = dup(STDIN_FILENO);
    (void)close(file);
    struct err e = link_open(
        &conn,
        &(struct link_options){.loop = l, .scratch = &scratch, .events = &events, .fd = file});
    assert_err(e, ERR_IO);
    assert_true(link_is_closed(&conn));
}

/* ---- bringing up ---- */

static struct fake_issuer ca;

static void over_tls_it_opens_after_the_handshake(void **state)
{
    (void)state;
    int fds[2];
    struct scratch other;
    struct transport client;
    assert_ok(scratch_init(&other));
    fake_issuer_init(&ca, "Test CA");
    SSL_CTX *server_ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + 86400);
    SSL_CTX *client_ctx = tls_pair_client_ctx();
    tls_pair_sockets(AF_UNIX, fds);
    assert_ok(link_open(&conn, &(struct link_options){.loop = l,
                                                      .scratch = &scratch,
                                                      .events = &events,
                                                      .fd = fds[0],
                                                      .ssl = tls_pair_accept(server_ctx)}));
    conn.codec = &stub.codec;
    transport_open(&client, fds[1], &other);
    assert_ok(transport_start_tls(&client, tls_pair_connect(client_ctx, "a.example")));
    struct err e = fail(ERR_AGAIN, 0);
    for (int i = 0; i < 10 && failed(e); i++) {
        transport_on_ready(&client, EPOLLIN | EPOLLOUT);
        e = transport_handshake(&client);
        if (!failed(e)) {
            /* Behind the last handshake message, in the same packet as far as it fits. */
            size_t len;
            assert_ok(transport_write(&client, STR("request"), STR_NONE, &len));
        }
        assert_int_equal(story[0] == 'o', link_state(&conn) == LINK_OPEN);
        turns(1);
    }
    assert_ok(e);
    assert_string_equal(story, "o");
    assert_str(buf_view(&stub.heard), "request");
    transport_close(&client);
    turns(3);
    assert_string_equal(story, "of");
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    fake_issuer_fini(&ca);
    scratch_fini(&other);
}

static void a_failed_handshake_is_an_error(void **state)
{
    (void)state;
    int fds[2];
    fake_issuer_init(&ca, "Test CA");
    SSL_CTX *server_ctx = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + 86400);
    tls_pair_sockets(AF_UNIX, fds);
    peer = fds[1];
    assert_ok(link_open(&conn, &(struct link_options){.loop = l,
                                                      .scratch = &scratch,
                                                      .events = &events,
                                                      .fd = fds[0],
                                                      .ssl = tls_pair_accept(server_ctx)}));
    conn.codec = &stub.codec;
    on_error_hook = close_link;
    say("GET / HTTP/1.1\r\n\r\n");
    turns(2);
    assert_err(last_error, ERR_CRYPTO);
    assert_string_equal(story, "ex");
    SSL_CTX_free(server_ctx);
    fake_issuer_fini(&ca);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(bytes_reach_the_codec_and_its_output_the_peer),
        WITH_LOOP(an_answer_from_inside_the_codec_leaves_in_the_same_turn),
        WITH_LOOP(one_turn_reads_once),
        WITH_LOOP(what_does_not_fit_waits_and_is_told_when_it_went),
        WITH_LOOP(a_paused_link_reads_nothing_until_resumed),
        WITH_LOOP(a_pause_from_inside_the_codec_holds),
        WITH_LOOP(an_end_is_seen_after_a_pause),
        WITH_LOOP(what_the_codec_leaves_is_offered_again_in_order),
        WITH_LOOP(passed_bytes_leave_at_once_behind_what_is_queued),
        WITH_LOOP(what_cannot_be_passed_stays_with_the_caller),
        WITH_LOOP(a_failed_pass_is_told_at_the_end_of_the_turn_and_once),
        WITH_LOOP(a_half_close_waits_for_the_queue),
        WITH_LOOP(a_half_close_of_an_empty_queue_is_at_once),
        WITH_LOOP(discarded_input_is_read_to_its_end),
        WITH_LOOP(discarding_has_a_ceiling),
        WITH_LOOP(the_end_that_was_seen_is_told_again_to_who_discards),
        WITH_LOOP(discarding_from_inside_the_codec_is_safe),
        WITH_LOOP(closing_from_inside_the_codec_waits_for_it),
        WITH_LOOP(a_closed_link_is_quiet),
        WITH_LOOP(a_cut_is_seen_as_one),
        WITH_LOOP(an_error_of_the_codec_ends_the_reading),
        WITH_LOOP(an_error_of_the_codec_at_the_end_is_told),
        WITH_LOOP(a_reset_is_an_error),
        WITH_LOOP(last_words_are_heard_after_a_failed_write),
        WITH_LOOP(last_words_before_a_reset_are_heard),
        WITH_LOOP(closing_in_an_error_callback_is_safe),
        WITH_LOOP(closing_in_a_sent_callback_is_safe),
        WITH_LOOP(a_descriptor_that_cannot_be_watched_is_closed),
        WITH_LOOP(over_tls_it_opens_after_the_handshake),
        WITH_LOOP(a_failed_handshake_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
