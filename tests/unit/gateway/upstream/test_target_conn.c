#include "gateway/tls/tls_sessions.h"
#include "gateway/upstream/resolve.h"
#include "gateway/upstream/target_conn.h"
#include "gateway/upstream/target_pool.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_dns.h"
#include "tests/support/temp_config.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DAY_S = 86400, TURNS_MAX = 20000 };

static struct fake_clock fake;
static struct temp_store t;
static struct fake_issuer ca;
static struct worker w;
static struct arena *a;

static int set_up_all(void **state)
{
    (void)state;
    fake_clock_use(&fake, clock_now_at()); /* OpenSSL has a clock of its own */
    temp_store_init(&t);
    fake_issuer_init(&ca, "Test CA");
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    fake_issuer_fini(&ca);
    temp_store_fini(&t);
    fake_clock_restore();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    a = arena_new(4096, MIB);
    memset(&w, 0, sizeof(w));
    h2_shared_init(&w.http2);
    assert_ok(loop_new(&w.loop));
    assert_ok(scratch_init(&w.scratch));
    assert_ok(tls_client_new(&w.tls_client));
    assert_ok(tls_sessions_new(&w.tls_sessions));
    assert_ok(resolver_new(w.loop, NULL, &w.resolver));
    assert_ok(target_pool_new(w.loop, 1000, &w.pool));
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    target_pool_free(w.pool);
    loop_settle(w.loop);
    resolver_free(w.resolver);
    tls_sessions_free(w.tls_sessions);
    tls_client_free(w.tls_client);
    scratch_fini(&w.scratch);
    buf_pool_fini(&w.bufs);
    h2_shared_fini(&w.http2);
    loop_free(w.loop);
    arena_free(a);
    return 0;
}

/* ---- the target's side: a listening socket and what it accepted ---- */

static int listen_at(int family, uint16_t *ret_port)
{
    union address at = {.any = {.sa_family = (sa_family_t)family}};
    socklen_t len = family == AF_INET6 ? sizeof(at.v6) : sizeof(at.v4);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (family == AF_INET6)
        at.v6.sin6_addr = in6addr_loopback;
    else
        at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, &at.any, len), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, &at.any, &len), 0);
    *ret_port = ntohs(family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
    return fd;
}

static int accept_one(int listener)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            return fd;
        assert_int_equal(errno, EAGAIN);
        loop_turn(w.loop, false);
    }
    fail_msg("nobody connected");
    return -1;
}

/* Turns until the target has received the end of a head. */
static void hear_request(int fd)
{
    static char text[4096];
    size_t len = 0;
    for (int i = 0; i < TURNS_MAX; i++) {
        loop_turn(w.loop, false);
        ssize_t n = recv(fd, text + len, sizeof(text) - len, 0);
        len += n > 0 ? (size_t)n : 0;
        if (len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0)
            return;
    }
    fail_msg("no request");
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* ---- the exchange's side ---- */

struct user {
    struct target_call call;
    char story[16]; /* r: ready, f: failed, h: head, b: body, e: end */
    struct err failure;
    bool is_in_get;
    bool awaits_silence;
};

static void tell(struct user *u, char letter)
{
    size_t len = strlen(u->story);
    assert_true(len + 1 < sizeof(u->story));
    assert_false(u->is_in_get);
    u->story[len] = letter;
}

static void on_ready(void *arg)
{
    tell(arg, 'r');
}

static void on_failed(void *arg, struct err e)
{
    struct user *u = arg;
    u->failure = e;
    tell(u, 'f');
}

static void on_sent(void *arg)
{
    (void)arg;
}

static struct err on_head(void *arg, struct http_head *head)
{
    (void)head;
    tell(arg, 'h');
    return OK;
}

static struct err on_body(void *arg, struct str bytes)
{
    (void)bytes;
    tell(arg, 'b');
    return OK;
}

static struct err on_end(void *arg, const struct http_fields *trailers)
{
    (void)trailers;
    tell(arg, 'e');
    return OK;
}

static const struct target_user user_ops = {.on_ready = on_ready,
                                            .on_failed = on_failed,
                                            .on_sent = on_sent,
                                            .on_head = on_head,
                                            .on_body = on_body,
                                            .on_end = on_end};

static const struct route *use_route(const char *url, const char *members)
{
    char body[1024];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['a.example'], 'certificate': 'none', 'upstream': {"
                   "'targets': [{'url': '%s'}]%s}}",
                   url, members);
    temp_config_route(&t, "r", body);
    const struct snapshot *snap = store_snapshot(t.store);
    const struct route *r = route_ref(snapshot_route_find(snap, STR("r")));
    snapshot_unref(snap);
    return r;
}

static const struct route *use_port(const char *scheme, uint16_t port, const char *members)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u", scheme, (unsigned)port);
    return use_route(url, members);
}

static const struct target *target_of(const struct route *r)
{
    return upstream_targets(&r->upstream);
}

static struct err get(struct user *u, const struct route *r, enum target_conn_need need)
{
    *u = (struct user){.is_in_get = true};
    struct err e = target_call_begin(
        &w,
        &(struct target_conn_options){
            .route = r, .target = target_of(r), .user = &user_ops, .arg = u, .need = need},
        &u->call);
    u->is_in_get = false;
    return e;
}

static void turn_until(const struct user *u, char letter)
{
    for (int i = 0; i < TURNS_MAX && strchr(u->story, letter) == NULL; i++)
        loop_turn(w.loop, false);
    if (strchr(u->story, letter) == NULL)
        fail_msg("waited for '%c', got \"%s\" (%s)", letter, u->story, err_name(u->failure));
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        loop_turn(w.loop, false);
}

static void send_request(struct user *u)
{
    struct leg leg;
    struct http_head head = {
        .method = STR("GET"), .authority = STR("a.example"), .path = STR("/")};
    assert_ok(target_call_open(&u->call, a, &leg));
    if (u->awaits_silence)
        leg_expect_silence(&leg);
    assert_ok(leg_send_head(&leg, &head, true));
}

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* A whole exchange over a connection that is ready; fd: the target's end. */
static void exchange(struct user *u, int fd, const char *text)
{
    send_request(u);
    hear_request(fd);
    say(fd, text);
    turn_until(u, 'e');
}

static int connections(const struct route *r)
{
    return atomic_load(&target_of(r)->live->connections);
}

/* ---- connecting ---- */

static void a_connection_carries_exchanges_one_after_the_other(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    assert_false(target_call_is_ready(&u.call));
    assert_false(target_call_is_reused(&u.call));
    turn_until(&u, 'r');
    assert_true(target_call_is_ready(&u.call));
    assert_int_equal(connections(r), 1);
    int fd = accept_one(listener);
    exchange(&u, fd, answer);
    assert_string_equal(u.story, "rhbe");
    target_call_end(&u.call);
    turns(3);
    assert_int_equal(connections(r), 1); /* kept */

    assert_ok(get(&u, r, TARGET_CONN_ANY));
    assert_true(target_call_is_ready(&u.call));
    assert_true(target_call_is_reused(&u.call));
    exchange(&u, fd, answer); /* over the same one */
    assert_string_equal(u.story, "hbe");
    target_call_end(&u.call);
    turns(2);
    (void)close(fd);
    turns(3);
    assert_int_equal(connections(r), 0);
    route_unref(r);
    (void)close(listener);
}

static void a_refusal_is_told_in_a_later_turn(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    (void)close(listen_at(AF_INET, &port)); /* nobody listens there any more */
    const struct route *r = use_port("http", port, "");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turn_until(&u, 'f');
    assert_err(u.failure, ERR_TARGET_CONNECT);
    assert_int_equal(u.failure.detail, ECONNREFUSED);
    assert_int_equal(connections(r), 0);
    turns(3);
    assert_string_equal(u.story, "f");
    route_unref(r);
}

static const struct {
    const char *name, *url;
    const struct err_kind *want;
    int want_detail;
} unreachable[] = {
    {"no such unix socket", "unix:/nonexistent/socket", ERR_TARGET_CONNECT, ENOENT},
    {"a name that cannot resolve", "http://hidden.onion", ERR_TARGET_DNS, 4},
};

static void what_fails_at_once_is_told_in_a_later_turn_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unreachable); i++) {
        struct user u;
        const struct route *r = use_route(unreachable[i].url, "");
        assert_ok(get(&u, r, TARGET_CONN_ANY));
        assert_row_str(unreachable[i].name, str_from(u.story), "");
        turn_until(&u, 'f');
        assert_row_err(unreachable[i].name, u.failure, unreachable[i].want);
        assert_row_u64(unreachable[i].name, (uint64_t)u.failure.detail,
                       (uint64_t)unreachable[i].want_detail);
        turns(2);
        assert_int_equal(connections(r), 0);
        route_unref(r);
    }
}

static void a_unix_socket_is_a_target(void **state)
{
    (void)state;
    struct user u;
    char url[128], path[108];
    (void)snprintf(path, sizeof(path), "%s/target.sock", t.dir);
    (void)snprintf(url, sizeof(url), "unix:%s", path);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 8), 0);
    const struct route *r = use_route(url, "");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turn_until(&u, 'r');
    int fd = accept_one(listener);
    exchange(&u, fd, answer);
    target_call_abandon(&u.call);
    (void)close(fd);
    (void)close(listener);
    (void)unlink(path);
    route_unref(r);
}

static void the_next_address_is_tried(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    char url[64];
    int listener = listen_at(AF_INET, &port);
    (void)snprintf(url, sizeof(url), "http://b.example:%u", (unsigned)port);
    const struct route *r = use_route(url, "");
    fake_dns_use(); /* only the last of them listens */
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.2/60 ::1/60 127.0.0.1/60");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turn_until(&u, 'r');
    assert_string_equal(u.story, "r");
    target_call_abandon(&u.call);
    turns(1);
    (void)close(listener);
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* none does: the last one's error is told, once */
    turn_until(&u, 'f');
    assert_err(u.failure, ERR_TARGET_CONNECT);
    assert_string_equal(u.story, "f");
    turns(2);
    assert_int_equal(connections(r), 0);
    route_unref(r);
    fake_dns_restore();
}

/* One exchange over a connection that is ready; then it rests. */
static void exchange_and_release(struct user *u, int fd)
{
    exchange(u, fd, answer);
    target_call_end(&u->call);
    turns(1);
}

static void a_connection_is_left_when_its_name_moves(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    char url[64];
    int listener = listen_at(AF_INET, &port);
    (void)snprintf(url, sizeof(url), "http://d.example:%u", (unsigned)port);
    const struct route *r = use_route(url, "");
    fake_dns_use();
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.1/1");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turn_until(&u, 'r');
    int fd = accept_one(listener);
    exchange_and_release(&u, fd);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.3/1 127.0.0.1/1");
    fake_clock_advance(&fake, 2000);
    turns(1);
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* still one of its addresses */
    assert_true(target_call_is_ready(&u.call));
    exchange_and_release(&u, fd);
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    fake_clock_advance(&fake, 2000);
    turns(1);
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* the last that is known */
    assert_true(target_call_is_ready(&u.call));
    exchange_and_release(&u, fd);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.3/1");
    fake_clock_advance(&fake, DNS_FAIL_S * 1000ull);
    turns(1);
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    assert_false(target_call_is_ready(&u.call));
    turn_until(&u, 'f'); /* nobody listens at the other */
    assert_err(u.failure, ERR_TARGET_CONNECT);
    turns(1);
    assert_int_equal(connections(r), 0);
    (void)close(fd);
    (void)close(listener);
    route_unref(r);
    fake_dns_restore();
}

/* The name is still being looked up. */
static void a_slow_look_up_is_waited_for(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    char url[64];
    int listener = listen_at(AF_INET, &port);
    (void)snprintf(url, sizeof(url), "http://c.example:%u", (unsigned)port);
    const struct route *r = use_route(url, "");
    fake_dns_use();
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turns(3);
    assert_string_equal(u.story, "");
    fake_dns_answer(ARES_SUCCESS, "127.0.0.1/1");
    turn_until(&u, 'r');
    target_call_abandon(&u.call);
    fake_clock_advance(&fake, 2000 + DNS_GRACE_S * 1000);
    turns(1);
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* given up while it is being looked up again */
    target_call_abandon(&u.call);
    turns(1);
    fake_dns_answer(ARES_ENOTFOUND, NULL);
    turns(2);
    assert_string_equal(u.story, "");
    fake_clock_advance(&fake, DNS_STALE_S * 1000ull);
    turns(1);
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* as long as the connect limit allows */
    fake_clock_advance(&fake, CONNECT_LIMIT_MS + LOOP_TICK_MS);
    turns(1);
    assert_string_equal(u.story, "f");
    assert_err(u.failure, ERR_TARGET_CONNECT_TIMEOUT);
    fake_dns_answer(ARES_SUCCESS, "127.0.0.1/1");
    turns(2);
    assert_string_equal(u.story, "f");
    (void)close(listener);
    route_unref(r);
    fake_dns_restore();
}

/* The target accepts and then says nothing: TLS is part of connecting. */
static void the_limit_covers_the_handshake(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("https", port, ", 'timeouts': {'connect': '500ms'}");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    int fd = accept_one(listener);
    turns(5);
    fake_clock_advance(&fake, 499);
    turns(3);
    assert_string_equal(u.story, "");
    fake_clock_advance(&fake, 1 + LOOP_TICK_MS);
    turns(1);
    assert_string_equal(u.story, "f");
    assert_err(u.failure, ERR_TARGET_CONNECT_TIMEOUT);
    turns(1);
    assert_int_equal(connections(r), 0);
    (void)close(fd);
    (void)close(listener);
    route_unref(r);
}

static void after_connecting_the_limit_is_over(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, ", 'timeouts': {'connect': '500ms'}");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    turn_until(&u, 'r');
    fake_clock_advance(&fake, 600000);
    turns(3);
    assert_string_equal(u.story, "r");
    target_call_abandon(&u.call);
    (void)close(listener);
    route_unref(r);
}

/* ---- PROXY headers ---- */

static void such_a_connection_begins_with_its_client(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    char text[128] = "";
    static const char want[] = "PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\nGET ";
    struct proxy_header client;
    size_t len;
    assert_ok(proxy_protocol_read(str_make(want, sizeof(want) - 5), &client, &len));
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, ", 'proxy_protocol': 'v1'");
    for (int i = 0; i < 2; i++) { /* the first is not kept for the second */
        struct target_conn_options o = {.route = r,
                                        .target = target_of(r),
                                        .user = &user_ops,
                                        .arg = &u,
                                        .client = &client};
        u = (struct user){.story = ""};
        assert_ok(target_call_begin(&w, &o, &u.call));
        turn_until(&u, 'r');
        int fd = accept_one(listener);
        send_request(&u);
        turns(2);
        assert_true(recv(fd, text, sizeof(text) - 1, MSG_PEEK) > 0);
        assert_memory_equal(text, want, sizeof(want) - 1);
        hear_request(fd);
        say(fd, answer);
        turn_until(&u, 'e');
        target_call_end(&u.call);
        turns(2);
        assert_int_equal(connections(r), 0);
        (void)close(fd);
    }
    (void)close(listener);
    route_unref(r);
}

/* ---- TLS ---- */

static const struct {
    const char *name, *tls, *cert_names;
    const struct err_kind *want;
} tls_rows[] = {
    {"unverified", "{'verify': 'off'}", "DNS:other.example", NULL},
    {"not the system's trust", "{'verify': 'system'}", "IP:127.0.0.1", ERR_TARGET_VERIFY},
    {"another key than pinned",
     "{'verify': 'pin', 'pin_sha256': ["
     "'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff']}",
     "IP:127.0.0.1", ERR_TARGET_PIN},
};

static void the_targets_certificate_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tls_rows); i++) {
        uint16_t port;
        struct user u;
        char members[256];
        struct scratch scratch;
        struct transport peer;
        int listener = listen_at(AF_INET, &port);
        (void)snprintf(members, sizeof(members), ", 'tls': %s", tls_rows[i].tls);
        const struct route *r = use_port("https", port, members);
        SSL_CTX *ctx = tls_pair_server_ctx(&ca, tls_rows[i].cert_names, clock_now_at() + DAY_S);
        assert_ok(scratch_init(&scratch));
        assert_ok(get(&u, r, TARGET_CONN_ANY));
        transport_open(&peer, accept_one(listener), &scratch);
        assert_ok(transport_start_tls(&peer, tls_pair_accept(ctx)));
        for (int k = 0; k < TURNS_MAX && u.story[0] == '\0'; k++) {
            transport_on_ready(&peer, EPOLLIN | EPOLLOUT);
            (void)transport_handshake(&peer);
            loop_turn(w.loop, false);
        }
        assert_row_str(tls_rows[i].name, str_from(u.story),
                       tls_rows[i].want == NULL ? "r" : "f");
        assert_row_err(tls_rows[i].name, u.failure, tls_rows[i].want);
        if (u.call.conn != NULL)
            target_call_abandon(&u.call);
        turns(1);
        transport_close(&peer);
        scratch_fini(&scratch);
        SSL_CTX_free(ctx);
        (void)close(listener);
        route_unref(r);
    }
}

static void no_tls_on_the_other_side_is_told(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("https", port, ", 'tls': {'verify': 'off'}");
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    int fd = accept_one(listener);
    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    turn_until(&u, 'f');
    assert_err(u.failure, ERR_TARGET_TLS);
    (void)close(fd);
    (void)close(listener);
    route_unref(r);
}

/* ---- giving up ---- */

static void an_abandoned_connection_says_nothing_more(void **state)
{
    (void)state;
    uint16_t port;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* at once */
    target_call_abandon(&u.call);
    turns(5);
    assert_string_equal(u.story, "");
    assert_ok(get(&u, r, TARGET_CONN_ANY)); /* in the middle of an answer */
    turn_until(&u, 'r');
    int unused = accept_one(listener), fd = accept_one(listener);
    send_request(&u);
    hear_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nha");
    turn_until(&u, 'b');
    target_call_abandon(&u.call);
    (void)send(fd, "lf", 2, MSG_NOSIGNAL);
    turns(5);
    assert_string_equal(u.story, "rhb");
    assert_int_equal(connections(r), 0);
    route_unref(r);

    const struct route *bad = use_route("unix:/nonexistent/socket", "");
    assert_ok(get(&u, bad, TARGET_CONN_ANY)); /* with its failure on the way */
    target_call_abandon(&u.call);
    turns(3);
    assert_string_equal(u.story, "");
    assert_int_equal(connections(bad), 0);
    route_unref(bad);
    (void)close(unused);
    (void)close(fd);
    (void)close(listener);
}

/* ---- answers that end the connection ---- */

static const struct {
    const char *name, *text;
    bool is_closed;
    const char *want;
    const struct err_kind *want_error;
} ends[] = {
    {"it says so", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false,
     "rhbe", NULL},
    {"its end is the body's", "HTTP/1.1 200 OK\r\n\r\nok", true, "rhbe", NULL},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, "rhbe", NULL},
    {"no answer at all", "", true, "rf", ERR_TARGET_CLOSED},
    {"half an answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha", true, "rhbf",
     ERR_TARGET_RESET},
    {"half a head", "HTTP/1.1 200 O", true, "rf", ERR_TARGET_CLOSED},
    {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, "rf", ERR_TARGET_BAD_RESPONSE},
};

static void such_an_answer_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        uint16_t port;
        struct user u;
        int listener = listen_at(AF_INET, &port);
        const struct route *r = use_port("http", port, "");
        assert_ok(get(&u, r, TARGET_CONN_ANY));
        turn_until(&u, 'r');
        int fd = accept_one(listener);
        send_request(&u);
        hear_request(fd);
        say(fd, ends[i].text);
        if (ends[i].is_closed)
            (void)shutdown(fd, SHUT_WR);
        for (int k = 0; k < TURNS_MAX && u.call.conn != NULL && strchr(u.story, 'e') == NULL;
             k++)
            loop_turn(w.loop, false);
        assert_row_str(ends[i].name, str_from(u.story), ends[i].want);
        assert_row_err(ends[i].name, u.failure, ends[i].want_error);
        if (u.call.conn != NULL)
            target_call_end(&u.call);
        turns(2);
        assert_row_u64(ends[i].name, (uint64_t)connections(r), 0);
        (void)close(fd);
        (void)close(listener);
        route_unref(r);
    }
}

/* ---- the pool ---- */

struct pooled {
    struct user user;
    int fd;
};

/* A connection that has carried one exchange. */
static void warm_up(struct pooled *p, const struct route *r, int listener)
{
    assert_ok(get(&p->user, r, TARGET_CONN_FRESH));
    turn_until(&p->user, 'r');
    p->fd = accept_one(listener);
    exchange(&p->user, p->fd, answer);
}

static void the_hottest_is_reused_first(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled cold, hot;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&cold, r, listener);
    warm_up(&hot, r, listener);
    target_call_end(&cold.user.call);
    target_call_end(&hot.user.call);
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    exchange(&u, hot.fd, answer);
    struct user v;
    assert_ok(get(&v, r, TARGET_CONN_ANY));
    exchange(&v, cold.fd, answer);
    struct user third;
    assert_ok(get(&third, r, TARGET_CONN_ANY));
    assert_false(target_call_is_ready(&third.call)); /* there is no other */
    target_call_abandon(&u.call);
    target_call_abandon(&v.call);
    target_call_abandon(&third.call);
    turns(1);
    (void)close(hot.fd);
    (void)close(cold.fd);
    (void)close(listener);
    route_unref(r);
}

static void a_fresh_one_can_be_asked_for(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    target_call_end(&p.user.call);
    assert_ok(get(&u, r, TARGET_CONN_FRESH));
    assert_false(target_call_is_ready(&u.call));
    target_call_abandon(&u.call);
    (void)close(p.fd);
    (void)close(listener);
    route_unref(r);
}

/* Its end has come, and the loop has not told of it yet. */
static void one_that_must_live_is_looked_at(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    target_call_end(&p.user.call);
    assert_ok(get(&u, r, TARGET_CONN_LIVE));
    assert_true(target_call_is_ready(&u.call));
    exchange(&u, p.fd, answer);
    target_call_end(&u.call);
    (void)close(p.fd);
    assert_ok(get(&u, r, TARGET_CONN_LIVE));
    assert_false(target_call_is_ready(&u.call));
    target_call_abandon(&u.call);
    (void)close(listener);
    route_unref(r);
}

/* What an idle target may do to its connection; each makes it useless. */
static void hang_up(int fd)
{
    (void)shutdown(fd, SHUT_WR);
}

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    int nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)dup2(nowhere, fd); /* closes what fd was, and keeps the number */
    (void)close(nowhere);
}

static void babble(int fd)
{
    say(fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
}

static void a_dead_one_leaves_the_pool(void **state)
{
    (void)state;
    void (*const deaths[])(int fd) = {hang_up, reset, babble};
    for (size_t i = 0; i < ARRAY_LEN(deaths); i++) {
        uint16_t port;
        struct pooled p;
        struct user u;
        int listener = listen_at(AF_INET, &port);
        const struct route *r = use_port("http", port, "");
        warm_up(&p, r, listener);
        target_call_end(&p.user.call);
        turns(2);
        assert_int_equal(connections(r), 1);
        deaths[i](p.fd);
        for (int k = 0; k < TURNS_MAX && connections(r) > 0; k++)
            loop_turn(w.loop, false);
        assert_int_equal(connections(r), 0);
        assert_ok(get(&u, r, TARGET_CONN_ANY));
        assert_false(target_call_is_ready(&u.call));
        target_call_abandon(&u.call);
        turns(1);
        (void)close(p.fd);
        (void)close(listener);
        route_unref(r);
    }
}

/* The target hung up and we have not noticed: the exchange learns that it was a used one. */
static void a_used_one_may_die_when_it_is_used(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    target_call_end(&p.user.call);
    turns(2);
    (void)close(p.fd);
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    assert_true(target_call_is_ready(&u.call));
    assert_true(target_call_is_reused(&u.call));
    send_request(&u);
    turn_until(&u, 'f');
    assert_true(err_is(u.failure, ERR_TARGET_CLOSED) || err_is(u.failure, ERR_TARGET_RESET));
    (void)close(listener);
    route_unref(r);
}

/* What a target said before it was asked is not the answer to what we were about to ask. */
static void an_answer_ahead_of_its_request_is_nobodys(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    target_call_end(&p.user.call);
    turns(2);
    assert_ok(get(&u, r, TARGET_CONN_ANY));
    assert_true(target_call_is_ready(&u.call));
    u.awaits_silence = true;
    say(p.fd, answer);
    send_request(&u);
    turn_until(&u, 'f');
    assert_err(u.failure, ERR_TARGET_RESET);
    assert_string_equal(u.story, "f");
    (void)close(p.fd);
    (void)close(listener);
    route_unref(r);
}

static void an_idle_one_goes_after_a_while(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    target_call_end(&p.user.call);
    fake_clock_advance(&fake, POOL_IDLE_MS - 1);
    turns(2);
    assert_int_equal(connections(r), 1);
    fake_clock_advance(&fake, 1 + LOOP_TICK_MS);
    turns(2);
    assert_int_equal(connections(r), 0);
    char byte;
    assert_int_equal(recv(p.fd, &byte, 1, 0), 0);
    (void)close(p.fd);
    (void)close(listener);
    route_unref(r);
}

/* The edit may have changed whom we trust; the new revision shares the target's cell. */
static void an_edited_route_uses_no_old_connection(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    struct user u;
    int listener = listen_at(AF_INET, &port);
    const struct route *before = use_port("http", port, "");
    warm_up(&p, before, listener);
    target_call_end(&p.user.call);
    const struct route *after = use_port("http", port, ", 'retries': 1");
    assert_ptr_equal(target_of(after)->live, target_of(before)->live);
    assert_ok(get(&u, after, TARGET_CONN_ANY));
    assert_false(target_call_is_ready(&u.call));
    turn_until(&u, 'r');
    target_call_abandon(&u.call);
    assert_ok(get(&u, before,
                  TARGET_CONN_ANY)); /* an exchange that began before the edit still may */
    assert_true(target_call_is_ready(&u.call));
    target_call_abandon(&u.call);
    (void)close(p.fd);
    (void)close(listener);
    route_unref(before);
    route_unref(after);
}

static void a_draining_worker_keeps_none(void **state)
{
    (void)state;
    uint16_t port;
    struct pooled p;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    warm_up(&p, r, listener);
    w.is_draining = true;
    target_call_end(&p.user.call);
    turns(1);
    assert_int_equal(connections(r), 0);
    (void)close(p.fd);
    (void)close(listener);
    route_unref(r);
}

static void the_pool_is_bounded(void **state)
{
    (void)state;
    uint16_t port;
    static struct pooled all[POOL_IDLE_MAX + 2];
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        warm_up(&all[i], r, listener);
    assert_int_equal(connections(r), ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        target_call_end(&all[i].user.call);
    turns(1);
    assert_int_equal(connections(r), POOL_IDLE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        (void)close(all[i].fd);
    (void)close(listener);
    route_unref(r);
}

/* ---- failure of our own ---- */

static void without_memory_it_says_so_and_loses_nothing(void **state)
{
    (void)state;
    uint16_t port;
    int listener = listen_at(AF_INET, &port);
    const struct route *r = use_port("http", port, "");
    unsigned refused = 0;
    for_each_fault(n)
    {
        struct user u;
        struct err e = get(&u, r, TARGET_CONN_ANY);
        if (!failed(e)) {
            turns(3);
            e = u.failure;
        }
        refused += failed(e);
        assert_int_equal(failed(e), mem_fault_fired());
        if (!failed(e) && u.call.conn != NULL)
            target_call_abandon(&u.call);
        turns(1);
        assert_int_equal(connections(r), 0);
    }
    assert_true(refused >= 2);
    (void)close(listener);
    route_unref(r);
}

#define WITH_WORKER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORKER(a_connection_carries_exchanges_one_after_the_other),
        WITH_WORKER(a_refusal_is_told_in_a_later_turn),
        WITH_WORKER(what_fails_at_once_is_told_in_a_later_turn_too),
        WITH_WORKER(a_unix_socket_is_a_target),
        WITH_WORKER(the_next_address_is_tried),
        WITH_WORKER(a_connection_is_left_when_its_name_moves),
        WITH_WORKER(a_slow_look_up_is_waited_for),
        WITH_WORKER(the_limit_covers_the_handshake),
        WITH_WORKER(after_connecting_the_limit_is_over),
        WITH_WORKER(such_a_connection_begins_with_its_client),
        WITH_WORKER(the_targets_certificate_is_judged),
        WITH_WORKER(no_tls_on_the_other_side_is_told),
        WITH_WORKER(an_abandoned_connection_says_nothing_more),
        WITH_WORKER(such_an_answer_ends_the_connection),
        WITH_WORKER(the_hottest_is_reused_first),
        WITH_WORKER(a_fresh_one_can_be_asked_for),
        WITH_WORKER(one_that_must_live_is_looked_at),
        WITH_WORKER(a_dead_one_leaves_the_pool),
        WITH_WORKER(a_used_one_may_die_when_it_is_used),
        WITH_WORKER(an_answer_ahead_of_its_request_is_nobodys),
        WITH_WORKER(an_idle_one_goes_after_a_while),
        WITH_WORKER(an_edited_route_uses_no_old_connection),
        WITH_WORKER(a_draining_worker_keeps_none),
        WITH_WORKER(the_pool_is_bounded),
        WITH_WORKER(without_memory_it_says_so_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
