#include "gateway/tls/ticket_keys.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <pthread.h>
#include <time.h>

enum { HOUR_MS = 3600000, THREADS = 2, TICKETS_PER_THREAD = 40 };

static struct fake_clock now;
static struct fake_issuer ca;
static struct ticket_keys *keys;
static SSL_CTX *server_ctx, *client_ctx;

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&now, time(NULL));
    fake_issuer_init(&ca, "Test CA");
    client_ctx = tls_pair_client_ctx();
    /* A client that keeps sessions drops one of TLS 1.3 once it has used it. */
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
    server_ctx = tls_pair_server_ctx(&ca, "DNS:a.example", time(NULL) + 86400);
    SSL_CTX_set_session_cache_mode(server_ctx, SSL_SESS_CACHE_OFF);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    fake_issuer_fini(&ca);
    fake_clock_restore();
    return 0;
}

/* Each test has keys of its own. */
static int make_keys(void **state)
{
    (void)state;
    assert_ok(ticket_keys_new(&keys));
    assert_ok(ticket_keys_attach(keys, server_ctx));
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    ticket_keys_free(keys);
    return 0;
}

struct visit {
    bool is_done, is_resumed;
    SSL_SESSION *session; /* with the ticket of this visit; a reference */
};

/* session: of an earlier visit; NULL: none. */
static struct visit visit(int version, SSL_SESSION *session)
{
    char byte;
    SSL *client = tls_pair_connect(client_ctx, "a.example");
    SSL *server = tls_pair_accept(server_ctx);
    (void)SSL_set_max_proto_version(client, version);
    if (session != NULL)
        assert_int_equal(SSL_set_session(client, session), 1);
    struct tls_pair_result r = tls_pair_shake(client, server);
    (void)SSL_read(client, &byte, 1); /* tickets of TLS 1.3 */
    struct visit v = {.is_done = r.is_client_done && r.is_server_done,
                      .is_resumed = SSL_session_reused(client) == 1,
                      .session = SSL_get1_session(client)};
    (void)SSL_shutdown(client);
    SSL_free(client);
    SSL_free(server);
    return v;
}

/* How a ticket fares; the handshake must succeed in any case. */
static bool resumes(int version, SSL_SESSION *session)
{
    struct visit v = visit(version, session);
    assert_true(v.is_done);
    SSL_SESSION_free(v.session);
    return v.is_resumed;
}

/* after_h: hours from the first visit to the second, with a third one (of somebody else) at
 * other_h, 0: none. */
static const struct {
    const char *name;
    unsigned other_h, after_h;
    bool want;
} ages[] = {
    {"at once", 0, 0, true},
    {"just before the key is replaced", 0, 11, true},
    {"just after", 0, 12, true},
    {"with the key before, others came meanwhile", 13, 23, true},
    {"with the key before, nobody came meanwhile", 0, 23, true},
    {"after two replacements", 12, 24, false},
    {"after a day without anybody", 0, 24, false},
    {"after a year", 0, 24 * 365, false},
};

static void tickets_are_good_for_two_keys(void **state)
{
    (void)state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2 * ARRAY_LEN(ages); i++) {
        int version = versions[i % 2];
        const char *name = ages[i / 2].name;
        unsigned left_h = ages[i / 2].after_h, other_h = ages[i / 2].other_h;
        (void)drop_keys(NULL); /* a fresh clock for each row */
        (void)make_keys(NULL);
        struct visit first = visit(version, NULL);
        assert_row(name, first.is_done && !first.is_resumed);
        if (other_h > 0) {
            fake_clock_advance(&now, (uint64_t)other_h * HOUR_MS);
            assert_false(resumes(version, NULL));
        }
        fake_clock_advance(&now, (uint64_t)(left_h - other_h) * HOUR_MS);
        assert_row(name, resumes(version, first.session) == ages[i / 2].want);
        SSL_SESSION_free(first.session);
    }
}

/* A client goes on for as long as it comes back: what it is given when it resumes is good for
 * the next time, be it the same key's (TLS 1.3, where a ticket is used once) or, when that is
 * the one before, the current key's. */
static const struct {
    const char *name;
    int version;
    uint64_t rest_ms;
} returns[] = {
    {"TLS 1.2, the same key", TLS1_2_VERSION, 0},
    {"TLS 1.3, the same key", TLS1_3_VERSION, 0},
    {"TLS 1.2, another key", TLS1_2_VERSION, TICKET_KEY_MS},
    {"TLS 1.3, another key", TLS1_3_VERSION, TICKET_KEY_MS},
};

static void one_who_comes_back_may_come_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(returns); i++) {
        struct visit v = visit(returns[i].version, NULL);
        for (unsigned times = 0; times < 4; times++) {
            fake_clock_advance(&now, returns[i].rest_ms);
            SSL_SESSION *before = v.session;
            v = visit(returns[i].version, before);
            assert_row(returns[i].name, v.is_done && v.is_resumed);
            assert_row(returns[i].name, SSL_SESSION_is_resumable(v.session) == 1);
            SSL_SESSION_free(before);
        }
        SSL_SESSION_free(v.session);
    }
}

/* Not in the middle of its time, and never twice for one age. */
static void a_key_is_replaced_once(void **state)
{
    (void)state;
    struct visit v = visit(TLS1_3_VERSION, NULL);
    ticket_keys_turn(keys);
    fake_clock_advance(&now, TICKET_KEY_MS);
    for (unsigned i = 0; i < 5; i++)
        ticket_keys_turn(keys);
    assert_true(resumes(TLS1_3_VERSION, v.session));
    fake_clock_advance(&now, TICKET_KEY_MS);
    ticket_keys_turn(keys);
    assert_false(resumes(TLS1_3_VERSION, v.session));
    SSL_SESSION_free(v.session);
}

static void a_ticket_that_was_changed_is_none(void **state)
{
    (void)state;
    struct visit v = visit(TLS1_2_VERSION, NULL);
    const unsigned char *ticket;
    size_t len;
    SSL_SESSION_get0_ticket(v.session, &ticket, &len);
    assert_true(len > 64);
    const size_t places[] = {0, 15, 16, 40, len - 1}; /* name, vector, content, code */
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        unsigned char *byte = (unsigned char *)(uintptr_t)(ticket + places[i]);
        *byte ^= 1;
        assert_false(resumes(TLS1_2_VERSION, v.session));
        *byte ^= 1;
    }
    assert_true(resumes(TLS1_2_VERSION, v.session));
    SSL_SESSION_free(v.session);
}

/* Workers at the moment of a replacement: each handshake succeeds, and what it got resumes. */
static void *come_and_come_back(void *arg)
{
    bool *is_good = arg;
    for (unsigned i = 0; i < TICKETS_PER_THREAD; i++) {
        struct visit v = visit(TLS1_3_VERSION, NULL);
        if (i % 4 == 0)
            fake_clock_advance(&now, TICKET_KEY_MS / THREADS / 8);
        *is_good = *is_good && v.is_done && resumes(TLS1_3_VERSION, v.session);
        SSL_SESSION_free(v.session);
    }
    return NULL;
}

static void workers_share_keys_that_turn(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    bool are_good[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        are_good[i] = true;
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_come_back, &are_good[i]),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_true(are_good[i]);
    }
}

static void without_memory_there_are_no_keys(void **state)
{
    (void)state;
    struct ticket_keys *none;
    mem_fault_arm(1);
    assert_err(ticket_keys_new(&none), ERR_MEMORY);
    mem_fault_arm(0);
    ticket_keys_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tickets_are_good_for_two_keys, make_keys, drop_keys),
        cmocka_unit_test_setup_teardown(one_who_comes_back_may_come_again, make_keys,
                                        drop_keys),
        cmocka_unit_test_setup_teardown(a_key_is_replaced_once, make_keys, drop_keys),
        cmocka_unit_test_setup_teardown(a_ticket_that_was_changed_is_none, make_keys,
                                        drop_keys),
        cmocka_unit_test_setup_teardown(workers_share_keys_that_turn, make_keys, drop_keys),
        cmocka_unit_test(without_memory_there_are_no_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
