#include "gateway/http/h1_body.h"
#include "gateway/http/h1_input.h"
#include "tests/support/unit.h"

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"

struct taking {
    struct h1_body body;
    struct arena *arena;
    struct buf text; /* body bytes, then " name=value" of each trailer */
};

static struct err take(void *codec, struct str bytes, size_t *ret_used)
{
    struct taking *t = codec;
    struct h1_piece piece;
    TRY(h1_body_take(&t->body, bytes, t->arena, &piece));
    TRY(buf_append(&t->text, piece.bytes));
    for (size_t i = 0; piece.trailers != NULL && i < piece.trailers->count; i++) {
        const struct http_field *f = &piece.trailers->items[i];
        TRY(buf_append_fmt(&t->text, " %.*s=%.*s", STR_ARG(f->name), STR_ARG(f->value)));
    }
    *ret_used = piece.used;
    return OK;
}

static bool is_taking(const void *codec)
{
    return ((const struct taking *)codec)->body.state != H1_BODY_DONE;
}

#define C10  "xxxxxxxxxx"
#define C100 C10 C10 C10 C10 C10 C10 C10 C10 C10 C10

/* clang-format off */
static const struct {
    const char *name;
    enum h1_framing framing;
    uint64_t bytes;
    struct str in;
    const char *want; /* text, with '$' if the end was reached; or the error */
    size_t left;      /* not taken, as it stands behind the body */
} cases[] = {
    {"no body", H1_FRAMING_NONE, 0, STR_LIT("abc"), "$", 3},
    {"length zero", H1_FRAMING_LENGTH, 0, STR_LIT("abc"), "$", 3},
    {"a length", H1_FRAMING_LENGTH, 3, STR_LIT("abc"), "abc$", 0},
    {"a length and more", H1_FRAMING_LENGTH, 3, STR_LIT("abcd"), "abc$", 1},
    {"a length not reached", H1_FRAMING_LENGTH, 3, STR_LIT("ab"), "ab", 0},
    {"until the end", H1_FRAMING_CLOSE, 0, STR_LIT("abc"), "abc", 0},
    {"no chunk", H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\n\r\n"), "$", 0},
    {"a chunk", H1_FRAMING_CHUNKED, 0, STR_LIT("3\r\nabc\r\n0\r\n\r\n"), "abc$", 0},
    {"chunks", H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "abc$", 0},
    {"extensions are dropped",
     H1_FRAMING_CHUNKED, 0, STR_LIT("1;a=b\r\na\r\n0;c\r\n\r\n"), "a$", 0},
    {"line ends inside a chunk",
     H1_FRAMING_CHUNKED, 0, STR_LIT("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n$", 0},
    {"what stands behind is left", H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\n\r\nGET /"), "$", 5},
    {"a trailer", H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nA: b\r\n\r\n"), " A=b$", 0},
    {"trailers",
     H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\nx"), "x A=b C=$", 1},
    {"forbidden trailers are dropped",
     H1_FRAMING_CHUNKED, 0,
     STR_LIT("0\r\nHost: b\r\nContent-Length: 5\r\nA: b\r\nAuthorization: x\r\n\r\n"), " A=b$",
     0},
    {"only forbidden trailers", H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nHost: b\r\n\r\n"), "$", 0},
    {"an end that has not come", H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nx\r\n0\r\n"), "x", 0},
    {"a chunk that has not come", H1_FRAMING_CHUNKED, 0, STR_LIT("5\r\nx"), "x", 0},
    {"no line end behind a chunk",
     H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nxy\r\n0\r\n\r\n"), "bad_framing", 0},
    {"a bare LF behind a chunk",
     H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nx\n0\r\n\r\n"), "bad_framing", 0},
    {"a bare CR behind a chunk",
     H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nx\rx\r\n0\r\n\r\n"), "bad_framing", 0},
    {"a chunk one byte short",
     H1_FRAMING_CHUNKED, 0, STR_LIT("2\r\nx\r\n0\r\n\r\n"), "bad_framing", 0},
    {"a bad size", H1_FRAMING_CHUNKED, 0, STR_LIT("1\r\nx\r\n0x1\r\n\r\n"), "bad_framing", 0},
    {"an empty line for a size",
     H1_FRAMING_CHUNKED, 0, STR_LIT("\r\n0\r\n\r\n"), "bad_framing", 0},
    {"a size line without end",
     H1_FRAMING_CHUNKED, 0, STR_LIT("5;" C100 C100 C100), "bad_framing", 0},
    {"a malformed trailer",
     H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nA b\r\n\r\n"), "bad_request", 0},
    {"a trailer, space before colon",
     H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nA : b\r\n\r\n"), "bad_request", 0},
    {"a folded trailer",
     H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nA: b\r\n c\r\n\r\n"), "bad_request", 0},
    {"a trailer with NUL",
     H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\nA: \0\r\n\r\n"), "bad_request", 0},
    {"a bare LF behind the last chunk",
     H1_FRAMING_CHUNKED, 0, STR_LIT("0\r\n\n"), "bad_request", 0},
};
/* clang-format on */

static struct err run(struct taking *t, struct str in, size_t step, size_t *ret_left)
{
    static const struct h1_taker taker = {.is_taking = is_taking, .take = take};
    struct h1_input input;
    struct err e = OK;
    size_t used = 0;
    h1_input_init(&input, HEAD_MAX_BYTES);
    for (size_t end = step; !failed(e); end += step) {
        size_t more;
        e = h1_input_feed(&input, &taker, t, str_skip(str_sub(in, 0, end), used), &more);
        used += more;
        if (end >= in.len)
            break;
    }
    h1_input_fini(&input);
    *ret_left = in.len - used;
    return e;
}

static void bodies_come_out_whole_however_they_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= cases[i].in.len; step++) {
            struct taking t = {.arena = arena_new(4096, 1 << 16)};
            size_t left;
            buf_init(&t.text, 4096);
            h1_body_init(&t.body, cases[i].framing, cases[i].bytes);
            struct err e = run(&t, cases[i].in, step, &left);
            if (failed(e))
                buf_clear(&t.text);
            struct err told = failed(e) ? buf_append_fmt(&t.text, "%s", err_name(e))
                              : t.body.state == H1_BODY_DONE ? buf_append(&t.text, STR("$"))
                                                             : OK;
            assert_false(failed(told));
            if (!str_eq(buf_view(&t.text), str_from(cases[i].want)) ||
                (!failed(e) && left != cases[i].left))
                fail_msg("%s: in steps of %zu: \"%.*s\", %zu left", cases[i].name, step,
                         STR_ARG(buf_view(&t.text)), left);
            buf_fini(&t.text);
            arena_free(t.arena);
        }
    }
}

static void trailers_have_a_ceiling(void **state)
{
    static char text[TRAILER_MAX_BYTES + 16];
    struct taking t = {.arena = arena_new(4096, 1 << 16)};
    size_t left;
    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "0\r\nA:", 5);
    buf_init(&t.text, 4096);
    for (size_t step = 1; step <= sizeof(text); step += sizeof(text) - 1) {
        h1_body_init(&t.body, H1_FRAMING_CHUNKED, 0);
        struct err e = run(&t, str_make(text, sizeof(text)), step, &left);
        assert_true(err_is(e, ERR_HEAD_TOO_LARGE));
    }
    buf_fini(&t.text);
    arena_free(t.arena);
}

static void trailers_without_room_are_an_answer(void **state)
{
    struct taking t = {0};
    struct err e = fail(ERR_MEMORY, 0);
    (void)state;
    for (size_t bytes = 1; err_is(e, ERR_MEMORY); bytes += 8) {
        size_t left;
        t.arena = arena_new(bytes, bytes);
        buf_init(&t.text, 4096);
        h1_body_init(&t.body, H1_FRAMING_CHUNKED, 0);
        e = run(&t, STR("0\r\nA: b\r\n\r\n"), 100, &left);
        buf_fini(&t.text);
        arena_free(t.arena);
    }
    assert_false(failed(e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_out_whole_however_they_arrive),
        cmocka_unit_test(trailers_have_a_ceiling),
        cmocka_unit_test(trailers_without_room_are_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
