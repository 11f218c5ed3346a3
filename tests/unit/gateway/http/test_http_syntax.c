#include "gateway/http/http_syntax.h"
#include "tests/support/unit.h"

/* What each class holds below 0x80, from the grammar rather than from the table. */
static const struct {
    const char *name;
    unsigned class;
    const char *bytes;
    bool has_high; /* 0x80 and above */
} classes[] = {
    {"token (RFC 9110 5.6.2)", HTTP_SYNTAX_TOKEN,
     "!#$%&'*+-.^_`|~0123456789"
     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     false},
    {"field value (RFC 9110 5.5)", HTTP_SYNTAX_VALUE,
     "\t !\"#$%&'()*+,-./0123456789:;<=>?@"
     "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
     true},
    {"target, as we let it through", HTTP_SYNTAX_TARGET,
     "!\"$%&'()*+,-./0123456789:;<=>?@"
     "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
     true},
    {"host", HTTP_SYNTAX_HOST,
     "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", false},
};

static void each_byte_is_in_the_classes_of_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        for (int byte = 0; byte < 256; byte++) {
            bool want = byte >= 0x80 ? classes[i].has_high
                                     : byte != 0 && strchr(classes[i].bytes, byte) != NULL;
            if (http_syntax_is((char)byte, classes[i].class) != want)
                fail_msg("%s: byte %d", classes[i].name, byte);
        }
    }
}

static void texts_are_checked_whole(void **state)
{
    (void)state;
    assert_true(http_syntax_is_token(STR("PROPFIND")));
    assert_false(http_syntax_is_token(STR("")));
    assert_false(http_syntax_is_token(STR("a b")));
    assert_true(http_syntax_is_value(STR("")));
    assert_true(http_syntax_is_value(STR("a \tb \xc3\xa4")));
    assert_false(http_syntax_is_value(STR(" a")));
    assert_false(http_syntax_is_value(STR("a\t")));
    assert_false(http_syntax_is_value(STR("a\r\nb: c")));
    assert_true(http_syntax_is_target(STR("/a?b=%zz|\xc3\xa4")));
    assert_false(http_syntax_is_target(STR("")));
    assert_false(http_syntax_is_target(STR("/a#b")));
    assert_false(http_syntax_is_target(STR("/a b")));
}

static const struct {
    const char *name, *text;
    bool is_ok;
    uint64_t want;
} lengths[] = {
    {"zero", "0", true, 0},
    {"an ordinary one", "12345", true, 12345},
    {"leading zeros", "007", true, 7},
    {"the largest", "9223372036854775807", true, 9223372036854775807},
    {"one more", "9223372036854775808", false, 0},
    {"more than 64 bits", "18446744073709551616", false, 0},
    {"much more than 64 bits", "99999999999999999999999", false, 0},
    {"empty", "", false, 0},
    {"a plus", "+5", false, 0},
    {"a minus", "-5", false, 0},
    {"hexadecimal", "0x5", false, 0},
    {"a list of equal ones", "5, 5", false, 0},
    {"a comma", "5,", false, 0},
    {"a space inside", "5 5", false, 0},
    {"a space behind", "5 ", false, 0},
    {"a space before", " 5", false, 0},
    {"a fraction", "5.0", false, 0},
    {"an exponent", "5e1", false, 0},
    {"an underscore", "5_0", false, 0},
    {"other digits", "\xd9\xa5", false, 0},
};

static void lengths_are_digits_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        uint64_t got = 0;
        struct err e = http_syntax_length(str_from(lengths[i].text), &got);
        bool is_right = lengths[i].is_ok ? !failed(e) && got == lengths[i].want
                                         : err_is(e, ERR_BAD_FRAMING);
        if (!is_right)
            fail_msg("%s: %s", lengths[i].name, err_name(e));
    }
}

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253                                                                               \
    LABEL_63 "." LABEL_63 "." LABEL_63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"             \
             "aaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct {
    const char *name, *text, *host; /* NULL: refused */
    uint16_t port;
    bool is_ip6;
} authorities[] = {
    {"a name", "a.example", "a.example", 0, false},
    {"a name and a port", "a.example:8443", "a.example", 8443, false},
    {"the highest port", "a:65535", "a", 65535, false},
    {"one trailing dot is dropped", "a.example.", "a.example", 0, false},
    {"... before a port too", "a.example.:80", "a.example", 80, false},
    {"an underscore", "_a.b_c.example", "_a.b_c.example", 0, false},
    {"an IPv4 address", "192.0.2.1:80", "192.0.2.1", 80, false},
    {"an IPv6 address", "[2001:db8::1]", "2001:db8::1", 0, true},
    {"an IPv6 address and a port", "[::1]:8080", "::1", 8080, true},
    {"an IPv4-mapped address", "[::ffff:192.0.2.1]", "::ffff:192.0.2.1", 0, true},
    {"the longest name", NAME_253, NAME_253, 0, false},
    {"a longer name", NAME_253 "aa", NULL, 0, false},
    {"empty", "", NULL, 0, false},
    {"only a port", ":80", NULL, 0, false},
    {"only a dot", ".", NULL, 0, false},
    {"two trailing dots", "a..", NULL, 0, false},
    {"a leading dot", ".a.example", NULL, 0, false},
    {"an empty label", "a..example", NULL, 0, false},
    {"an empty port", "a.example:", NULL, 0, false},
    {"port zero", "a.example:0", NULL, 0, false},
    {"a port too high", "a.example:65536", NULL, 0, false},
    {"a port with a sign", "a.example:+80", NULL, 0, false},
    {"two ports", "a.example:80:80", NULL, 0, false},
    {"letters as port", "a.example:http", NULL, 0, false},
    {"user information", "user@a.example", NULL, 0, false},
    {"user and password", "user:pw@a.example", NULL, 0, false},
    {"a path", "a.example/x", NULL, 0, false},
    {"a query", "a.example?x", NULL, 0, false},
    {"a list", "a.example, b.example", NULL, 0, false},
    {"a comma", "a.example,b.example", NULL, 0, false},
    {"a space", "a b", NULL, 0, false},
    {"a percent escape", "a%2eexample", NULL, 0, false},
    {"bytes above 0x7f", "\xc3\xa4.example", NULL, 0, false},
    {"a backslash", "a\\b", NULL, 0, false},
    {"a semicolon", "a;b", NULL, 0, false},
    {"IPv6 without brackets", "2001:db8::1", NULL, 0, false},
    {"brackets not closed", "[::1", NULL, 0, false},
    {"empty brackets", "[]", NULL, 0, false},
    {"a name in brackets", "[a.example]", NULL, 0, false},
    {"IPv4 in brackets", "[192.0.2.1]", NULL, 0, false},
    {"an IPv6 zone", "[fe80::1%25eth0]", NULL, 0, false},
    {"a future address", "[v1.x]", NULL, 0, false},
    {"text behind brackets", "[::1]x", NULL, 0, false},
    {"an empty port behind brackets", "[::1]:", NULL, 0, false},
    {"a very long address",
     "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL, 0, false},
};
/* clang-format on */

static void authorities_are_a_host_and_perhaps_a_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(authorities); i++) {
        struct http_authority got = {0};
        struct err e = http_syntax_authority(str_from(authorities[i].text), &got);
        const char *host = authorities[i].host;
        bool is_right = host == NULL ? err_is(e, ERR_BAD_HOST)
                                     : !failed(e) && str_eq(got.host, str_from(host)) &&
                                           got.port == authorities[i].port &&
                                           got.is_ip6 == authorities[i].is_ip6;
        if (!is_right)
            fail_msg("%s: %s \"%.*s\" %u", authorities[i].name, err_name(e), STR_ARG(got.host),
                     got.port);
    }
}

static void a_nul_in_brackets_does_not_end_the_address(void **state)
{
    static const char text[] = "[::1\0x]";
    struct http_authority got;
    (void)state;
    struct err e = http_syntax_authority(str_make(text, sizeof(text) - 1), &got);
    assert_true(err_is(e, ERR_BAD_HOST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_in_the_classes_of_the_grammar),
        cmocka_unit_test(texts_are_checked_whole),
        cmocka_unit_test(lengths_are_digits_only),
        cmocka_unit_test(authorities_are_a_host_and_perhaps_a_port),
        cmocka_unit_test(a_nul_in_brackets_does_not_end_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
