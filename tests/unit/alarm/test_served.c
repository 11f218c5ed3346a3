/* test_served.c - handshakes with a server of the test's own, which serves what the test
 * says. */
#include "alarm/handshake.h"
#include "alarm/served.h"
#include "tests/support/temp_config.h"
#include "tests/support/tls_pair.h"
#include "tests/support/unit.h"

#include "gateway/base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };

static struct {
    struct temp_store store;
    struct fake_issuer ca;
    struct arena *arena;
    int listener;
    struct served_listener at;
    SSL_CTX *ctx; /* what it serves */
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_uint shakes;
    atomic_bool saw_proxy_header;
    atomic_bool wants_proxy_header;
    pthread_mutex_t mutex; /* of ctx */
} b;

/* ---- the server ---- */

static void serve_one(int fd)
{
    char header[16];
    if (atomic_load(&b.wants_proxy_header) &&
        recv(fd, header, sizeof(header), MSG_WAITALL) == (ssize_t)sizeof(header) &&
        header[12] == 0x20 && header[13] == 0)
        atomic_store(&b.saw_proxy_header, true);
    (void)pthread_mutex_lock(&b.mutex);
    SSL *ssl = b.ctx == NULL ? NULL : SSL_new(b.ctx);
    (void)pthread_mutex_unlock(&b.mutex);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1)
        (void)SSL_accept(ssl);
    SSL_free(ssl);
    ERR_clear_error();
    (void)close(fd);
    atomic_fetch_add(&b.shakes, 1);
}

static void *run_server(void *arg)
{
    (void)arg;
    while (!atomic_load(&b.is_stopping)) {
        int fd = accept(b.listener, NULL, NULL);
        if (fd >= 0)
            serve_one(fd);
    }
    return NULL;
}

/* The server shows this certificate of the store from now on; NULL: none at all. */
static void serve(const char *id)
{
    SSL_CTX *ctx = NULL;
    if (id != NULL) {
        const struct snapshot *s = store_snapshot(b.store.store);
        const struct cert_material *m;
        assert_false(failed(cert_material(snapshot_cert_find(s, str_from(id)), &m)));
        ctx = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(ctx, m->leaf), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, m->key), 1);
        snapshot_unref(s);
    }
    (void)pthread_mutex_lock(&b.mutex);
    SSL_CTX_free(b.ctx);
    b.ctx = ctx;
    (void)pthread_mutex_unlock(&b.mutex);
}

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    temp_store_init(&b.store);
    fake_issuer_init(&b.ca, "Test CA");
    b.arena = arena_new(4096, 65536);
    (void)pthread_mutex_init(&b.mutex, NULL);
    atomic_store(&b.is_stopping, false);
    atomic_store(&b.shakes, 0);
    atomic_store(&b.saw_proxy_header, false);
    atomic_store(&b.wants_proxy_header, false);
    b.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(b.listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(b.listener, 64), 0);
    assert_int_equal(getsockname(b.listener, (struct sockaddr *)&at, &len), 0);
    b.at = (struct served_listener){.text = STR("0.0.0.0:443"), .port = ntohs(at.sin_port)};
    b.at.address[10] = b.at.address[11] = 0xff; /* all addresses of IPv4 */
    assert_int_equal(pthread_create(&b.thread, NULL, run_server, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&b.is_stopping, true);
    (void)shutdown(b.listener, SHUT_RDWR);
    (void)pthread_join(b.thread, NULL);
    (void)close(b.listener);
    SSL_CTX_free(b.ctx);
    b.ctx = NULL;
    (void)pthread_mutex_destroy(&b.mutex);
    arena_free(b.arena);
    fake_issuer_fini(&b.ca);
    temp_store_fini(&b.store);
    return 0;
}

/* Runs the check until something is known of the certificate, and gives that. */
static struct condition check(const char *id, unsigned workers)
{
    struct served *served;
    struct condition found = {.kind = CONDITION_SERVED};
    struct served_options o = {
        .listeners = &b.at, .listener_count = 1, .worker_count = workers};
    assert_false(failed(served_start(b.store.store, &o, &served)));
    uint64_t end_ms = clock_mono_ms() + PATIENCE_S * 1000;
    while (found.at == 0 && clock_mono_ms() < end_ms) {
        (void)poll(NULL, 0, 5);
        assert_false(failed(conditions_get(store_conditions(b.store.store), CONDITION_SERVED,
                                           str_from(id), b.arena, &found)));
    }
    served_stop(served);
    assert_true(found.at > 0);
    return found;
}

static void what_is_served_is_good(void **state)
{
    (void)state;
    temp_config_cert(&b.store, &b.ca, "new", "DNS:a.example,DNS:b.example");
    serve("new");
    struct condition found = check("new", 3);
    assert_int_equal(found.state, CONDITION_GOOD);
    assert_int_equal(found.about.len, 64);
    assert_int_equal(atomic_load(&b.shakes), 12);
}

static void another_certificate_is_bad(void **state)
{
    (void)state;
    temp_config_cert(&b.store, &b.ca, "old", "DNS:old.example");
    temp_config_cert(&b.store, &b.ca, "new", "DNS:a.example");
    serve("old");
    struct condition found = check("new", 1);
    assert_int_equal(found.state, CONDITION_BAD);
    assert_true(str_starts(found.words, STR("a.example on 0.0.0.0:443: serial ")));
}

static void no_handshake_is_bad_and_no_connection_unknown(void **state)
{
    (void)state;
    temp_config_cert(&b.store, &b.ca, "new", "DNS:*.example");
    serve(NULL);
    struct condition found = check("new", 1);
    assert_int_equal(found.state, CONDITION_BAD);
    assert_true(str_starts(found.words, STR("served-check.example on ")));
    conditions_drop(store_conditions(b.store.store), CONDITION_SERVED, STR("new"));
    b.at.port = 1; /* nobody is there */
    assert_int_equal(check("new", 1).state, CONDITION_UNKNOWN);
}

static void a_listener_of_a_proxy_gets_its_header(void **state)
{
    (void)state;
    temp_config_cert(&b.store, &b.ca, "new", "DNS:a.example");
    temp_config_settings(&b.store,
                         "{'trusted_proxies': ['127.0.0.1'], 'proxy_protocol': [':443']}");
    serve("new");
    atomic_store(&b.wants_proxy_header, true);
    assert_int_equal(check("new", 1).state, CONDITION_GOOD);
    assert_true(atomic_load(&b.saw_proxy_header));
}

static void all_addresses_are_reached_on_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *listens, *reached;
    } rows[] = {
        {"::", "::1"},
        {"::ffff:0.0.0.0", "::ffff:127.0.0.1"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned char from[16], want[16], got[16];
        assert_int_equal(inet_pton(AF_INET6, rows[i].listens, from), 1);
        assert_int_equal(inet_pton(AF_INET6, rows[i].reached, want), 1);
        handshake_address(from, got);
        assert_memory_equal(got, want, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_served_is_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_certificate_is_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_handshake_is_bad_and_no_connection_unknown, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_listener_of_a_proxy_gets_its_header, set_up,
                                        tear_down),
        cmocka_unit_test(all_addresses_are_reached_on_loopback),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* clients that have seen enough */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
