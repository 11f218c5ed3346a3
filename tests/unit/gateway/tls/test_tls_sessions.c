#include "gateway/tls/alpn.h"
#include "gateway/tls/tls_client.h"
#include "gateway/tls/tls_sessions.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_config.h"
#include "tests/support/tls_pair.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <stdio.h>

enum { DAY_S = 86400 };

static struct fake_clock fake;
static struct temp_store t;
static struct fake_issuer ca;
static struct tls_client *client;
static struct tls_sessions *sessions;
static SSL_CTX *server;

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, clock_now_at()); /* OpenSSL has a clock of its own */
    temp_store_init(&t);
    fake_issuer_init(&ca, "Test CA");
    assert_ok(tls_client_new(&client));
    assert_ok(tls_sessions_new(&sessions));
    server = tls_pair_server_ctx(&ca, "DNS:a.example", clock_now_at() + DAY_S);
    SSL_CTX_set_session_id_context(server, (const unsigned char *)"t", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(server);
    tls_sessions_free(sessions);
    tls_sessions_free(NULL);
    tls_client_free(client);
    fake_issuer_fini(&ca);
    temp_store_fini(&t);
    fake_clock_restore();
    return 0;
}

static void put_route(const char *tls)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['a.example'], 'certificate': 'none', 'upstream': {"
                   "'targets': [{'url': 'https://a.example'}], 'tls': {'verify': 'off'%s}}}",
                   tls);
    temp_config_route(&t, "r", body);
}

static void sweep(void)
{
    const struct snapshot *snap = store_snapshot(t.store);
    tls_sessions_sweep(sessions, snap);
    snapshot_unref(snap);
}

/* A connection with an exchange on it, as target_conn makes them; true: resumed. */
static bool visit(void)
{
    const struct snapshot *snap = store_snapshot(t.store);
    const struct route *r = snapshot_route_find(snap, STR("r"));
    const struct upstream_tls *tls = &r->upstream.tls;
    const struct target *target = upstream_targets(&r->upstream);
    const struct cert *cert =
        str_is_empty(tls->certificate) ? NULL : snapshot_cert_find(snap, tls->certificate);
    SSL *ssl, *peer = tls_pair_accept(server);
    char byte;
    assert_ok(tls_client_connect(client, tls, target, cert, alpn_http1, &ssl));
    tls_sessions_offer(sessions, r, target, ssl);
    struct tls_pair_result result = tls_pair_shake(ssl, peer);
    assert_true(result.is_client_done && result.is_server_done);
    assert_int_equal(SSL_read(ssl, &byte, 1), -1); /* tickets, and nothing else */
    bool is_resumed = SSL_session_reused(ssl) == 1;
    tls_sessions_keep(sessions, r, target, ssl);
    SSL_free(ssl);
    SSL_free(peer);
    snapshot_unref(snap);
    return is_resumed;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void the_second_connection_resumes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX_set_max_proto_version(server, versions[i]);
        put_route(i == 0 ? "" : ", 'server_name': 'b.example'");
        assert_false(visit());
        assert_true(visit());
        assert_true(visit());
    }
}

static void an_edited_route_begins_anew(void **state)
{
    (void)state;
    put_route("");
    assert_false(visit());
    put_route(", 'server_name': 'b.example'");
    assert_false(visit()); /* also before anything was swept */
    assert_true(visit());
    temp_config_settings(&t, "{'drain_timeout': '1s'}");
    sweep();
    assert_true(visit());
    put_route("");
    sweep();
    assert_false(visit());
}

static void another_client_certificate_begins_anew(void **state)
{
    (void)state;
    temp_config_cert(&t, &ca, "mine", "DNS:client.example");
    put_route(", 'certificate': 'mine'");
    assert_false(visit());
    assert_true(visit());
    temp_config_cert(&t, &ca, "mine", "DNS:client.example"); /* renewed */
    sweep();
    assert_false(visit());
    assert_true(visit());
}

/* Resuming goes on from session to session, but not for ever. */
static void a_target_is_verified_now_and_then(void **state)
{
    (void)state;
    put_route("");
    assert_false(visit());
    fake_clock_advance(&fake, TLS_SESSION_MAX_MS / 2);
    assert_true(visit());
    fake_clock_advance(&fake, TLS_SESSION_MAX_MS / 2);
    assert_false(visit());
    assert_true(visit());
}

static void a_dropped_session_is_not_offered(void **state)
{
    (void)state;
    put_route("");
    assert_false(visit());
    const struct snapshot *snap = store_snapshot(t.store);
    const struct route *r = snapshot_route_find(snap, STR("r"));
    tls_sessions_drop(sessions, upstream_targets(&r->upstream));
    tls_sessions_drop(sessions, upstream_targets(&r->upstream));
    snapshot_unref(snap);
    assert_false(visit());
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(the_second_connection_resumes),
        WITH_STORE(an_edited_route_begins_anew),
        WITH_STORE(another_client_certificate_begins_anew),
        WITH_STORE(a_target_is_verified_now_and_then),
        WITH_STORE(a_dropped_session_is_not_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
