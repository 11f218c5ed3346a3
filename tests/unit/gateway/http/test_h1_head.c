/* What heads mean; the forms of their lines are in test_h1_parser.c, and the codec tests feed
 * most of these again, cut in every way. */
#include "gateway/http/h1_head.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(4096, 1 << 22);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static size_t scan(struct str block)
{
    static const struct h1_limits limits = {.block_max_bytes = HEAD_MAX_BYTES};
    struct h1_scan s = {0};
    size_t len = 0;
    assert_false(failed(h1_parser_scan(&s, block, &limits, &len)));
    assert_int_equal(len, block.len);
    return s.lines;
}

#define HOST "Host: a.example\r\n"

/* clang-format off */
static const struct {
    const char *name, *in, *want; /* "host path", or the error */
} targets[] = {
    {"origin form", "GET /a?b HTTP/1.1\r\nHost: A.Example.:80\r\n", "a.example /a?b"},
    {"the path is kept byte for byte",
     "GET //a/../%2e?? HTTP/1.1\r\n" HOST, "a.example //a/../%2e??"},
    {"an IPv6 host", "GET / HTTP/1.1\r\nHost: [FD00::1]:443\r\n", "fd00::1 /"},
    {"asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST, "a.example *"},
    {"absolute form", "GET http://a.example/b?c HTTP/1.1\r\n" HOST, "a.example /b?c"},
    {"absolute form, https", "GET HTTPS://A.EXAMPLE/b HTTP/1.1\r\n" HOST, "a.example /b"},
    {"absolute form without a path", "GET http://a.example HTTP/1.1\r\n" HOST, "a.example /"},
    {"absolute form, only a query",
     "GET http://a.example?b/c HTTP/1.1\r\n" HOST, "a.example /?b/c"},
    {"absolute form of OPTIONS *", "OPTIONS http://a.example HTTP/1.1\r\n" HOST, "a.example *"},
    {"absolute form of OPTIONS /",
     "OPTIONS http://a.example/ HTTP/1.1\r\n" HOST, "a.example /"},
    {"absolute form with the default port",
     "GET http://a.example:80/ HTTP/1.1\r\n" HOST, "a.example /"},
    {"Host with the default port",
     "GET https://a.example/ HTTP/1.1\r\nHost: a.example:443\r\n", "a.example /"},
    {"absolute form without Host in 1.0", "GET http://B.example/ HTTP/1.0\r\n", "b.example /"},
    {"no Host in 1.0", "GET / HTTP/1.0\r\n", " /"},
    {"no Host in 1.1", "GET / HTTP/1.1\r\n", "bad_host"},
    {"two Hosts", "GET / HTTP/1.1\r\n" HOST HOST, "bad_host"},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST, "bad_host"},
    {"two Hosts, one empty", "GET / HTTP/1.1\r\nHost:\r\n" HOST, "bad_host"},
    {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n", "bad_host"},
    {"an empty Host in 1.0", "GET / HTTP/1.0\r\nHost: \r\n", "bad_host"},
    {"user information in Host", "GET / HTTP/1.1\r\nHost: u@a.example\r\n", "bad_host"},
    {"a list in Host", "GET / HTTP/1.1\r\nHost: a.example, b\r\n", "bad_host"},
    {"a URL in Host", "GET / HTTP/1.1\r\nHost: http://a.example\r\n", "bad_host"},
    {"absolute form and another Host", "GET http://b.example/ HTTP/1.1\r\n" HOST, "bad_host"},
    {"absolute form and another port",
     "GET http://a.example:81/ HTTP/1.1\r\n" HOST, "bad_host"},
    {"... the default of another scheme",
     "GET https://a.example:80/ HTTP/1.1\r\n" HOST, "bad_host"},
    {"absolute form without Host in 1.1", "GET http://a.example/ HTTP/1.1\r\n", "bad_host"},
    {"absolute form, user information",
     "GET http://u@a.example/ HTTP/1.1\r\n" HOST, "bad_host"},
    {"absolute form, empty authority", "GET http:///b HTTP/1.1\r\n" HOST, "bad_host"},
    {"absolute form, a backslash", "GET http://a.example\\@b/ HTTP/1.1\r\n" HOST, "bad_host"},
    {"another scheme", "GET ftp://a.example/ HTTP/1.1\r\n" HOST, "bad_request"},
    {"a scheme without slashes", "GET http:a.example HTTP/1.1\r\n" HOST, "bad_request"},
    {"a relative path", "GET index.html HTTP/1.1\r\n" HOST, "bad_request"},
    {"only a query", "GET ?a HTTP/1.1\r\n" HOST, "bad_request"},
    {"an authority that is not CONNECT's", "GET a.example:80 HTTP/1.1\r\n" HOST, "bad_request"},
    {"an asterisk that is not OPTIONS'", "GET * HTTP/1.1\r\n" HOST, "bad_request"},
    {"an asterisk and more", "OPTIONS */a HTTP/1.1\r\n" HOST, "bad_request"},
    {"CONNECT", "CONNECT a.example:80 HTTP/1.1\r\n" HOST, "not_implemented"},
    {"CONNECT in origin form", "CONNECT / HTTP/1.1\r\n" HOST, "not_implemented"},
    {"TRACE", "TRACE / HTTP/1.1\r\n" HOST, "not_implemented"},
};
/* clang-format on */

static struct err read_request(struct str text, struct http_head *h, struct h1_facts *facts)
{
    struct str block = arena_fmt(arena, "%.*s\r\n", STR_ARG(text));
    return h1_head_read_request(block, scan(block), arena, h, facts);
}

static void targets_and_hosts_name_one_resource(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct err e = read_request(str_from(targets[i].in), &h, &facts);
        struct str got = str_from(err_name(e));
        if (!failed(e))
            got = arena_fmt(arena, "%.*s %.*s", STR_ARG(h.host), STR_ARG(h.path));
        if (!str_eq(got, str_from(targets[i].want)))
            fail_msg("%s: %.*s", targets[i].name, STR_ARG(got));
    }
}

static void a_target_beyond_the_limit_is_too_long(void **state)
{
    char *long_path = arena_bytes(arena, TARGET_URI_MAX_BYTES + 1);
    struct http_head h;
    struct h1_facts facts;
    (void)state;
    memset(long_path, '/', TARGET_URI_MAX_BYTES + 1);
    for (int more = 0; more <= 1; more++) {
        struct str text = arena_fmt(arena, "GET %.*s HTTP/1.1\r\n" HOST,
                                    (int)TARGET_URI_MAX_BYTES + more, long_path);
        struct err e = read_request(text, &h, &facts);
        assert_true(e.kind == (more > 0 ? ERR_URI_TOO_LONG : NULL));
    }
}

/* clang-format off */
static const struct {
    const char *name, *fields, *want; /* framing and persistence, or the error */
    bool is_1_0;
} requests[] = {
    {"no body", "", "none, on", false},
    {"a length", "Content-Length: 5\r\n", "length 5, on", false},
    {"length zero", "Content-Length: 0\r\n", "length 0, on", false},
    {"chunked", "Transfer-Encoding: chunked\r\n", "chunked, on", false},
    {"chunked in another case", "transfer-encoding: CHUNKED\r\n", "chunked, on", false},
    {"a length in 1.0", "Content-Length: 5\r\n", "length 5, off", true},
    {"close", "Connection: close\r\n", "none, off", false},
    {"close among others", "Connection: x, CLOSE ,y\r\n", "none, off", false},
    {"close in a second line",
     "Connection: keep-alive\r\nConnection: close\r\n", "none, off", false},
    {"1.0 ends", "", "none, off", true},
    {"1.0 with keep-alive goes on", "Connection: Keep-Alive\r\n", "none, on", true},
    {"close beats keep-alive", "Connection: keep-alive, close\r\n", "none, off", true},
    {"a length and a coding",
     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "bad_framing", false},
    {"a coding and a length",
     "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "bad_framing", false},
    {"two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "bad_framing", false},
    {"two unequal lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "bad_framing", false},
    {"a list of equal lengths", "Content-Length: 5, 5\r\n", "bad_framing", false},
    {"a length with a sign", "Content-Length: +5\r\n", "bad_framing", false},
    {"a hexadecimal length", "Content-Length: 0x5\r\n", "bad_framing", false},
    {"an empty length", "Content-Length:\r\n", "bad_framing", false},
    {"a length too large", "Content-Length: 9223372036854775808\r\n", "bad_framing", false},
    {"a coding in 1.0", "Transfer-Encoding: chunked\r\n", "bad_framing", true},
    {"chunked twice", "Transfer-Encoding: chunked, chunked\r\n", "bad_framing", false},
    {"chunked in two lines",
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "bad_framing", false},
    {"chunked not last", "Transfer-Encoding: chunked, gzip\r\n", "bad_framing", false},
    {"chunked and nothing", "Transfer-Encoding: chunked,\r\n", "bad_framing", false},
    {"chunked and an empty line",
     "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", "bad_framing", false},
    {"nothing and chunked", "Transfer-Encoding: ,chunked\r\n", "bad_framing", false},
    {"chunked with a parameter", "Transfer-Encoding: chunked;a=b\r\n", "bad_framing", false},
    {"chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n", "bad_framing", false},
    {"an empty coding", "Transfer-Encoding:\r\n", "bad_framing", false},
    {"two words", "Transfer-Encoding: chunked x\r\n", "bad_framing", false},
    {"another coding", "Transfer-Encoding: gzip\r\n", "not_implemented", false},
    {"another coding before chunked",
     "Transfer-Encoding: gzip, chunked\r\n", "not_implemented", false},
    {"... in two lines",
     "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "not_implemented", false},
    {"identity", "Transfer-Encoding: identity\r\n", "not_implemented", false},
    {"nearly chunked", "Transfer-Encoding: xchunked\r\n", "not_implemented", false},
    {"a coding with a parameter",
     "Transfer-Encoding: gzip;q=1, chunked\r\n", "not_implemented", false},
    {"too many connection options",
     "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7\r\n",
     "bad_request", false},
};
/* clang-format on */

static struct str tell_facts(const struct http_head *h, const struct h1_facts *facts)
{
    static const char *const names[] = {[H1_FRAMING_NONE] = "none",
                                        [H1_FRAMING_LENGTH] = "length",
                                        [H1_FRAMING_CHUNKED] = "chunked",
                                        [H1_FRAMING_CLOSE] = "close"};
    const char *end = facts->keeps_alive ? "on" : "off";
    if (facts->framing == H1_FRAMING_LENGTH)
        return arena_fmt(arena, "length %llu, %s", (unsigned long long)h->body_bytes, end);
    return arena_fmt(arena, "%s, %s", names[facts->framing], end);
}

static void requests_have_one_framing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct str text = arena_fmt(arena, "POST / HTTP/1.%c\r\n" HOST "%s",
                                    requests[i].is_1_0 ? '0' : '1', requests[i].fields);
        struct err e = read_request(text, &h, &facts);
        struct str got = failed(e) ? str_from(err_name(e)) : tell_facts(&h, &facts);
        if (!str_eq(got, str_from(requests[i].want)))
            fail_msg("%s: %.*s", requests[i].name, STR_ARG(got));
    }
}

#define SAYS_UPGRADE "Connection: Upgrade\r\n"

/* clang-format off */
static const struct {
    const char *name, *start, *fields, *want;
} upgrades[] = {
    {"asked for", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: websocket\r\n", "websocket"},
    {"a choice", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: a/1, b\r\n", "a/1, b"},
    {"not named by Connection", "GET / HTTP/1.1", "Upgrade: websocket\r\n", ""},
    {"only Connection", "GET / HTTP/1.1", SAYS_UPGRADE, ""},
    {"in 1.0", "GET / HTTP/1.0", SAYS_UPGRADE "Upgrade: websocket\r\n", ""},
    {"with a body",
     "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: websocket\r\nContent-Length: 1\r\n", ""},
    {"two lines", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: a\r\nUpgrade: b\r\n", ""},
    {"h2c", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: h2c\r\n", ""},
    {"h2c in a choice", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: websocket, H2C\r\n", ""},
    {"HTTP/2.0", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: HTTP/2.0\r\n", ""},
    {"TLS/1.0", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: TLS/1.0\r\n", ""},
    {"malformed", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: a b\r\n", ""},
    {"an empty version", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade: a/\r\n", ""},
    {"empty", "GET / HTTP/1.1", SAYS_UPGRADE "Upgrade:\r\n", ""},
};
/* clang-format on */

static void upgrades_are_kept_apart_from_what_only_looks_like_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(upgrades); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct str text =
            arena_fmt(arena, "%s\r\n" HOST "%s", upgrades[i].start, upgrades[i].fields);
        assert_false(failed(read_request(text, &h, &facts)));
        if (!str_eq(h.upgrade, str_from(upgrades[i].want)))
            fail_msg("%s: \"%.*s\"", upgrades[i].name, STR_ARG(h.upgrade));
    }
}

/* clang-format off */
static const struct {
    const char *name, *fields;
    char minor;
    bool want;
} expectations[] = {
    {"100-continue with a body", "Expect: 100-Continue\r\nContent-Length: 1\r\n", '1', true},
    {"... chunked", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", '1', true},
    {"without a body", "Expect: 100-continue\r\n", '1', false},
    {"from HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", '0', false},
    {"another is the target's business", "Expect: tea\r\nContent-Length: 1\r\n", '1', false},
};
/* clang-format on */

static void expectations_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct str text = arena_fmt(arena, "PUT / HTTP/1.%c\r\n" HOST "%s",
                                    expectations[i].minor, expectations[i].fields);
        assert_false(failed(read_request(text, &h, &facts)));
        if (h.expects_continue != expectations[i].want)
            fail_msg("%s", expectations[i].name);
    }
}

/* clang-format off */
static const struct {
    const char *name, *in, *want;
    enum http_body body;
} responses[] = {
    {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "length 5, on", HTTP_BODY_LENGTH},
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", "chunked, on", HTTP_BODY_UNKNOWN},
    {"neither", "HTTP/1.1 200 OK\r\n", "close, on", HTTP_BODY_NONE},
    {"close",
     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n", "length 5, off",
     HTTP_BODY_LENGTH},
    {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", "length 5, off", HTTP_BODY_LENGTH},
    {"1.0 with keep-alive",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n", "length 5, on",
     HTTP_BODY_LENGTH},
    {"204", "HTTP/1.1 204 No Content\r\n", "none, on", HTTP_BODY_NONE},
    {"204 with length zero",
     "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", "none, on", HTTP_BODY_NONE},
    {"204 with a length is not trusted",
     "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", "none, off", HTTP_BODY_NONE},
    {"204 with chunks is not trusted",
     "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n", "none, off", HTTP_BODY_NONE},
    {"304 tells a length",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", "none, on", HTTP_BODY_LENGTH},
    {"304", "HTTP/1.1 304 Not Modified\r\n", "none, on", HTTP_BODY_NONE},
    {"100", "HTTP/1.1 100 Continue\r\n", "none, on", HTTP_BODY_NONE},
    {"two lengths",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n", "bad_framing",
     HTTP_BODY_NONE},
    {"a malformed length",
     "HTTP/1.1 200 OK\r\nContent-Length: 5;\r\n", "bad_framing", HTTP_BODY_NONE},
    {"a malformed length with 304",
     "HTTP/1.1 304 OK\r\nContent-Length: x\r\n", "bad_framing", HTTP_BODY_NONE},
    {"a length and a coding",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "bad_framing",
     HTTP_BODY_NONE},
    {"a coding in 1.0",
     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "bad_framing", HTTP_BODY_NONE},
    {"another coding",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", "not_implemented", HTTP_BODY_NONE},
};
/* clang-format on */

static void responses_have_one_framing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct str block = arena_fmt(arena, "%s\r\n", responses[i].in);
        struct err e = h1_head_read_response(block, scan(block), arena, &h, &facts);
        struct str got = failed(e) ? str_from(err_name(e)) : tell_facts(&h, &facts);
        if (!str_eq(got, str_from(responses[i].want)) ||
            (!failed(e) && h.body != responses[i].body))
            fail_msg("%s: %.*s, body %d", responses[i].name, STR_ARG(got), (int)h.body);
    }
}

/* clang-format off */
static const struct {
    const char *name, *in, *want;
} offers[] = {
    {"101 switches",
     "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", "websocket"},
    {"426 demands", "HTTP/1.1 426 U\r\nConnection: upgrade\r\nUpgrade: x\r\n", "x"},
    {"200 only advertises", "HTTP/1.1 200 O\r\nConnection: upgrade\r\nUpgrade: x\r\n", ""},
    {"101 without Connection", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n", ""},
};
/* clang-format on */

static void upgrades_in_answers_are_told_where_they_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        struct http_head h;
        struct h1_facts facts;
        struct str block = arena_fmt(arena, "%s\r\n", offers[i].in);
        assert_false(failed(h1_head_read_response(block, scan(block), arena, &h, &facts)));
        if (!str_eq(h.upgrade, str_from(offers[i].want)))
            fail_msg("%s: \"%.*s\"", offers[i].name, STR_ARG(h.upgrade));
    }
}

static void a_refused_head_still_tells_who_asked(void **state)
{
    struct http_head h;
    struct h1_facts facts;
    (void)state;
    assert_true(failed(
        read_request(STR("HEAD /x HTTP/1.0\r\n" HOST "Content-Length: x\r\n"), &h, &facts)));
    assert_true(str_eq(h.method, STR("HEAD")));
    assert_true(str_eq(h.path, STR("/x")));
    assert_int_equal(h.version, HTTP_1_0);
    assert_false(facts.keeps_alive);
}

static void memory_may_be_short_at_every_step(void **state)
{
    static const char text[] = "GET http://A.example?b HTTP/1.0\r\nX: y\r\n\r\n";
    struct str block = str_from(text);
    size_t lines = scan(block);
    (void)state;
    for (size_t bytes = 16;; bytes += 16) {
        struct arena *a = arena_new(bytes, bytes);
        struct http_head h;
        struct h1_facts facts;
        struct err e = h1_head_read_request(block, lines, a, &h, &facts);
        arena_free(a);
        if (!failed(e))
            break;
        assert_true(err_is(e, ERR_MEMORY));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_and_hosts_name_one_resource),
        cmocka_unit_test(a_target_beyond_the_limit_is_too_long),
        cmocka_unit_test(requests_have_one_framing),
        cmocka_unit_test(upgrades_are_kept_apart_from_what_only_looks_like_one),
        cmocka_unit_test(expectations_are_known),
        cmocka_unit_test(responses_have_one_framing),
        cmocka_unit_test(upgrades_in_answers_are_told_where_they_count),
        cmocka_unit_test(a_refused_head_still_tells_who_asked),
        cmocka_unit_test(memory_may_be_short_at_every_step),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
