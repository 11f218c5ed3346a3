#include "tests/support/asserts.h"

#include "gateway/base/text.h"

typedef struct err codec_fn(struct buf *out, struct str in);

/* want NULL: ERR_SYNTAX. */
struct row {
    const char *name;
    struct str in;
    const char *want;
};

static void check(codec_fn *codec, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf out;
        buf_init(&out, 1000);
        struct err e = codec(&out, rows[i].in);
        assert_row_err(rows[i].name, e, rows[i].want == NULL ? ERR_SYNTAX : NULL);
        if (rows[i].want != NULL)
            assert_row_str(rows[i].name, buf_view(&out), rows[i].want);
        buf_fini(&out);
    }
}

/* RFC 4648 section 10, and the two letters that differ. */
static const struct row base64url_rows[] = {
    {"nothing", STR_LIT(""), ""},
    {"one byte", STR_LIT("f"), "Zg"},
    {"two bytes", STR_LIT("fo"), "Zm8"},
    {"three bytes", STR_LIT("foo"), "Zm9v"},
    {"four bytes", STR_LIT("foob"), "Zm9vYg"},
    {"five bytes", STR_LIT("fooba"), "Zm9vYmE"},
    {"six bytes", STR_LIT("foobar"), "Zm9vYmFy"},
    {"62 and 63", STR_LIT("\xfb\xff\xbf"), "-_-_"},
    {"zeros", STR_LIT("\0\0"), "AAA"},
};

static const struct row unbase64_rows[] = {
    {"nothing", STR_LIT(""), ""},
    {"without padding", STR_LIT("Zg"), "f"},
    {"with padding", STR_LIT("Zg=="), "f"},
    {"three of four", STR_LIT("Zm8="), "fo"},
    {"the alphabet for URLs", STR_LIT("-_-_"), "\xfb\xff\xbf"},
    {"the standard alphabet", STR_LIT("+/+/"), "\xfb\xff\xbf"},
    {"one letter too many", STR_LIT("Zm9vY"), NULL},
    {"one letter", STR_LIT("Z"), NULL},
    {"bits left over that are not zero", STR_LIT("Zh"), NULL},
    {"bits left over, three of four", STR_LIT("Zm9"), NULL},
    {"padding in the middle", STR_LIT("Zg==Zg=="), NULL},
    {"a blank", STR_LIT("Zm 9"), NULL},
    {"a line break", STR_LIT("Zm9v\n"), NULL},
    {"a NUL", STR_LIT("Zm9\0"), NULL},
    {"a byte beyond ASCII", STR_LIT("Zm9\xff"), NULL},
};

static const struct row hex_rows[] = {
    {"nothing", STR_LIT(""), ""},
    {"all signs", STR_LIT("\0\x7f\x80\xff"), "007f80ff"},
};

static const struct row unhex_rows[] = {
    {"nothing", STR_LIT(""), ""},
    {"lower case", STR_LIT("6a6b"), "jk"},
    {"upper case", STR_LIT("6A6B"), "jk"},
    {"colons between bytes", STR_LIT("6a:6b"), "jk"},
    {"an odd digit", STR_LIT("6a6"), NULL},
    {"a colon inside a byte", STR_LIT("6:a6b"), NULL},
    {"a colon at the end", STR_LIT("6a:"), NULL},
    {"a colon at the beginning", STR_LIT(":6a"), NULL},
    {"two colons", STR_LIT("6a::6b"), NULL},
    {"no digit", STR_LIT("6g"), NULL},
    {"a sign", STR_LIT("+6"), NULL},
};

static const struct row percent_decode_rows[] = {
    {"nothing to decode", STR_LIT("/a b"), "/a b"},
    {"nothing", STR_LIT(""), ""},
    {"either case", STR_LIT("%2f%2F"), "//"},
    {"decoded once only", STR_LIT("%252f"), "%2f"},
    {"a plus stays", STR_LIT("a+b"), "a+b"},
    {"cut behind the sign", STR_LIT("a%"), NULL},
    {"cut behind one digit", STR_LIT("a%2"), NULL},
    {"no digits", STR_LIT("%zz"), NULL},
    {"a sign in place of a digit", STR_LIT("%-1"), NULL},
};

static const struct row percent_encode_rows[] = {
    {"what RFC 3986 calls unreserved stays", STR_LIT("azAZ09-._~"), "azAZ09-._~"},
    {"nothing", STR_LIT(""), ""},
    {"delimiters", STR_LIT("/?&=+ %"), "%2f%3f%26%3d%2b%20%25"},
    {"a NUL and high bytes", STR_LIT("\0\xc3\xa9"), "%00%c3%a9"},
};

static void rows_of_each_encoding(void **state)
{
    (void)state;
    check(text_base64url, base64url_rows, ARRAY_LEN(base64url_rows));
    check(text_unbase64, unbase64_rows, ARRAY_LEN(unbase64_rows));
    check(text_hex, hex_rows, ARRAY_LEN(hex_rows));
    check(text_unhex, unhex_rows, ARRAY_LEN(unhex_rows));
    check(text_percent_decode, percent_decode_rows, ARRAY_LEN(percent_decode_rows));
    check(text_percent_encode, percent_encode_rows, ARRAY_LEN(percent_encode_rows));
}

static const struct {
    const char *name;
    codec_fn *encode, *decode;
} inverses[] = {
    {"base64url", text_base64url, text_unbase64},
    {"hex", text_hex, text_unhex},
    {"percent", text_percent_encode, text_percent_decode},
};

static void every_byte_survives_the_way_there_and_back(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    for (size_t i = 0; i < ARRAY_LEN(inverses); i++) {
        for (size_t len = 0; len <= sizeof(all); len++) {
            struct buf there, back;
            buf_init(&there, 1000);
            buf_init(&back, 256);
            assert_row_err(inverses[i].name, inverses[i].encode(&there, str_make(all, len)),
                           NULL);
            assert_row_err(inverses[i].name, inverses[i].decode(&back, buf_view(&there)), NULL);
            assert_row(inverses[i].name, str_eq(buf_view(&back), str_make(all, len)));
            buf_fini(&there);
            buf_fini(&back);
        }
    }
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    static const struct str samples[] = {STR_LIT("foobar"), STR_LIT("Zm9v"),  STR_LIT("abc"),
                                         STR_LIT("616263"), STR_LIT("%61bc"), STR_LIT("/bc")};
    static codec_fn *const codecs[] = {
        text_base64url, text_unbase64,       text_hex,
        text_unhex,     text_percent_decode, text_percent_encode};
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        struct buf out;
        buf_init(&out, 2);
        assert_err(codecs[i](&out, samples[i]), ERR_LIMIT);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_each_encoding),
        cmocka_unit_test(every_byte_survives_the_way_there_and_back),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
