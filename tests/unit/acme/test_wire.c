#include "acme/wire.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static struct arena *scratch;

static int set_up(void **state)
{
    (void)state;
    scratch = arena_new(4096, 4 * MIB);
    return scratch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(scratch);
    return 0;
}

/* ---- addresses ---- */

static const struct {
    const char *url;
    bool is_good;
} urls[] = {
    {"https://ca.test/dir", true},
    {"https://ca.test:14000/dir?x=1&y=%20", true},
    {"https://[::1]/dir", true},
    {"HTTPS://ca.test/", true},
    {"http://ca.test/dir", false},
    {"ftp://ca.test/dir", false},
    {"file:///etc/passwd", false},
    {"javascript:alert(1)", false},
    {"//ca.test/dir", false},
    {"/dir", false},
    {"", false},
    {"https://", false},
    {"https:///dir", false},
    {"https://ca.test/a b", false},
    {"https://ca.test/a\r\nX: y", false},
    {"https://ca.test/\"", false},
    {"https://ca.test/<", false},
    {"https://ca.test/\x7f", false},
    {"https://ca.test/\xc3\xa9", false},
};

static void only_https_addresses_are_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        if (wire_is_url(str_from(urls[i].url)) != urls[i].is_good)
            fail_msg("%s", urls[i].url);
    char huge[ACME_URL_MAX_BYTES + 1];
    memset(huge, 'a', sizeof(huge));
    memcpy(huge, "https://", 8);
    assert_false(wire_is_url(str_make(huge, sizeof(huge))));
    assert_true(wire_is_url(str_make(huge, sizeof(huge) - 1)));
}

/* ---- directory ---- */

#define ENDPOINTS                                                                              \
    "\"newNonce\":\"https://ca.test/n\",\"newAccount\":\"https://ca.test/a\","                 \
    "\"newOrder\":\"https://ca.test/o\""

/* clang-format off */
static const struct {
    const char *name, *body;
    bool is_good, needs_eab;
    const char *terms;
    size_t profiles;
} directories[] = {
    {"without meta", "{" ENDPOINTS "}", true, false, "", 0},
    {"meta is null", "{" ENDPOINTS ",\"meta\":null}", true, false, "", 0},
    {"B24: members of meta are null",
     "{" ENDPOINTS ",\"meta\":{\"termsOfService\":null,\"profiles\":null,"
     "\"externalAccountRequired\":null}}",
     true, false, "", 0},
    {"all of it",
     "{" ENDPOINTS
     ",\"renewalInfo\":\"https://ca.test/r\",\"x\":[1],\"meta\":{\"termsOfService\":"
     "\"https://ca.test/"
     "tos\",\"externalAccountRequired\":true,\"profiles\":{\"a\":\"x\",\"b\":1}}}",
     true, true, "https://ca.test/tos", 2},
    {"meta is a list", "{" ENDPOINTS ",\"meta\":[]}", true, false, "", 0},
    {"an address is not https",
     "{\"newNonce\":\"http://ca.test/n\",\"newAccount\":\"https://ca.test/a\","
     "\"newOrder\":\"https://ca.test/o\"}",
     false, false, NULL, 0},
    {"an address is missing", "{\"newNonce\":\"https://ca.test/n\"}", false, false, NULL, 0},
    {"an address is a number", "{\"newNonce\":1}", false, false, NULL, 0},
    {"a list", "[]", false, false, NULL, 0},
    {"nothing", "", false, false, NULL, 0},
    {"a page", "<html><body>It works!</body></html>", false, false, NULL, 0},
};
/* clang-format on */

static void a_directory_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        struct wire_directory d;
        struct err e = wire_read_directory(scratch, str_from(directories[i].body), &d);
        if (failed(e) == directories[i].is_good || (failed(e) && !err_is(e, ERR_ACME_PROTOCOL)))
            fail_msg("%s: %s", directories[i].name, err_name(e));
        if (failed(e))
            continue;
        assert_true(str_eq(d.new_order, STR("https://ca.test/o")));
        assert_true(str_eq(d.terms, str_from(directories[i].terms)));
        assert_int_equal(d.needs_eab, directories[i].needs_eab);
        assert_int_equal(d.profiles.count, directories[i].profiles);
    }
}

/* ---- order ---- */

#define ORDER(status, rest)                                                                    \
    "{\"status\":\"" status "\",\"authorizations\":[\"https://ca.test/z/1\"],"                 \
    "\"finalize\":\"https://ca.test/f\"" rest "}"

/* clang-format off */
static const struct {
    const char *name, *body;
    bool is_good;
    enum wire_status status;
} orders[] = {
    {"pending", ORDER("pending", ""), true, WIRE_PENDING},
    {"ready", ORDER("ready", ",\"expires\":\"2026-11-23T17:52:00Z\""), true, WIRE_READY},
    {"processing", ORDER("processing", ",\"certificate\":null"), true, WIRE_PROCESSING},
    {"valid", ORDER("valid", ",\"certificate\":\"https://ca.test/c\""), true, WIRE_VALID},
    {"B2: valid without a certificate", ORDER("valid", ""), false, WIRE_OVER},
    {"invalid", ORDER("invalid", ",\"error\":{\"detail\":\"no\"}"), true, WIRE_INVALID},
    {"a status we do not know", ORDER("meditating", ""), true, WIRE_OVER},
    {"a date we cannot read", ORDER("ready", ",\"expires\":\"tomorrow\""), true, WIRE_READY},
    {"error is a string", ORDER("ready", ",\"error\":\"x\""), true, WIRE_READY},
    {"B2: no authorizations at all",
     "{\"status\":\"pending\",\"authorizations\":[],\"finalize\":\"https://ca.test/f\"}", true,
     WIRE_PENDING},
    {"authorizations are missing",
     "{\"status\":\"pending\",\"finalize\":\"https://ca.test/f\"}", false, WIRE_OVER},
    {"authorizations are numbers",
     "{\"status\":\"pending\",\"authorizations\":[1],\"finalize\":\"https://ca.test/f\"}",
     false, WIRE_OVER},
    {"an authorization is not https",
     "{\"status\":\"pending\",\"authorizations\":[\"http://ca.test/z\"],"
     "\"finalize\":\"https://ca.test/f\"}",
     false, WIRE_OVER},
    {"finalize is not https",
     "{\"status\":\"pending\",\"authorizations\":[],\"finalize\":\"gopher://ca.test/f\"}",
     false, WIRE_OVER},
    {"certificate is not https", ORDER("valid", ",\"certificate\":\"http://ca.test/c\""), false,
     WIRE_OVER},
    {"no status", "{\"authorizations\":[],\"finalize\":\"https://ca.test/f\"}", false,
     WIRE_OVER},
};
/* clang-format on */

static void an_order_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct wire_order o;
        struct err e = wire_read_order(scratch, str_from(orders[i].body), &o);
        if (failed(e) == orders[i].is_good || (!failed(e) && o.status != orders[i].status))
            fail_msg("%s: %s", orders[i].name, err_name(e));
    }
}

static void too_many_authorizations_are_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, MIB);
    assert_false(
        failed(buf_append(&text, STR("{\"status\":\"pending\",\"authorizations\":["))));
    for (int i = 0; i <= ACME_AUTHZS_MAX; i++)
        assert_false(
            failed(buf_append_fmt(&text, "%s\"https://ca.test/z/%d\"", i ? "," : "", i)));
    assert_false(failed(buf_append(&text, STR("],\"finalize\":\"https://ca.test/f\"}"))));
    struct wire_order o;
    assert_true(err_is(wire_read_order(scratch, buf_view(&text), &o), ERR_ACME_PROTOCOL));
    buf_fini(&text);
}

/* ---- authorization ---- */

#define AUTHZ(status, name, challenges)                                                        \
    "{\"status\":\"" status "\",\"identifier\":{\"type\":\"dns\",\"value\":\"" name "\"},"     \
    "\"challenges\":[" challenges "]}"
#define HTTP_01(status)                                                                        \
    "{\"type\":\"http-01\",\"url\":\"https://ca.test/h\",\"status\":\"" status "\","           \
    "\"token\":\"tok\"}"
#define OTHERS                                                                                 \
    "{\"type\":\"dns-01\"},{\"type\":\"tls-alpn-01\",\"url\":7},{\"type\":\"dns-account-01\"}" \
    ","                                                                                        \
    "{\"type\":null},7,null,"

/* clang-format off */
static const struct {
    const char *name, *body;
    bool is_good, has_challenge;
    enum wire_status status, challenge_status;
} authzs[] = {
    {"pending", AUTHZ("pending", "a.example", HTTP_01("pending")), true, true, WIRE_PENDING,
     WIRE_PENDING},
    {"B9: a challenge may be processing", AUTHZ("pending", "a.example", HTTP_01("processing")),
     true, true, WIRE_PENDING, WIRE_PROCESSING},
    {"B1: valid, and the list has shrunk", AUTHZ("valid", "a.example", HTTP_01("valid")), true,
     true, WIRE_VALID, WIRE_VALID},
    {"other kinds of challenges are for others",
     AUTHZ("pending", "a.example", OTHERS HTTP_01("pending")), true, true, WIRE_PENDING,
     WIRE_PENDING},
    {"the name is made lower case", AUTHZ("pending", "A.eXample.", HTTP_01("pending")), true,
     true, WIRE_PENDING, WIRE_PENDING},
    {"no http-01", AUTHZ("pending", "a.example", "{\"type\":\"dns-01\"}"), true, false,
     WIRE_PENDING, WIRE_PENDING},
    {"no challenges", AUTHZ("valid", "a.example", ""), true, false, WIRE_VALID, WIRE_PENDING},
    {"deactivated", AUTHZ("deactivated", "a.example", ""), true, false, WIRE_OVER,
     WIRE_PENDING},
    {"no name", "{\"status\":\"valid\",\"challenges\":[]}", false, false, WIRE_OVER, WIRE_OVER},
    {"the address is not https",
     AUTHZ("pending", "a.example",
           "{\"type\":\"http-01\",\"url\":\"http://ca.test/h\",\"status\":\"pending\"}"),
     false, false, WIRE_OVER, WIRE_OVER},
};
/* clang-format on */

static void an_authorization_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(authzs); i++) {
        struct wire_authz z;
        struct err e = wire_read_authz(scratch, str_from(authzs[i].body), &z);
        if (failed(e) == authzs[i].is_good)
            fail_msg("%s: %s", authzs[i].name, err_name(e));
        if (failed(e))
            continue;
        if (z.status != authzs[i].status || z.challenge_status != authzs[i].challenge_status ||
            (z.challenge_url.len > 0) != authzs[i].has_challenge)
            fail_msg("%s", authzs[i].name);
        assert_true(str_eq(z.name, STR("a.example")));
    }
}

static void the_reason_of_a_failed_challenge_is_kept(void **state)
{
    (void)state;
    struct wire_authz z;
    assert_false(failed(wire_read_authz(
        scratch,
        STR("{\"status\":\"invalid\",\"identifier\":{\"value\":\"a.example\"},\"challenges\":[{"
            "\"type\":\"http-01\",\"url\":\"https://ca.test/"
            "h\",\"status\":\"invalid\",\"error\":{"
            "\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"192.0.2.1: "
            "404\","
            "\"status\":403}}]}"),
        &z)));
    assert_true(problem_is(&z.error, "unauthorized"));
    assert_true(str_eq(z.error.detail, STR("192.0.2.1: 404")));
    assert_int_equal(z.error.status, 403);
}

/* ---- what we send ---- */

static void expect_text(struct err e, struct buf *out, const char *want)
{
    assert_false(failed(e));
    if (!str_eq(buf_view(out), str_from(want)))
        fail_msg("%.*s", STR_ARG(buf_view(out)));
    buf_fini(out);
}

static void documents_are_what_the_rfc_shows(void **state)
{
    (void)state;
    struct str contacts[] = {STR("mailto:a@example.org")};
    struct str_list contact = {.items = contacts, .count = 1}, none = {.count = 0};
    struct str names[] = {STR("a.example"), STR("b.example")};
    struct str_list list = {.items = names, .count = 2};
    struct buf out;
    buf_init(&out, MIB);

    expect_text(wire_write_new_account(
                    &(struct wire_new_account){.contact = &none, .only_existing = true}, &out),
                &out, "{\"onlyReturnExisting\":true}");
    expect_text(wire_write_new_account(&(struct wire_new_account){.contact = &none}, &out),
                &out, "{}");
    expect_text(wire_write_new_account(&(struct wire_new_account){.contact = &contact,
                                                                  .agrees_to_terms = true,
                                                                  .eab = STR("{\"a\":1}")},
                                       &out),
                &out,
                "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@example.org\"],"
                "\"externalAccountBinding\":{\"a\":1}}");
    expect_text(wire_write_contact(&none, &out), &out, "{\"contact\":[]}");
    expect_text(wire_write_new_order(&(struct wire_new_order){.names = &list}, &out), &out,
                "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},"
                "{\"type\":\"dns\",\"value\":\"b.example\"}]}");
    struct wire_new_order all = {.names = &(struct str_list){.items = names, .count = 1},
                                 .profile = STR("shortlived"),
                                 .replaces = STR("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")};
    expect_text(wire_write_new_order(&all, &out), &out,
                "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],"
                "\"profile\":\"shortlived\","
                "\"replaces\":\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\"}");
    expect_text(wire_write_finalize(STR("\xff\xfe\x00"), &out), &out, "{\"csr\":\"__4A\"}");
}

/* clang-format off */
#define WINDOW(start, end) "\"suggestedWindow\":{\"start\":\"" start "\",\"end\":\"" end "\"}"
static const struct {
    const char *name, *body;
    int64_t want_start_at, want_end_at; /* 0: refused */
    const char *page;
} infos[] = {
    {"as the RFC shows it",
     "{" WINDOW("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z")
     ",\"explanationURL\":\"https://acme.example.com/docs/ari\"}",
     1735790400, 1735876800, "https://acme.example.com/docs/ari"},
    {"with fractions and an offset",
     "{" WINDOW("2025-01-02T05:00:00.5+01:00", "2025-01-03T04:00:00.25Z") "}",
     1735790400, 1735876800, ""},
    {"B23: ends as it begins",
     "{" WINDOW("2025-01-02T04:00:00Z", "2025-01-02T04:00:00Z") "}", 0, 0, NULL},
    {"ends before", "{" WINDOW("2025-01-03T04:00:00Z", "2025-01-02T04:00:00Z") "}", 0, 0, NULL},
    {"begins before there was time",
     "{" WINDOW("1960-01-03T04:00:00Z", "2025-01-02T04:00:00Z") "}",
     0, 0, NULL},
    {"a page that is no address is left out",
     "{" WINDOW("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z")
     ",\"explanationURL\":\"javascript:alert(1)\"}", 1735790400, 1735876800, ""},
    {"no end", "{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\"}}", 0, 0, NULL},
    {"a window of another kind", "{\"suggestedWindow\":7}", 0, 0, NULL},
    {"empty", "{}", 0, 0, NULL},
    {"a list", "[]", 0, 0, NULL},
    {"a page", "<html>", 0, 0, NULL},
};
/* clang-format on */

static void renewal_information_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        struct wire_renewal_info info;
        struct err e = wire_read_renewal_info(scratch, str_from(infos[i].body), &info);
        bool is_good = infos[i].want_start_at != 0;
        if (failed(e) == is_good ||
            (is_good &&
             (info.start_at != infos[i].want_start_at || info.end_at != infos[i].want_end_at ||
              !str_eq(info.explanation, str_from(infos[i].page)))))
            fail_msg("%s: %s", infos[i].name, err_name(e));
    }
}

static void a_directory_says_who_it_is_in_caa_records(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct wire_directory d;
    static const char body[] =
        "{" ENDPOINTS ",\"meta\":{\"caaIdentities\":[\"ca.test\",7,null,\"\",\"b.test\"]}}";
    assert_false(failed(wire_read_directory(a, str_from(body), &d)));
    assert_int_equal(d.issuers.count, 2);
    assert_true(str_eq(d.issuers.items[1], STR("b.test")));
    assert_false(failed(wire_read_directory(
        a, STR("{" ENDPOINTS ",\"meta\":{\"caaIdentities\":\"ca.test\"}}"), &d)));
    assert_int_equal(d.issuers.count, 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_says_who_it_is_in_caa_records),
        cmocka_unit_test(only_https_addresses_are_addresses),
        cmocka_unit_test_setup_teardown(a_directory_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_authorizations_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_authorization_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reason_of_a_failed_challenge_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(renewal_information_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_are_what_the_rfc_shows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
