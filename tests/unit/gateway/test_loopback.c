/* test_loopback.c - requests through a whole worker: worker.c, conn.c and the exchange. */
#include "tests/support/asserts.h"
#include "tests/support/loopback.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/limits.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

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
    (void)close(b.log_file);
    return 0;
}

#define GET         "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define ANSWER      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define HAS(t, w)   assert_true(has((t), (w)))
#define LACKS(t, w) assert_false(has((t), (w)))

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* The status line of the next head, without its end; the rest is forgotten. */
static const char *hear_status(int fd)
{
    static char line[128];
    const char *head = loopback_hear_head(fd);
    (void)snprintf(line, sizeof(line), "%.*s", (int)(strchr(head, '\r') - head), head);
    return line;
}

static void hear_text(int fd, const char *want)
{
    assert_str(loopback_hear(fd, strlen(want)), want);
}

static void hear_ok(int fd)
{
    assert_string_equal(hear_status(fd), "HTTP/1.1 200 OK");
    hear_text(fd, "ok");
}

static void hear_end(int fd)
{
    bool is_cut;
    assert_str(loopback_hear_all(fd, &is_cut), "");
    assert_false(is_cut);
}

/* ---- ordinary exchanges ---- */

static void a_request_and_its_answer_pass(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, "POST /x?y HTTP/1.1\r\nHost: a.example\r\nX-Mine: 1\r\n"
                         "X-Forwarded-For: 6.6.6.6\r\nContent-Length: 4\r\n\r\nbody");
    int target = loopback_accept(&b);
    const char *head = loopback_hear_head(target);
    HAS(head, "POST /x?y HTTP/1.1\r\n");
    HAS(head, "\r\nHost: a.example\r\n");
    HAS(head, "\r\nX-Mine: 1\r\n");
    HAS(head, "\r\nX-Forwarded-For: 127.0.0.1\r\n");
    HAS(head, "\r\nX-Forwarded-Proto: http\r\n");
    HAS(head, "\r\nContent-Length: 4\r\n");
    LACKS(head, "6.6.6.6");
    hear_text(target, "body");
    loopback_say(target, "HTTP/1.1 201 Created\r\nX-Theirs: 2\r\nKeep-Alive: 5\r\n"
                         "Content-Length: 5\r\n\r\nthere");
    head = loopback_hear_head(client);
    HAS(head, "HTTP/1.1 201 Created\r\n");
    HAS(head, "\r\nX-Theirs: 2\r\n");
    HAS(head, "\r\nDate: Mon, 23 Nov 2026 17:52:00 GMT\r\n");
    HAS(head, "\r\nContent-Length: 5\r\n");
    LACKS(head, "Keep-Alive");
    hear_text(client, "there");
    (void)close(client);
    (void)close(target);
}

static void both_connections_are_kept(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    for (int i = 0; i < 3; i++) {
        (void)loopback_hear_head(target);
        loopback_say(target, ANSWER);
        hear_ok(client);
        if (i < 2)
            loopback_say(client, GET);
    }
    int other = loopback_connect(&b); /* another client shares the target's connection */
    loopback_say(other, GET);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(other);
    assert_true(loopback_is_quiet(&b));
    (void)close(client);
    (void)close(other);
    (void)close(target);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n"
                         "POST /2 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\ntwo"
                         "GET /3 HTTP/1.1\r\nHost: nobody.example\r\n\r\n"
                         "GET /4 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    int target = loopback_accept(&b);
    HAS(loopback_hear_head(target), "GET /1 ");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    HAS(loopback_hear_head(target), "POST /2 ");
    hear_text(target, "two");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    HAS(loopback_hear_head(target), "GET /4 ");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour");
    (void)loopback_hear_head(client);
    hear_text(client, "one");
    (void)loopback_hear_head(client);
    hear_text(client, "two");
    const char *head = loopback_hear_head(client);
    HAS(head, "HTTP/1.1 404 Not Found\r\n");
    unsigned len = 0;
    assert_int_equal(sscanf(strstr(head, "Content-Length: "), "Content-Length: %u", &len), 1);
    (void)loopback_hear(client, len);
    (void)loopback_hear_head(client);
    hear_text(client, "four");
    (void)close(client);
    (void)close(target);
}

static void chunks_pass_in_both_directions(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client,
                 "PUT /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5;ext=1\r\nhello\r\n");
    int target = loopback_accept(&b);
    HAS(loopback_hear_head(target), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(target, "5\r\nhello\r\n");
    loopback_say(client, "1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    hear_text(target, "1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    HAS(loopback_hear_head(client), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(client, "3\r\nabc\r\n"); /* before the rest is there */
    loopback_say(target, "0\r\n\r\n");
    hear_text(client, "0\r\n\r\n");
    loopback_say(client, GET); /* both are kept */
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    (void)close(client);
    (void)close(target);
}

static void a_body_that_ends_with_the_connection_is_chunked_or_ends_it(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, "HTTP/1.1 200 OK\r\n\r\nendless");
    (void)close(target);
    HAS(loopback_hear_head(client), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(client, "7\r\nendless\r\n0\r\n\r\n");
    (void)close(client);

    bool is_cut;
    client = loopback_connect(&b);
    loopback_say(client, "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "7\r\nendless\r\n0\r\n\r\n");
    LACKS(loopback_hear_head(client), "chunked");
    assert_str(loopback_hear_all(client, &is_cut), "endless");
    assert_false(is_cut);
    (void)close(client);
    (void)close(target);
}

static void a_client_may_wait_for_100_continue(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, "POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n"
                         "Content-Length: 4\r\n\r\n");
    int target = loopback_accept(&b);
    HAS(loopback_hear_head(target), "\r\nExpect: 100-continue\r\n");
    loopback_say(target, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(hear_status(client), "HTTP/1.1 100 Continue");
    loopback_say(client, "body");
    hear_text(target, "body");
    loopback_say(target, ANSWER);
    hear_ok(client);
    (void)close(client);
    (void)close(target);
}

static void an_early_answer_ends_the_request(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client,
                 "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nfirst");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    hear_text(target, "first");
    loopback_say(target, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    const char *head = loopback_hear_head(client);
    HAS(head, "HTTP/1.1 413 ");
    assert_str(loopback_hear_all(client, &is_cut), "no");
    assert_false(is_cut);
    hear_end(target);
    (void)close(client);
    (void)close(target);
}

static const struct {
    const char *name, *method, *answer;
} bodiless[] = {
    {"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
    {"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
    {"HEAD of a chunked body", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
};

static void answers_without_a_body_end_with_their_head(void **state)
{
    (void)state;
    int client = loopback_connect(&b), target = -1;
    for (size_t i = 0; i < ARRAY_LEN(bodiless); i++) {
        char request[128];
        (void)snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: a.example\r\n\r\n",
                       bodiless[i].method);
        loopback_say(client, request);
        if (target < 0)
            target = loopback_accept(&b);
        (void)loopback_hear_head(target);
        loopback_say(target, bodiless[i].answer);
        assert_row(bodiless[i].name, has(bodiless[i].answer, hear_status(client)));
        loopback_say(client, GET); /* nothing stands between the two answers */
        (void)loopback_hear_head(target);
        loopback_say(target, ANSWER);
        hear_ok(client);
    }
    (void)close(client);
    (void)close(target);
}

static void much_passes_both_ways_at_once(void **state)
{
    (void)state;
    enum { MUCH = 3 * MIB };
    static char sent[MUCH];
    for (size_t i = 0; i < MUCH; i++)
        sent[i] = (char)(i * 31 + i / 509);
    int client = loopback_connect(&b);
    char head[128];
    (void)snprintf(head, sizeof(head),
                   "POST / HTTP/1.1\r\nHost: a.example\r\n"
                   "Content-Length: %d\r\n\r\n",
                   MUCH);
    loopback_say(client, head);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", MUCH);
    loopback_say(target, head);
    (void)loopback_hear_head(client);
    const size_t step = 64 * KIB;
    for (size_t at = 0; at < MUCH; at += step) {
        struct str part = str_make(sent + at, step);
        loopback_say_bytes(client, part);
        assert_true(str_eq(loopback_hear(target, step), part));
        loopback_say_bytes(target, part);
        assert_true(str_eq(loopback_hear(client, step), part));
    }
    loopback_say(client, GET);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    (void)close(client);
    (void)close(target);
}

/* ---- targets that fail ---- */

static void a_cut_answer_is_cut_for_the_client_too(void **state)
{
    (void)state;
    static const char *const cuts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        bool is_cut;
        int client = loopback_connect(&b);
        loopback_say(client, GET);
        int target = loopback_accept(&b);
        (void)loopback_hear_head(target);
        loopback_say(target, cuts[i]);
        (void)loopback_hear_head(client);
        (void)close(target);
        const char *rest = loopback_hear_all(client, &is_cut).p;
        assert_true(is_cut);
        LACKS(rest, "0\r\n\r\n");
        (void)close(client);
    }
}

static const struct {
    const char *name, *answer, *want;
} bad_answers[] = {
    {"none", "", "HTTP/1.1 502 "},
    {"half a head", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 502 "},
    {"no HTTP", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 502 "},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     "HTTP/1.1 502 "},
    {"an upgrade nobody asked for",
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
     "Connection: upgrade\r\n\r\n",
     "HTTP/1.1 502 "},
};

static void a_bad_answer_becomes_502(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_answers); i++) {
        int client = loopback_connect(&b);
        loopback_say(client, GET);
        int target = loopback_accept(&b);
        (void)loopback_hear_head(target);
        loopback_say(target, bad_answers[i].answer);
        (void)shutdown(target, SHUT_WR);
        assert_row(bad_answers[i].name, has(hear_status(client), bad_answers[i].want));
        (void)close(client);
        (void)close(target);
    }
}

static void a_dead_kept_connection_is_replaced_unseen(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target); /* it is in use again when it dies */
    (void)close(target);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    /* Not where a second time could do harm. */
    loopback_say(client, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx");
    (void)loopback_hear_head(target);
    (void)loopback_hear(target, 1);
    (void)close(target);
    HAS(hear_status(client), "HTTP/1.1 502 ");
    assert_true(loopback_is_quiet(&b));
    (void)close(client);
}

static void the_next_target_serves_when_one_refuses(void **state)
{
    (void)state;
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['two.example'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1', 'weight': 1000},"
                   " {'url': 'http://127.0.0.1:%u'}]}}",
                   (unsigned)b.target_port);
    temp_config_route(&b.store, "two", body);
    int client = loopback_connect(&b);
    loopback_say(client,
                 "POST / HTTP/1.1\r\nHost: two.example\r\nContent-Length: 4\r\n\r\nbody");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    hear_text(target, "body");
    loopback_say(target, ANSWER);
    hear_ok(client);
    (void)close(client);
    (void)close(target);
}

static void when_every_target_refuses_it_is_502(void **state)
{
    (void)state;
    temp_config_route(&b.store, "none",
                      "{'hosts': ['none.example'], 'certificate': 'none', 'https': 'optional',"
                      " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}}");
    int client = loopback_connect(&b);
    for (int i = 0; i < 3; i++) {
        loopback_say(client, "HEAD / HTTP/1.1\r\nHost: none.example\r\n\r\n");
        HAS(hear_status(client), "HTTP/1.1 502 ");
    }
    (void)close(client);
}

static void when_every_target_drains_it_is_503(void **state)
{
    (void)state;
    temp_config_route(&b.store, "drain",
                      "{'hosts': ['drain.example'], 'certificate': 'none', 'https': 'optional',"
                      " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1',"
                      " 'drain': true}]}}");
    int client = loopback_connect(&b);
    loopback_say(client, "HEAD / HTTP/1.1\r\nHost: drain.example\r\n\r\n");
    HAS(hear_status(client), "HTTP/1.1 503 ");
    (void)close(client);
}

/* ---- requests that fail ---- */

static const struct {
    const char *name, *request, *want;
} malformed[] = {
    {"no HTTP", "\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 "},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
    {"two hosts", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "},
    {"a bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 "},
    {"length and chunks",
     "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400 "},
    {"a space before the colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", "HTTP/1.1 400 "},
    {"a folded field", "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n",
     "HTTP/1.1 400 "},
    {"an unknown coding",
     "POST / HTTP/1.1\r\nHost: a.example\r\n"
     "Transfer-Encoding: gzip, chunked\r\n\r\n",
     "HTTP/1.1 501 "},
    {"CONNECT", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
     "HTTP/1.1 501 "},
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 405 "},
    {"another version", "GET / HTTP/3.0\r\nHost: a.example\r\n\r\n", "HTTP/1.1 505 "},
};

static void a_malformed_request_is_answered_and_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        bool is_cut;
        int client = loopback_connect(&b);
        loopback_say(client, malformed[i].request);
        struct str answer = loopback_hear_all(client, &is_cut);
        assert_row(malformed[i].name, has(answer.p, malformed[i].want));
        assert_row(malformed[i].name, has(answer.p, "\r\nConnection: close\r\n"));
        assert_row(malformed[i].name, !is_cut);
        assert_row(malformed[i].name, loopback_is_quiet(&b));
        (void)close(client);
    }
}

static void a_request_behind_a_malformed_one_is_not_read(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n"
                         "Content-Length: 2\r\n\r\n" GET);
    const char *answer = loopback_hear_all(client, &is_cut).p;
    HAS(answer, "HTTP/1.1 400 ");
    assert_null(strstr(answer + 1, "HTTP/1.1 "));
    assert_true(loopback_is_quiet(&b));
    (void)close(client);
}

/* The head was fine and is with the target already. */
static void a_malformed_body_ends_both_connections(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client,
                 "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "4\r\nbody\r\n");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    (void)loopback_hear(target, 9);
    loopback_say(client, "nonsense\r\n");
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 400 ");
    LACKS(loopback_hear_all(target, &is_cut).p, "0\r\n\r\n");
    (void)close(client);
    (void)close(target);
}

static void a_body_too_large_is_refused(void **state)
{
    (void)state;
    bool is_cut;
    loopback_route(&b, "small", "small.example", ", 'max_body': '1KiB'");
    int client = loopback_connect(&b); /* by its length: before a target is asked */
    loopback_say(client,
                 "POST / HTTP/1.1\r\nHost: small.example\r\nContent-Length: 1025\r\n\r\n");
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 413 ");
    assert_true(loopback_is_quiet(&b));
    (void)close(client);

    client = loopback_connect(&b); /* by counting */
    loopback_say(client, "POST / HTTP/1.1\r\nHost: small.example\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n400\r\n");
    char kib[1025];
    memset(kib, 'x', 1024);
    kib[1024] = '\0';
    loopback_say(client, kib);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(client, "\r\n1\r\nx\r\n");
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 413 ");
    LACKS(loopback_hear_all(target, &is_cut).p, "0\r\n\r\n");
    (void)close(client);
    (void)close(target);
}

static void a_client_that_leaves_frees_the_target(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    struct linger at_once = {.l_onoff = 1};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(client);
    (void)loopback_hear_all(target, &is_cut); /* closed, without an answer */
    (void)close(target);
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

static int set_up_tight(void **state)
{
    (void)state;
    loopback_start(&b, 1); /* the kernel takes a few KiB; the rest waits in the worker */
    loopback_route(&b, "a", "a.example", "");
    return 0;
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

/* Sending the rest of an answer is not a request that has begun. */
static void a_client_that_was_slow_may_rest_like_others(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    send_long_answer(target);
    loopback_pass(&b, 10);
    (void)loopback_hear_head(client);
    (void)loopback_hear(client, LONG);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    loopback_pass(&b, HEAD_LIMIT_MS + 1);
    loopback_say(client, GET);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
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
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 408 ");
    (void)close(client);
}

static void an_idle_client_is_let_go(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    for (int i = 0; i <= KEEPALIVE_IDLE_MS / HEAD_LIMIT_MS; i++)
        loopback_pass(&b, HEAD_LIMIT_MS + LOOP_TICK_MS);
    hear_end(client);
    (void)close(client);
    (void)close(target);
}

static void a_silent_target_becomes_504(void **state)
{
    (void)state;
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['slow.example'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:%u'}],"
                   " 'timeouts': {'response': '3s', 'idle': '7s'}}}",
                   (unsigned)b.target_port);
    temp_config_route(&b.store, "slow", body);
    int client = loopback_connect(&b);
    loopback_say(client, "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_pass(&b, 3000 + LOOP_TICK_MS);
    HAS(hear_status(client), "HTTP/1.1 504 ");
    hear_end(target);
    (void)close(client);
    (void)close(target);

    bool is_cut;
    client = loopback_connect(&b); /* silence in the middle of the answer */
    loopback_say(client, "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
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

static void a_client_silent_in_its_body_becomes_408(void **state)
{
    (void)state;
    bool is_cut;
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['slow.example'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:%u'}],"
                   " 'timeouts': {'idle': '7s'}}}",
                   (unsigned)b.target_port);
    temp_config_route(&b.store, "slow", body);
    int client = loopback_connect(&b);
    loopback_say(client, "POST / HTTP/1.1\r\nHost: slow.example\r\n"
                         "Content-Length: 10\r\n\r\nha");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    hear_text(target, "ha");
    loopback_pass(&b, 7000 + LOOP_TICK_MS);
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 408 ");
    assert_false(is_cut);
    (void)loopback_hear_all(target, &is_cut);
    (void)close(client);
    (void)close(target);
}

/* ---- tunnels ---- */

#define UPGRADE                                                                                \
    "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHING                                                                              \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void an_upgrade_becomes_a_tunnel_with_two_ends(void **state)
{
    (void)state;
    bool is_cut;
    for (int client_first = 0; client_first < 2; client_first++) {
        int client = loopback_connect(&b);
        loopback_say(client, UPGRADE);
        int target = loopback_accept(&b);
        HAS(loopback_hear_head(target), "\r\nUpgrade: websocket\r\n");
        loopback_say(target, SWITCHING "hello");
        HAS(loopback_hear_head(client), "HTTP/1.1 101 ");
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
    loopback_say(client, UPGRADE "early");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
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
    loopback_say(client, UPGRADE);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    (void)close(client);
    (void)close(target);
}

static void a_cut_tunnel_is_cut_on_both_sides(void **state)
{
    (void)state;
    bool is_cut;
    struct linger at_once = {.l_onoff = 1};
    int client = loopback_connect(&b);
    loopback_say(client, UPGRADE);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, SWITCHING);
    (void)loopback_hear_head(client);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(client);
    (void)loopback_hear_all(target, &is_cut);
    (void)close(target);
}

/* ---- answers of our own ---- */

static void answers_of_our_own_need_no_target(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, "HEAD / HTTP/1.1\r\nHost: nobody.example\r\n\r\n");
    assert_string_equal(hear_status(client), "HTTP/1.1 404 Not Found");
    temp_config_route(&b.store, "safe",
                      "{'hosts': ['safe.example'], 'certificate': 'auto',"
                      " 'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}}");
    loopback_say(client, "GET /x?y HTTP/1.1\r\nHost: safe.example:80\r\n\r\n");
    const char *head = loopback_hear_head(client);
    char want[128];
    (void)snprintf(want, sizeof(want), "\r\nLocation: https://safe.example:%u/x?y\r\n",
                   (unsigned)b.listeners->items[1].port);
    HAS(head, "HTTP/1.1 308 ");
    HAS(head, want);
    const struct snapshot *snap = store_snapshot(b.store.store);
    char id[64];
    struct str managed = snapshot_managed_cert_id(snap, snapshot_route_find(snap, STR("safe")));
    (void)snprintf(id, sizeof(id), "%.*s", STR_ARG(managed));
    snapshot_unref(snap);
    temp_config_challenge(&b.store, id, "safe.example", "tok", "tok.key");
    loopback_say(client, "GET /.well-known/acme-challenge/tok HTTP/1.1\r\n"
                         "Host: safe.example\r\n\r\n");
    bool is_cut;
    const char *answer = loopback_hear_all(client, &is_cut).p;
    HAS(answer, "HTTP/1.1 200 OK\r\n");
    HAS(answer, "\r\n\r\ntok.key");
    (void)close(client);
}

/* The body of a refused request is read and dropped, so that the answer arrives. */
static void a_refused_body_does_not_reset_the_answer(void **state)
{
    (void)state;
    bool is_cut;
    static char body[512 * 1024];
    int client = loopback_connect(&b);
    loopback_say(client,
                 "POST / HTTP/1.1\r\nHost: nobody.example\r\nContent-Length: 524288\r\n\r\n");
    loopback_say_bytes(client, str_make(body, sizeof(body)));
    HAS(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 404 ");
    assert_false(is_cut);
    (void)close(client);
}

/* ---- changes ---- */

static void an_exchange_keeps_the_configuration_it_began_with(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_route(&b, "a", "a.example",
                   ", 'response_headers': {'set': {'X-New': '1'}, 'add': {}, 'remove': []}");
    loopback_say(target, ANSWER);
    LACKS(loopback_hear_head(client), "X-New");
    (void)loopback_hear(client, 2);
    loopback_say(client, GET); /* the same client connection, a new one to the target */
    int fresh = loopback_accept(&b);
    (void)loopback_hear_head(fresh);
    loopback_say(fresh, ANSWER);
    HAS(loopback_hear_head(client), "\r\nX-New: 1\r\n");
    (void)loopback_hear(client, 2);
    (void)close(client);
    (void)close(target);
    (void)close(fresh);
}

static void a_deleted_route_ends_its_running_exchange_in_peace(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
    (void)loopback_hear_head(client);
    assert_ok(temp_store_delete_route(&b.store, "a"));
    loopback_say(target, "lf");
    hear_text(client, "half");
    loopback_say(client, "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    HAS(hear_status(client), "HTTP/1.1 404 ");
    (void)close(client);
    (void)close(target);
}

/* ---- TLS ---- */

static void the_same_over_tls(void **state)
{
    (void)state;
    char text[4096] = "";
    SSL_CTX *ctx = tls_pair_client_ctx();
    temp_config_cert(&b.store, &b.ca, "cert", "DNS:tls.example");
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['tls.example'], 'certificate': 'cert',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:%u'}]}}",
                   (unsigned)b.target_port);
    temp_config_route(&b.store, "tls", body);
    int client = loopback_connect_tls(&b);
    SSL *ssl = tls_pair_connect(ctx, "tls.example");
    assert_int_equal(SSL_set_fd(ssl, client), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    static const char request[] = "GET / HTTP/1.1\r\nHost: tls.example\r\n\r\n";
    assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    int target = loopback_accept(&b);
    HAS(loopback_hear_head(target), "\r\nX-Forwarded-Proto: https\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsecret");
    (void)close(target);
    size_t len = 0;
    while (!has(text, "0\r\n\r\n")) {
        int n = SSL_read(ssl, text + len, (int)(sizeof(text) - len - 1));
        assert_true(n > 0);
        len += (size_t)n;
    }
    HAS(text, "6\r\nsecret\r\n");
    static const char other[] = "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    assert_int_equal(SSL_write(ssl, other, sizeof(other) - 1), sizeof(other) - 1);
    int n = SSL_read(ssl, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    HAS(text, "HTTP/1.1 421 ");
    SSL_free(ssl);
    (void)close(client);

    client = loopback_connect_tls(&b);
    ssl = tls_pair_connect(ctx, "nobody.example");
    assert_int_equal(SSL_set_fd(ssl, client), 1);
    assert_int_equal(SSL_connect(ssl), -1); /* rejected */
    SSL_free(ssl);
    (void)close(client);
    SSL_CTX_free(ctx);
}

static void plain_http_at_the_tls_port_is_let_go(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect_tls(&b);
    loopback_say(client, GET);
    (void)loopback_hear_all(client, &is_cut);
    (void)close(client);
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
    loopback_say(busy, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    worker_drain(b.worker);
    hear_end(idle);
    loopback_say(target, ANSWER);
    HAS(loopback_hear_head(busy), "\r\nConnection: close\r\n");
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
    loopback_say(stuck, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
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
    (void)close(stuck);
    (void)close(target);
}

/* A connection that is idle again, after its answer went out late, is idle. */
static void an_answer_sent_late_does_not_hold_up_the_drain(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    send_long_answer(target);
    loopback_pass(&b, 100);
    (void)loopback_hear_head(client);
    (void)loopback_hear(client, LONG);
    worker_drain(b.worker);
    hear_end(client);
    (void)close(client);
}

/* ---- what is left behind ---- */

static void every_exchange_leaves_a_line(void **state)
{
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    (void)loopback_hear(target, 3);
    loopback_say(target, ANSWER);
    hear_ok(client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target);
    (void)close(target);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    (void)close(target);
    HAS(hear_status(client), "HTTP/1.1 502 ");
    (void)close(client);
    client = loopback_connect(&b);
    loopback_say(client, "nonsense\r\n\r\n");
    (void)loopback_hear_all(client, &is_cut);
    (void)close(client);

    loopback_stop(&b);
    struct str rest = loopback_lines(&b), line;
    static const struct {
        const char *path, *ended_by, *error;
        int status, in_bytes, tries;
    } want[] = {
        {"/x", "done", NULL, 200, 3, 1},
        {"/", "target", "target_closed", 502, 0, 2},
        {NULL, "client", "bad_request", 400, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        AUTO(json_decref) json_t *doc = NULL;
        assert_true(str_split(rest, '\n', &line, &rest));
        assert_ok(json_read(line, &doc));
        assert_str(json_str(json_object_get(doc, "path")), want[i].path);
        assert_str(json_str(json_object_get(doc, "ended_by")), want[i].ended_by);
        assert_str(json_str(json_object_get(doc, "error")), want[i].error);
        assert_str(json_str(json_object_get(doc, "client")), "127.0.0.1");
        assert_int_equal(json_integer_value(json_object_get(doc, "status")), want[i].status);
        assert_int_equal(json_integer_value(json_object_get(doc, "in_bytes")),
                         want[i].in_bytes);
        assert_int_equal(json_integer_value(json_object_get(doc, "tries")), want[i].tries);
        assert_int_equal(json_str(json_object_get(doc, "request_id")).len, 16);
    }
    assert_true(str_is_empty(rest));
    (void)set_up(state);
}

static void without_memory_there_is_no_worker(void **state)
{
    (void)state;
    unsigned refused = 0;
    for_each_fault(n)
    {
        struct worker *w;
        struct listener_set *none;
        struct err e = listener_set_new(1, &none);
        if (failed(e))
            continue;
        e = worker_start(&(struct worker_options){.publisher = store_publisher(b.store.store),
                                                  .ticket_keys = &b.keys,
                                                  .listeners = none,
                                                  .access_log = b.access_log},
                         &w);
        refused += failed(e);
        if (!failed(e)) {
            worker_drain(w);
            worker_join(w);
        }
        listener_set_free(none);
    }
    assert_true(refused > 5);
}

/* The worker fails at every place a request can; it must let go of both connections, and serve
 * the next request as if nothing had been. */
static void without_memory_only_the_request_fails(void **state)
{
    (void)state;
    static const char request[] = "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
                                  "Content-Length: 4\r\n\r\nbody";
    unsigned refused = 0;
    for_each_fault(n)
    {
        bool is_cut;
        int target = -1, client = loopback_connect(&b);
        loopback_say(client, request);
        if (!loopback_is_first(client, b.target)) {
            target = loopback_accept(&b);
            if (!loopback_is_first(client, target))
                (void)send(target, ANSWER, strlen(ANSWER), MSG_NOSIGNAL);
        }
        struct str answer = loopback_hear_all(client, &is_cut);
        bool is_served = str_ends(answer, STR("\r\n\r\nok"));
        assert_true(is_served || mem_fault_fired());
        assert_true(is_served || is_cut || answer.len == 0 || has(answer.p, "HTTP/1.1 50"));
        refused += !is_served;
        (void)close(client);
        if (target >= 0)
            (void)close(target);
    }
    assert_true(refused > 5);
}

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define TIGHT(test)    cmocka_unit_test_setup_teardown(test, set_up_tight, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(a_request_and_its_answer_pass),
        LOOPBACK(both_connections_are_kept),
        LOOPBACK(pipelined_requests_are_answered_in_order),
        LOOPBACK(chunks_pass_in_both_directions),
        LOOPBACK(a_body_that_ends_with_the_connection_is_chunked_or_ends_it),
        LOOPBACK(a_client_may_wait_for_100_continue),
        LOOPBACK(an_early_answer_ends_the_request),
        LOOPBACK(answers_without_a_body_end_with_their_head),
        LOOPBACK(much_passes_both_ways_at_once),
        LOOPBACK(a_cut_answer_is_cut_for_the_client_too),
        LOOPBACK(a_bad_answer_becomes_502),
        LOOPBACK(a_dead_kept_connection_is_replaced_unseen),
        LOOPBACK(the_next_target_serves_when_one_refuses),
        LOOPBACK(when_every_target_refuses_it_is_502),
        LOOPBACK(when_every_target_drains_it_is_503),
        LOOPBACK(a_malformed_request_is_answered_and_ends_the_connection),
        LOOPBACK(a_request_behind_a_malformed_one_is_not_read),
        LOOPBACK(a_malformed_body_ends_both_connections),
        LOOPBACK(a_body_too_large_is_refused),
        LOOPBACK(a_client_that_leaves_frees_the_target),
        LOOPBACK(a_half_closed_client_gets_its_answer),
        TIGHT(a_slow_client_gets_all_of_its_answer),
        TIGHT(a_client_that_was_slow_may_rest_like_others),
        LOOPBACK(a_head_must_come_in_time),
        LOOPBACK(an_idle_client_is_let_go),
        LOOPBACK(a_silent_target_becomes_504),
        LOOPBACK(a_client_silent_in_its_body_becomes_408),
        LOOPBACK(an_upgrade_becomes_a_tunnel_with_two_ends),
        LOOPBACK(a_client_may_speak_before_the_tunnel_is_there),
        LOOPBACK(a_refused_upgrade_is_an_ordinary_answer),
        LOOPBACK(a_cut_tunnel_is_cut_on_both_sides),
        LOOPBACK(answers_of_our_own_need_no_target),
        LOOPBACK(a_refused_body_does_not_reset_the_answer),
        LOOPBACK(an_exchange_keeps_the_configuration_it_began_with),
        LOOPBACK(a_deleted_route_ends_its_running_exchange_in_peace),
        LOOPBACK(the_same_over_tls),
        LOOPBACK(plain_http_at_the_tls_port_is_let_go),
        LOOPBACK(a_handshake_must_come_in_time),
        LOOPBACK(a_draining_worker_ends_what_it_has_begun),
        LOOPBACK(a_drained_worker_waits_no_longer_than_it_must),
        TIGHT(an_answer_sent_late_does_not_hold_up_the_drain),
        LOOPBACK(every_exchange_leaves_a_line),
        LOOPBACK(without_memory_there_is_no_worker),
        LOOPBACK(without_memory_only_the_request_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
