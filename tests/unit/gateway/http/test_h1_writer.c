#include "gateway/http/h1_writer.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

static struct buf out;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 64 * KIB);
    arena = arena_new(4096, 1 << 20);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    arena_free(arena);
    return 0;
}

static struct h1_writer writer_in(enum h1_writer_state at, uint64_t left_bytes)
{
    buf_clear(&out);
    return (struct h1_writer){
        .out = &out, .misfit = ERR_CLIENT_GONE, .state = at, .left_bytes = left_bytes};
}

static void check_out(const char *want)
{
    if (!str_eq(buf_view(&out), str_from(want)))
        fail_msg("wrote \"%.*s\"", STR_ARG(buf_view(&out)));
}

static struct http_fields fields_of(const char *const (*pairs)[2], size_t count)
{
    struct http_fields f = {0};
    for (size_t i = 0; i < count; i++)
        assert_false(
            failed(http_fields_add(&f, arena, str_from(pairs[i][0]), str_from(pairs[i][1]))));
    return f;
}

static const char *const pairs[][2] = {
    {"Accept", "*/*"},
    {"Host", "b"},
    {"Content-Length", "99"},
    {"X-Empty", ""},
    {"transfer-encoding", "chunked"},
    {"Connection", "close"},
    {"Upgrade", "x"},
};

static void a_request_is_written_in_one_form(void **state)
{
    struct http_head head = {.method = STR("POST"),
                             .path = STR("/a?b"),
                             .authority = STR("a.example:81"),
                             .fields = fields_of(pairs, ARRAY_LEN(pairs))};
    struct h1_plan plan = {
        .framing = H1_FRAMING_LENGTH, .body_bytes = UINT64_MAX, .next = H1_WRITER_LENGTH};
    struct h1_writer w = writer_in(H1_WRITER_HEAD, 0);
    (void)state;
    assert_false(failed(h1_writer_request(&w, &head, &plan)));
    check_out("POST /a?b HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\nX-Empty: \r\n"
              "Content-Length: 18446744073709551615\r\n\r\n");
    assert_int_equal(w.state, H1_WRITER_LENGTH);
}

static void a_request_without_authority_says_so(void **state)
{
    struct http_head head = {.method = STR("GET"), .path = STR("/")};
    struct h1_plan plan = {.framing = H1_FRAMING_NONE, .next = H1_WRITER_NOTHING};
    struct h1_writer w = writer_in(H1_WRITER_HEAD, 0);
    (void)state;
    assert_false(failed(h1_writer_request(&w, &head, &plan)));
    check_out("GET / HTTP/1.1\r\nHost: \r\n\r\n");
}

static void a_response_is_written_in_one_form(void **state)
{
    struct http_head head = {.status = 426,
                             .upgrade = STR("websocket"),
                             .fields = fields_of(pairs, ARRAY_LEN(pairs))};
    struct h1_plan plan = {.framing = H1_FRAMING_CHUNKED,
                           .connection = h1_writer_connection(true, true, false),
                           .next = H1_WRITER_CHUNKED};
    struct h1_writer w = writer_in(H1_WRITER_HEAD, 0);
    (void)state;
    assert_false(failed(h1_writer_response(&w, &head, &plan)));
    check_out("HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\n"
              "Upgrade: websocket\r\nAccept: */*\r\nX-Empty: \r\n"
              "Transfer-Encoding: chunked\r\n\r\n");
}

static void connection_says_what_must_be_said(void **state)
{
    (void)state;
    assert_true(str_is_empty(h1_writer_connection(false, false, false)));
    assert_true(str_eq(h1_writer_connection(false, false, true), STR("keep-alive")));
    assert_true(str_eq(h1_writer_connection(true, false, true), STR("close")));
    assert_true(str_eq(h1_writer_connection(false, true, false), STR("Upgrade")));
}

/* clang-format off */
static const struct {
    const char *name;
    enum h1_writer_state state;
    uint64_t left_bytes;
    const char *body; /* in two pieces, with an empty one between */
    const char *want;
    const struct err_kind *body_error, *end_error;
} bodies[] = {
    {"a length", H1_WRITER_LENGTH, 6, "abc", "abcabc", NULL, NULL},
    {"a length not reached", H1_WRITER_LENGTH, 7, "abc", "abcabc", NULL, ERR_CLIENT_GONE},
    {"a length passed", H1_WRITER_LENGTH, 5, "abc", "abc", ERR_CLIENT_GONE, ERR_CANCELLED},
    {"length zero", H1_WRITER_LENGTH, 0, "", "", NULL, NULL},
    {"chunks, without an empty one",
     H1_WRITER_CHUNKED, 0, "abc", "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"no chunk", H1_WRITER_CHUNKED, 0, "", "0\r\n\r\n", NULL, NULL},
    {"raw", H1_WRITER_RAW, 0, "abc", "abcabc", NULL, NULL},
    {"an answer without a body", H1_WRITER_NOTHING, 9, "abc", "", NULL, NULL},
    {"before the head", H1_WRITER_HEAD, 0, "abc", "", ERR_CANCELLED, ERR_CANCELLED},
    {"after the end", H1_WRITER_DONE, 0, "abc", "", ERR_CANCELLED, ERR_CANCELLED},
    {"after a cut, no clean terminator",
     H1_WRITER_CUT, 0, "abc", "", ERR_CANCELLED, ERR_CANCELLED},
};
/* clang-format on */

static void bodies_are_framed_as_announced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct str body = str_from(bodies[i].body);
        struct h1_writer w = writer_in(bodies[i].state, bodies[i].left_bytes);
        struct err e = h1_writer_body(&w, body);
        if (!failed(e))
            e = h1_writer_body(&w, STR_NONE);
        if (!failed(e))
            e = h1_writer_body(&w, body);
        struct err end = h1_writer_end(&w, NULL);
        if (e.kind != bodies[i].body_error || end.kind != bodies[i].end_error ||
            !str_eq(buf_view(&out), str_from(bodies[i].want)))
            fail_msg("%s: %s, %s, \"%.*s\"", bodies[i].name, err_name(e), err_name(end),
                     STR_ARG(buf_view(&out)));
    }
}

static void trailers_stand_behind_the_last_chunk_only(void **state)
{
    static const char *const trailer_pairs[][2] = {{"X-Sum", "1"}, {"Content-Length", "5"}};
    struct http_fields f = fields_of(trailer_pairs, ARRAY_LEN(trailer_pairs));
    struct h1_writer w = writer_in(H1_WRITER_CHUNKED, 0);
    (void)state;
    assert_false(failed(h1_writer_end(&w, &f)));
    check_out("0\r\nX-Sum: 1\r\n\r\n");
    w = writer_in(H1_WRITER_LENGTH, 0);
    assert_false(failed(h1_writer_end(&w, &f)));
    check_out("");
}

static void a_message_is_complete_when_all_of_it_was_given(void **state)
{
    struct h1_writer w = writer_in(H1_WRITER_LENGTH, 1);
    (void)state;
    assert_false(h1_writer_is_complete(&w));
    assert_false(failed(h1_writer_body(&w, STR("x"))));
    assert_true(h1_writer_is_complete(&w));
    w = writer_in(H1_WRITER_CHUNKED, 0);
    assert_false(h1_writer_is_complete(&w));
    assert_false(failed(h1_writer_end(&w, NULL)));
    assert_true(h1_writer_is_complete(&w));
    w = writer_in(H1_WRITER_CUT, 0);
    assert_false(h1_writer_is_complete(&w));
}

/* A full or failing buffer leaves everything as it was: the call may be repeated. */
static void nothing_is_written_by_halves(void **state)
{
    struct buf small;
    struct http_head head = {.status = 200};
    struct h1_plan plan = {.framing = H1_FRAMING_CHUNKED, .next = H1_WRITER_CHUNKED};
    struct h1_writer w = {.out = &small, .misfit = ERR_CLIENT_GONE};
    (void)state;
    buf_init(&small, 16);
    assert_true(err_is(h1_writer_response(&w, &head, &plan), ERR_LIMIT));
    assert_int_equal(w.state, H1_WRITER_HEAD);
    w.state = H1_WRITER_CHUNKED;
    assert_true(err_is(h1_writer_body(&w, STR("abcdefgh")), ERR_LIMIT));
    assert_int_equal(buf_len(&small), 0);
    mem_fault_arm(1);
    assert_true(err_is(h1_writer_end(&w, NULL), ERR_MEMORY));
    mem_fault_arm(0);
    assert_false(failed(h1_writer_end(&w, NULL)));
    assert_true(str_eq(buf_view(&small), STR("0\r\n\r\n")));
    buf_fini(&small);
}

static void sizes_are_written_in_hexadecimal(void **state)
{
    static char bytes[0x1a2b];
    struct h1_writer w;
    struct buf large;
    (void)state;
    buf_init(&large, 1 << 16);
    w = (struct h1_writer){.out = &large, .state = H1_WRITER_CHUNKED};
    assert_false(failed(h1_writer_body(&w, str_make(bytes, sizeof(bytes)))));
    assert_true(str_starts(buf_view(&large), STR("1a2b\r\n")));
    assert_int_equal(buf_len(&large), 6 + sizeof(bytes) + 2);
    buf_fini(&large);
}

/* ---- the way past the buffer ---- */

static struct {
    size_t takes; /* of each piece */
    size_t calls;
    struct buf sent; /* what was in out, and what was taken */
} passage;

static size_t pass(void *arg, struct str bytes)
{
    assert_ptr_equal(arg, &passage);
    passage.calls++;
    assert_false(failed(buf_append(&passage.sent, buf_view(&out))));
    buf_clear(&out);
    bytes = str_sub(bytes, 0, passage.takes);
    assert_false(failed(buf_append(&passage.sent, bytes)));
    return bytes.len;
}

/* However much of a piece is taken, the same bytes stand on the wire. */
static void large_pieces_go_past_the_buffer(void **state)
{
    static const struct {
        enum h1_writer_state state;
        const char *before, *behind;
    } cases[] = {{H1_WRITER_LENGTH, "", ""},
                 {H1_WRITER_RAW, "", ""},
                 {H1_WRITER_CHUNKED, "2000\r\n", "\r\n"}};
    static const size_t takes[] = {0, 1, BODY_PASS_MIN_BYTES - 1, BODY_PASS_MIN_BYTES};
    static char bytes[BODY_PASS_MIN_BYTES];
    struct buf large;
    (void)state;
    memset(bytes, 'b', sizeof(bytes));
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(takes); i++) {
        struct h1_writer w = writer_in(cases[i / ARRAY_LEN(takes)].state, sizeof(bytes) + 5);
        w.pass = pass;
        w.pass_arg = &passage;
        passage.takes = takes[i % ARRAY_LEN(takes)];
        passage.calls = 0;
        buf_init(&passage.sent, 1 << 16);
        buf_init(&large, 1 << 16);
        assert_false(failed(buf_append(&out, STR("head"))));
        assert_false(failed(h1_writer_body(&w, str_make(bytes, sizeof(bytes)))));
        assert_int_equal(passage.calls, 1);
        assert_false(failed(buf_append(&passage.sent, buf_view(&out))));
        assert_false(failed(buf_append(&large, STR("head"))));
        assert_false(failed(buf_append(&large, str_from(cases[i / ARRAY_LEN(takes)].before))));
        assert_false(failed(buf_append(&large, str_make(bytes, sizeof(bytes)))));
        assert_false(failed(buf_append(&large, str_from(cases[i / ARRAY_LEN(takes)].behind))));
        assert_true(str_eq(buf_view(&passage.sent), buf_view(&large)));
        buf_clear(&out);
        assert_false(failed(h1_writer_body(&w, STR("small"))));
        assert_int_equal(passage.calls, 1);
        buf_fini(&passage.sent);
        buf_fini(&large);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_written_in_one_form),
        cmocka_unit_test(a_request_without_authority_says_so),
        cmocka_unit_test(a_response_is_written_in_one_form),
        cmocka_unit_test(connection_says_what_must_be_said),
        cmocka_unit_test(bodies_are_framed_as_announced),
        cmocka_unit_test(trailers_stand_behind_the_last_chunk_only),
        cmocka_unit_test(a_message_is_complete_when_all_of_it_was_given),
        cmocka_unit_test(nothing_is_written_by_halves),
        cmocka_unit_test(sizes_are_written_in_hexadecimal),
        cmocka_unit_test(large_pieces_go_past_the_buffer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
