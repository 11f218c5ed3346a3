#include "gateway/upstream/dial.h"
#include "store/target_url.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_dns.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 20000, STUFFING_MAX = 8 };

static struct fake_clock fake;
static struct loop *loop;
static struct resolver *resolver;
static struct arena *a;
static struct target_live live;

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, 1800000000);
    fake_dns_use();
    a = arena_new(4096, MIB);
    memset(&live, 0, sizeof(live));
    assert_ok(loop_new(&loop));
    assert_ok(resolver_new(loop, NULL, &resolver));
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    loop_settle(loop);
    resolver_free(resolver);
    loop_free(loop);
    arena_free(a);
    fake_dns_restore();
    fake_clock_restore();
    return 0;
}

/* ---- addresses of loopback, all with one port ---- */

static union address address_of(const char *text, uint16_t port)
{
    union address at = {.any = {.sa_family = AF_INET}};
    if (inet_pton(AF_INET, text, &at.v4.sin_addr) == 1) {
        at.v4.sin_port = htons(port);
        return at;
    }
    at.any.sa_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &at.v6.sin6_addr), 1);
    at.v6.sin6_port = htons(port);
    return at;
}

static socklen_t len_of(const union address *at)
{
    return at->any.sa_family == AF_INET6 ? sizeof(at->v6) : sizeof(at->v4);
}

/* port 0: any. */
static int listen_at(const char *text, uint16_t *port, int backlog)
{
    union address at = address_of(text, *port);
    socklen_t len = len_of(&at);
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, &at.any, len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, &at.any, &len), 0);
    *port = ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
    return fd;
}

/* A listener whose backlog is full: the kernel drops what else wants to connect, as a firewall
 * would. */
struct swallower {
    int listener;
    int stuffing[STUFFING_MAX];
};

static void swallow_at(struct swallower *s, const char *text, uint16_t port)
{
    union address at = address_of(text, port);
    s->listener = listen_at(text, &port, 0);
    for (size_t i = 0; i < ARRAY_LEN(s->stuffing); i++) {
        s->stuffing[i] = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s->stuffing[i], &at.any, len_of(&at));
    }
}

static void close_swallower(struct swallower *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->stuffing); i++)
        (void)close(s->stuffing[i]);
    (void)close(s->listener);
}

/* ---- a dial and what it said ---- */

struct user {
    struct dial *dial;
    int fd; /* -1: not connected */
    bool has_failed;
    struct err failure;
};

static void on_connected(void *arg, int fd)
{
    struct user *u = arg;
    assert_true(u->fd < 0 && !u->has_failed);
    u->fd = fd;
}

static void on_failed(void *arg, struct err e)
{
    struct user *u = arg;
    assert_true(u->fd < 0 && !u->has_failed);
    u->has_failed = true;
    u->failure = e;
}

static const struct dial_user dial_user = {.on_connected = on_connected,
                                           .on_failed = on_failed};

static struct target *target_at(const char *host, uint16_t port)
{
    char url[128];
    struct target *t = arena_one(a, struct target);
    (void)snprintf(url, sizeof(url), "http://%s:%u", host, (unsigned)port);
    assert_null(target_url_parse(a, arena_dup(a, str_from(url)), t));
    t->live = &live;
    return t;
}

static struct err start(struct user *u, const struct target *t)
{
    *u = (struct user){.fd = -1};
    return dial_start(
        &(struct dial_options){
            .loop = loop, .resolver = resolver, .target = t, .user = &dial_user, .arg = u},
        &u->dial);
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        loop_turn(loop, false);
}

static bool is_decided(const struct user *u)
{
    return u->fd >= 0 || u->has_failed;
}

static void turn_until_decided(const struct user *u)
{
    for (int i = 0; i < TURNS_MAX && !is_decided(u); i++)
        loop_turn(loop, false);
    assert_true(is_decided(u));
}

/* The address it has connected to; the socket is closed. */
static const char *reached(struct user *u)
{
    static char text[INET6_ADDRSTRLEN];
    union address at;
    socklen_t len = sizeof(at);
    turn_until_decided(u);
    if (u->has_failed)
        return err_name(u->failure);
    assert_int_equal(getpeername(u->fd, &at.any, &len), 0);
    (void)close(u->fd);
    bool is_v6 = at.any.sa_family == AF_INET6;
    const void *bytes = is_v6 ? (const void *)&at.v6.sin6_addr : (const void *)&at.v4.sin_addr;
    (void)inet_ntop(at.any.sa_family, bytes, text, sizeof(text));
    return text;
}

/* ---- order ---- */

static void ipv6_comes_first(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    int four = listen_at("127.0.0.1", &port, 8), six = listen_at("::1", &port, 8);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.2/60 127.0.0.1/60 ::1/60");
    assert_ok(start(&u, target_at("a.example", port)));
    assert_string_equal(reached(&u), "::1");
    (void)close(six);
    assert_ok(start(&u, target_at("a.example", port))); /* two refusals later */
    assert_string_equal(reached(&u), "127.0.0.1");
    (void)close(four);
}

static void all_refusals_are_one_failure(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    (void)close(listen_at("127.0.0.1", &port, 8));
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.1/60 ::1/60 127.0.0.2/60 127.0.0.3/60");
    assert_ok(start(&u, target_at("a.example", port)));
    assert_false(is_decided(&u)); /* never from inside */
    turn_until_decided(&u);
    assert_err(u.failure, ERR_TARGET_CONNECT);
    assert_int_equal(u.failure.detail, ECONNREFUSED);
}

/* ---- time ---- */

static void an_address_that_swallows_packets_is_not_waited_for(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    struct swallower s;
    int good = listen_at("127.0.0.1", &port, 8);
    swallow_at(&s, "127.0.0.2", port);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.2/60 127.0.0.1/60");
    assert_ok(start(&u, target_at("a.example", port)));
    turns(10);
    fake_clock_advance(&fake, DIAL_NEXT_MS - 1);
    turns(10);
    assert_false(is_decided(&u));
    fake_clock_advance(&fake, 1 + LOOP_TICK_MS);
    assert_string_equal(reached(&u), "127.0.0.1");
    close_swallower(&s);
    (void)close(good);
}

/* The last refuses, the others are only slow. */
static void while_one_may_still_connect_there_is_hope(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    struct swallower slow, dead;
    (void)close(listen_at("127.0.0.1", &port, 8));
    swallow_at(&slow, "127.0.0.2", port);
    swallow_at(&dead, "127.0.0.3", port);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.2/60 127.0.0.3/60 127.0.0.4/60");
    assert_ok(start(&u, target_at("a.example", port)));
    turns(5);
    fake_clock_advance(&fake, DIAL_NEXT_MS + LOOP_TICK_MS);
    turns(5); /* the second is under way */
    fake_clock_advance(&fake, DIAL_NEXT_MS + LOOP_TICK_MS);
    turns(50); /* the third refuses; two are still hoped for */
    assert_false(is_decided(&u));
    dial_stop(u.dial);
    turns(2);
    assert_false(is_decided(&u));
    close_swallower(&slow);
    close_swallower(&dead);
}

static void a_refusal_starts_the_next_at_once(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    struct swallower s;
    int good = listen_at("127.0.0.1", &port, 8);
    swallow_at(&s, "127.0.0.2", port);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.2/60 127.0.0.3/60 127.0.0.1/60");
    assert_ok(start(&u, target_at("a.example", port)));
    turns(5);
    fake_clock_advance(&fake, DIAL_NEXT_MS + LOOP_TICK_MS); /* 127.0.0.3 refuses */
    assert_string_equal(reached(&u), "127.0.0.1");
    close_swallower(&s);
    (void)close(good);
}

/* ---- ends ---- */

static void a_stopped_dial_is_silent(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    int good = listen_at("127.0.0.1", &port, 8);
    assert_ok(start(&u, target_at("127.0.0.1", port))); /* connected, but not told yet */
    dial_stop(u.dial);
    turns(3);
    assert_false(is_decided(&u));
    fake_dns_at_once(-1, NULL);
    assert_ok(start(&u, target_at("b.example", port))); /* still asking */
    assert_true(dial_is_resolving(u.dial));
    dial_stop(u.dial);
    turns(1);
    fake_dns_answer(ARES_SUCCESS, "127.0.0.1/60");
    turns(3);
    assert_false(is_decided(&u));
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    assert_ok(start(&u, target_at("c.example", port))); /* has failed, but not told yet */
    dial_stop(u.dial);
    turns(3);
    assert_false(is_decided(&u));
    dial_stop(NULL);
    (void)close(good);
}

static void a_name_that_does_not_resolve_is_told(void **state)
{
    (void)state;
    struct user u;
    assert_ok(start(&u, target_at("c.example", 1)));
    fake_dns_answer(ARES_ENOTFOUND, NULL);
    turn_until_decided(&u);
    assert_err(u.failure, ERR_TARGET_DNS);
}

/* Several workers find it out, each by itself; who has older news keeps quiet. */
static void last_addresses_in_use_are_noted(void **state)
{
    (void)state;
    uint16_t port = 0;
    struct user u;
    int good = listen_at("127.0.0.1", &port, 8);
    struct target *t = target_at("a.example", port);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.1/1");
    assert_ok(start(&u, t));
    assert_string_equal(reached(&u), "127.0.0.1");
    assert_int_equal(atomic_load(&live.resolved_at), clock_now_at());
    fake_clock_advance(&fake, 2000);
    turns(1);
    fake_dns_at_once(ARES_ENOTFOUND, NULL);
    int64_t stale_at = clock_now_at();
    assert_ok(start(&u, t));
    assert_string_equal(reached(&u), "127.0.0.1");
    assert_int_equal(atomic_load(&live.stale_at), stale_at);

    atomic_store(&live.resolved_at, stale_at + 1); /* another worker knows better */
    atomic_store(&live.stale_at, 0);
    fake_clock_advance(&fake, 2000);
    turns(1);
    assert_ok(start(&u, t));
    assert_string_equal(reached(&u), "127.0.0.1");
    assert_int_equal(atomic_load(&live.stale_at), 0);

    atomic_store(&live.stale_at, stale_at);
    fake_clock_advance(&fake, DNS_FAIL_S * 1000);
    turns(1);
    fake_dns_at_once(ARES_SUCCESS, "127.0.0.1/60");
    assert_ok(start(&u, t));
    assert_string_equal(reached(&u), "127.0.0.1");
    assert_int_equal(atomic_load(&live.stale_at), 0);
    (void)close(good);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct user u;
    const struct target *target = target_at("127.0.0.1", 1);
    mem_fault_arm(1);
    struct err e = start(&u, target);
    assert_true(mem_fault_fired());
    assert_err(e, ERR_MEMORY);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(ipv6_comes_first),
        WITH_LOOP(all_refusals_are_one_failure),
        WITH_LOOP(an_address_that_swallows_packets_is_not_waited_for),
        WITH_LOOP(while_one_may_still_connect_there_is_hope),
        WITH_LOOP(a_refusal_starts_the_next_at_once),
        WITH_LOOP(a_stopped_dial_is_silent),
        WITH_LOOP(a_name_that_does_not_resolve_is_told),
        WITH_LOOP(last_addresses_in_use_are_noted),
        WITH_LOOP(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
