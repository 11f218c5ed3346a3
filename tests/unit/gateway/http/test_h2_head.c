/* Heads of HTTP/2: what responses and trailers may say, what a section may cost, and what is
 * written. What requests may say is told by test_h2_codec.c, through the library. */
#include "gateway/http/h2_head.h"
#include "tests/support/asserts.h"

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"

enum { ARENA_MAX_BYTES = 1 << 20 };

static void add_lines(struct h2_head *h, const char *lines)
{
    struct str rest = str_from(lines);
    struct str line;
    while (str_next(&rest, '\n', &line)) {
        size_t colon = 1 + str_index(str_skip(line, 1), ':');
        if (line.len > 0)
            h2_head_add(h, str_sub(line, 0, colon), str_skip(line, colon + 2));
    }
}

/* clang-format off */
static const struct {
    const char *name;
    enum h2_head_kind kind;
    bool has_end;
    const char *lines;
    const char *want; /* name of the error */
} sections[] = {
    {"a response", H2_HEAD_RESPONSE, false, ":status: 200\ncontent-length: 5\n", "ok"},
    {"no status", H2_HEAD_RESPONSE, false, "x: y\n", "bad_request"},
    {"two statuses", H2_HEAD_RESPONSE, false, ":status: 200\n:status: 200\n", "bad_request"},
    {"a status of two digits", H2_HEAD_RESPONSE, false, ":status: 20\n", "bad_request"},
    {"a status above 599", H2_HEAD_RESPONSE, false, ":status: 600\n", "bad_request"},
    {"RFC 9113 8.6: 101", H2_HEAD_RESPONSE, false, ":status: 101\n", "bad_request"},
    {"RFC 9113 8.1: an interim end", H2_HEAD_RESPONSE, true, ":status: 103\n", "bad_request"},
    {"RFC 9110 8.6: 204 with a length", H2_HEAD_RESPONSE, true,
     ":status: 204\ncontent-length: 5\n", "bad_framing"},
    {"TE in a response", H2_HEAD_RESPONSE, true, ":status: 200\nte: trailers\n", "ok"},
    {"trailers", H2_HEAD_TRAILERS, true, "x: y\n", "ok"},
    {"RFC 9113 8.1: trailers are the end", H2_HEAD_TRAILERS, false, "x: y\n", "bad_request"},
    {"RFC 9113 8.1: pseudo-fields in trailers", H2_HEAD_TRAILERS, true, ":path: /\n",
     "bad_request"},
    {"an empty method", H2_HEAD_REQUEST, true,
     ":method: \n:scheme: https\n:authority: a\n:path: /\n", "bad_request"},
    {"RFC 9113 8.3.1: no authority at all", H2_HEAD_REQUEST, true,
     ":method: GET\n:scheme: https\n:path: /\n", "bad_host"},
    {"two Hosts", H2_HEAD_REQUEST, true,
     ":method: GET\n:scheme: https\n:path: /\nhost: a\nhost: a\n", "bad_host"},
};
/* clang-format on */

static void sections_are_taken_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
        struct h2_head h;
        h2_head_init(&h, sections[i].kind, a, HEAD_MAX_BYTES);
        add_lines(&h, sections[i].lines);
        struct err e = h2_head_finish(&h, sections[i].has_end);
        assert_row_str(sections[i].name, str_from(err_name(e)), sections[i].want);
    }
}

static void a_section_has_a_ceiling(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
    struct h2_head h;
    h2_head_init(&h, H2_HEAD_TRAILERS, a, 2 * 34);
    add_lines(&h, "a: b\nc: d\n");
    assert_ok(h.error);
    add_lines(&h, "e: f\n");
    assert_err(h2_head_finish(&h, true), ERR_HEAD_TOO_LARGE);
    /* An HPACK bomb costs no more memory than the ceiling, however long it goes on. */
    size_t used = arena_used(a);
    for (unsigned i = 0; i < 10000; i++)
        add_lines(&h, "cookie: a-long-value-that-is-one-byte-on-the-wire\n");
    assert_int_equal(arena_used(a), used);
}

static void trailers_lose_what_belongs_in_a_head(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
    struct h2_head h;
    h2_head_init(&h, H2_HEAD_TRAILERS, a, HEAD_MAX_BYTES);
    add_lines(&h, "content-length: 5\nx-sum: 1\nx-forwarded-for: a\nhost: a\n");
    assert_ok(h2_head_finish(&h, true));
    assert_int_equal(h.head.fields.count, 1);
    assert_str(h.head.fields.items[0].name, "x-sum");
}

static void check_written(struct arena *a, const struct http_head *head, const char *want)
{
    nghttp2_nv *nva;
    size_t count;
    struct buf text;
    buf_init(&text, ARENA_MAX_BYTES);
    assert_ok(h2_head_write(a, head, STR("https"), &nva, &count));
    for (size_t i = 0; i < count; i++)
        assert_ok(buf_append_fmt(&text, "%.*s: %.*s\n", (int)nva[i].namelen,
                                 (const char *)nva[i].name, (int)nva[i].valuelen,
                                 (const char *)nva[i].value));
    assert_str(buf_view(&text), want);
    buf_fini(&text);
}

static void add_field(struct arena *a, struct http_head *head, const char *name,
                      const char *value)
{
    assert_ok(http_fields_add(&head->fields, a, str_from(name), str_from(value)));
}

static void heads_are_written(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
    struct http_head ask = {.method = STR("POST"),
                            .authority = STR("a.example"),
                            .path = STR("/x?y"),
                            .body = HTTP_BODY_LENGTH,
                            .body_bytes = 5};
    add_field(a, &ask, "Cookie", "a=1; b=2;c=3");
    add_field(a, &ask, "Host", "other.example");
    add_field(a, &ask, "Connection", "close");
    add_field(a, &ask, "Content-Length", "9");
    add_field(a, &ask, "TE", "trailers");
    add_field(a, &ask, "X-Name", "Value");
    check_written(a, &ask,
                  ":method: POST\n:scheme: https\n:authority: a.example\n:path: /x?y\n"
                  "content-length: 5\ncookie: a=1\ncookie: b=2\ncookie: c=3\n"
                  "te: trailers\nx-name: Value\n");
    const struct http_head tunnel = {.method = STR("GET"),
                                     .authority = STR("a"),
                                     .path = STR("/"),
                                     .upgrade = STR("websocket")};
    check_written(a, &tunnel,
                  ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: a\n"
                  ":path: /\n");
    check_written(a, &(struct http_head){.status = 101, .upgrade = STR("websocket")},
                  ":status: 200\n");
    check_written(a, &(struct http_head){.status = 204, .body = HTTP_BODY_LENGTH},
                  ":status: 204\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_taken_or_refused),
        cmocka_unit_test(a_section_has_a_ceiling),
        cmocka_unit_test(trailers_lose_what_belongs_in_a_head),
        cmocka_unit_test(heads_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
