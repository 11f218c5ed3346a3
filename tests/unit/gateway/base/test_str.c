#include "tests/support/asserts.h"

#include "gateway/base/str.h"

#include <stdio.h>

/* clang-format off */
static const struct {
    const char *name;
    struct str a, b;
    bool is_equal, is_equal_nocase;
    int order;
} pairs[] = {
    {"the same", STR_LIT("abc"), STR_LIT("abc"), true, true, 0},
    {"nothing and nothing", STR_LIT(""), STR_LIT(""), true, true, 0},
    {"another case", STR_LIT("aBc"), STR_LIT("AbC"), false, true, 1},
    {"a prefix is less", STR_LIT("ab"), STR_LIT("abc"), false, false, -1},
    {"nothing is less", STR_LIT(""), STR_LIT("\0"), false, false, -1},
    {"high bytes are unsigned", STR_LIT("\x7f"), STR_LIT("\x80"), false, false, -1},
    {"a NUL counts", STR_LIT("a\0b"), STR_LIT("a\0c"), false, false, -1},
    {"bit 5 makes letters only", STR_LIT("@["), STR_LIT("`{"), false, false, -1},
    {"no case beyond ASCII", STR_LIT("\xc4"), STR_LIT("\xe4"), false, false, -1},
};
/* clang-format on */

static int sign(int n)
{
    return n < 0 ? -1 : n > 0;
}

static void texts_are_compared_as_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct str a = pairs[i].a, b = pairs[i].b;
        assert_row(pairs[i].name, str_eq(a, b) == pairs[i].is_equal);
        assert_row(pairs[i].name, str_eq_nocase(a, b) == pairs[i].is_equal_nocase);
        assert_row(pairs[i].name, sign(str_cmp(a, b)) == pairs[i].order);
        assert_row(pairs[i].name, sign(str_cmp(b, a)) == -pairs[i].order);
    }
    assert_true(str_eq(STR_NONE, STR("")));
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_is_empty(str_from(NULL)));
}

/* clang-format off */
static const struct {
    const char *name, *text, *part;
    bool starts, ends;
} ends[] = {
    {"both ends", "abcab", "ab", true, true},
    {"itself", "ab", "ab", true, true},
    {"nothing", "ab", "", true, true},
    {"longer than the text", "ab", "abc", false, false},
    {"the middle is neither", "xaby", "ab", false, false},
    {"nothing in nothing", "", "", true, true},
};
/* clang-format on */

static void both_ends_are_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct str text = str_from(ends[i].text), part = str_from(ends[i].part);
        assert_row(ends[i].name, str_starts(text, part) == ends[i].starts);
        assert_row(ends[i].name, str_ends(text, part) == ends[i].ends);
    }
}

static void parts_are_clamped_to_the_view(void **state)
{
    (void)state;
    struct str s = STR("hello");
    assert_str(str_sub(s, 1, 3), "ell");
    assert_str(str_sub(s, 1, SIZE_MAX), "ello");
    assert_str(str_sub(s, 5, 1), "");
    assert_str(str_sub(s, SIZE_MAX, SIZE_MAX), "");
    assert_str(str_skip(s, 2), "llo");
    assert_str(str_skip(s, 6), "");
    assert_str(str_skip(STR_NONE, 3), "");
}

static void a_text_is_split_at_the_first_separator(void **state)
{
    (void)state;
    struct str head = STR("untouched"), tail = STR("untouched");
    assert_false(str_split(STR("abc"), ':', &head, &tail));
    assert_str(head, "untouched");
    assert_true(str_split(STR("a:b:c"), ':', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b:c");
    assert_true(str_split(STR(":"), ':', &head, &tail));
    assert_str(head, "");
    assert_str(tail, "");
    assert_int_equal(str_index(STR("abc"), 'c'), 2);
    assert_int_equal(str_index(STR("abc"), '\0'), 3);
    assert_int_equal(str_index(STR_NONE, 'a'), 0);
}

/* clang-format off */
static const struct {
    const char *name, *text, *want;
} lists[] = {
    {"three elements", "a,b,c", "[a][b][c]"},     {"one element", "a", "[a]"},
    {"an empty text is one empty one", "", "[]"}, {"empty ones at the ends", ",a,", "[][a][]"},
    {"only separators", ",,", "[][][]"},
};
/* clang-format on */

static void elements_come_one_by_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        char got[64] = "";
        struct str rest = str_from(lists[i].text), item;
        for (size_t len = 0; str_next(&rest, ',', &item); len = strlen(got))
            (void)snprintf(got + len, sizeof(got) - len, "[%.*s]", STR_ARG(item));
        assert_row_str(lists[i].name, str_from(got), lists[i].want);
        assert_row(lists[i].name, !str_next(&rest, ',', &item));
    }
}

static void only_blanks_and_tabs_are_trimmed(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\r\na\v")), "\r\na\v");
    assert_str(str_trim(STR_NONE), "");
}

/* clang-format off */
static const struct {
    const char *name;
    struct str text;
    uint64_t max;
    const struct err_kind *want_error;
    uint64_t want;
} numbers[] = {
    {"zero", STR_LIT("0"), 9, NULL, 0},
    {"leading zeros", STR_LIT("000000000000000000000000007"), 9, NULL, 7},
    {"the maximum", STR_LIT("65535"), 65535, NULL, 65535},
    {"one beyond the maximum", STR_LIT("65536"), 65535, ERR_SYNTAX, 0},
    {"a maximum of 0", STR_LIT("0"), 0, NULL, 0},
    {"beyond a maximum of 0", STR_LIT("1"), 0, ERR_SYNTAX, 0},
    {"64 bits", STR_LIT("18446744073709551615"), UINT64_MAX, NULL, UINT64_MAX},
    {"one beyond 64 bits", STR_LIT("18446744073709551616"), UINT64_MAX, ERR_SYNTAX, 0},
    {"ten times 64 bits", STR_LIT("184467440737095516150"), UINT64_MAX, ERR_SYNTAX, 0},
    {"nothing", STR_LIT(""), 9, ERR_SYNTAX, 0},
    {"a sign", STR_LIT("+1"), 9, ERR_SYNTAX, 0},
    {"a minus", STR_LIT("-0"), 9, ERR_SYNTAX, 0},
    {"a blank before", STR_LIT(" 1"), 9, ERR_SYNTAX, 0},
    {"a blank behind", STR_LIT("1 "), 9, ERR_SYNTAX, 0},
    {"hexadecimal", STR_LIT("0x1"), 99, ERR_SYNTAX, 0},
    {"a NUL behind", STR_LIT("1\0"), 99, ERR_SYNTAX, 0},
    {"the character before '0'", STR_LIT("/"), 99, ERR_SYNTAX, 0},
    {"the character behind '9'", STR_LIT(":"), 99, ERR_SYNTAX, 0},
    {"digits of another script", STR_LIT("\xd9\xa1"), 99, ERR_SYNTAX, 0},
};
/* clang-format on */

static void numbers_are_digits_within_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint64_t value = 4711;
        struct err e = str_to_u64(numbers[i].text, numbers[i].max, &value);
        assert_row_err(numbers[i].name, e, numbers[i].want_error);
        assert_row_u64(numbers[i].name, value, failed(e) ? 4711 : numbers[i].want);
    }
}

/* Every byte, against the plain definition. */
static void characters_have_classes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_digit = c >= '0' && c <= '9';
        bool is_upper = c >= 'A' && c <= 'Z', is_lower = c >= 'a' && c <= 'z';
        int hex = is_digit               ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
        assert_int_equal(chr_is_digit((char)c), is_digit);
        assert_int_equal(chr_is_alpha((char)c), is_upper || is_lower);
        assert_int_equal(chr_hex((char)c), hex);
        assert_int_equal(chr_lower((char)c), (char)(is_upper ? c + 32 : c));
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_compared_as_bytes),
        cmocka_unit_test(both_ends_are_recognised),
        cmocka_unit_test(parts_are_clamped_to_the_view),
        cmocka_unit_test(a_text_is_split_at_the_first_separator),
        cmocka_unit_test(elements_come_one_by_one),
        cmocka_unit_test(only_blanks_and_tabs_are_trimmed),
        cmocka_unit_test(numbers_are_digits_within_bounds),
        cmocka_unit_test(characters_have_classes),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
