/* test_loopback.c - what passes through a whole worker: worker.c, conn.c and the exchange. */
#include "tests/support/loopback_asserts.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/limits.h"

#include <sys/socket.h>

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

/* ---- ordinary exchanges ---- */

static void a_request_and_its_answer_pass(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, "POST /x?y HTTP/1.1\r\nHost: a.example\r\nX-Mine: 1\r\n"
                         "X-Forwarded-For: 6.6.6.6\r\nContent-Length: 4\r\n\r\nbody");
    int target = loopback_accept(&b);
    const char *head = loopback_hear_head(target);
    assert_has(head, "POST /x?y HTTP/1.1\r\n");
    assert_has(head, "\r\nHost: a.example\r\n");
    assert_has(head, "\r\nX-Mine: 1\r\n");
    assert_has(head, "\r\nX-Forwarded-For: 127.0.0.1\r\n");
    assert_has(head, "\r\nX-Forwarded-Proto: http\r\n");
    assert_has(head, "\r\nContent-Length: 4\r\n");
    assert_lacks(head, "6.6.6.6");
    hear_text(target, "body");
    loopback_say(target, "HTTP/1.1 201 Created\r\nX-Theirs: 2\r\nKeep-Alive: 5\r\n"
                         "Content-Length: 5\r\n\r\nthere");
    head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 201 Created\r\n");
    assert_has(head, "\r\nX-Theirs: 2\r\n");
    assert_has(head, "\r\nDate: Mon, 23 Nov 2026 17:52:00 GMT\r\n");
    assert_has(head, "\r\nContent-Length: 5\r\n");
    assert_lacks(head, "Keep-Alive");
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
        serve(target, client);
        if (i < 2)
            loopback_say(client, GET);
    }
    int other = loopback_connect(&b); /* another client shares the target's connection */
    loopback_say(other, GET);
    (void)loopback_hear_head(target);
    serve(target, other);
    assert_true(loopback_is_quiet(&b));
    (void)close(client);
    (void)close(other);
    (void)close(target);
}

static void a_change_of_the_route_closes_what_rests(void **state)
{
    (void)state;
    loopback_route(&b, "rests", "rests.example", "");
    int client = loopback_connect(&b);
    loopback_say(client, "GET / HTTP/1.1\r\nHost: rests.example\r\n\r\n");
    int target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    loopback_say(target, ANSWER);
    hear_ok(client);
    loopback_route(&b, "rests", "rests.example", ", 'max_body': '1KiB'");
    hear_end(target); /* time stands still: it did not just grow old */
    (void)close(target);
    (void)close(client);
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
    assert_has(loopback_hear_head(target), "GET /1 ");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    assert_has(loopback_hear_head(target), "POST /2 ");
    hear_text(target, "two");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    assert_has(loopback_hear_head(target), "GET /4 ");
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour");
    (void)loopback_hear_head(client);
    hear_text(client, "one");
    (void)loopback_hear_head(client);
    hear_text(client, "two");
    const char *head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 404 Not Found\r\n");
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
    assert_has(loopback_hear_head(target), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(target, "5\r\nhello\r\n");
    loopback_say(client, "1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    hear_text(target, "1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_has(loopback_hear_head(client), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(client, "3\r\nabc\r\n"); /* before the rest is there */
    loopback_say(target, "0\r\n\r\n");
    hear_text(client, "0\r\n\r\n");
    loopback_say(client, GET); /* both are kept */
    (void)loopback_hear_head(target);
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

static void a_body_that_ends_with_the_connection_is_chunked_or_ends_it(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    loopback_say(target, "HTTP/1.1 200 OK\r\n\r\nendless");
    (void)close(target);
    assert_has(loopback_hear_head(client), "\r\nTransfer-Encoding: chunked\r\n");
    hear_text(client, "7\r\nendless\r\n0\r\n\r\n");
    (void)close(client);

    bool is_cut;
    client = loopback_connect(&b);
    target = ask(&b, client, "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "7\r\nendless\r\n0\r\n\r\n");
    assert_lacks(loopback_hear_head(client), "chunked");
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
    assert_has(loopback_hear_head(target), "\r\nExpect: 100-continue\r\n");
    loopback_say(target, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(hear_status(client), "HTTP/1.1 100 Continue");
    loopback_say(client, "body");
    hear_text(target, "body");
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

static void an_early_answer_ends_the_request(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    int target = ask(&b, client,
                     "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nfirst");
    hear_text(target, "first");
    loopback_say(target, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    const char *head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 413 ");
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
        serve(target, client);
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
    int target = ask(&b, client, head);
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", MUCH);
    loopback_say(target, head);
    assert_has(loopback_hear_head(client), "\r\nConnection: close\r\n"); /* ahead of its end */
    const size_t step = 64 * KIB;
    for (size_t at = 0; at < MUCH; at += step) {
        struct str part = str_make(sent + at, step);
        loopback_say_bytes(client, part);
        assert_true(str_eq(loopback_hear(target, step), part));
        loopback_say_bytes(target, part);
        assert_true(str_eq(loopback_hear(client, step), part));
    }
    hear_end(client);
    (void)close(client);
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
    assert_has(head, "HTTP/1.1 308 ");
    assert_has(head, want);
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
    assert_has(answer, "HTTP/1.1 200 OK\r\n");
    assert_has(answer, "\r\n\r\ntok.key");
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
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 404 ");
    assert_false(is_cut);
    (void)close(client);
}

/* ---- changes ---- */

static void an_exchange_keeps_the_configuration_it_began_with(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    loopback_route(&b, "a", "a.example",
                   ", 'response_headers': {'set': {'X-New': '1'}, 'add': {}, 'remove': []}");
    loopback_say(target, ANSWER);
    assert_lacks(loopback_hear_head(client), "X-New");
    (void)loopback_hear(client, 2);
    loopback_say(client, GET); /* the same client connection, a new one to the target */
    int fresh = loopback_accept(&b);
    (void)loopback_hear_head(fresh);
    loopback_say(fresh, ANSWER);
    assert_has(loopback_hear_head(client), "\r\nX-New: 1\r\n");
    (void)loopback_hear(client, 2);
    (void)close(client);
    (void)close(target);
    (void)close(fresh);
}

static void a_deleted_route_ends_its_running_exchange_in_peace(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    loopback_say(target, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
    (void)loopback_hear_head(client);
    assert_ok(temp_store_delete_route(&b.store, "a"));
    loopback_say(target, "lf");
    hear_text(client, "half");
    loopback_say(client, "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_has(hear_status(client), "HTTP/1.1 404 ");
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
    assert_has(loopback_hear_head(target), "\r\nX-Forwarded-Proto: https\r\n");
    loopback_say(target, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsecret");
    (void)close(target);
    size_t len = 0;
    while (!has(text, "0\r\n\r\n")) {
        int n = SSL_read(ssl, text + len, (int)(sizeof(text) - len - 1));
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_has(text, "6\r\nsecret\r\n");
    static const char other[] = "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    assert_int_equal(SSL_write(ssl, other, sizeof(other) - 1), sizeof(other) - 1);
    int n = SSL_read(ssl, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_has(text, "HTTP/1.1 421 ");
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

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(a_request_and_its_answer_pass),
        LOOPBACK(both_connections_are_kept),
        LOOPBACK(a_change_of_the_route_closes_what_rests),
        LOOPBACK(pipelined_requests_are_answered_in_order),
        LOOPBACK(chunks_pass_in_both_directions),
        LOOPBACK(a_body_that_ends_with_the_connection_is_chunked_or_ends_it),
        LOOPBACK(a_client_may_wait_for_100_continue),
        LOOPBACK(an_early_answer_ends_the_request),
        LOOPBACK(answers_without_a_body_end_with_their_head),
        LOOPBACK(much_passes_both_ways_at_once),
        LOOPBACK(answers_of_our_own_need_no_target),
        LOOPBACK(a_refused_body_does_not_reset_the_answer),
        LOOPBACK(an_exchange_keeps_the_configuration_it_began_with),
        LOOPBACK(a_deleted_route_ends_its_running_exchange_in_peace),
        LOOPBACK(the_same_over_tls),
        LOOPBACK(plain_http_at_the_tls_port_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
