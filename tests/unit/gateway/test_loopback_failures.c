/* test_loopback_failures.c - what goes wrong on the way through a worker, and what is left. */
#include "tests/support/loopback_asserts.h"

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

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

static int listen_at_any_port(uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
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
        int target = ask(&b, client, GET);
        loopback_say(target, cuts[i]);
        (void)loopback_hear_head(client);
        (void)close(target);
        const char *rest = loopback_hear_all(client, &is_cut).p;
        assert_true(is_cut);
        assert_lacks(rest, "0\r\n\r\n");
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
        int target = ask(&b, client, GET);
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
    int target = ask(&b, client, GET);
    serve(target, client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target); /* it is in use again when it dies */
    (void)close(target);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    serve(target, client);
    /* Not where a second time could do harm. */
    loopback_say(client, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx");
    (void)loopback_hear_head(target);
    (void)loopback_hear(target, 1);
    (void)close(target);
    assert_has(hear_status(client), "HTTP/1.1 502 ");
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
    int target = ask(&b, client,
                     "POST / HTTP/1.1\r\nHost: two.example\r\nContent-Length: 4\r\n\r\nbody");
    hear_text(target, "body");
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

/* The kept-alive connection was dead, which is no try: the one retry is left for the backup. */
static void a_dead_kept_connection_is_no_try(void **state)
{
    (void)state;
    char body[512];
    uint16_t port;
    int dying = listen_at_any_port(&port);
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['two.example'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'retries': 1, 'targets': [{'url': 'http://127.0.0.1:%u'},"
                   " {'url': 'http://127.0.0.1:%u', 'backup': true}]}}",
                   (unsigned)port, (unsigned)b.target_port);
    temp_config_route(&b.store, "two", body);
    int client = loopback_connect(&b);
    loopback_say(client, "GET / HTTP/1.1\r\nHost: two.example\r\n\r\n");
    int target = accept(dying, NULL, NULL);
    (void)loopback_hear_head(target);
    serve(target, client);
    loopback_say(client, "GET / HTTP/1.1\r\nHost: two.example\r\n\r\n");
    (void)loopback_hear_head(target); /* in use again when it dies */
    (void)close(dying);
    (void)close(target);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    serve(target, client);
    (void)close(client);
    (void)close(target);
}

/* The second try waits for a slot in vain: that time is waiting, and connecting took none. */
static void a_try_that_waits_in_vain_tells_how_long(void **state)
{
    (void)state;
    char body[512];
    uint16_t port;
    struct str rest, line;
    int dying = listen_at_any_port(&port), clients[2], target = -1;
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['two.example'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'max_connections': 1, 'queue': {'timeout': '1s'}, 'targets':"
                   " [{'url': 'http://127.0.0.1:%u'},"
                   " {'url': 'http://127.0.0.1:%u', 'backup': true}]}}",
                   (unsigned)port, (unsigned)b.target_port);
    temp_config_route(&b.store, "two", body);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = loopback_connect(&b);
        loopback_say(clients[i], "GET / HTTP/1.1\r\nHost: two.example\r\n\r\n");
        int failing = accept(dying, NULL, NULL);
        (void)loopback_hear_head(failing);
        (void)close(failing);
        if (i == 0) {
            target = loopback_accept(&b);
            (void)loopback_hear_head(target);
        }
    }
    loopback_pass(&b, 0); /* it is in the queue */
    loopback_pass(&b, 1000 + LOOP_TICK_MS);
    assert_has(hear_status(clients[1]), "HTTP/1.1 503 ");
    serve(target, clients[0]);
    (void)close(clients[0]);
    (void)close(clients[1]);
    (void)close(target);
    (void)close(dying);
    loopback_drain(&b);
    rest = loopback_lines(&b);
    while (str_split(rest, '\n', &line, &rest)) {
        AUTO(json_decref) json_t *doc = NULL;
        assert_ok(json_read(line, &doc));
        if (json_integer_value(json_object_get(doc, "status")) != 503)
            continue;
        assert_int_equal(json_integer_value(json_object_get(doc, "connect_us")), 0);
        assert_true(json_integer_value(json_object_get(doc, "wait_us")) >= 1000000);
        return;
    }
    fail_msg("no line of the request that waited");
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
        assert_has(hear_status(client), "HTTP/1.1 502 ");
    }
    (void)close(client);
}

/* The gateway itself as target: one request must not become thousands. */
static void a_route_that_leads_back_to_itself_is_502(void **state)
{
    (void)state;
    static const struct {
        const char *name, *host, *path, *members, *want;
    } rows[] = {
        {"itself", "loop.example", "/", "", "HTTP/1.1 502 "},
        {"by its own name", "loop.example", "/a/../b", ", 'host_header': 'loop.example'",
         "HTTP/1.1 502 "},
        {"another route", "loop.example", "/", ", 'host_header': 'a.example'", "HTTP/1.1 200 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[512], request[128];
        (void)snprintf(body, sizeof(body),
                       "{'hosts': ['loop.example'], 'certificate': 'none',"
                       " 'https': 'optional', 'upstream': {'targets':"
                       " [{'url': 'http://127.0.0.1:%u'}]}%s}",
                       (unsigned)b.listeners->items[0].port, rows[i].members);
        temp_config_route(&b.store, "loop", body);
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                       rows[i].path, rows[i].host);
        int client = loopback_connect(&b);
        loopback_say(client, request);
        if (has(rows[i].want, "200")) {
            int target = loopback_accept(&b);
            (void)loopback_hear_head(target);
            loopback_say(target, ANSWER);
            (void)close(target);
        }
        assert_row(rows[i].name, has(hear_status(client), rows[i].want));
        (void)close(client);
    }
    assert_true(loopback_is_quiet(&b));
    loopback_drain(&b);
    assert_has(loopback_lines(&b).p, "target_loop");
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
    assert_has(hear_status(client), "HTTP/1.1 503 ");
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
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 501 "},
    {"another version", "GET / HTTP/3.0\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400 "},
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
    assert_has(answer, "HTTP/1.1 400 ");
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
    int target = ask(&b, client,
                     "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "4\r\nbody\r\n");
    (void)loopback_hear(target, 9);
    loopback_say(client, "nonsense\r\n");
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 400 ");
    assert_lacks(loopback_hear_all(target, &is_cut).p, "0\r\n\r\n");
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
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 413 ");
    assert_true(loopback_is_quiet(&b));
    (void)close(client);

    client = loopback_connect(&b); /* by counting */
    loopback_say(client, "POST / HTTP/1.1\r\nHost: small.example\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n400\r\n");
    char kib[1025];
    memset(kib, 'x', 1024);
    kib[1024] = '\0';
    int target = ask(&b, client, kib);
    loopback_say(client, "\r\n1\r\nx\r\n");
    assert_has(loopback_hear_all(client, &is_cut).p, "HTTP/1.1 413 ");
    assert_lacks(loopback_hear_all(target, &is_cut).p, "0\r\n\r\n");
    (void)close(client);
    (void)close(target);
}

static void a_client_that_leaves_frees_the_target(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    int target = ask(&b, client, GET);
    struct linger at_once = {.l_onoff = 1};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(client);
    (void)loopback_hear_all(target, &is_cut); /* closed, without an answer */
    (void)close(target);
}

/* ---- what is left behind ---- */

static void every_exchange_leaves_a_line(void **state)
{
    (void)state;
    bool is_cut;
    int client = loopback_connect(&b);
    int target =
        ask(&b, client, "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc");
    (void)loopback_hear(target, 3);
    serve(target, client);
    loopback_say(client, GET);
    (void)loopback_hear_head(target);
    (void)close(target);
    target = loopback_accept(&b);
    (void)loopback_hear_head(target);
    (void)close(target);
    assert_has(hear_status(client), "HTTP/1.1 502 ");
    (void)close(client);
    client = loopback_connect(&b);
    loopback_say(client, "nonsense\r\n\r\n");
    (void)loopback_hear_all(client, &is_cut);
    (void)close(client);

    loopback_drain(&b);
    struct str rest = loopback_lines(&b), line;
    static const struct {
        const char *path, *ended_by, *ended_in, *error;
        int status, in_bytes, retries;
    } want[] = {
        {"/x", NULL, NULL, NULL, 200, 3, 0},
        {"/", "target", "wait", "target_closed", 502, 0, 0},
        {NULL, "client", "head", "bad_request", 400, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        AUTO(json_decref) json_t *doc = NULL;
        assert_true(str_split(rest, '\n', &line, &rest));
        assert_ok(json_read(line, &doc));
        assert_str(json_str(json_object_get(doc, "path")), want[i].path);
        assert_str(json_str(json_object_get(doc, "ended_by")), want[i].ended_by);
        assert_str(json_str(json_object_get(doc, "ended_in")), want[i].ended_in);
        assert_str(json_str(json_object_get(doc, "error")), want[i].error);
        assert_str(json_str(json_object_get(doc, "client")), "127.0.0.1");
        assert_int_equal(json_integer_value(json_object_get(doc, "status")), want[i].status);
        assert_int_equal(json_integer_value(json_object_get(doc, "in_bytes")),
                         want[i].in_bytes);
        assert_int_equal(json_integer_value(json_object_get(doc, "retries")), want[i].retries);
        assert_int_equal(json_str(json_object_get(doc, "request_id")).len, 16);
    }
    assert_true(str_is_empty(rest));
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
                                                  .ticket_keys = b.keys,
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

/* A target that answers whatever is asked, until the client has something to hear: the worker
 * may come with a request, with half of one, or not at all. */
static void serve_until_heard(int client)
{
    char bytes[4096];
    int target = -1;
    bool has_answered = false;
    for (;;) {
        struct pollfd p[3] = {{.fd = client, .events = POLLIN},
                              {.fd = b.target, .events = POLLIN},
                              {.fd = target, .events = POLLIN}};
        assert_true(poll(p, 3, LOOPBACK_PATIENCE_S * 1000) > 0);
        if (p[0].revents != 0)
            break;
        if (p[2].revents != 0 && recv(target, bytes, sizeof(bytes), 0) <= 0) {
            (void)close(target);
            target = -1;
        } else if (p[2].revents != 0 && !has_answered) {
            (void)send(target, ANSWER, strlen(ANSWER), MSG_NOSIGNAL);
            has_answered = true;
        }
        if (p[1].revents != 0) {
            if (target >= 0)
                (void)close(target);
            target = loopback_accept(&b);
            has_answered = false;
        }
    }
    if (target >= 0)
        (void)close(target);
}

/* The worker fails at every place a request can; it must let go of both connections, and serve
 * the next request as if nothing had been. */
static void without_memory_only_the_request_fails(void **state)
{
    (void)state;
    unsigned refused = 0;
    for_each_fault(n)
    {
        bool is_cut;
        int client = loopback_connect(&b);
        loopback_say(client, "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
                             "Content-Length: 4\r\n\r\nbody");
        serve_until_heard(client);
        struct str answer = loopback_hear_all(client, &is_cut);
        bool is_served = str_ends(answer, STR("\r\n\r\nok"));
        assert_true(is_served || mem_fault_fired());
        assert_true(is_served || is_cut || answer.len == 0 || has(answer.p, "HTTP/1.1 50"));
        refused += !is_served;
        (void)close(client);
    }
    assert_true(refused > 5);
}

#define LOOPBACK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPBACK(a_cut_answer_is_cut_for_the_client_too),
        LOOPBACK(a_bad_answer_becomes_502),
        LOOPBACK(a_dead_kept_connection_is_replaced_unseen),
        LOOPBACK(the_next_target_serves_when_one_refuses),
        LOOPBACK(a_dead_kept_connection_is_no_try),
        LOOPBACK(a_try_that_waits_in_vain_tells_how_long),
        LOOPBACK(when_every_target_refuses_it_is_502),
        LOOPBACK(a_route_that_leads_back_to_itself_is_502),
        LOOPBACK(when_every_target_drains_it_is_503),
        LOOPBACK(a_malformed_request_is_answered_and_ends_the_connection),
        LOOPBACK(a_request_behind_a_malformed_one_is_not_read),
        LOOPBACK(a_malformed_body_ends_both_connections),
        LOOPBACK(a_body_too_large_is_refused),
        LOOPBACK(a_client_that_leaves_frees_the_target),
        LOOPBACK(every_exchange_leaves_a_line),
        LOOPBACK(without_memory_there_is_no_worker),
        LOOPBACK(without_memory_only_the_request_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
