/* The codec as targets see it: what it takes for an answer, however the bytes arrive, and when
 * a connection may be used again. */
#include "gateway/http/h1_codec.h"
#include "tests/support/codec_trace.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

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

#define S200       "HTTP/1.1 200 OK\r\n"
#define CHUNKED    S200 "Transfer-Encoding: chunked\r\n\r\n"
#define H200       "head 1 200 1.1"
#define BAD        "error target_bad_response\nreuse no\n"
#define BAD_CHUNKS H200 " body ?\n" BAD

struct row {
    const char *name;
    struct str in;
    const char *want;
};

static void check_rows(const struct row *rows, size_t count,
                       const struct codec_trace_options *o)
{
    for (size_t i = 0; i < count; i++)
        check_trace(rows[i].name, o, rows[i].in, rows[i].want);
}

/* clang-format off */
static const struct row refused[] = {
    {"RFC 9112 4: a lower-case version", STR_LIT("http/1.1 200 OK\r\n\r\n"), BAD},
    {"RFC 9112 4: HTTP/2", STR_LIT("HTTP/2.0 200 OK\r\n\r\n"), BAD},
    {"RFC 9112 4: HTTP/0.9", STR_LIT("<html>\r\n\r\n"), BAD},
    {"RFC 9112 4: two digits", STR_LIT("HTTP/1.1 20 OK\r\n\r\n"), BAD},
    {"RFC 9112 4: four digits", STR_LIT("HTTP/1.1 2000 OK\r\n\r\n"), BAD},
    {"RFC 9112 4: letters", STR_LIT("HTTP/1.1 2xx OK\r\n\r\n"), BAD},
    {"RFC 9112 4: below 100", STR_LIT("HTTP/1.1 099 OK\r\n\r\n"), BAD},
    {"RFC 9112 4: two spaces", STR_LIT("HTTP/1.1  200 OK\r\n\r\n"), BAD},
    {"RFC 9112 2.2: an empty line first", STR_LIT("\r\n" S200 "\r\n"), BAD},
    {"RFC 9112 2.2: a bare LF", STR_LIT("HTTP/1.1 200 OK\n\n"), BAD},
    {"RFC 9112 2.2: a bare CR", STR_LIT(S200 "X: a\rb\r\n\r\n"), BAD},
    {"RFC 9112 5.1: a space before the colon", STR_LIT(S200 "X : a\r\n\r\n"), BAD},
    {"RFC 9112 5.2: a folded value", STR_LIT(S200 "X: a\r\n b\r\n\r\n"), BAD},
    {"RFC 9110 5.5: NUL in a value", STR_LIT(S200 "X: \0\r\n\r\n"), BAD},
    {"RFC 9112 6.1: a length and a coding",
     STR_LIT(S200 "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD},
    {"RFC 9112 6.1: a coding in HTTP/1.0",
     STR_LIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD},
    {"RFC 9112 6.1: another coding", STR_LIT(S200 "Transfer-Encoding: gzip\r\n\r\n"), BAD},
    {"RFC 9112 6.3: two equal lengths",
     STR_LIT(S200 "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), BAD},
    {"RFC 9112 6.3: two unequal lengths",
     STR_LIT(S200 "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"), BAD},
    {"RFC 9112 6.3: a list of lengths", STR_LIT(S200 "Content-Length: 1, 1\r\n\r\na"), BAD},
    {"RFC 9112 6.3: a length with a sign", STR_LIT(S200 "Content-Length: +1\r\n\r\na"), BAD},
    {"RFC 9112 6.3: an empty length", STR_LIT(S200 "Content-Length: \r\n\r\na"), BAD},
    {"RFC 9112 7.1: a bad size", STR_LIT(CHUNKED "x\r\n"), BAD_CHUNKS},
    {"RFC 9112 7.1: a size with a space", STR_LIT(CHUNKED "1 \r\na\r\n"), BAD_CHUNKS},
    {"RFC 9112 7.1: a negative size", STR_LIT(CHUNKED "-1\r\na\r\n"), BAD_CHUNKS},
    {"RFC 9112 7.1: no line end behind a chunk",
     STR_LIT(CHUNKED "1\r\nab0\r\n\r\n"), H200 " body ?\nbody 1 a\n" BAD},
    {"RFC 9112 7.1.2: a malformed trailer", STR_LIT(CHUNKED "0\r\nX\r\n\r\n"), BAD_CHUNKS},
    {"RFC 9110 15.2.2: 101 that nobody asked for",
     STR_LIT("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), BAD},
};
/* clang-format on */

static void malformed_answers_are_refused(void **state)
{
    static const struct codec_trace_options o = {.is_client = true};
    (void)state;
    check_rows(refused, ARRAY_LEN(refused), &o);
}

/* clang-format off */
static const struct row accepted[] = {
    {"a length",
     STR_LIT(S200 "Content-Length: 3\r\n\r\nabc"),
     H200 " body 3\nbody 1 abc\nend 1\nreuse yes\n"},
    {"length zero",
     STR_LIT(S200 "Content-Length: 0\r\n\r\n"), H200 " body 0\nend 1\nreuse yes\n"},
    {"chunks",
     STR_LIT(CHUNKED "3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n"),
     H200 " body ?\nbody 1 abcd\nend 1\nreuse yes\n"},
    {"trailers",
     STR_LIT(CHUNKED "0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n"),
     H200 " body ?\nend 1\n  X-Sum: 1\nreuse yes\n"},
    {"RFC 9112 4: no reason",
     STR_LIT("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"), H200 " body 0\nend 1\nreuse yes\n"},
    {"RFC 9112 4: not even the space",
     STR_LIT("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), H200 " body 0\nend 1\nreuse yes\n"},
    {"RFC 9110 15.3.5: 204",
     STR_LIT("HTTP/1.1 204 No Content\r\n\r\n"), "head 1 204 1.1\nend 1\nreuse yes\n"},
    {"RFC 9110 8.6: 204 with a length",
     STR_LIT("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"),
     "head 1 204 1.1\nend 1\nreuse no\n"},
    {"RFC 9110 15.4.5: 304 tells a length",
     STR_LIT("HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n"),
     "head 1 304 1.1 body 3\nend 1\nreuse yes\n"},
    {"RFC 9112 9.3: close",
     STR_LIT(S200 "Connection: close\r\nContent-Length: 1\r\n\r\na"),
     H200 " body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"RFC 9112 9.3: ... and what follows it",
     STR_LIT(S200 "Connection: close\r\nContent-Length: 1\r\n\r\nab"),
     H200 " body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"RFC 9112 9.3: HTTP/1.0",
     STR_LIT("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"),
     "head 1 200 1.0 body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"RFC 9112 9.3: HTTP/1.0 with keep-alive",
     STR_LIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na"),
     "head 1 200 1.0 body 1\nbody 1 a\nend 1\nreuse yes\n"},
    {"RFC 9110 15.2: interim answers",
     STR_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" S200
     "Content-Length: 0\r\n\r\n"),
     "head 1 100 1.1\nhead 1 103 1.1\n" H200 " body 0\nend 1\nreuse yes\n"},
    {"only interim answers so far",
     STR_LIT("HTTP/1.1 100 Continue\r\n\r\n"), "head 1 100 1.1\nreuse yes\n"},
    {"nothing so far", STR_LIT(""), "reuse yes\n"},
};
/* clang-format on */

static void answers_are_read_however_they_arrive(void **state)
{
    static const struct codec_trace_options o = {.is_client = true};
    (void)state;
    check_rows(accepted, ARRAY_LEN(accepted), &o);
}

/* They could only be taken for the answer to the next request. */
static void bytes_behind_an_answer_end_the_connection(void **state)
{
    static const struct codec_trace_options o = {.is_client = true};
    struct buf text;
    static const char in[] =
        S200 "Content-Length: 1\r\n\r\na" S200 "Content-Length: 1\r\n\r\nb";
    (void)state;
    buf_init(&text, TEXT_MAX_BYTES);
    for (size_t step = 1; step <= sizeof(in); step++) {
        buf_clear(&text);
        codec_trace_run(&o, str_make(in, sizeof(in) - 1), step, step, &text);
        assert_true(str_eq(buf_view(&text), STR(H200 " body 1\nbody 1 a\nend 1\n" BAD)));
    }
    buf_fini(&text);
}

/* clang-format off */
static const struct row ends[] = {
    {"before an answer", STR_LIT(""), "error target_closed\nreuse no\n"},
    {"in a head", STR_LIT(S200), "error target_closed\nreuse no\n"},
    {"after an interim head",
     STR_LIT("HTTP/1.1 100 C\r\n\r\n"), "head 1 100 1.1\nerror target_closed\nreuse no\n"},
    {"in a body",
     STR_LIT(S200 "Content-Length: 2\r\n\r\na"),
     H200 " body 2\nbody 1 a\nerror target_reset\nreuse no\n"},
    {"in a chunk",
     STR_LIT(CHUNKED "2\r\na"), H200 " body ?\nbody 1 a\nerror target_reset\nreuse no\n"},
    {"before the last chunk",
     STR_LIT(CHUNKED "1\r\na\r\n"), H200 " body ?\nbody 1 a\nerror target_reset\nreuse no\n"},
    {"in the last chunk",
     STR_LIT(CHUNKED "1\r\na\r\n0\r\n"),
     H200 " body ?\nbody 1 a\nerror target_reset\nreuse no\n"},
    {"after an answer",
     STR_LIT(S200 "Content-Length: 1\r\n\r\na"), H200 " body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"RFC 9112 6.3: it ends a body",
     STR_LIT(S200 "\r\nabc"), H200 " body ?\nbody 1 abc\nend 1\nreuse no\n"},
    {"... an empty one", STR_LIT(S200 "\r\n"), H200 " body ?\nend 1\nreuse no\n"},
    {"... of HTTP/1.0",
     STR_LIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc"),
     "head 1 200 1.0 body ?\nbody 1 abc\nend 1\nreuse no\n"},
};
/* clang-format on */

static void an_end_counts_as_one_where_the_head_said_so(void **state)
{
    static const struct codec_trace_options o = {.is_client = true, .ends = true};
    (void)state;
    check_rows(ends, ARRAY_LEN(ends), &o);
}

/* clang-format off */
static const struct row heads[] = {
    {"a length", STR_LIT(S200 "Content-Length: 3\r\n\r\n"), H200 " body 3\nend 1\nreuse yes\n"},
    {"chunks", STR_LIT(CHUNKED), H200 " body ?\nend 1\nreuse yes\n"},
    {"neither", STR_LIT(S200 "\r\n"), H200 "\nend 1\nreuse yes\n"},
    {"a body all the same",
     STR_LIT(S200 "Content-Length: 3\r\n\r\nabc"),
     H200 " body 3\nend 1\nerror target_bad_response\nreuse no\n"},
};
/* clang-format on */

static void answers_to_head_have_no_body(void **state)
{
    static const struct codec_trace_options o = {.is_client = true, .method = "HEAD"};
    (void)state;
    check_rows(heads, ARRAY_LEN(heads), &o);
}

#define S101 "HTTP/1.1 101 S\r\nConnection: upgrade\r\n"

/* clang-format off */
static const struct row switches[] = {
    {"asked for",
     STR_LIT(S101 "Upgrade: websocket\r\n\r\n\x81\x01z"),
     "head 1 101 1.1 upgrade websocket\nbody 1 \x81\x01z\nend 1\nreuse no\n"},
    {"in another case",
     STR_LIT(S101 "Upgrade: WebSocket\r\n\r\n"),
     "head 1 101 1.1 upgrade WebSocket\nend 1\nreuse no\n"},
    {"after an interim answer",
     STR_LIT("HTTP/1.1 103 E\r\n\r\n" S101 "Upgrade: b/1\r\n\r\n"),
     "head 1 103 1.1\nhead 1 101 1.1 upgrade b/1\nend 1\nreuse no\n"},
    {"refused",
     STR_LIT(S200 "Content-Length: 1\r\n\r\na"), H200 " body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"to something else", STR_LIT(S101 "Upgrade: c\r\n\r\n"), BAD},
    {"to more than was asked for", STR_LIT(S101 "Upgrade: websocket, c\r\n\r\n"), BAD},
    {"to another HTTP", STR_LIT(S101 "Upgrade: h2c\r\n\r\n"), BAD},
    {"without saying to what", STR_LIT(S101 "\r\n"), BAD},
    {"without Connection", STR_LIT("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n"), BAD},
};
/* clang-format on */

static void a_tunnel_begins_as_asked_for_or_not_at_all(void **state)
{
    static const struct codec_trace_options o = {
        .is_client = true, .ends = true, .upgrade = "websocket, b/1"};
    (void)state;
    check_rows(switches, ARRAY_LEN(switches), &o);
}

/* clang-format off */
static const struct row early[] = {
    {"a whole answer",
     STR_LIT("HTTP/1.1 413 C\r\nContent-Length: 1\r\n\r\na"),
     "head 1 413 1.1 body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"... and more behind it", STR_LIT("HTTP/1.1 413 C\r\nContent-Length: 1\r\n\r\nab"),
     "head 1 413 1.1 body 1\nbody 1 a\nend 1\nreuse no\n"},
    {"an interim one", STR_LIT("HTTP/1.1 100 C\r\n\r\n"), "head 1 100 1.1\nreuse yes\n"},
};
/* clang-format on */

/* The rest of the request would have to be sent before the next one. */
static void an_answer_before_the_request_is_complete_ends_the_connection(void **state)
{
    static const struct codec_trace_options o = {
        .is_client = true, .method = "POST", .unsent_bytes = 5};
    (void)state;
    check_rows(early, ARRAY_LEN(early), &o);
}

static void interim_answers_are_counted(void **state)
{
    static const struct codec_trace_options o = {.is_client = true};
    struct buf in;
    struct buf text;
    (void)state;
    buf_init(&in, 4096);
    buf_init(&text, TEXT_MAX_BYTES);
    for (int i = 0; i <= INTERIM_MAX; i++)
        assert_false(failed(buf_append(&in, STR("HTTP/1.1 100 C\r\n\r\n"))));
    codec_trace_run(&o, buf_view(&in), 100, 100, &text);
    assert_true(str_ends(buf_view(&text), STR(BAD)));
    buf_clear(&text);
    buf_consume(&in, sizeof("HTTP/1.1 100 C\r\n\r\n") - 1);
    codec_trace_run(&o, buf_view(&in), 100, 100, &text);
    assert_true(str_ends(buf_view(&text), STR("reuse yes\n")));
    buf_fini(&in);
    buf_fini(&text);
}

static void heads_have_a_ceiling(void **state)
{
    static const struct codec_trace_options o = {.is_client = true, .max_head_bytes = 64};
    (void)state;
    check_trace(
        "fields", &o,
        STR(S200 "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"),
        "error target_head_too_large\nreuse no\n");
    check_trace(
        "a status line", &o,
        STR("HTTP/1.1 200 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"),
        "error target_head_too_large\nreuse no\n");
}

/* ---- sending: a codec driven by hand ---- */

struct fixture {
    struct codec *codec;
    struct arena *arena;
    struct buf out;
    bool was_reusable; /* at on_end */
    unsigned ends;
};

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    (void)arg;
    (void)user;
    (void)head;
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    (void)arg;
    (void)user;
    (void)bytes;
    return OK;
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    struct fixture *f = arg;
    (void)user;
    (void)trailers;
    f->was_reusable = codec_can_reuse(f->codec);
    f->ends++;
    return OK;
}

static const struct codec_events events = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.arena = arena_new(4096, 1 << 20)};
    buf_init(&f.out, 1 << 16);
    struct codec_options o = {
        .events = &events, .arg = &f, .out = &f.out, .max_head_bytes = HEAD_MAX_BYTES};
    *state = &f;
    return f.arena == NULL || failed(h1_codec_new_client(&o, &f.codec));
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_fault_arm(0);
    codec_free(f->codec);
    arena_free(f->arena);
    buf_fini(&f->out);
    return 0;
}

static struct err feed(struct fixture *f, const char *bytes)
{
    size_t used;
    return codec_feed(f->codec, str_from(bytes), &used);
}

static void check_out(struct fixture *f, const char *want)
{
    if (!str_eq(buf_view(&f->out), str_from(want)))
        fail_msg("sent \"%.*s\"", STR_ARG(buf_view(&f->out)));
    buf_clear(&f->out);
}

static const struct http_head get = {.method = {.p = "GET", .len = 3},
                                     .authority = {.p = "a:1", .len = 3},
                                     .path = {.p = "/", .len = 1}};

static struct http_head post(enum http_body body, uint64_t bytes)
{
    struct http_head h = get;
    h.method = STR("POST");
    h.body = body;
    h.body_bytes = bytes;
    return h;
}

static uint32_t open_with(struct fixture *f, const struct http_head *head, bool is_end)
{
    uint32_t id;
    assert_false(failed(codec_open(f->codec, f->arena, (void *)1, &id)));
    assert_false(failed(codec_send_head(f->codec, id, head, is_end)));
    return id;
}

#define OK_0  S200 "Content-Length: 0\r\n\r\n"
#define LINES "HTTP/1.1\r\nHost: a:1\r\n"

static void requests_follow_each_other(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(open_with(f, &get, true), i);
        check_out(f, "GET / " LINES "\r\n");
        assert_false(failed(feed(f, OK_0)));
        assert_true(f->was_reusable);
        assert_int_equal(f->ends, i);
    }
}

static void bodies_are_framed_as_their_head_says(void **state)
{
    struct fixture *f = *state;
    struct http_head head = post(HTTP_BODY_LENGTH, 5);
    uint32_t id = open_with(f, &head, false);
    assert_false(failed(codec_send_body(f->codec, id, STR("hello"))));
    assert_false(failed(codec_send_end(f->codec, id, NULL)));
    check_out(f, "POST / " LINES "Content-Length: 5\r\n\r\nhello");
    assert_false(failed(feed(f, OK_0)));

    head = post(HTTP_BODY_UNKNOWN, 0);
    id = open_with(f, &head, false);
    assert_false(failed(codec_send_body(f->codec, id, STR("hello"))));
    assert_false(failed(codec_send_end(f->codec, id, NULL)));
    assert_false(failed(codec_send_end(f->codec, id, NULL)));
    check_out(f, "POST / " LINES "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_false(failed(feed(f, OK_0)));
    assert_true(f->was_reusable);
}

/* All bytes of the body were sent; only the call that says so was still to come. */
static void a_complete_body_counts_without_its_end(void **state)
{
    struct fixture *f = *state;
    struct http_head head = post(HTTP_BODY_LENGTH, 5);
    uint32_t id = open_with(f, &head, false);
    assert_false(failed(codec_send_body(f->codec, id, STR("hello"))));
    assert_false(failed(feed(f, OK_0)));
    assert_true(f->was_reusable);
    assert_false(failed(codec_send_end(f->codec, id, NULL)));
}

static void a_request_that_is_cut_gets_no_clean_end(void **state)
{
    struct fixture *f = *state;
    struct http_head head = post(HTTP_BODY_UNKNOWN, 0);
    uint32_t id = open_with(f, &head, false);
    assert_false(failed(codec_send_body(f->codec, id, STR("hello"))));
    codec_abandon(f->codec, id);
    assert_true(err_is(codec_send_end(f->codec, id, NULL), ERR_CANCELLED));
    check_out(f, "POST / " LINES "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_false(codec_can_reuse(f->codec));
    assert_false(failed(feed(f, OK_0)));
    assert_int_equal(f->ends, 0);
    assert_true(err_is(codec_open(f->codec, f->arena, (void *)1, &id), ERR_TARGET_CLOSED));
}

static void a_body_that_does_not_fit_its_length_is_cut(void **state)
{
    struct fixture *f = *state;
    struct http_head head = post(HTTP_BODY_LENGTH, 5);
    uint32_t id = open_with(f, &head, false);
    assert_false(failed(codec_send_body(f->codec, id, STR("hell"))));
    assert_true(err_is(codec_send_end(f->codec, id, NULL), ERR_CLIENT_GONE));
    assert_false(codec_can_reuse(f->codec));
}

static void nothing_is_sent_for_an_answered_request(void **state)
{
    struct fixture *f = *state;
    struct http_head head = post(HTTP_BODY_LENGTH, 5);
    uint32_t id = open_with(f, &head, false);
    assert_false(failed(feed(f, OK_0)));
    assert_false(f->was_reusable);
    buf_clear(&f->out);
    assert_true(err_is(codec_send_body(f->codec, id, STR("hello")), ERR_CANCELLED));
    assert_true(err_is(codec_send_end(f->codec, id, NULL), ERR_CANCELLED));
    check_out(f, "");
}

static void bytes_on_an_idle_connection_end_it(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    open_with(f, &get, true);
    assert_false(failed(feed(f, OK_0)));
    assert_true(err_is(feed(f, "H"), ERR_TARGET_BAD_RESPONSE));
    assert_false(codec_can_reuse(f->codec));
    assert_true(err_is(codec_open(f->codec, f->arena, (void *)1, &id), ERR_TARGET_CLOSED));
}

static void an_answer_before_the_question_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    assert_false(failed(codec_open(f->codec, f->arena, (void *)1, &id)));
    assert_true(err_is(feed(f, OK_0), ERR_TARGET_BAD_RESPONSE));
}

/* Whoever greets with another protocol may wait for our next word. */
static void a_greeting_in_another_protocol_is_not_waited_out(void **state)
{
    struct fixture *f = *state;
    open_with(f, &get, true);
    assert_true(err_is(feed(f, "SSH-2.0-OpenSSH_9.2\r\n"), ERR_TARGET_BAD_RESPONSE));
    assert_false(codec_can_reuse(f->codec));
}

static void a_greeting_byte_by_byte_ends_at_the_first_wrong_one(void **state)
{
    struct fixture *f = *state;
    open_with(f, &get, true);
    assert_false(failed(feed(f, "HTTP")));
    assert_false(failed(feed(f, "/1.1 4")));
    assert_true(err_is(feed(f, "x"), ERR_TARGET_BAD_RESPONSE));
}

static void the_end_of_an_idle_connection_is_a_proper_one(void **state)
{
    struct fixture *f = *state;
    assert_false(failed(codec_feed_eof(f->codec)));
    assert_false(codec_can_reuse(f->codec));
}

/* What stands behind the answer is known when its end is told. */
static void the_end_of_an_answer_tells_whether_the_connection_goes_on(void **state)
{
    struct fixture *f = *state;
    open_with(f, &get, true);
    assert_true(err_is(feed(f, OK_0 "H"), ERR_TARGET_BAD_RESPONSE));
    assert_int_equal(f->ends, 1);
    assert_false(f->was_reusable);
}

static void only_one_exchange_at_a_time(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    open_with(f, &get, true);
    assert_true(err_is(codec_open(f->codec, f->arena, (void *)1, &id), ERR_TARGET_CLOSED));
}

static void a_last_request_says_so(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    assert_false(failed(codec_open(f->codec, f->arena, (void *)1, &id)));
    codec_refuse_reuse(f->codec);
    assert_false(failed(codec_send_head(f->codec, id, &get, true)));
    check_out(f, "GET / " LINES "Connection: close\r\n\r\n");
    assert_true(err_is(codec_send_head(f->codec, id, &get, true), ERR_CANCELLED));
}

static void after_101_both_directions_are_a_tunnel(void **state)
{
    struct fixture *f = *state;
    struct http_head head = get;
    head.upgrade = STR("x");
    uint32_t id = open_with(f, &head, false);
    check_out(f, "GET / " LINES "Connection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_false(
        failed(feed(f, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")));
    assert_false(failed(codec_send_body(f->codec, id, STR("ping"))));
    check_out(f, "ping");
    assert_false(failed(codec_send_end(f->codec, id, NULL)));
    assert_true(err_is(codec_send_body(f->codec, id, STR("x")), ERR_CANCELLED));
    assert_false(failed(feed(f, "pong")));
    assert_false(failed(codec_feed_eof(f->codec)));
    assert_int_equal(f->ends, 1);
    assert_false(f->was_reusable);
}

static void memory_may_be_short_at_every_step(void **state)
{
    static const char in[] = "HTTP/1.1 103 E\r\n\r\n" CHUNKED "1\r\na\r\n0\r\nX: y\r\n\r\n";
    static const struct codec_trace_options o = {.is_client = true, .ends = true};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(answers_are_read_however_they_arrive),
        cmocka_unit_test(bytes_behind_an_answer_end_the_connection),
        cmocka_unit_test(an_end_counts_as_one_where_the_head_said_so),
        cmocka_unit_test(answers_to_head_have_no_body),
        cmocka_unit_test(a_tunnel_begins_as_asked_for_or_not_at_all),
        cmocka_unit_test(an_answer_before_the_request_is_complete_ends_the_connection),
        cmocka_unit_test(interim_answers_are_counted),
        cmocka_unit_test(heads_have_a_ceiling),
        DRIVEN(requests_follow_each_other),
        DRIVEN(bodies_are_framed_as_their_head_says),
        DRIVEN(a_complete_body_counts_without_its_end),
        DRIVEN(a_request_that_is_cut_gets_no_clean_end),
        DRIVEN(a_body_that_does_not_fit_its_length_is_cut),
        DRIVEN(nothing_is_sent_for_an_answered_request),
        DRIVEN(bytes_on_an_idle_connection_end_it),
        DRIVEN(an_answer_before_the_question_ends_the_connection),
        DRIVEN(a_greeting_in_another_protocol_is_not_waited_out),
        DRIVEN(a_greeting_byte_by_byte_ends_at_the_first_wrong_one),
        DRIVEN(the_end_of_an_idle_connection_is_a_proper_one),
        DRIVEN(the_end_of_an_answer_tells_whether_the_connection_goes_on),
        DRIVEN(only_one_exchange_at_a_time),
        DRIVEN(a_last_request_says_so),
        DRIVEN(after_101_both_directions_are_a_tunnel),
        cmocka_unit_test(memory_may_be_short_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
