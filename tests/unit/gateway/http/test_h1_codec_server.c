/* The codec as clients see it: what it accepts and refuses, however the bytes arrive; then what
 * it sends, and when the connection goes on. */
#include "gateway/http/h1_codec.h"
#include "tests/support/codec_trace.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

/* Fails unless the text is the wanted one in whatever pieces the bytes come. */
static void check_trace(const char *name, const struct codec_trace_options *o, struct str in,
                        const char *want)
{
    struct buf text;
    size_t odd;
    buf_init(&text, TEXT_MAX_BYTES);
    codec_trace_run_cut(o, in, &text, &odd);
    if (!str_eq(buf_view(&text), str_from(want)))
        fail_msg("%s:\n%.*s", name, STR_ARG(buf_view(&text)));
    if (odd != 0)
        fail_msg("%s: says something else when cut at %zu", name, odd);
    buf_fini(&text);
}

#define HOST          "Host: a.example\r\n"
#define GET           "GET / HTTP/1.1\r\n" HOST
#define POST          "POST / HTTP/1.1\r\n" HOST
#define CHUNKED       POST "Transfer-Encoding: chunked\r\n\r\n"
#define REFUSED(kind) "begin 1\nerror " kind "\nreuse no\n"

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const char *want;
} refused_heads[] = {
    {"RFC 9112 2.2: a bare LF behind the request line",
     STR_LIT("GET / HTTP/1.1\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare LF behind a field",
     STR_LIT("GET / HTTP/1.1\r\nHost: a\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare LF as the empty line", STR_LIT(GET "\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare CR in a value",
     STR_LIT(GET "X: a\rb\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare CR before a colon",
     STR_LIT(GET "X\r: a\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: two empty lines first",
     STR_LIT("\r\n\r\n" GET "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare LF first", STR_LIT("\n" GET "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: a bare CR first", STR_LIT("\r" GET "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.2: white space before a field",
     STR_LIT("GET / HTTP/1.1\r\n " HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.3: a lower-case version",
     STR_LIT("GET / http/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 2.3: HTTP/1.2",
     STR_LIT("GET / HTTP/1.2\r\n" HOST "\r\n"), REFUSED("bad_version")},
    {"RFC 9112 2.3: HTTP/2.0",
     STR_LIT("GET / HTTP/2.0\r\n" HOST "\r\n"), REFUSED("bad_version")},
    {"RFC 9113 3.4: the preface of HTTP/2",
     STR_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED("bad_version")},
    {"RFC 9112 3: HTTP/0.9", STR_LIT("GET /\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3: a space in the target",
     STR_LIT("GET /a b HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3: two spaces",
     STR_LIT("GET  / HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3: a tab", STR_LIT("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3: a space behind the version",
     STR_LIT("GET / HTTP/1.1 \r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3.1: no method", STR_LIT(" / HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3.2: a fragment",
     STR_LIT("GET /#a HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3.2: NUL in the target",
     STR_LIT("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3.2: delete in the target",
     STR_LIT("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_request")},
    {"RFC 9112 3.2: no Host", STR_LIT("GET / HTTP/1.1\r\n\r\n"), REFUSED("bad_host")},
    {"RFC 9112 3.2: two Hosts", STR_LIT(GET HOST "\r\n"), REFUSED("bad_host")},
    {"RFC 9112 3.2: an invalid Host",
     STR_LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), REFUSED("bad_host")},
    {"RFC 9112 3.2: an empty Host",
     STR_LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), REFUSED("bad_host")},
    {"RFC 9112 3.2.2: absolute form, another Host",
     STR_LIT("GET http://b/ HTTP/1.1\r\n" HOST "\r\n"), REFUSED("bad_host")},
    {"RFC 9112 3.2.3: CONNECT",
     STR_LIT("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"), REFUSED("not_implemented")},
    {"RFC 9110 9.3.8: TRACE",
     STR_LIT("TRACE / HTTP/1.1\r\n" HOST "\r\n"), REFUSED("not_implemented")},
    {"RFC 9112 5: an empty name", STR_LIT(GET ": a\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5: no colon", STR_LIT(GET "X\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.1: a space before the colon",
     STR_LIT(GET "X : a\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.1: ... of a length",
     STR_LIT(POST "Content-Length : 5\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.2: a folded value, space",
     STR_LIT(GET "X: a\r\n b\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.2: a folded value, tab",
     STR_LIT(GET "X: a\r\n\tb\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.2: a folded empty line",
     STR_LIT(GET "X: a\r\n \r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 5.2: a folded coding",
     STR_LIT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9110 5.5: NUL in a value", STR_LIT(GET "X: a\0b\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9110 5.5: a control byte in a value",
     STR_LIT(GET "X: a\x0c\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9110 5.6.2: a name that is no token",
     STR_LIT(GET "X(Y): a\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 6.1: a length and a coding",
     STR_LIT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     REFUSED("bad_framing")},
    {"RFC 9112 6.1: a coding and a length",
     STR_LIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
     REFUSED("bad_framing")},
    {"RFC 9112 6.1: a coding in HTTP/1.0",
     STR_LIT("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     REFUSED("bad_framing")},
    {"RFC 9112 6.1: chunked not last",
     STR_LIT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"), REFUSED("bad_framing")},
    {"RFC 9112 6.1: chunked twice",
     STR_LIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     REFUSED("bad_framing")},
    {"RFC 9112 6.1: another coding",
     STR_LIT(POST "Transfer-Encoding: gzip\r\n\r\n"), REFUSED("not_implemented")},
    {"RFC 9112 6.1: a vertical tab before chunked",
     STR_LIT(POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n"), REFUSED("bad_request")},
    {"RFC 9112 6.3: two equal lengths",
     STR_LIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: two unequal lengths",
     STR_LIT(POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: a list of lengths",
     STR_LIT(POST "Content-Length: 1, 1\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: a length with a sign",
     STR_LIT(POST "Content-Length: +1\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: a negative length",
     STR_LIT(POST "Content-Length: -1\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: a hexadecimal length",
     STR_LIT(POST "Content-Length: 0x1\r\n\r\na"), REFUSED("bad_framing")},
    {"RFC 9112 6.3: an overflowing length",
     STR_LIT(POST "Content-Length: 18446744073709551617\r\n\r\na"), REFUSED("bad_framing")},
    {"a TLS hello on a plain port",
     STR_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"), REFUSED("bad_request")},
};
/* clang-format on */

static void ambiguous_heads_are_refused(void **state)
{
    static const struct codec_trace_options o = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_heads); i++)
        check_trace(refused_heads[i].name, &o, refused_heads[i].in, refused_heads[i].want);
}

#define TOLD(kind, head) "begin 1\nrefused 1 " head "error " kind "\nreuse no\n"

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const char *want;
} told_heads[] = {
    {"two lengths: everything else",
     STR_LIT("POST /a?b HTTP/1.1\r\nHost: A.example:80\r\nAccept: application/json\r\n"
             "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
     TOLD("bad_framing",
          "POST a.example /a?b 1.1\n  Host: A.example:80\n  Accept: application/json\n"
          "  Content-Length: 1\n  Content-Length: 2\n")},
    {"a control byte: the lines before",
     STR_LIT("GET /a HTTP/1.1\r\n" HOST "Accept: a/b\r\nX: \0\r\nY: z\r\n\r\n"),
     TOLD("bad_request", "GET a.example /a 1.1\n  Host: a.example\n  Accept: a/b\n")},
    {"a bare LF as the empty line", STR_LIT(GET "\n"),
     TOLD("bad_request", "GET a.example / 1.1\n  Host: a.example\n")},
    {"a folded line", STR_LIT(GET "X: a\r\n b\r\n\r\n"),
     TOLD("bad_request", "GET a.example / 1.1\n  Host: a.example\n  X: a\n")},
    {"a name with a space: the fields before", STR_LIT(GET "A: b\r\nX : a\r\nY: z\r\n\r\n"),
     TOLD("bad_request", "GET a.example / 1.1\n  Host: a.example\n  A: b\n")},
    {"no host", STR_LIT("HEAD / HTTP/1.1\r\n\r\n"), TOLD("bad_host", "HEAD  / 1.1\n")},
    {"two hosts: the first", STR_LIT(GET "Host: b\r\n\r\n"),
     TOLD("bad_host", "GET a.example / 1.1\n  Host: a.example\n  Host: b\n")},
    {"a host that is none: as it was sent",
     STR_LIT("GET / HTTP/1.1\r\nHost: <B>/\r\n\r\n"),
     TOLD("bad_host", "GET <B>/ / 1.1\n  Host: <B>/\n")},
    {"a target that is not taken: as it was sent",
     STR_LIT("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"),
     TOLD("not_implemented", "CONNECT a.example a:1 1.1\n  Host: a.example\n")},
    {"a space in the target: up to it", STR_LIT("GET /a b HTTP/1.1\r\n" HOST "\r\n"),
     TOLD("bad_request", "GET a.example /a 1.1\n  Host: a.example\n")},
    {"another version", STR_LIT("GET /a HTTP/3.0\r\n" HOST "\r\n"),
     TOLD("bad_version", "GET a.example /a 1.1\n  Host: a.example\n")},
    {"HTTP/1.0 with a coding",
     STR_LIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
     TOLD("bad_framing", "POST  / 1.0\n  Transfer-Encoding: chunked\n")},
    {"NUL in the target: up to it", STR_LIT("GET /a\0b HTTP/1.1\r\n" HOST "\r\n"),
     TOLD("bad_request", "GET  /a 1.1\n")},
    {"a bare LF behind the request line", STR_LIT("GET /a HTTP/1.1\n" HOST "\r\n"),
     TOLD("bad_request", "GET  /a 1.1\n")},
    {"no method", STR_LIT(" / HTTP/1.1\r\n" HOST "\r\n"), TOLD("bad_request", "   1.1\n")},
    {"an empty head", STR_LIT("\r\n\r\n" GET "\r\n"), TOLD("bad_request", "   1.1\n")},
    {"a TLS hello", STR_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"),
     TOLD("bad_request", "   1.1\n")},
    {"a word", STR_LIT("hello\r\n\r\n"), TOLD("bad_request", "   1.1\n")},
};
/* clang-format on */

static void what_was_read_of_a_refused_head_is_told(void **state)
{
    static const struct codec_trace_options o = {.tells_fields = true, .tells_refused = true};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told_heads); i++)
        check_trace(told_heads[i].name, &o, told_heads[i].in, told_heads[i].want);
}

/* However long it is: the log cuts it again. */
static void of_a_head_that_is_too_long_the_beginning_is_told(void **state)
{
    enum { PATH_BYTES = 20000, LINES = 300 };
    static const struct codec_trace_options o = {.tells_refused = true};
    struct buf in, text;
    size_t odd;
    (void)state;
    buf_init(&in, TEXT_MAX_BYTES);
    buf_init(&text, TEXT_MAX_BYTES);
    assert_false(failed(buf_append(&in, STR("GET /"))));
    for (size_t i = 0; i < PATH_BYTES; i++)
        assert_false(failed(buf_append(&in, STR("a"))));
    codec_trace_run_cut(&o, buf_view(&in), &text, &odd);
    assert_int_equal(odd, 0);
    assert_true(str_starts(buf_view(&text), STR("begin 1\nrefused 1 GET  /aaaa")));
    assert_in_range(buf_len(&text), TARGET_URI_MAX_BYTES, TARGET_URI_MAX_BYTES + 200);
    buf_clear(&in);
    buf_clear(&text);
    assert_false(failed(buf_append(&in, STR(GET))));
    for (size_t i = 0; i < LINES; i++)
        assert_false(failed(buf_append(&in, STR("X: y\r\n"))));
    codec_trace_run_cut(&o, buf_view(&in), &text, &odd);
    assert_int_equal(odd, 0);
    assert_true(str_eq(buf_view(&text), STR("begin 1\nrefused 1 GET a.example / 1.1\n"
                                            "error head_too_large\nreuse no\n")));
    buf_fini(&in);
    buf_fini(&text);
}

#define POST_HEAD "begin 1\nhead 1 POST a.example / 1.1 body ?\n"

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const char *want;
} refused_bodies[] = {
    {"no line end behind a chunk",
     STR_LIT(CHUNKED "1\r\nab\r\n0\r\n\r\n"),
     POST_HEAD "body 1 a\nerror bad_framing\nreuse no\n"},
    {"a bare LF behind a chunk",
     STR_LIT(CHUNKED "1\r\na\n0\r\n\r\n"), POST_HEAD "body 1 a\nerror bad_framing\nreuse no\n"},
    {"a bare LF behind a size",
     STR_LIT(CHUNKED "1\na\r\n0\r\n\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a size with a prefix",
     STR_LIT(CHUNKED "0x1\r\na\r\n0\r\n\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a size with a sign",
     STR_LIT(CHUNKED "+1\r\na\r\n0\r\n\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a size with spaces",
     STR_LIT(CHUNKED "1 \r\na\r\n0\r\n\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a size that overflows",
     STR_LIT(CHUNKED "10000000000000001\r\na\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"an empty size", STR_LIT(CHUNKED "\r\na\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a bare LF in an extension",
     STR_LIT(CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n"), POST_HEAD "error bad_framing\nreuse no\n"},
    {"a malformed trailer",
     STR_LIT(CHUNKED "0\r\nX : a\r\n\r\n"), POST_HEAD "error bad_request\nreuse no\n"},
    {"a folded trailer",
     STR_LIT(CHUNKED "0\r\nX: a\r\n b\r\n\r\n"), POST_HEAD "error bad_request\nreuse no\n"},
};
/* clang-format on */

static void ambiguous_bodies_are_refused(void **state)
{
    static const struct codec_trace_options o = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_bodies); i++)
        check_trace(refused_bodies[i].name, &o, refused_bodies[i].in, refused_bodies[i].want);
}

#define ANSWER       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define ANSWER_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
#define ANSWER_KEEP  "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const char *want;
} accepted[] = {
    {"a request",
     STR_LIT(GET "\r\n"), "begin 1\nhead 1 GET a.example / 1.1\nend 1\nreuse yes\n" ANSWER},
    {"RFC 9112 2.2: one empty line before it",
     STR_LIT("\r\n" GET "\r\n"),
     "begin 1\nhead 1 GET a.example / 1.1\nend 1\nreuse yes\n" ANSWER},
    {"RFC 9112 2.2: ... and between two",
     STR_LIT(POST "Content-Length: 1\r\n\r\na\r\n" GET "\r\n"),
     "begin 1\nhead 1 POST a.example / 1.1 body 1\nbody 1 a\nend 1\n"
     "begin 2\nhead 2 GET a.example / 1.1\nend 2\nreuse yes\n" ANSWER ANSWER},
    {"RFC 9112 9.3.2: pipelined requests, in order",
     STR_LIT(GET "\r\n" CHUNKED "1\r\na\r\n0\r\n\r\n" GET "\r\n"),
     "begin 1\nhead 1 GET a.example / 1.1\nend 1\n"
     "begin 2\nhead 2 POST a.example / 1.1 body ?\nbody 2 a\nend 2\n"
     "begin 3\nhead 3 GET a.example / 1.1\nend 3\nreuse yes\n" ANSWER ANSWER ANSWER},
    {"RFC 9112 9.6: what follows close is dropped",
     STR_LIT(GET "Connection: close\r\n\r\n" GET "\r\n"),
     "begin 1\nhead 1 GET a.example / 1.1\nend 1\nreuse no\n" ANSWER_CLOSE},
    {"RFC 9112 9.3: HTTP/1.0 ends",
     STR_LIT("GET / HTTP/1.0\r\n\r\n" GET "\r\n"),
     "begin 1\nhead 1 GET  / 1.0\nend 1\nreuse no\n" ANSWER_CLOSE},
    {"RFC 9112 9.3: HTTP/1.0 goes on when asked",
     STR_LIT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
     "begin 1\nhead 1 GET  / 1.0\nend 1\nbegin 2\nhead 2 GET  / 1.0\nend 2\nreuse " "no\n"
     ANSWER_KEEP ANSWER_CLOSE},
    {"a body of length zero",
     STR_LIT(POST "Content-Length: 0\r\n\r\n"),
     "begin 1\nhead 1 POST a.example / 1.1 body 0\nend 1\nreuse yes\n" ANSWER},
    {"a body with GET",
     STR_LIT(GET "Content-Length: 3\r\n\r\nabc"),
     "begin 1\nhead 1 GET a.example / 1.1 body 3\nbody 1 abc\nend 1\nreuse yes\n" ANSWER},
    {"chunks with extensions and trailers",
     STR_LIT(CHUNKED
     "3;a=\"b\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\n"),
     "begin 1\nhead 1 POST a.example / 1.1 body ?\nbody 1 abc0123456789abcdef\nend 1\n"
     "  X-Sum: 1\nreuse yes\n" ANSWER},
    {"RFC 9110 10.1.1: an expectation",
     STR_LIT(POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na"),
     "begin 1\nhead 1 POST a.example / 1.1 body 1 expects\nbody 1 a\nend 1\nreuse " "yes\n"
     ANSWER},
    {"bytes above 0x7f in path and value",
     STR_LIT("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "X: \xff\r\n\r\n"),
     "begin 1\nhead 1 GET a.example /\xc3\xa4 1.1\nend 1\nreuse yes\n" ANSWER},
    {"RFC 9112 3.2.2: absolute form",
     STR_LIT("GET HTTP://A.example:80?b HTTP/1.1\r\n" HOST "\r\n"),
     "begin 1\nhead 1 GET a.example /?b 1.1\nend 1\nreuse yes\n" ANSWER},
    {"RFC 9112 3.2.4: OPTIONS *",
     STR_LIT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
     "begin 1\nhead 1 OPTIONS a.example * 1.1\nend 1\nreuse yes\n" ANSWER},
    {"RFC 9110 7.8: h2c is not tunnelled",
     STR_LIT( GET
     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n"),
     "begin 1\nhead 1 GET a.example / 1.1\nend 1\nreuse yes\n" ANSWER},
    {"what follows a request that asks for a tunnel waits",
     STR_LIT(GET "Connection: Upgrade\r\nUpgrade: x\r\n\r\n\x01\x02"),
     "begin 1\nhead 1 GET a.example / 1.1 upgrade x\nreuse yes\n"},
    {"a bad request behind a good one",
     STR_LIT(GET "\r\n" GET " X: a\r\n\r\n"),
     "begin 1\nhead 1 GET a.example / 1.1\nend 1\nbegin 2\nerror bad_request\nreuse " "no\n"
     ANSWER},
};
/* clang-format on */

static void requests_are_read_however_they_arrive(void **state)
{
    static const struct codec_trace_options o = {.answers = true};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
        check_trace(accepted[i].name, &o, accepted[i].in, accepted[i].want);
}

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const char *want;
} ends[] = {
    {"RFC 9112 9.5: before a request", STR_LIT(""), "reuse no\n"},
    {"after an empty line", STR_LIT("\r\n"), "reuse no\n"},
    {"after a request",
     STR_LIT(GET "\r\n"), "begin 1\nhead 1 GET a.example / 1.1\nend 1\nreuse no\n" ANSWER},
    {"in an empty line", STR_LIT("\r"), "error client_gone\nreuse no\n"},
    {"in a request line", STR_LIT("GE"), "error client_gone\nreuse no\n"},
    {"in a head", STR_LIT(GET), "error client_gone\nreuse no\n"},
    {"in a body",
     STR_LIT(POST "Content-Length: 2\r\n\r\na"),
     "begin 1\nhead 1 POST a.example / 1.1 body 2\nbody 1 a\nerror client_gone\nreuse no\n"},
    {"before a body",
     STR_LIT(POST "Content-Length: 2\r\n\r\n"),
     "begin 1\nhead 1 POST a.example / 1.1 body 2\nerror client_gone\nreuse no\n"},
    {"before the last chunk",
     STR_LIT(CHUNKED "1\r\na\r\n"), POST_HEAD "body 1 a\nerror client_gone\nreuse no\n"},
    {"in the last chunk",
     STR_LIT(CHUNKED "1\r\na\r\n0\r\n"), POST_HEAD "body 1 a\nerror client_gone\nreuse no\n"},
};
/* clang-format on */

static void an_end_in_the_middle_is_no_end(void **state)
{
    static const struct codec_trace_options o = {.answers = true, .ends = true};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        check_trace(ends[i].name, &o, ends[i].in, ends[i].want);
}

static void heads_have_ceilings(void **state)
{
    static const struct codec_trace_options small = {.max_head_bytes = 128};
    static const struct codec_trace_options standard = {0};
    struct buf in;
    (void)state;
    buf_init(&in, 4 * HEAD_MAX_BYTES);
    struct err e = buf_append(&in, STR(GET "X: "));
    for (int i = 0; i < 64 && !failed(e); i++)
        e = buf_append(&in, STR("xxxxxxxx"));
    assert_false(failed(e));
    check_trace("a head too large", &small, buf_view(&in), REFUSED("head_too_large"));
    buf_clear(&in);
    e = buf_append(&in, STR("GET /"));
    for (size_t i = 0; i < TARGET_URI_MAX_BYTES / 8 + 64 && !failed(e); i++)
        e = buf_append(&in, STR("xxxxxxxx"));
    assert_false(failed(e));
    check_trace("a target too long, not complete", &standard, str_sub(buf_view(&in), 0, 17000),
                REFUSED("uri_too_long"));
    buf_fini(&in);
}

/* ---- sending: a codec driven by hand ---- */

struct fixture {
    struct codec *codec;
    struct arena *arena;
    struct buf out;
    struct buf events; /* h head, b body, e end, one letter each */
    struct err answer; /* of the next event */
};

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    (void)id;
    *ret_user = (void *)(uintptr_t)id;
    return ((struct fixture *)arg)->arena;
}

static struct err note(struct fixture *f, const char *letter)
{
    TRY(buf_append(&f->events, str_from(letter)));
    return f->answer;
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    (void)user;
    (void)head;
    return note(arg, "h");
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    (void)user;
    (void)bytes;
    return note(arg, "b");
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    (void)user;
    (void)trailers;
    return note(arg, "e");
}

static const struct codec_events events = {
    .on_begin = on_begin, .on_head = on_head, .on_body = on_body, .on_end = on_end};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.arena = arena_new(4096, 1 << 20)};
    buf_init(&f.out, 1 << 16);
    buf_init(&f.events, 1 << 10);
    struct codec_options o = {
        .events = &events, .arg = &f, .out = &f.out, .max_head_bytes = HEAD_MAX_BYTES};
    *state = &f;
    return f.arena == NULL || failed(h1_codec_new_server(&o, &f.codec));
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_fault_arm(0);
    codec_free(f->codec);
    arena_free(f->arena);
    buf_fini(&f->out);
    buf_fini(&f->events);
    return 0;
}

/* Returns how many bytes were taken. */
static size_t feed(struct fixture *f, const char *bytes)
{
    size_t used = 0;
    assert_false(failed(codec_feed(f->codec, str_from(bytes), &used)));
    return used;
}

static void check_events(struct fixture *f, const char *want)
{
    if (!str_eq(buf_view(&f->events), str_from(want)))
        fail_msg("events \"%.*s\"", STR_ARG(buf_view(&f->events)));
}

static void check_out(struct fixture *f, const char *want)
{
    if (!str_eq(buf_view(&f->out), str_from(want)))
        fail_msg("sent \"%.*s\"", STR_ARG(buf_view(&f->out)));
    buf_clear(&f->out);
}

static struct err send(struct fixture *f, uint32_t id, const struct http_head *head,
                       bool is_end)
{
    return codec_send_head(f->codec, id, head, is_end);
}

static const struct http_head ok_5 = {.status = 200, .body = HTTP_BODY_LENGTH, .body_bytes = 5};
static const struct http_head ok_unknown = {.status = 200, .body = HTTP_BODY_UNKNOWN};
static const struct http_head no_body = {.status = 200};
static const struct http_head hints = {.status = 103};
static const struct http_head no_content = {.status = 204};
static const struct http_head not_modified = {
    .status = 304, .body = HTTP_BODY_LENGTH, .body_bytes = 5};
static const struct http_head switching = {.status = 101, .upgrade = {.p = "x", .len = 1}};

#define GET_1_0 "GET / HTTP/1.0\r\n\r\n"
#define HEAD    "HEAD / HTTP/1.1\r\n" HOST "\r\n"
#define S200    "HTTP/1.1 200 OK\r\n"

/* clang-format off */
/* RFC 9112 6.3, from the sender's side. */
static const struct {
    const char *name, *request;
    const struct http_head *head;
    const char *body, *want;
    bool goes_on;
} answers[] = {
    {"a length", GET "\r\n", &ok_5, "hello", S200 "Content-Length: 5\r\n\r\nhello", true},
    {"no body", GET "\r\n", &no_body, "", S200 "Content-Length: 0\r\n\r\n", true},
    {"unknown: chunks",
     GET "\r\n", &ok_unknown, "hello",
     S200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true},
    {"unknown to 1.0: until the close",
     GET_1_0, &ok_unknown, "hello", S200 "Connection: close\r\n\r\nhello", false},
    {"... also when it asked to go on",
     "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &ok_unknown, "hello",
     S200 "Connection: close\r\n\r\nhello", false},
    {"HEAD, a length", HEAD, &ok_5, "hello", S200 "Content-Length: 5\r\n\r\n", true},
    {"HEAD, unknown", HEAD, &ok_unknown, "hello", S200 "\r\n", true},
    {"HEAD, no body", HEAD, &no_body, "", S200 "\r\n", true},
    {"204", GET "\r\n", &no_content, "", "HTTP/1.1 204 No Content\r\n\r\n", true},
    {"304",
     GET "\r\n", &not_modified, "", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     true},
    {"the client wants to close",
     GET "Connection: close\r\n\r\n", &ok_5, "hello",
     S200 "Connection: close\r\nContent-Length: 5\r\n\r\nhello", false},
};
/* clang-format on */

static void answers_are_framed_for_their_reader(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_int_equal(set_up(state), 0);
        struct fixture *const f = *state;
        feed(f, answers[i].request);
        struct err e = send(f, 1, answers[i].head, false);
        if (!failed(e))
            e = codec_send_body(f->codec, 1, str_from(answers[i].body));
        if (!failed(e))
            e = codec_send_end(f->codec, 1, NULL);
        if (failed(e) || !str_eq(buf_view(&f->out), str_from(answers[i].want)) ||
            codec_can_reuse(f->codec) != answers[i].goes_on)
            fail_msg("%s: %s, \"%.*s\"", answers[i].name, err_name(e),
                     STR_ARG(buf_view(&f->out)));
        (void)tear_down(state);
    }
}

static void nothing_is_read_behind_a_request_until_its_answer_is_sent(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(feed(f, GET "\r\n" GET "\r\n"), sizeof(GET "\r\n") - 1);
    assert_int_equal(feed(f, GET "\r\n"), 0);
    check_events(f, "he");
    assert_false(failed(send(f, 1, &ok_5, false)));
    assert_int_equal(feed(f, GET "\r\n"), 0);
    assert_false(failed(codec_send_body(f->codec, 1, STR("hello"))));
    assert_int_equal(feed(f, GET "\r\n"), 0);
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    assert_int_equal(feed(f, GET "\r\n"), sizeof(GET "\r\n") - 1);
    check_events(f, "hehe");
    assert_true(codec_can_reuse(f->codec));
}

/* RFC 9110 15.2. */
static void interim_answers_come_before_the_final_one(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(send(f, 1, &hints, false)));
    assert_false(failed(send(f, 1, &hints, false)));
    assert_false(failed(send(f, 1, &no_body, true)));
    check_out(f, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" S200
                 "Content-Length: 0\r\n\r\n");
    assert_true(err_is(send(f, 1, &hints, false), ERR_CANCELLED));
    assert_true(err_is(send(f, 1, &no_body, true), ERR_CANCELLED));
    check_out(f, "");
}

static void http_1_0_gets_no_interim_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, GET_1_0);
    assert_false(failed(send(f, 1, &hints, false)));
    check_out(f, "");
}

/* What is left of the request would be taken for the next one. */
static void an_answer_before_the_request_is_complete_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    feed(f, POST "Content-Length: 5\r\n\r\nhe");
    check_events(f, "hb");
    assert_true(codec_can_reuse(f->codec));
    assert_false(failed(send(f, 1, &no_body, true)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 0\r\n\r\n");
    assert_false(codec_can_reuse(f->codec));
    assert_int_equal(feed(f, "lloGET / HTTP/1.1\r\n"), 19);
    check_events(f, "hb");
}

static void an_answer_may_begin_before_the_request_is_complete(void **state)
{
    struct fixture *f = *state;
    feed(f, POST "Content-Length: 5\r\n\r\nhe");
    assert_false(failed(send(f, 1, &ok_5, false)));
    feed(f, "llo");
    assert_false(failed(codec_send_body(f->codec, 1, STR("hello"))));
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 5\r\n\r\nhello");
    assert_false(codec_can_reuse(f->codec));
    check_events(f, "hbbe");
}

static void refusing_reuse_is_told_in_the_next_head(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    codec_refuse_reuse(f->codec);
    assert_false(codec_can_reuse(f->codec));
    assert_false(failed(send(f, 1, &no_body, true)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

static void a_refused_request_can_be_answered(void **state)
{
    struct fixture *f = *state;
    size_t used;
    assert_true(
        err_is(codec_feed(f->codec, STR("HEAD / HTTP/1.1\r\n\r\n"), &used), ERR_BAD_HOST));
    assert_false(failed(send(f, 1, &ok_5, false)));
    assert_false(failed(codec_send_body(f->codec, 1, STR("hello"))));
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(feed(f, GET "\r\n"), sizeof(GET "\r\n") - 1);
    check_events(f, "");
}

/* 408 and 503: there is something to say although nobody has asked. */
static void a_request_that_did_not_come_can_be_answered(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    feed(f, "GET / HT"); /* kept for its rest, which does not matter any more */
    assert_false(failed(codec_open(f->codec, f->arena, (void *)1, &id)));
    assert_false(failed(send(f, id, &no_body, true)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 0\r\n\r\n");
    assert_false(codec_can_reuse(f->codec));
    feed(f, "TP/1.1\r\n" HOST "\r\n");
    feed(f, GET "\r\n");
    check_events(f, "");
    assert_false(failed(codec_feed_eof(f->codec)));
}

static void a_client_that_is_told_so_may_go(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    feed(f, "GET / HT");
    assert_false(failed(codec_open(f->codec, f->arena, (void *)1, &id)));
    assert_false(failed(codec_feed_eof(f->codec)));
}

static void a_request_in_hand_cannot_be_overtaken(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    feed(f, GET "\r\n");
    assert_true(err_is(codec_open(f->codec, f->arena, (void *)1, &id), ERR_CANCELLED));
}

/* A cut body must be visible as cut. */
static void an_abandoned_answer_gets_no_clean_end(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(send(f, 1, &ok_unknown, false)));
    assert_false(failed(codec_send_body(f->codec, 1, STR("hello"))));
    codec_abandon(f->codec, 1);
    assert_true(err_is(codec_send_end(f->codec, 1, NULL), ERR_CANCELLED));
    assert_true(err_is(codec_send_body(f->codec, 1, STR("x")), ERR_CANCELLED));
    check_out(f, S200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_false(codec_can_reuse(f->codec));
    feed(f, GET "\r\n");
    check_events(f, "he");
}

static void abandoning_another_exchange_changes_nothing(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    codec_abandon(f->codec, 7);
    assert_true(err_is(codec_send_end(f->codec, 7, NULL), ERR_CANCELLED));
    assert_false(failed(send(f, 1, &no_body, true)));
    codec_abandon(f->codec, 1);
    assert_true(codec_can_reuse(f->codec));
}

static void an_end_after_the_end_is_harmless(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(send(f, 1, &no_body, true)));
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    assert_true(err_is(codec_send_body(f->codec, 1, STR("x")), ERR_CANCELLED));
    check_out(f, S200 "Content-Length: 0\r\n\r\n");
}

static void a_body_that_is_too_short_cuts_the_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(send(f, 1, &ok_5, false)));
    assert_false(failed(codec_send_body(f->codec, 1, STR("hell"))));
    assert_true(err_is(codec_send_end(f->codec, 1, NULL), ERR_TARGET_RESET));
    assert_false(codec_can_reuse(f->codec));
    check_out(f, S200 "Content-Length: 5\r\n\r\nhell");
}

static void a_body_that_is_too_long_cuts_the_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(send(f, 1, &ok_5, false)));
    assert_true(err_is(codec_send_body(f->codec, 1, STR("hello!")), ERR_TARGET_RESET));
    assert_true(err_is(codec_send_end(f->codec, 1, NULL), ERR_CANCELLED));
    assert_false(codec_can_reuse(f->codec));
    check_out(f, S200 "Content-Length: 5\r\n\r\n");
}

static void trailers_are_sent_behind_chunks(void **state)
{
    struct fixture *f = *state;
    struct http_fields trailers = {0};
    feed(f, GET "\r\n");
    assert_false(failed(http_fields_add(&trailers, f->arena, STR("X-Sum"), STR("1"))));
    assert_false(failed(send(f, 1, &ok_unknown, false)));
    assert_false(failed(codec_send_end(f->codec, 1, &trailers)));
    check_out(f, S200 "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n");
}

#define ASK    GET "Connection: upgrade\r\nUpgrade: x\r\n\r\n"
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

static void after_101_both_directions_are_a_tunnel(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(feed(f, ASK "early"), sizeof(ASK) - 1);
    check_events(f, "h");
    assert_false(failed(send(f, 1, &switching, false)));
    assert_int_equal(feed(f, "early"), 5);
    assert_false(failed(codec_send_body(f->codec, 1, STR("GET / "))));
    check_out(f, SWITCH "GET / ");
    assert_false(codec_can_reuse(f->codec));
    assert_false(failed(codec_feed_eof(f->codec)));
    check_events(f, "hbe");
    assert_false(failed(codec_send_body(f->codec, 1, STR("still"))));
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    assert_true(failed(codec_send_body(f->codec, 1, STR("x"))));
    check_out(f, "still");
}

static void our_half_of_a_tunnel_may_end_first(void **state)
{
    struct fixture *f = *state;
    feed(f, ASK);
    assert_false(failed(send(f, 1, &switching, false)));
    assert_false(failed(codec_send_end(f->codec, 1, NULL)));
    feed(f, "more");
    assert_false(failed(codec_feed_eof(f->codec)));
    check_events(f, "hbe");
}

static void a_refused_upgrade_is_an_ordinary_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, ASK);
    assert_false(failed(send(f, 1, &no_body, true)));
    assert_true(codec_can_reuse(f->codec));
    feed(f, GET "\r\n");
    check_events(f, "hhe");
}

static void nobody_is_switched_who_did_not_ask(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_true(err_is(send(f, 1, &switching, false), ERR_TARGET_BAD_RESPONSE));
    check_out(f, "");
    assert_false(failed(send(f, 1, &no_body, true)));
}

/* RFC 9112 9.6. */
static void a_client_may_end_its_direction_and_wait(void **state)
{
    struct fixture *f = *state;
    feed(f, GET "\r\n");
    assert_false(failed(codec_feed_eof(f->codec)));
    assert_false(failed(send(f, 1, &no_body, true)));
    check_out(f, S200 "Connection: close\r\nContent-Length: 0\r\n\r\n");
    check_events(f, "he");
}

static void an_error_from_an_event_ends_the_feed(void **state)
{
    struct fixture *f = *state;
    size_t used;
    f->answer = fail(ERR_LIMIT, 7);
    struct err e = codec_feed(f->codec, STR(GET "\r\n"), &used);
    assert_true(err_is(e, ERR_LIMIT) && e.detail == 7);
    check_events(f, "h");
    assert_false(codec_can_reuse(f->codec));
}

static void no_arena_is_out_of_memory(void **state)
{
    struct fixture *f = *state;
    size_t used;
    struct arena *kept = f->arena;
    f->arena = NULL;
    assert_true(err_is(codec_feed(f->codec, STR(GET "\r\n"), &used), ERR_MEMORY));
    f->arena = kept;
    assert_true(err_is(send(f, 1, &no_body, true), ERR_CANCELLED));
}

static void memory_may_be_short_at_every_step(void **state)
{
    static const char in[] = CHUNKED "1\r\na\r\n0\r\nX: y\r\n\r\n" GET "\r\n";
    static const struct codec_trace_options o = {.answers = true, .ends = true};
    struct buf text;
    bool has_fired = true;
    (void)state;
    for (unsigned nth = 1; has_fired; nth++) {
        buf_init(&text, TEXT_MAX_BYTES);
        mem_fault_arm(nth);
        codec_trace_run(&o, str_make(in, sizeof(in) - 1), 7, 7, &text);
        has_fired = mem_fault_fired();
        mem_fault_arm(0);
        buf_fini(&text);
    }
}

#define DRIVEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* RFC 9113 3.3: the rest is left for another codec. */
static void http2_with_prior_knowledge_is_told(void **state)
{
    const struct codec_trace_options plain = {.is_plain = true};
    (void)state;
    check_trace("the preface", &plain, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                "preface\nreuse yes\n");
    check_trace("with a field", &plain, STR("PRI * HTTP/2.0\r\nHost: a\r\n\r\n"),
                REFUSED("bad_version"));
    check_trace("another target", &plain, STR("PRI / HTTP/2.0\r\n\r\n"),
                REFUSED("bad_version"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_heads_are_refused),
        cmocka_unit_test(what_was_read_of_a_refused_head_is_told),
        cmocka_unit_test(of_a_head_that_is_too_long_the_beginning_is_told),
        cmocka_unit_test(ambiguous_bodies_are_refused),
        cmocka_unit_test(requests_are_read_however_they_arrive),
        cmocka_unit_test(an_end_in_the_middle_is_no_end),
        cmocka_unit_test(heads_have_ceilings),
        cmocka_unit_test(answers_are_framed_for_their_reader),
        DRIVEN(nothing_is_read_behind_a_request_until_its_answer_is_sent),
        DRIVEN(interim_answers_come_before_the_final_one),
        DRIVEN(http_1_0_gets_no_interim_answer),
        DRIVEN(an_answer_before_the_request_is_complete_ends_the_connection),
        DRIVEN(an_answer_may_begin_before_the_request_is_complete),
        DRIVEN(refusing_reuse_is_told_in_the_next_head),
        DRIVEN(a_refused_request_can_be_answered),
        DRIVEN(a_request_that_did_not_come_can_be_answered),
        DRIVEN(a_client_that_is_told_so_may_go),
        DRIVEN(a_request_in_hand_cannot_be_overtaken),
        DRIVEN(an_abandoned_answer_gets_no_clean_end),
        DRIVEN(abandoning_another_exchange_changes_nothing),
        DRIVEN(an_end_after_the_end_is_harmless),
        DRIVEN(a_body_that_is_too_short_cuts_the_answer),
        DRIVEN(a_body_that_is_too_long_cuts_the_answer),
        DRIVEN(trailers_are_sent_behind_chunks),
        DRIVEN(after_101_both_directions_are_a_tunnel),
        DRIVEN(our_half_of_a_tunnel_may_end_first),
        DRIVEN(a_refused_upgrade_is_an_ordinary_answer),
        DRIVEN(nobody_is_switched_who_did_not_ask),
        DRIVEN(a_client_may_end_its_direction_and_wait),
        DRIVEN(an_error_from_an_event_ends_the_feed),
        DRIVEN(no_arena_is_out_of_memory),
        cmocka_unit_test(memory_may_be_short_at_every_step),
        cmocka_unit_test(http2_with_prior_knowledge_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
