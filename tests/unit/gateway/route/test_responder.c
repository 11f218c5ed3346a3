#include "gateway/route/responder.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include "gateway/base/limits.h"

static struct temp_store t;
static struct fake_issuer ca;
static struct arena *a;
static const struct snapshot *snap;

#define UPSTREAM "'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}"

static const struct {
    const char *id, *body;
} routes[] = {
    {"redirect",
     "{'hosts': ['a.example', '2001:db8::1', '192.0.2.1'], 'certificate': 'cert-ab',"
     " 'https': 'redirect', " UPSTREAM "}"},
    {"redirect-b",
     "{'hosts': ['b.example'], 'certificate': 'cert-ab', 'https': 'redirect', " UPSTREAM "}"},
    {"only",
     "{'hosts': ['only.example'], 'certificate': 'cert-c', 'https': 'only', " UPSTREAM "}"},
    {"optional", "{'hosts': ['optional.example'], 'certificate': 'none', 'https': 'optional',"
                 " " UPSTREAM "}"},
    {"managed", "{'hosts': ['managed.example'], 'certificate': 'auto', " UPSTREAM "}"},
    {"deep", "{'hosts': ['deep.example'], 'path': '/app', 'certificate': 'none',"
             " 'https': 'optional', " UPSTREAM "}"},
    {"off", "{'hosts': ['off.example'], 'enabled': false, 'certificate': 'none',"
            " 'https': 'optional', " UPSTREAM "}"},
};

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    fake_issuer_init(&ca, "Test CA");
    a = arena_new(4096, 4 * MIB);
    temp_config_cert(&t, &ca, "cert-ab", "DNS:a.example,DNS:b.example");
    temp_config_cert(&t, &ca, "cert-c", "DNS:only.example,DNS:*.wild.example");
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        temp_config_route(&t, routes[i].id, routes[i].body);
    snap = store_snapshot(t.store);
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    snapshot_unref(snap);
    arena_free(a);
    fake_issuer_fini(&ca);
    temp_store_fini(&t);
    return 0;
}

/* After a change of the configuration. */
static void look_again(void)
{
    snapshot_unref(snap);
    snap = store_snapshot(t.store);
}

static struct verdict judge(const char *method, const char *host, const char *path,
                            const struct request_origin *origin)
{
    struct verdict v;
    struct http_head request = {.method = str_from(method),
                                .authority = str_from(host),
                                .host = str_from(host),
                                .path = str_from(path)};
    assert_ok(responder_judge(a, snap, &request, origin, &v));
    return v;
}

static const struct request_origin plain = {.https_port = 443};
static const struct request_origin behind_proxy = {.is_https = true, .https_port = 443};

static struct request_origin over_tls(const char *name)
{
    const struct cert *cert = snapshot_cert_for_host(snap, str_from(name));
    return (struct request_origin){.is_tls = true,
                                   .is_https = true,
                                   .name = str_from(name),
                                   .cert = cert != NULL ? cert : snapshot_stand_in(snap),
                                   .https_port = 443};
}

/* ---- challenges ---- */

static const struct {
    const char *name, *method, *host, *path, *want;
} challenge_rows[] = {
    {"the token is answered", "GET", "managed.example", "/.well-known/acme-challenge/tok",
     "tok.key"},
    {"HEAD too", "HEAD", "managed.example", "/.well-known/acme-challenge/tok", "tok.key"},
    {"not POST", "POST", "managed.example", "/.well-known/acme-challenge/tok", NULL},
    {"another token is the backend's", "GET", "managed.example",
     "/.well-known/acme-challenge/other", NULL},
    {"no token", "GET", "managed.example", "/.well-known/acme-challenge/", NULL},
    {"a token with more behind", "GET", "managed.example", "/.well-known/acme-challenge/tok/x",
     NULL},
    {"another host has another token", "GET", "a.example", "/.well-known/acme-challenge/tok",
     NULL},
    {"the path byte for byte", "GET", "managed.example", "/.well-known/acme-challenge/%74ok",
     NULL},
};

static void live_challenges_are_answered_before_all_else(void **state)
{
    (void)state;
    struct str id = snapshot_managed_cert_id(snap, snapshot_route_find(snap, STR("managed")));
    temp_config_challenge(&t, arena_dup(a, id).p, "managed.example", "tok", "tok.key");
    look_again();
    for (size_t i = 0; i < ARRAY_LEN(challenge_rows); i++) {
        struct verdict v = judge(challenge_rows[i].method, challenge_rows[i].host,
                                 challenge_rows[i].path, &plain);
        bool is_challenge = v.kind == VERDICT_CHALLENGE;
        assert_row(challenge_rows[i].name, is_challenge == (challenge_rows[i].want != NULL));
        if (is_challenge)
            assert_row_str(challenge_rows[i].name, v.body, challenge_rows[i].want);
    }
    /* Also where TLS and Host disagree: a CA follows redirects without a name. */
    struct request_origin origin = over_tls("only.example");
    struct verdict v =
        judge("GET", "managed.example", "/.well-known/acme-challenge/tok", &origin);
    assert_int_equal(v.kind, VERDICT_CHALLENGE);
}

/* ---- http and https ---- */

static const struct {
    const char *name, *host, *path;
    uint16_t https_port;
    const char *want;
} redirect_rows[] = {
    {"the path and query are kept as sent", "a.example", "/a/../%61?b=%20", 443,
     "https://a.example/a/../%61?b=%20"},
    {"another port is named", "a.example", "/", 8443, "https://a.example:8443/"},
    {"an IPv6 host is bracketed", "2001:db8::1", "/x", 443, "https://[2001:db8::1]/x"},
    {"an IPv6 host with a port", "2001:db8::1", "/x", 8443, "https://[2001:db8::1]:8443/x"},
    {"an IPv4 host", "192.0.2.1", "/x", 8443, "https://192.0.2.1:8443/x"},
    {"the asterisk becomes the root", "a.example", "*", 443, "https://a.example/"},
    {"two slashes stay behind the host", "a.example", "//evil.example/", 443,
     "https://a.example//evil.example/"},
};

static void plain_requests_are_sent_to_https(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(redirect_rows); i++) {
        struct request_origin origin = {.https_port = redirect_rows[i].https_port};
        struct verdict v = judge("GET", redirect_rows[i].host, redirect_rows[i].path, &origin);
        assert_row(redirect_rows[i].name, v.kind == VERDICT_REDIRECT);
        assert_row_str(redirect_rows[i].name, v.location, redirect_rows[i].want);
        assert_row_str(redirect_rows[i].name, v.route->object.id, "redirect");
    }
}

/* want: the route's id, or the error's name, or "redirect!". */
static const struct {
    const char *name, *host, *path;
    const struct request_origin *origin;
    const char *want;
} plain_rows[] = {
    {"only https: not found on port 80", "only.example", "/", &plain, "no_route"},
    {"only https, through a trusted proxy", "only.example", "/", &behind_proxy, "only"},
    {"redirect, through a trusted proxy", "a.example", "/", &behind_proxy, "redirect"},
    {"optional: served on both", "optional.example", "/", &plain, "optional"},
    {"redirect", "a.example", "/", &plain, "redirect!"},
    {"a path nobody serves", "deep.example", "/other", &plain, "no_route"},
    {"a path by its normal form", "deep.example", "/x/../%61pp/y", &plain, "deep"},
    {"OPTIONS * goes where the root goes", "optional.example", "*", &plain, "optional"},
    {"OPTIONS * where nobody serves the root", "deep.example", "*", &plain, "no_route"},
    {"an unknown host", "unknown.example", "/", &plain, "no_route"},
    {"a disabled route", "off.example", "/", &plain, "no_route"},
    {"no host at all", "", "/", &plain, "no_route"},
};

static const char *say(const struct verdict *v)
{
    switch (v->kind) {
    case VERDICT_ROUTE:
        return arena_dup(a, v->route->object.id).p;
    case VERDICT_ERROR:
        return err_name(v->error);
    case VERDICT_REDIRECT:
        return "redirect!";
    case VERDICT_CHALLENGE:
        return "challenge!";
    }
    return "?";
}

static void a_route_says_what_port_80_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain_rows); i++) {
        struct verdict v =
            judge("GET", plain_rows[i].host, plain_rows[i].path, plain_rows[i].origin);
        assert_row_str(plain_rows[i].name, str_from(say(&v)), plain_rows[i].want);
    }
}

static void without_an_https_listener_nothing_is_redirected(void **state)
{
    (void)state;
    struct request_origin origin = {.https_port = 0};
    struct verdict v = judge("GET", "a.example", "/", &origin);
    assert_string_equal(say(&v), "redirect");
    v = judge("GET", "only.example", "/", &origin);
    assert_string_equal(say(&v), "no_route");
}

static void a_redirect_without_a_host_leads_nowhere(void **state)
{
    (void)state;
    temp_config_route(&t, "any",
                      "{'hosts': ['*'], 'certificate': 'none', 'https': 'redirect',"
                      " " UPSTREAM "}");
    look_again();
    struct verdict v = judge("GET", "", "/", &plain);
    assert_string_equal(say(&v), "bad_host");
    v = judge("GET", "x.example", "/", &plain);
    assert_string_equal(say(&v), "redirect!");
    assert_ok(temp_store_delete_route(&t, "any"));
    look_again();
}

/* ---- unknown hosts ---- */

static void a_route_may_serve_unknown_hosts(void **state)
{
    (void)state;
    temp_config_settings(&t, "{'unknown_host': 'optional'}");
    look_again();
    struct verdict v = judge("GET", "unknown.example", "/", &plain);
    assert_string_equal(say(&v), "optional");
    /* A host that is claimed is not unknown, even where its paths end. */
    v = judge("GET", "deep.example", "/other", &plain);
    assert_string_equal(say(&v), "no_route");
    v = judge("GET", "off.example", "/", &plain);
    assert_string_equal(say(&v), "optional");
    temp_config_settings(&t, "{'unknown_host': '404'}");
    look_again();
    v = judge("GET", "unknown.example", "/", &plain);
    assert_string_equal(say(&v), "no_route");
    temp_config_settings(&t, "{}");
    look_again();
}

static void a_disabled_route_serves_no_unknown_hosts(void **state)
{
    (void)state;
    temp_config_settings(&t, "{'unknown_host': 'off'}");
    look_again();
    struct verdict v = judge("GET", "unknown.example", "/", &plain);
    assert_string_equal(say(&v), "no_route");
    temp_config_settings(&t, "{}");
    look_again();
}

/* ---- SNI and Host ---- */

static const struct {
    const char *name, *sni, *host, *want;
} tls_rows[] = {
    {"the same name", "a.example", "a.example", "redirect"},
    {"another name of the same certificate", "a.example", "b.example", "redirect-b"},
    {"a name of another certificate", "a.example", "only.example", "misdirected"},
    {"no SNI: nothing to disagree with", "", "only.example", "only"},
    {"a name without a certificate, over another's", "a.example", "optional.example",
     "misdirected"},
    {"a name without a certificate, over the stand-in", "optional.example", "optional.example",
     "optional"},
    {"two names over the stand-in", "optional.example", "deep.example", "no_route"},
    {"a name with a certificate, over the stand-in", "optional.example", "a.example",
     "misdirected"},
    {"an unknown host over a real certificate", "a.example", "unknown.example", "misdirected"},
    {"a pending certificate, over the stand-in", "managed.example", "managed.example",
     "managed"},
    {"pending, the other way round", "managed.example", "a.example", "misdirected"},
};

static void hosts_of_other_certificates_are_misdirected(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tls_rows); i++) {
        struct request_origin origin = over_tls(tls_rows[i].sni);
        struct verdict v = judge("GET", tls_rows[i].host, "/", &origin);
        assert_row_str(tls_rows[i].name, str_from(say(&v)), tls_rows[i].want);
    }
}

/* A certificate renewed during the connection is not another name's certificate. */
static void a_renewal_misdirects_nobody(void **state)
{
    (void)state;
    struct request_origin origin = over_tls("a.example");
    const struct cert *old = cert_ref(origin.cert);
    temp_config_cert(&t, &ca, "cert-ab", "DNS:a.example,DNS:b.example");
    look_again();
    assert_ptr_not_equal(snapshot_cert_for_host(snap, STR("a.example")), old);
    struct verdict v = judge("GET", "b.example", "/", &origin);
    assert_string_equal(say(&v), "redirect-b");
    cert_unref(old);
}

static void without_room_it_says_so(void **state)
{
    (void)state;
    struct arena *tiny = arena_new(4, 4);
    struct verdict v;
    struct http_head request = {
        .method = STR("GET"), .host = STR("a.example"), .path = STR("/x")};
    assert_err(responder_judge(tiny, snap, &request, &plain, &v), ERR_MEMORY);
    request.path = STR("/x/../y");
    assert_err(responder_judge(tiny, snap, &request, &plain, &v), ERR_MEMORY);
    arena_free(tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_challenges_are_answered_before_all_else),
        cmocka_unit_test(plain_requests_are_sent_to_https),
        cmocka_unit_test(a_route_says_what_port_80_does),
        cmocka_unit_test(without_an_https_listener_nothing_is_redirected),
        cmocka_unit_test(a_redirect_without_a_host_leads_nowhere),
        cmocka_unit_test(a_route_may_serve_unknown_hosts),
        cmocka_unit_test(a_disabled_route_serves_no_unknown_hosts),
        cmocka_unit_test(hosts_of_other_certificates_are_misdirected),
        cmocka_unit_test(a_renewal_misdirects_nobody),
        cmocka_unit_test(without_room_it_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
