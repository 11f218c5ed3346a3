/* test_loopback_edge.c - how connections begin, and routes that answer by themselves:
 * proxy_intake.c, and exchange_answer.c where it follows a route. */
#include "tests/support/loopback_asserts.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/limits.h"

#include <arpa/inet.h>

static struct loopback b;

#define V2_HEADER                                                                              \
    "\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"                                                     \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"     \
    "\xc8\x22\x01\xbb"
#define V1_HEADER "PROXY TCP4 192.0.2.7 192.0.2.1 51234 443\r\n"
#define AS_TOLD                                                                                \
    ", 'request_headers': {'set': {'X-Who': '{client_ip} {client_port} {scheme} "              \
    "{tls_version}'}}"

/* PROXY headers on both listeners, from the proxies of trusted (JSON). */
static void expect_proxies(const char *trusted)
{
    char settings[512];
    (void)snprintf(settings, sizeof(settings),
                   "{'trusted_proxies': [%s], 'proxy_protocol': ['%s', '%s', ':9']}", trusted,
                   b.listeners->items[0].text, b.listeners->items[1].text);
    temp_config_settings(&b.store, settings);
}

static int set_up(void **state)
{
    (void)state;
    loopback_start(&b, 0);
    loopback_route(&b, "a", "a.example", AS_TOLD);
    expect_proxies("'127.0.0.0/8'");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

/* What the target is told of who asks; the exchange is answered. */
static const char *hear_request(int client)
{
    static char head[4096];
    int target = loopback_accept(&b);
    (void)snprintf(head, sizeof(head), "%s", loopback_hear_head(target));
    serve(target, client);
    (void)close(target);
    return head;
}

/* ---- PROXY headers ---- */

static void the_header_says_whose_the_connection_is(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, V1_HEADER GET);
    const char *head = hear_request(client);
    assert_has(head, "\r\nX-Who: 192.0.2.7 51234 http \r\n");
    assert_has(head, "\r\nX-Forwarded-For: 192.0.2.7\r\n");
    (void)close(client);
    client = loopback_connect(&b);
    loopback_say_bytes(client, (struct str)STR_LIT(V2_HEADER));
    loopback_say(client, GET);
    assert_has(hear_request(client), "\r\nX-Forwarded-For: 2001:db8::7\r\n");
    (void)close(client);
    loopback_drain(&b);
    assert_has(loopback_lines(&b).p, "192.0.2.7");
    assert_has(loopback_lines(&b).p, "2001:db8::7");
}

/* Whoever asked by the header is not trusted because the proxy is. */
static void the_header_is_the_peer_for_trust(void **state)
{
    (void)state;
    int client = loopback_connect(&b);
    loopback_say(client, V1_HEADER "GET / HTTP/1.1\r\nHost: a.example\r\n"
                                   "X-Forwarded-For: 6.6.6.6\r\n\r\n");
    assert_has(hear_request(client), "\r\nX-Forwarded-For: 192.0.2.7\r\n");
    (void)close(client);
    expect_proxies("'127.0.0.0/8', '192.0.2.7'");
    client = loopback_connect(&b);
    loopback_say(client, V1_HEADER "GET / HTTP/1.1\r\nHost: a.example\r\n"
                                   "X-Forwarded-For: 6.6.6.6\r\n\r\n");
    assert_has(hear_request(client), "\r\nX-Forwarded-For: 6.6.6.6\r\n");
    (void)close(client);
}

static void the_header_may_come_in_pieces(void **state)
{
    (void)state;
    static const char bytes[] = V1_HEADER GET;
    int client = loopback_connect(&b);
    for (size_t i = 0; i < sizeof(bytes) - 1; i += 7) {
        loopback_say_bytes(client, str_sub(str_make(bytes, sizeof(bytes) - 1), i, 7));
        loopback_pass(&b, 0); /* each piece is seen by itself */
    }
    assert_has(hear_request(client), "\r\nX-Forwarded-For: 192.0.2.7\r\n");
    (void)close(client);
}

static void the_header_comes_before_tls(void **state)
{
    (void)state;
    temp_config_cert(&b.store, &b.ca, "tls", "DNS:tls.example");
    char body[1024];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['tls.example'], 'certificate': 'tls',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:%u'}]}" AS_TOLD "}",
                   (unsigned)b.target_port);
    temp_config_route(&b.store, "tls", body);
    SSL_CTX *ctx = tls_pair_client_ctx();
    int client = loopback_connect_tls(&b);
    loopback_say(client, V1_HEADER);
    SSL *ssl = tls_pair_connect(ctx, "tls.example");
    assert_int_equal(SSL_set_fd(ssl, client), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    static const char request[] = "GET / HTTP/1.1\r\nHost: tls.example\r\n\r\n";
    assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    int target = loopback_accept(&b);
    assert_has(loopback_hear_head(target), "\r\nX-Who: 192.0.2.7 51234 https TLSv1.3\r\n");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(client);
    (void)close(target);
}

static void local_and_unknown_leave_the_peer_as_it_is(void **state)
{
    (void)state;
    static const struct str headers[] = {STR_LIT("PROXY UNKNOWN\r\n"),
                                         STR_LIT("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00")};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        int client = loopback_connect(&b);
        loopback_say_bytes(client, headers[i]);
        loopback_say(client, GET);
        assert_has(hear_request(client), "\r\nX-Forwarded-For: 127.0.0.1\r\n");
        (void)close(client);
    }
}

static void without_a_good_header_the_connection_is_closed(void **state)
{
    (void)state;
    static const char *const bad[] = {GET, "PROXY TCP4 192.0.2.7 192.0.2.1 51234\r\n" GET,
                                      "\r\n\r\n" GET};
    bool is_cut;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int client = loopback_connect(&b);
        loopback_say(client, bad[i]);
        assert_str(loopback_hear_all(client, &is_cut), "");
        (void)close(client);
    }
    assert_true(loopback_is_quiet(&b));
}

static void half_a_header_and_an_end_is_none(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, "PROXY TCP4 192.");
    loopback_pass(&b, 0);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_str(loopback_hear_all(client, &is_cut), "");
    (void)close(client);
}

static void a_header_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    loopback_say(client, "PROXY ");
    loopback_pass(&b, 0); /* it is accepted, and its time runs */
    loopback_pass(&b, HANDSHAKE_LIMIT_MS + 100);
    assert_str(loopback_hear_all(client, &is_cut), "");
    (void)close(client);
}

static void strangers_are_served_as_they_are(void **state)
{
    (void)state;
    bool is_cut;
    expect_proxies("'192.0.2.0/24'");
    int client = loopback_connect(&b);
    loopback_say(client, GET);
    assert_has(hear_request(client), "\r\nX-Forwarded-For: 127.0.0.1\r\n");
    (void)close(client);
    client = loopback_connect(&b);
    loopback_say(client, V1_HEADER GET); /* and not believed */
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 400 ");
    (void)close(client);
}

static void who_says_nothing_does_not_hold_up_the_end(void **state)
{
    (void)state;
    int silent = loopback_connect(&b);
    loopback_say(silent, "PROXY");
    loopback_pass(&b, 0);
    loopback_drain(&b);
    (void)close(silent);
}

/* ---- routes that answer by themselves ---- */

/* A client of a new route for b.example that has action (JSON) and no upstream. */
static int ask_route(const char *action, const char *request)
{
    char body[1024];
    temp_config_settings(&b.store, "{}");
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['b.example'], 'certificate': 'none', 'https': 'optional', %s}",
                   action);
    temp_config_route(&b.store, "b", body);
    int client = loopback_connect(&b);
    loopback_say(client, request);
    return client;
}

#define ASK(method, path) method " " path " HTTP/1.1\r\nHost: b.example\r\n\r\n"

static void a_route_may_redirect(void **state)
{
    (void)state;
    static const struct {
        const char *action, *request, *status, *location;
    } rows[] = {
        {"'redirect': {'to': 'https://new.example{uri}'}", ASK("GET", "/a%20b?c=d"),
         "HTTP/1.1 308 Permanent Redirect\r\n",
         "\r\nLocation: https://new.example/a%20b?c=d\r\n"},
        {"'redirect': {'to': '/login?from={path}', 'status': 302}", ASK("HEAD", "/a?b"),
         "HTTP/1.1 302 Found\r\n", "\r\nLocation: /login?from=/a\r\n"},
        {"'redirect': {'to': '{uri}', 'status': 307}", ASK("POST", "//evil.example/"),
         "HTTP/1.1 307 Temporary Redirect\r\n", "\r\nLocation: /evil.example/\r\n"},
        {"'redirect': {'to': 'https://{host}{path}', 'status': 303}", ASK("OPTIONS", "*"),
         "HTTP/1.1 303 See Other\r\n", "\r\nLocation: https://b.example/\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int client = ask_route(rows[i].action, rows[i].request);
        const char *head = loopback_hear_head(client);
        assert_has(head, rows[i].status);
        assert_has(head, rows[i].location);
        assert_true(has(head, "\r\nContent-Length: 0\r\n") || has(rows[i].request, "HEAD"));
        assert_has(head, "\r\nDate: Mon, 23 Nov 2026 17:52:00 GMT\r\n");
        loopback_say(client, rows[i].request); /* the connection is kept */
        assert_has(loopback_hear_head(client), rows[i].status);
        (void)close(client);
    }
    assert_true(loopback_is_quiet(&b));
}

static void a_route_may_answer(void **state)
{
    (void)state;
    int client =
        ask_route("'respond': {'status': 410, 'body': '<p>gone', 'content_type': 'text/html'},"
                  " 'response_headers': {'set': {'X-Id': '{route}', 'Date': 'never'}}",
                  ASK("GET", "/"));
    const char *head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 410 Gone\r\n");
    assert_has(head, "\r\nContent-Type: text/html\r\n");
    assert_has(head, "\r\nContent-Length: 7\r\n");
    assert_has(head, "\r\nX-Id: b\r\n");
    assert_has(head, "\r\nDate: never\r\n");
    assert_lacks(head, "2026");
    hear_text(client, "<p>gone");
    loopback_say(client, ASK("HEAD", "/"));
    assert_has(loopback_hear_head(client), "\r\nContent-Length: 7\r\n");
    loopback_say(client, ASK("GET", "/")); /* nothing came in between */
    assert_has(loopback_hear_head(client), "HTTP/1.1 410 Gone\r\n");
    hear_text(client, "<p>gone");
    (void)close(client);
}

static void an_answer_may_be_empty(void **state)
{
    (void)state;
    int client = ask_route("'respond': {'status': 204}", ASK("GET", "/"));
    const char *head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 204 No Content\r\n");
    assert_lacks(head, "Content-");
    (void)close(client);
    client = ask_route("'respond': {}", ASK("GET", "/"));
    head = loopback_hear_head(client);
    assert_has(head, "HTTP/1.1 200 OK\r\n");
    assert_has(head, "\r\nContent-Length: 0\r\n");
    assert_lacks(head, "Content-Type");
    (void)close(client);
}

static void bodies_are_bounded_there_too(void **state)
{
    (void)state;
    int client =
        ask_route("'respond': {}, 'max_body': '1KiB'",
                  "POST / HTTP/1.1\r\nHost: b.example\r\nContent-Length: 1025\r\n\r\n");
    assert_string_equal(hear_status(client), "HTTP/1.1 413 Content Too Large");
    (void)close(client);
}

static void a_trusted_proxy_gives_the_id(void **state)
{
    (void)state;
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: b.example\r\nX-Request-Id: its-7\r\n\r\n";
    const char *action = "'respond': {}, 'response_headers': {'set': {'X-Id': '{request_id}'}}";
    int client = ask_route(action, request);
    assert_lacks(loopback_hear_head(client), "its-7");
    (void)close(client);
    temp_config_settings(&b.store, "{'trusted_proxies': ['127.0.0.1']}");
    client = loopback_connect(&b);
    loopback_say(client, request);
    assert_has(loopback_hear_head(client), "\r\nX-Id: its-7\r\n");
    (void)close(client);
    loopback_drain(&b);
    assert_has(loopback_lines(&b).p, "its-7");
}

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(the_header_says_whose_the_connection_is),
        LOOPBACK(the_header_is_the_peer_for_trust),
        LOOPBACK(the_header_may_come_in_pieces),
        LOOPBACK(the_header_comes_before_tls),
        LOOPBACK(local_and_unknown_leave_the_peer_as_it_is),
        LOOPBACK(without_a_good_header_the_connection_is_closed),
        LOOPBACK(half_a_header_and_an_end_is_none),
        LOOPBACK(a_header_is_not_waited_for_for_ever),
        LOOPBACK(strangers_are_served_as_they_are),
        LOOPBACK(who_says_nothing_does_not_hold_up_the_end),
        LOOPBACK(a_route_may_redirect),
        LOOPBACK(a_route_may_answer),
        LOOPBACK(an_answer_may_be_empty),
        LOOPBACK(bodies_are_bounded_there_too),
        LOOPBACK(a_trusted_proxy_gives_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
