#include "gateway/tls/tls_server.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"
#include "tests/support/tls_pair.h"

#include <stdio.h>

#define UPSTREAM "'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}"

static struct temp_store t;
static struct fake_issuer ca;
static struct ticket_keys *keys;
static struct tls_server *s;
static const struct snapshot *snap;
static SSL_CTX *client_ctx;

static void look_again(void)
{
    snapshot_unref(snap);
    snap = store_snapshot(t.store);
}

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    fake_issuer_init(&ca, "Test CA");
    temp_config_cert(&t, &ca, "a", "DNS:a.example");
    temp_config_cert(&t, &ca, "wild", "DNS:*.wild.example");
    temp_config_route(&t, "a", "{'hosts': ['a.example'], 'certificate': 'a', " UPSTREAM "}");
    temp_config_route(&t, "wild",
                      "{'hosts': ['*.wild.example'], 'certificate': 'wild', " UPSTREAM "}");
    temp_config_route(&t, "pending",
                      "{'hosts': ['pending.example'], 'certificate': 'auto', " UPSTREAM "}");
    snap = store_snapshot(t.store);
    assert_ok(ticket_keys_new(&keys));
    assert_ok(tls_server_new(keys, &s));
    client_ctx = tls_pair_client_ctx();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    tls_server_free(s);
    ticket_keys_free(keys);
    snapshot_unref(snap);
    fake_issuer_fini(&ca);
    temp_store_fini(&t);
    return 0;
}

/* One handshake; the client's side is kept for a look at it. */
struct visit {
    struct tls_choice choice;
    struct tls_pair_result result;
    SSL *client;
    SSL *server;
};

static struct visit *visit_with(struct tls_server *server, SSL *client)
{
    struct visit *v = mem_new(struct visit);
    v->choice.snapshot = &snap;
    v->client = client;
    assert_ok(tls_server_accept(server, &v->choice, &v->server));
    v->result = tls_pair_shake(v->client, v->server);
    return v;
}

static struct visit *visit(const char *name)
{
    return visit_with(s, tls_pair_connect(client_ctx, name));
}

static void leave(struct visit *v)
{
    (void)SSL_shutdown(v->client); /* else OpenSSL takes its session for a broken one */
    SSL_free(v->client);
    SSL_free(v->server);
    tls_choice_fini(&v->choice);
    tls_choice_fini(&v->choice);
    mem_free(v);
}

/* True if the client was shown just this certificate. */
static bool was_shown(const struct visit *v, const struct cert *cert)
{
    const struct cert_material *m;
    assert_ok(cert_material(cert, &m));
    const X509 *peer = SSL_get0_peer_certificate(v->client);
    return peer != NULL && X509_cmp(peer, m->leaf) == 0;
}

/* ---- names ---- */

/* want: a certificate's id, "" for the stand-in, NULL for a refusal. */
static const struct {
    const char *name, *unknown_host, *sni, *want;
} rows[] = {
    {"its own name", "reject", "a.example", "a"},
    {"in another case", "reject", "A.eXample", "a"},
    {"a wildcard", "reject", "x.wild.example", "wild"},
    {"a wildcard is one label", "reject", "x.y.wild.example", NULL},
    {"a wildcard needs its label", "reject", "wild.example", NULL},
    {"a name whose certificate is on its way", "reject", "pending.example", ""},
    {"an unknown name is rejected", "reject", "unknown.example", NULL},
    {"no name is rejected", "reject", NULL, NULL},
    {"an unknown name gets its page", "404", "unknown.example", ""},
    {"no name gets its page", "404", NULL, ""},
    {"an unknown name gets its route", "a", "unknown.example", ""},
    {"a known one all the same", "404", "a.example", "a"},
    {"the beginning of a name", "reject", "a.exampl", NULL},
    {"a name with a dot behind", "reject", "a.example.", NULL},
};

static void the_name_picks_the_certificate(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[64];
        (void)snprintf(body, sizeof(body), "{'unknown_host': '%s'}", rows[i].unknown_host);
        temp_config_settings(&t, body);
        look_again();
        struct visit *v = visit(rows[i].sni);
        bool is_refused = rows[i].want == NULL;
        assert_row(rows[i].name, v->result.is_client_done == !is_refused);
        assert_row(rows[i].name, v->result.is_server_done == !is_refused);
        assert_row(rows[i].name, v->choice.is_refused == is_refused);
        if (is_refused) {
            assert_row(rows[i].name, v->choice.cert == NULL);
            assert_row_u64(rows[i].name, (uint64_t)v->result.client_reason,
                           SSL_R_TLSV1_UNRECOGNIZED_NAME);
        } else {
            const struct cert *want = rows[i].want[0] == '\0'
                                          ? snapshot_stand_in(snap)
                                          : snapshot_cert_find(snap, str_from(rows[i].want));
            assert_row(rows[i].name, v->choice.cert == want);
            assert_row(rows[i].name, was_shown(v, want));
        }
        leave(v);
    }
    temp_config_settings(&t, "{}");
    look_again();
}

static void the_name_is_told_in_lower_case(void **state)
{
    (void)state;
    struct visit *v = visit("A.Example");
    assert_string_equal(v->choice.name, "a.example");
    leave(v);
    temp_config_settings(&t, "{'unknown_host': '404'}");
    look_again();
    v = visit(NULL);
    assert_string_equal(v->choice.name, "");
    leave(v);
    temp_config_settings(&t, "{}");
    look_again();
}

static void a_new_certificate_is_served_at_once(void **state)
{
    (void)state;
    struct visit *before = visit("a.example");
    temp_config_cert(&t, &ca, "a", "DNS:a.example");
    look_again();
    struct visit *after = visit("a.example");
    assert_true(after->choice.cert != before->choice.cert);
    assert_true(was_shown(after, after->choice.cert));
    assert_false(was_shown(after, before->choice.cert));
    leave(before);
    leave(after);
}

/* The snapshot of the moment of the ClientHello counts, not that of the accept. */
static void a_snapshot_may_come_between_accept_and_hello(void **state)
{
    (void)state;
    struct tls_choice choice = {.snapshot = &snap};
    SSL *server, *client = tls_pair_connect(client_ctx, "late.example");
    assert_ok(tls_server_accept(s, &choice, &server));
    temp_config_cert(&t, &ca, "late", "DNS:late.example");
    temp_config_route(&t, "late",
                      "{'hosts': ['late.example'], 'certificate': 'late', " UPSTREAM "}");
    look_again();
    struct tls_pair_result r = tls_pair_shake(client, server);
    assert_true(r.is_server_done);
    assert_str(choice.cert->object.id, "late");
    SSL_free(client);
    SSL_free(server);
    tls_choice_fini(&choice);
}

/* ---- policy ---- */

static const struct {
    const char *name, *settings;
    int client_max;
    bool want;
} versions[] = {
    {"TLS 1.2 by default", "{}", TLS1_2_VERSION, true},
    {"TLS 1.3 by default", "{}", TLS1_3_VERSION, true},
    {"1.2 where 1.3 is asked for", "{'tls_min_version': '1.3'}", TLS1_2_VERSION, false},
    {"1.3 where 1.3 is asked for", "{'tls_min_version': '1.3'}", TLS1_3_VERSION, true},
    {"1.2 and the modern profile", "{'tls_profile': 'modern'}", TLS1_2_VERSION, false},
    {"1.2 after that again", "{}", TLS1_2_VERSION, true},
    {"TLS 1.1", "{}", TLS1_1_VERSION, false},
};

static void the_version_follows_the_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        temp_config_settings(&t, versions[i].settings);
        look_again();
        SSL *client = tls_pair_connect(client_ctx, "a.example");
        (void)SSL_set_cipher_list(client, "ALL:@SECLEVEL=0");
        (void)SSL_set_min_proto_version(client, TLS1_VERSION);
        assert_int_equal(SSL_set_max_proto_version(client, versions[i].client_max), 1);
        struct visit *v = visit_with(s, client);
        assert_row(versions[i].name, v->result.is_client_done == versions[i].want);
        if (versions[i].want)
            assert_row(versions[i].name, SSL_version(v->client) == versions[i].client_max);
        leave(v);
    }
}

static const struct {
    const char *name, *ciphers;
    bool want;
} ciphers[] = {
    {"forward secrecy and AEAD", "ECDHE-ECDSA-AES128-GCM-SHA256", true},
    {"no forward secrecy", "AES128-GCM-SHA256", false},
    {"block chaining", "ECDHE-ECDSA-AES128-SHA256", false},
};

static void weak_ciphers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        SSL *client = tls_pair_connect(client_ctx, "a.example");
        assert_int_equal(SSL_set_max_proto_version(client, TLS1_2_VERSION), 1);
        assert_int_equal(SSL_set_cipher_list(client, ciphers[i].ciphers), 1);
        struct visit *v = visit_with(s, client);
        assert_row(ciphers[i].name, v->result.is_client_done == ciphers[i].want);
        leave(v);
    }
}

static const struct {
    const char *name;
    struct str offered;
    bool want;
    const char *chosen;
} alpn[] = {
    {"nothing offered", STR_LIT(""), true, ""},
    {"ours", STR_LIT("\x08http/1.1"), true, "http/1.1"},
    {"both of ours", STR_LIT("\x08http/1.1\x02h2"), true, "h2"},
    {"ours among others", STR_LIT("\x06spdy/3\x08http/1.1"), true, "http/1.1"},
    {"only others", STR_LIT("\x03h2c\x06spdy/3"), false, NULL},
    {"something that begins like it", STR_LIT("\x09http/1.1x"), false, NULL},
    {"something it begins with", STR_LIT("\x08http/1.0\x04http"), false, NULL},
};

static void a_protocol_in_common_is_needed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alpn); i++) {
        SSL *client = tls_pair_connect(client_ctx, "a.example");
        struct str o = alpn[i].offered;
        if (o.len > 0)
            assert_int_equal(
                SSL_set_alpn_protos(client, (const unsigned char *)o.p, (unsigned)o.len), 0);
        struct visit *v = visit_with(s, client);
        assert_row(alpn[i].name, v->result.is_client_done == alpn[i].want);
        if (alpn[i].want) {
            const unsigned char *chosen;
            unsigned len;
            SSL_get0_alpn_selected(v->client, &chosen, &len);
            assert_row_str(alpn[i].name, str_make(chosen, len), alpn[i].chosen);
        } else {
            assert_row_u64(alpn[i].name, (uint64_t)v->result.client_reason,
                           SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        }
        leave(v);
    }
}

/* ---- tickets ---- */

/* The session of one visit, tickets of TLS 1.3 included, which come with the first read. */
static SSL_SESSION *take_session(struct tls_server *server, const char *name, int version)
{
    char byte;
    SSL *client = tls_pair_connect(client_ctx, name);
    (void)SSL_set_max_proto_version(client, version);
    struct visit *v = visit_with(server, client);
    assert_true(v->result.is_client_done);
    assert_true(SSL_read(v->client, &byte, 1) <= 0);
    SSL_SESSION *session = SSL_get1_session(v->client);
    leave(v);
    return session;
}

static struct visit *come_back(struct tls_server *server, const char *name,
                               SSL_SESSION *session)
{
    SSL *client = tls_pair_connect(client_ctx, name);
    (void)SSL_set_max_proto_version(client, SSL_SESSION_get_protocol_version(session));
    assert_int_equal(SSL_set_session(client, session), 1);
    return visit_with(server, client);
}

static bool resumes(struct tls_server *server, SSL_SESSION *session)
{
    struct visit *v = come_back(server, "a.example", session);
    assert_true(v->result.is_client_done);
    bool is_resumed = SSL_session_reused(v->client) == 1;
    assert_non_null(v->choice.cert); /* chosen for resumed connections too */
    leave(v);
    return is_resumed;
}

static void sessions_resume_at_other_workers_and_after_changes(void **state)
{
    (void)state;
    struct tls_server *other, *stranger;
    struct ticket_keys *other_keys;
    assert_ok(ticket_keys_new(&other_keys));
    assert_ok(tls_server_new(keys, &other));
    assert_ok(tls_server_new(other_keys, &stranger));
    const int tls_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(tls_versions); i++) {
        SSL_SESSION *session = take_session(s, "a.example", tls_versions[i]);
        assert_true(resumes(other, session));
        assert_false(resumes(stranger, session));
        temp_config_settings(&t, i == 0 ? "{'max_header': '32KiB'}" : "{}");
        temp_config_cert(&t, &ca, "a", "DNS:a.example");
        look_again();
        assert_true(resumes(s, session));
        SSL_SESSION_free(session);
    }
    tls_server_free(other);
    tls_server_free(stranger);
    ticket_keys_free(other_keys);
}

/* A session is no way from one name to another: what is served is chosen by the name that the
 * connection is for.  With TLS 1.3 that is the one asked for now (RFC 8446 4.6.1), with 1.2
 * the one of the session (RFC 6066 3), so that a request for the other is misdirected. */
static const struct {
    const char *name, *wants, *counts;
    int version;
    bool is_done;
} crossings[] = {
    {"TLS 1.3, another name", "x.wild.example", "x.wild.example", TLS1_3_VERSION, true},
    {"TLS 1.3, an unknown name", "unknown.example", NULL, TLS1_3_VERSION, false},
    {"TLS 1.3, no name", NULL, NULL, TLS1_3_VERSION, false},
    {"TLS 1.2, another name", "x.wild.example", "a.example", TLS1_2_VERSION, true},
};

static void a_session_does_not_lead_to_another_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(crossings); i++) {
        SSL_SESSION *session = take_session(s, "a.example", crossings[i].version);
        struct visit *v = come_back(s, crossings[i].wants, session);
        assert_row(crossings[i].name, v->result.is_client_done == crossings[i].is_done);
        if (crossings[i].is_done) {
            assert_row_str(crossings[i].name, str_from(v->choice.name), crossings[i].counts);
            assert_row(crossings[i].name,
                       v->choice.cert ==
                           snapshot_cert_for_host(snap, str_from(crossings[i].counts)));
        } else {
            assert_row(crossings[i].name, v->choice.is_refused);
        }
        leave(v);
        SSL_SESSION_free(session);
    }
}

/* ---- life ---- */

/* An SSL object outlives the context it was made from. */
static void a_handshake_survives_new_settings(void **state)
{
    (void)state;
    struct tls_choice choice = {.snapshot = &snap};
    SSL *server, *client = tls_pair_connect(client_ctx, "a.example");
    assert_ok(tls_server_accept(s, &choice, &server));
    temp_config_settings(&t, "{'max_header': '16KiB'}");
    look_again();
    struct visit *v = visit("a.example");
    assert_true(v->result.is_client_done);
    leave(v);
    assert_true(tls_pair_shake(client, server).is_server_done);
    SSL_free(client);
    SSL_free(server);
    tls_choice_fini(&choice);
}

static void without_memory_there_is_no_server(void **state)
{
    (void)state;
    struct tls_server *other;
    mem_fault_arm(1);
    assert_err(tls_server_new(keys, &other), ERR_MEMORY);
    mem_fault_arm(0);
    tls_server_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_picks_the_certificate),
        cmocka_unit_test(the_name_is_told_in_lower_case),
        cmocka_unit_test(a_new_certificate_is_served_at_once),
        cmocka_unit_test(a_snapshot_may_come_between_accept_and_hello),
        cmocka_unit_test(the_version_follows_the_settings),
        cmocka_unit_test(weak_ciphers_are_refused),
        cmocka_unit_test(a_protocol_in_common_is_needed),
        cmocka_unit_test(sessions_resume_at_other_workers_and_after_changes),
        cmocka_unit_test(a_session_does_not_lead_to_another_name),
        cmocka_unit_test(a_handshake_survives_new_settings),
        cmocka_unit_test(without_memory_there_is_no_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
