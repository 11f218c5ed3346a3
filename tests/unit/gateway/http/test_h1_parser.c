#include "gateway/http/h1_parser.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

static const struct h1_limits limits = {.block_max_bytes = 256, .first_line_max_bytes = 64};

#define X10     "xxxxxxxxxx"
#define X50     X10 X10 X10 X10 X10
#define LINE_62 X50 X10 "yy" /* 64 bytes with CRLF */

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    size_t len; /* of the block; 0: not complete, or refused */
    const struct err_kind *want;
} scans[] = {
    {"a head", STR_LIT("a\r\nb\r\n\r\n"), 8, NULL},
    {"what stands behind is left", STR_LIT("a\r\n\r\nb"), 5, NULL},
    {"an empty block", STR_LIT("\r\n"), 2, NULL},
    {"tabs inside a line", STR_LIT("a\tb\t\r\n\r\n"), 8, NULL},
    {"bytes above 0x7f", STR_LIT("\x80\xff\r\n\r\n"), 6, NULL},
    {"nothing", STR_LIT(""), 0, NULL},
    {"half a line end", STR_LIT("a\r"), 0, NULL},
    {"no empty line yet", STR_LIT("a\r\nb\r\n"), 0, NULL},
    {"half of the empty line", STR_LIT("a\r\n\r"), 0, NULL},
    {"a first line of the limit", STR_LIT(LINE_62 "\r\n\r\n"), 66, NULL},
    {"a first line beyond it", STR_LIT(LINE_62 "z\r\n\r\n"), 0, ERR_URI_TOO_LONG},
    {"... refused before it ends", STR_LIT(LINE_62 "zz"), 0, ERR_URI_TOO_LONG},
    {"a block beyond the limit",
     STR_LIT("a\r\n" X50 X50 "\r\n" X50 X50 "\r\n" X50 "\r\n\r\n"), 0, ERR_HEAD_TOO_LARGE},
    {"a bare LF", STR_LIT("a\nb"), 0, ERR_BAD_REQUEST},
    {"a bare LF as the empty line", STR_LIT("a\r\n\n"), 0, ERR_BAD_REQUEST},
    {"a bare CR", STR_LIT("a\rb"), 0, ERR_BAD_REQUEST},
    {"two CRs before an LF", STR_LIT("a\r\r\n"), 0, ERR_BAD_REQUEST},
    {"a CR before the empty line", STR_LIT("a\r\n\r\r\n"), 0, ERR_BAD_REQUEST},
    {"NUL", STR_LIT("a\0b"), 0, ERR_BAD_REQUEST},
    {"a control byte", STR_LIT("a\x01"), 0, ERR_BAD_REQUEST},
    {"vertical tab", STR_LIT("a\x0b"), 0, ERR_BAD_REQUEST},
    {"escape", STR_LIT("abcdefghijk\x1b"), 0, ERR_BAD_REQUEST},
    {"delete", STR_LIT("a\x7f"), 0, ERR_BAD_REQUEST},
    {"a folded line, with a space", STR_LIT("a\r\nb: c\r\n d"), 0, ERR_BAD_REQUEST},
    {"a folded line, with a tab", STR_LIT("a\r\nb: c\r\n\td"), 0, ERR_BAD_REQUEST},
    {"a space before the first line", STR_LIT(" a"), 0, ERR_BAD_REQUEST},
    {"a line of one space", STR_LIT("a\r\n \r\n"), 0, ERR_BAD_REQUEST},
};
/* clang-format on */

/* Offers piece by piece what has come so far, as a connection does. */
static struct err scan_pieces(struct str in, size_t step, size_t *ret_len)
{
    struct h1_scan scan = {0};
    struct err e = OK;
    *ret_len = 0;
    for (size_t end = step; *ret_len == 0 && !failed(e); end += step) {
        e = h1_parser_scan(&scan, str_sub(in, 0, end), &limits, ret_len);
        if (end >= in.len)
            break;
    }
    return e;
}

static void the_end_is_found_and_nothing_ambiguous_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scans); i++) {
        for (size_t step = 1; step <= scans[i].in.len + 1; step++) {
            size_t len;
            struct err e = scan_pieces(scans[i].in, step, &len);
            if (e.kind != scans[i].want || (!failed(e) && len != scans[i].len))
                fail_msg("%s: in steps of %zu: %s, %zu", scans[i].name, step, err_name(e), len);
        }
    }
}

static void every_control_byte_is_found_at_every_place(void **state)
{
    char text[40];
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool is_fine = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
        for (size_t at = 1; at < sizeof(text) - 4 && byte != '\r'; at++) {
            struct h1_scan scan = {0};
            size_t len;
            memset(text, 'x', sizeof(text) - 4);
            memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
            text[at] = (char)byte;
            struct err e = h1_parser_scan(&scan, str_make(text, sizeof(text)), &limits, &len);
            if (failed(e) == is_fine)
                fail_msg("byte %d at %zu", byte, at);
        }
    }
}

static void too_many_lines_are_refused(void **state)
{
    static const struct h1_limits wide = {.block_max_bytes = HEAD_MAX_BYTES};
    char text[(HEAD_FIELDS_MAX + 3) * 3];
    struct h1_scan scan = {0};
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof(text); i += 3)
        memcpy(text + i, "a\r\n", 3);
    struct err e =
        h1_parser_scan(&scan, str_make(text, (HEAD_FIELDS_MAX + 1) * 3), &wide, &len);
    assert_false(failed(e));
    e = h1_parser_scan(&scan, str_make(text, sizeof(text)), &wide, &len);
    assert_true(err_is(e, ERR_HEAD_TOO_LARGE));
}

#define END "\r\n\r\n"

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const struct err_kind *want;
    const char *method, *target;
    enum http_version version;
} request_lines[] = {
    {"an ordinary one", STR_LIT("GET /a?b HTTP/1.1" END), NULL, "GET", "/a?b", HTTP_1_1},
    {"HTTP/1.0", STR_LIT("GET / HTTP/1.0" END), NULL, "GET", "/", HTTP_1_0},
    {"an unknown method", STR_LIT("M-SEARCH * HTTP/1.1" END), NULL, "M-SEARCH", "*", HTTP_1_1},
    {"a lower-case method is its own",
     STR_LIT("get / HTTP/1.1" END), NULL, "get", "/", HTTP_1_1},
    {"bytes above 0x7f in the target",
     STR_LIT("GET /\xc3\xa4 HTTP/1.1" END), NULL, "GET", "/\xc3\xa4", HTTP_1_1},
    {"no version (HTTP/0.9)", STR_LIT("GET /" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a space instead of a version",
     STR_LIT("GET / " END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"no target", STR_LIT("GET  HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"no method", STR_LIT("/ HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"an empty line", STR_LIT("\r\n"), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"only a method", STR_LIT("GET" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a space in the target",
     STR_LIT("GET /a b HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"two spaces before the target",
     STR_LIT("GET  / HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"two spaces before the version",
     STR_LIT("GET /  HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a space behind the version",
     STR_LIT("GET / HTTP/1.1 " END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a tab for a space",
     STR_LIT("GET\t/ HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a tab in the target",
     STR_LIT("GET /\t HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a fragment", STR_LIT("GET /#a HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a method with a colon",
     STR_LIT("GE:T / HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a method above 0x7f",
     STR_LIT("G\xc3T / HTTP/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a lower-case version",
     STR_LIT("GET / http/1.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a longer version", STR_LIT("GET / HTTP/1.10" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a shorter version", STR_LIT("GET / HTTP/1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a version with two digits",
     STR_LIT("GET / HTTP/11.1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"a version with a comma",
     STR_LIT("GET / HTTP/1,1" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"another protocol",
     STR_LIT("OPTIONS / RTSP/1.0" END), ERR_BAD_REQUEST, NULL, NULL, HTTP_1_1},
    {"HTTP/0.9 by name", STR_LIT("GET / HTTP/0.9" END), ERR_BAD_VERSION, NULL, NULL, HTTP_1_1},
    {"HTTP/1.2", STR_LIT("GET / HTTP/1.2" END), ERR_BAD_VERSION, NULL, NULL, HTTP_1_1},
    {"HTTP/2.0, as in its preface",
     STR_LIT("PRI * HTTP/2.0" END), ERR_BAD_VERSION, NULL, NULL, HTTP_1_1},
    {"HTTP/3.0", STR_LIT("GET / HTTP/3.0" END), ERR_BAD_VERSION, NULL, NULL, HTTP_1_1},
};
/* clang-format on */

static void request_lines_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(request_lines); i++) {
        struct h1_request_line line = {0};
        struct str rest;
        struct err e = h1_parser_request_line(request_lines[i].in, &line, &rest);
        bool is_right = e.kind == request_lines[i].want;
        if (is_right && !failed(e))
            is_right = str_eq(line.method, str_from(request_lines[i].method)) &&
                       str_eq(line.target, str_from(request_lines[i].target)) &&
                       line.version == request_lines[i].version && str_eq(rest, STR("\r\n"));
        if (!is_right)
            fail_msg("%s: %s", request_lines[i].name, err_name(e));
    }
}

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    const struct err_kind *want;
    unsigned status;
} status_lines[] = {
    {"an ordinary one", STR_LIT("HTTP/1.1 200 OK" END), NULL, 200},
    {"HTTP/1.0", STR_LIT("HTTP/1.0 404 Not Found" END), NULL, 404},
    {"an empty reason", STR_LIT("HTTP/1.1 200 " END), NULL, 200},
    {"no reason and no space", STR_LIT("HTTP/1.1 200" END), NULL, 200},
    {"a reason with any text", STR_LIT("HTTP/1.1 200 a\tb:\xc3\xa4 1/2" END), NULL, 200},
    {"a status nobody knows", STR_LIT("HTTP/1.1 999 x" END), NULL, 999},
    {"two digits", STR_LIT("HTTP/1.1 20 OK" END), ERR_BAD_REQUEST, 0},
    {"four digits", STR_LIT("HTTP/1.1 2000 OK" END), ERR_BAD_REQUEST, 0},
    {"a leading zero", STR_LIT("HTTP/1.1 020 OK" END), ERR_BAD_REQUEST, 0},
    {"a sign", STR_LIT("HTTP/1.1 +20 OK" END), ERR_BAD_REQUEST, 0},
    {"letters", STR_LIT("HTTP/1.1 2OO OK" END), ERR_BAD_REQUEST, 0},
    {"no status", STR_LIT("HTTP/1.1 OK" END), ERR_BAD_REQUEST, 0},
    {"no space behind the version", STR_LIT("HTTP/1.1200 OK" END), ERR_BAD_REQUEST, 0},
    {"two spaces", STR_LIT("HTTP/1.1  200 OK" END), ERR_BAD_REQUEST, 0},
    {"a tab", STR_LIT("HTTP/1.1\t200 OK" END), ERR_BAD_REQUEST, 0},
    {"a lower-case version", STR_LIT("http/1.1 200 OK" END), ERR_BAD_REQUEST, 0},
    {"another protocol", STR_LIT("ICY 200 OK and more" END), ERR_BAD_REQUEST, 0},
    {"HTTP/2", STR_LIT("HTTP/2 200 and more" END), ERR_BAD_REQUEST, 0},
    {"HTTP/2.0", STR_LIT("HTTP/2.0 200 OK" END), ERR_BAD_VERSION, 0},
    {"a field instead", STR_LIT("Content-Length: 5" END), ERR_BAD_REQUEST, 0},
    {"an empty line", STR_LIT("\r\n"), ERR_BAD_REQUEST, 0},
    {"a status on the next line", STR_LIT("HTTP/1.1\r\n200 OK" END), ERR_BAD_REQUEST, 0},
};
/* clang-format on */

static void status_lines_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(status_lines); i++) {
        struct h1_status_line line = {0};
        struct str rest;
        struct err e = h1_parser_status_line(status_lines[i].in, &line, &rest);
        bool is_right = e.kind == status_lines[i].want;
        if (is_right && !failed(e))
            is_right = line.status == status_lines[i].status && str_eq(rest, STR("\r\n"));
        if (!is_right)
            fail_msg("%s: %s", status_lines[i].name, err_name(e));
    }
}

static const struct {
    const char *bytes;
    bool want;
} beginnings[] = {
    {"", true},
    {"H", true},
    {"HTTP/1.1 2", true},
    {"HTTP/1.1 200", true},
    {"HTTP/1.1 200 whatever follows\n", true},
    {"SSH-2.0-OpenSSH_9.2\r\n", false},
    {"S", false},
    {"http/1.1", false},
    {"HTTP/2 200", false},
    {"HTTP/1.1 2O", false},
    {"\r\nHTTP/1.1", false},
};

static void what_is_no_answer_is_known_from_its_first_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        if (h1_parser_may_be_status(str_from(beginnings[i].bytes)) != beginnings[i].want)
            fail_msg("%s", beginnings[i].bytes);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    struct str in;     /* one line */
    const char *field; /* NULL: refused */
    const char *value;
} fields[] = {
    {"an ordinary one", STR_LIT("Host: a.example" END), "Host", "a.example"},
    {"no space behind the colon", STR_LIT("Host:a" END), "Host", "a"},
    {"white space around the value", STR_LIT("Host: \t a \t " END), "Host", "a"},
    {"white space inside it", STR_LIT("A: b \t c" END), "A", "b \t c"},
    {"an empty value", STR_LIT("A:" END), "A", ""},
    {"a value of white space", STR_LIT("A:  \t" END), "A", ""},
    {"colons in the value", STR_LIT("A: b:c:" END), "A", "b:c:"},
    {"bytes above 0x7f", STR_LIT("A: \xc3\xa4" END), "A", "\xc3\xa4"},
    {"every kind of token character",
     STR_LIT("!#$%&'*+-.^_`|~1a: b" END), "!#$%&'*+-.^_`|~1a", "b"},
    {"an empty name", STR_LIT(": b" END), NULL, NULL},
    {"no colon", STR_LIT("Host" END), NULL, NULL},
    {"a space before the colon", STR_LIT("Host : a" END), NULL, NULL},
    {"a tab before the colon", STR_LIT("Host\t: a" END), NULL, NULL},
    {"a space in the name", STR_LIT("Ho st: a" END), NULL, NULL},
    {"a bracket in the name", STR_LIT("Host[]: a" END), NULL, NULL},
    {"a name above 0x7f", STR_LIT("H\xc3: a" END), NULL, NULL},
    {"quotes around the name", STR_LIT("\"Host\": a" END), NULL, NULL},
};
/* clang-format on */

static void fields_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct arena *a = arena_new(2048, 2048);
        struct http_fields f = {0};
        struct err e = h1_parser_fields(fields[i].in, 1, a, &f);
        bool is_right = fields[i].field == NULL
                            ? err_is(e, ERR_BAD_REQUEST)
                            : !failed(e) && f.count == 1 &&
                                  str_eq(f.items[0].name, str_from(fields[i].field)) &&
                                  str_eq(f.items[0].value, str_from(fields[i].value));
        arena_free(a);
        if (!is_right)
            fail_msg("%s: %s", fields[i].name, err_name(e));
    }
}

static void fields_without_room_are_an_answer(void **state)
{
    struct arena *a = arena_new(64, 64);
    struct http_fields f;
    (void)state;
    assert_true(err_is(h1_parser_fields(STR("A: b" END), 1, a, &f), ERR_MEMORY));
    struct err e = h1_parser_fields(STR(END), HEAD_FIELDS_MAX + 1, a, &f);
    assert_true(err_is(e, ERR_HEAD_TOO_LARGE));
    arena_free(a);
}

/* clang-format off */
static const struct {
    const char *name;
    struct str in;
    size_t len; /* 0 and no error: not complete */
    uint64_t size;
    bool is_refused;
} chunk_lines[] = {
    {"one digit", STR_LIT("5\r\n"), 3, 5, false},
    {"both cases", STR_LIT("aBc\r\n"), 5, 0xabc, false},
    {"the last chunk", STR_LIT("0\r\n"), 3, 0, false},
    {"leading zeros", STR_LIT("000000000000005\r\n"), 17, 5, false},
    {"the largest", STR_LIT("fffffffffffffff\r\n"), 17, 0xfffffffffffffff, false},
    {"what stands behind is left", STR_LIT("5\r\nhello"), 3, 5, false},
    {"an extension", STR_LIT("5;a\r\n"), 5, 5, false},
    {"an extension with a value", STR_LIT("5;a=b\r\n"), 7, 5, false},
    {"a quoted value", STR_LIT("5;a=\"b \\\" ;c\"\r\n"), 15, 5, false},
    {"an empty quoted value", STR_LIT("5;a=\"\"\r\n"), 8, 5, false},
    {"several extensions", STR_LIT("5;a;b=c;d=\"e\"\r\n"), 15, 5, false},
    {"nothing", STR_LIT(""), 0, 0, false},
    {"no line end", STR_LIT("5"), 0, 0, false},
    {"half a line end", STR_LIT("5\r"), 0, 0, false},
    {"an empty line", STR_LIT("\r\n"), 0, 0, true},
    {"a bare LF", STR_LIT("5\n"), 0, 0, true},
    {"a bare LF alone", STR_LIT("\n"), 0, 0, true},
    {"a bare CR", STR_LIT("5\r5\r\n"), 0, 0, true},
    {"two CRs", STR_LIT("5\r\r\n"), 0, 0, true},
    {"sixteen digits", STR_LIT("0000000000000005\r\n"), 0, 0, true},
    {"overflow of 64 bits", STR_LIT("10000000000000005\r\n"), 0, 0, true},
    {"a plus", STR_LIT("+5\r\n"), 0, 0, true},
    {"a minus", STR_LIT("-5\r\n"), 0, 0, true},
    {"a prefix", STR_LIT("0x5\r\n"), 0, 0, true},
    {"a suffix", STR_LIT("5h\r\n"), 0, 0, true},
    {"a letter", STR_LIT("g\r\n"), 0, 0, true},
    {"a space before", STR_LIT(" 5\r\n"), 0, 0, true},
    {"a space behind", STR_LIT("5 \r\n"), 0, 0, true},
    {"a tab behind", STR_LIT("5\t\r\n"), 0, 0, true},
    {"an underscore", STR_LIT("5_0\r\n"), 0, 0, true},
    {"a comma", STR_LIT("5,5\r\n"), 0, 0, true},
    {"NUL", STR_LIT("5\0\r\n"), 0, 0, true},
    {"an extension without a name", STR_LIT("5;\r\n"), 0, 0, true},
    {"an extension without a size", STR_LIT(";a\r\n"), 0, 0, true},
    {"a space before an extension", STR_LIT("5 ;a\r\n"), 0, 0, true},
    {"a space in an extension", STR_LIT("5;a b\r\n"), 0, 0, true},
    {"an extension without a value", STR_LIT("5;a=\r\n"), 0, 0, true},
    {"quotes not closed", STR_LIT("5;a=\"b\r\n"), 0, 0, true},
    {"quotes closed by an escape", STR_LIT("5;a=\"b\\\"\r\n"), 0, 0, true},
    {"an escape at the end", STR_LIT("5;a=\"b\\\r\n"), 0, 0, true},
    {"a bare CR in quotes", STR_LIT("5;a=\"b\rc\"\r\n"), 0, 0, true},
    {"a control byte in quotes", STR_LIT("5;a=\"b\x01\"\r\n"), 0, 0, true},
    {"a control byte", STR_LIT("5;a\x01\r\n"), 0, 0, true},
    {"text behind quotes", STR_LIT("5;a=\"b\"c\r\n"), 0, 0, true},
    {"no end within the limit", STR_LIT("5;" X50 X50 X50 X50 X50 X10), 0, 0, true},
};
/* clang-format on */

static void chunk_lines_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunk_lines); i++) {
        size_t len = 0;
        uint64_t size = 0;
        struct err e = h1_parser_chunk_line(chunk_lines[i].in, &len, &size);
        bool is_right = chunk_lines[i].is_refused ? err_is(e, ERR_BAD_FRAMING)
                                                  : !failed(e) && len == chunk_lines[i].len &&
                                                        size == chunk_lines[i].size;
        if (!is_right)
            fail_msg("%s: %s, %zu, %llu", chunk_lines[i].name, err_name(e), len,
                     (unsigned long long)size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found_and_nothing_ambiguous_passes),
        cmocka_unit_test(every_control_byte_is_found_at_every_place),
        cmocka_unit_test(too_many_lines_are_refused),
        cmocka_unit_test(request_lines_have_one_form),
        cmocka_unit_test(status_lines_have_one_form),
        cmocka_unit_test(what_is_no_answer_is_known_from_its_first_bytes),
        cmocka_unit_test(fields_have_one_form),
        cmocka_unit_test(fields_without_room_are_an_answer),
        cmocka_unit_test(chunk_lines_have_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
