#include "gateway/listener.h"
#include "tests/support/asserts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- addresses ---- */

static const struct {
    const char *name, *text;
} bad_rows[] = {
    {"nothing", ""},
    {"an address alone", "127.0.0.1"},
    {"no port", "127.0.0.1:"},
    {"a port that is no number", "127.0.0.1:http"},
    {"a port too large", "127.0.0.1:65536"},
    {"a negative port", "127.0.0.1:-1"},
    {"a blank", "127.0.0.1: 80"},
    {"a name", "localhost:0"},
    {"an address of three parts", "127.0.1:0"},
    {"a bracket open", "[::1:0"},
    {"a bracket closed", "::1]:0"},
    {"empty brackets", "[]:0"},
    {"IPv4 in brackets", "[127.0.0.1]:0"},
    {"IPv6 without brackets", "::1:0"},
    {"IPv6 without a port", "[::1]"},
    {"an address too long to be one",
     "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:0"},
    {"only a colon", ":"},
    {"a second colon", "::"},
};

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    struct listener_set *set;
    assert_ok(listener_set_new(1, &set));
    for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++) {
        char at[64];
        int fd;
        struct str text = str_from(bad_rows[i].text);
        assert_row_err(bad_rows[i].name, listener_set_open(set, LISTENER_HTTP, text, at),
                       ERR_USAGE);
        assert_row(bad_rows[i].name, str_starts(text, str_from(at)));
        assert_row_err(bad_rows[i].name, listener_open_one(text, &fd, at), ERR_USAGE);
    }
    assert_int_equal(set->count, 0);
    listener_set_free(set);
    listener_set_free(NULL);
}

static const struct {
    const char *name, *text, *prefix;
} good_rows[] = {
    {"IPv4", "127.0.0.1:0", "127.0.0.1:"},
    {"IPv6", "[::1]:0", "[::1]:"},
    {"IPv6, another way", "[0::0:1]:0", "[::1]:"},
};

static void a_free_port_is_found_and_shared_by_the_workers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_rows); i++) {
        struct listener_set *set;
        char at[64];
        assert_ok(listener_set_new(3, &set));
        assert_row_err(good_rows[i].name,
                       listener_set_open(set, LISTENER_HTTPS, str_from(good_rows[i].text), at),
                       NULL);
        assert_int_equal(set->count, 1);
        const struct listener_address *a = &set->items[0];
        assert_int_equal(a->kind, LISTENER_HTTPS);
        assert_row(good_rows[i].name,
                   str_starts(str_from(a->text), str_from(good_rows[i].prefix)));
        assert_int_not_equal(a->port, 0);
        for (unsigned k = 0; k < 3; k++) {
            struct sockaddr_in6 bound;
            socklen_t len = sizeof(bound);
            assert_int_equal(getsockname(a->fds[k], (struct sockaddr *)&bound, &len), 0);
            assert_int_equal(ntohs(bound.sin6_port),
                             a->port); /* the same place in both families */
        }
        listener_set_free(set);
    }
}

static void a_port_alone_means_both_families(void **state)
{
    (void)state;
    struct listener_set *set;
    char at[64];
    assert_ok(listener_set_new(1, &set));
    assert_ok(listener_set_open(set, LISTENER_HTTP, STR(":0"), at));
    assert_int_equal(set->count, 2);
    assert_true(str_starts(str_from(set->items[0].text), STR("0.0.0.0:")));
    assert_true(str_starts(str_from(set->items[1].text), STR("[::]:")));
    listener_set_free(set);
}

/* ---- one owner per port ---- */

static const struct {
    const char *name, *listens, *connects;
    bool want;
} peer_rows[] = {
    {"the address itself", "127.0.0.1:0", "127.0.0.1", true},
    {"another one on the same port", "127.0.0.2:0", "127.0.0.1", false},
    {"any", "0.0.0.0:0", "127.0.0.1", true},
    {"any, by another name", "0.0.0.0:0", "127.0.0.3", true},
};

/* other listens where the client goes, on the port of the set. */
static void it_is_known_who_leads_to_us(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(peer_rows); i++) {
        char at[64], other_text[64];
        struct listener_set *set;
        int other = -1;
        assert_ok(listener_set_new(1, &set));
        assert_ok(listener_set_open(set, LISTENER_HTTP, str_from(peer_rows[i].listens), at));
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(set->items[0].port)};
        assert_int_equal(inet_pton(AF_INET, peer_rows[i].connects, &to.sin_addr), 1);
        (void)snprintf(other_text, sizeof(other_text), "%s:%u", peer_rows[i].connects,
                       (unsigned)set->items[0].port);
        if (!peer_rows[i].want)
            assert_ok(listener_open_one(str_from(other_text), &other, at));
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_row(peer_rows[i].name, !listener_set_has_peer(set, fd)); /* not connected */
        assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
        assert_row(peer_rows[i].name, listener_set_has_peer(set, fd) == peer_rows[i].want);
        (void)close(fd);
        if (other >= 0)
            (void)close(other);
        listener_set_free(set);
    }
}

static void a_port_in_use_is_told_by_name(void **state)
{
    (void)state;
    struct listener_set *first, *second;
    char at[64], text[64];
    assert_ok(listener_set_new(2, &first));
    assert_ok(listener_set_new(2, &second));
    assert_ok(listener_set_open(first, LISTENER_HTTP, STR("127.0.0.1:0"), at));
    (void)snprintf(text, sizeof(text), "%s", first->items[0].text);
    struct err e = listener_set_open(second, LISTENER_HTTP, str_from(text), at);
    assert_err(e, ERR_IO);
    assert_int_equal(e.detail, EADDRINUSE);
    assert_string_equal(at, text);
    assert_int_equal(second->count, 0);
    e = listener_set_open(first, LISTENER_HTTPS, str_from(text), at); /* twice by mistake */
    assert_int_equal(e.detail, EADDRINUSE);
    int fd;
    e = listener_open_one(str_from(text), &fd, at);
    assert_int_equal(e.detail, EADDRINUSE);
    listener_set_free(first);
    assert_ok(listener_set_open(second, LISTENER_HTTP, str_from(text), at)); /* free again */
    listener_set_free(second);
}

static void the_admin_port_is_opened_alone(void **state)
{
    (void)state;
    int fd, other;
    char at[64], again[64];
    assert_ok(listener_open_one(STR("127.0.0.1:0"), &fd, at));
    assert_true(str_starts(str_from(at), STR("127.0.0.1:")));
    assert_false(str_ends(str_from(at), STR(":0")));
    struct err e = listener_open_one(str_from(at), &other, again);
    assert_int_equal(e.detail, EADDRINUSE);
    (void)close(fd);
}

/* ---- accepting ---- */

enum { CLIENTS_MAX = 200 };

static struct loop *l;
static struct listener_set *set;
static struct listener *listener;
static int clients[CLIENTS_MAX];
static size_t client_count;
static struct {
    int fd;
    struct peer peer;
} accepted[CLIENTS_MAX];
static size_t accepted_count, awaited;

static void on_accept(void *arg, const struct listener_address *at, int fd,
                      const struct peer *peer)
{
    assert_ptr_equal(arg, &accepted);
    assert_ptr_equal(at, &set->items[0]);
    accepted[accepted_count].fd = fd;
    accepted[accepted_count++].peer = *peer;
    if (accepted_count == awaited)
        loop_stop(l);
}

static void start(const char *address)
{
    char at[64];
    accepted_count = client_count = 0;
    assert_ok(loop_new(&l));
    assert_ok(listener_set_new(1, &set));
    assert_ok(listener_set_open(set, LISTENER_HTTP, str_from(address), at));
    assert_ok(listener_start(l, &set->items[0], 0, on_accept, &accepted, &listener));
}

static void finish(void)
{
    listener_stop(listener);
    listener = NULL;
    loop_settle(l);
    for (size_t i = 0; i < accepted_count; i++)
        (void)close(accepted[i].fd);
    for (size_t i = 0; i < client_count; i++)
        (void)close(clients[i]);
    listener_set_free(set);
    loop_free(l);
}

/* The family and port of a connected client. */
static uint16_t connect_client(void)
{
    bool is_v6 = set->items[0].text[0] == '[';
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(set->items[0].port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = is_v6 ? connect(fd, (const struct sockaddr *)&v6, sizeof(v6))
                       : connect(fd, (const struct sockaddr *)&v4, sizeof(v4));
    assert_int_equal(result, 0);
    clients[client_count++] = fd;
    struct sockaddr_in6 own;
    socklen_t len = sizeof(own);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    return ntohs(own.sin6_port);
}

static void run_until(size_t count)
{
    awaited = count;
    loop_run(l);
    assert_int_equal(accepted_count, count);
}

static void a_client_comes_with_its_address(void **state)
{
    (void)state;
    static const unsigned char v4[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1}, v6[16] = {[15] = 1};
    for (int family = 4; family <= 6; family += 2) {
        start(family == 4 ? "127.0.0.1:0" : "[::1]:0");
        uint16_t port = connect_client();
        run_until(1);
        assert_string_equal(accepted[0].peer.text, family == 4 ? "127.0.0.1" : "::1");
        assert_memory_equal(accepted[0].peer.address, family == 4 ? v4 : v6, 16);
        assert_int_equal(accepted[0].peer.port, port);
        finish();
    }
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void accepted_sockets_have_their_options(void **state)
{
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        start(family == 4 ? "127.0.0.1:0" : "[::1]:0");
        (void)connect_client();
        run_until(1);
        int fd = accepted[0].fd;
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
        finish();
    }
}

/* More than one batch: the rest comes in later turns, without a new event. */
static void many_clients_are_all_accepted(void **state)
{
    (void)state;
    start("127.0.0.1:0");
    for (int i = 0; i < CLIENTS_MAX; i++)
        (void)connect_client();
    run_until(CLIENTS_MAX);
    finish();
}

static void on_raise(struct timer *t);
static struct timer raise_timer = {.on_fire = on_raise};
static struct rlimit usual;

static void on_raise(struct timer *t)
{
    (void)t;
    assert_int_equal(accepted_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

/* Accepting rests, the client waits in the backlog, and is served when there are
 * descriptors. */
static void without_descriptors_clients_wait(void **state)
{
    (void)state;
    start("127.0.0.1:0");
    (void)connect_client();
    int lowest = dup(STDIN_FILENO);
    (void)close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    struct rlimit few = {.rlim_cur = (rlim_t)lowest, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    loop_timer_set(l, &raise_timer, 30);
    run_until(1);
    finish();
}

/* ---- stopping ---- */

static void stop_in_turn(void *arg)
{
    (void)arg;
    listener_stop(listener);
    listener = NULL;
    loop_stop(l);
}

/* The wake and the client are fetched in the same turn, in either order. */
static void a_listener_may_stop_with_a_client_at_the_door(void **state)
{
    (void)state;
    for (int wakes_first = 0; wakes_first < 2; wakes_first++) {
        start("127.0.0.1:0");
        loop_on_wake(l, stop_in_turn, NULL);
        if (wakes_first != 0)
            loop_wake(l);
        (void)connect_client();
        if (wakes_first == 0)
            loop_wake(l);
        awaited = 2;
        loop_run(l);
        assert_true(accepted_count <= 1);
        finish();
    }
}

static void a_stopped_listener_refuses_clients(void **state)
{
    (void)state;
    start("127.0.0.1:0");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(set->items[0].port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_stop(listener);
    listener_stop(NULL);
    listener = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    (void)close(fd);
    finish();
}

static void without_memory_nothing_is_left_open(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        struct listener_set *s;
        char at[64];
        struct err e = listener_set_new(2, &s);
        assert_int_equal(failed(e), mem_fault_fired());
        if (failed(e))
            continue;
        e = listener_set_open(s, LISTENER_HTTP, STR("127.0.0.1:0"), at);
        assert_int_equal(failed(e), mem_fault_fired());
        listener_set_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_free_port_is_found_and_shared_by_the_workers),
        cmocka_unit_test(a_port_alone_means_both_families),
        cmocka_unit_test(it_is_known_who_leads_to_us),
        cmocka_unit_test(a_port_in_use_is_told_by_name),
        cmocka_unit_test(the_admin_port_is_opened_alone),
        cmocka_unit_test(a_client_comes_with_its_address),
        cmocka_unit_test(accepted_sockets_have_their_options),
        cmocka_unit_test(many_clients_are_all_accepted),
        cmocka_unit_test(without_descriptors_clients_wait),
        cmocka_unit_test(a_listener_may_stop_with_a_client_at_the_door),
        cmocka_unit_test(a_stopped_listener_refuses_clients),
        cmocka_unit_test(without_memory_nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
