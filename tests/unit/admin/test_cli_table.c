#include "admin/cli_table.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static const struct {
    const char *name, *text;
    size_t width;
} widths[] = {
    {"empty", "", 0},
    {"ASCII", "abc", 3},
    {"umlaut",
     "b\xc3\xbc"
     "cher",
     6},
    {"combining accent", "e\xcc\x81", 1},
    {"wide characters", "\xe4\xbe\x8b\xe3\x81\x88", 4},
    {"emoji", "\xf0\x9f\x9a\x80", 2},
    {"no-width joiner",
     "a\xe2\x80\x8d"
     "b",
     2},
    {"a broken byte is one column",
     "a\xff"
     "b",
     3},
    {"a cut sequence too", "\xe2\x80", 2},
    {"a control character is shown as one", "a\033b", 3},
};

static void test_widths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        if (cli_table_width(str_from(widths[i].text)) != widths[i].width)
            fail_msg("%s: %zu", widths[i].name, cli_table_width(str_from(widths[i].text)));
    }
}

/* clang-format off */
static const struct {
    const char *name, *text;
    size_t width;
    const char *want;
} puts_[] = {
    {"fits", "abc", 3, "abc"},
    {"no limit", "abc", 0, "abc"},
    {"cut", "abcdef", 4, "abc\xe2\x80\xa6"},
    {"cut between wide ones", "\xe4\xbe\x8b\xe4\xbe\x8b\xe4\xbe\x8b", 4,
     "\xe4\xbe\x8b\xe2\x80\xa6"},
    {"escape sequences do not pass", "a\033[31mb\n", 0, "a?[31mb?"},
    {"C1 controls do not pass", "a\xc2\x9b" "b", 0, "a?b"},
    {"direction overrides do not pass", "a\xe2\x80\xae" "b", 0, "a?b"},
    {"broken bytes do not pass", "a\xff", 0, "a?"},
    {"a question mark does", "a?", 0, "a?"},
};
/* clang-format on */

static void test_put(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        size_t used = cli_table_put(out, str_from(puts_[i].text), puts_[i].width);
        (void)fclose(out);
        if (strcmp(text, puts_[i].want) != 0)
            fail_msg("%s: %s", puts_[i].name, text);
        if (puts_[i].width > 0)
            assert_true(used <= puts_[i].width);
        free(text);
    }
}

static char *print(unsigned width, bool is_coloured)
{
    static const struct cli_column columns[] = {
        {"ID", CLI_KEEP},   {"HOSTS", CLI_SHRINK}, {"STATE", CLI_KEEP},
        {"NEXT", CLI_DROP}, {NULL, CLI_KEEP},
    };
    AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct cli_table *t = cli_table_new(a, columns);
    cli_table_row(t);
    cli_table_cell(t, STR("cloud"), CLI_PLAIN);
    cli_table_cell(t, STR("cloud.example.org, www.\xc3\xbc.example"), CLI_PLAIN);
    cli_table_cell(t, STR("ok"), CLI_GOOD);
    cli_table_cell(t, STR("renew"), CLI_PLAIN);
    cli_table_row(t);
    cli_table_cell(t, STR("x"), CLI_PLAIN);
    cli_table_cell(t, STR("x.example"), CLI_PLAIN);
    cli_table_cell(t, STR("degraded"), CLI_WARN);
    cli_table_print(t, out, width, is_coloured);
    (void)fclose(out);
    return text;
}

static const struct {
    const char *name;
    unsigned width;
    const char *want;
} prints[] = {
    {"columns are aligned", 0,
     "ID     HOSTS                             STATE     NEXT\n"
     "cloud  cloud.example.org, www.\xc3\xbc.example  ok        renew\n"
     "x      x.example                         degraded\n"},
    {"what may shrink shrinks first", 50,
     "ID     HOSTS                       STATE     NEXT\n"
     "cloud  cloud.example.org, www.\xc3\xbc.\xe2\x80\xa6  ok        renew\n"
     "x      x.example                   degraded\n"},
    {"then what can be done without goes", 38,
     "ID     HOSTS                 STATE\n"
     "cloud  cloud.example.org, \xe2\x80\xa6  ok\n"
     "x      x.example             degraded\n"},
    {"then the rest shrinks further", 30,
     "ID     HOSTS          STATE\n"
     "cloud  cloud.exampl\xe2\x80\xa6  ok\n"
     "x      x.example      degraded\n"},
};

static void test_printing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
        char *text = print(prints[i].width, false);
        if (strcmp(text, prints[i].want) != 0)
            fail_msg("%s:\n%s", prints[i].name, text);
        free(text);
    }
}

static void test_colours_only_when_wanted(void **state)
{
    (void)state;
    char *plain = print(0, false);
    char *coloured = print(0, true);
    assert_null(strchr(plain, '\033'));
    assert_non_null(strstr(coloured, "\033[32mok\033[0m"));
    free(plain);
    free(coloured);
}

#define RED "\033[31m"

static const struct {
    const char *name, *line;
    size_t width;
    const char *want;
} lines[] = {
    {"fits", "a " RED "bc" CLI_COLOUR_END, 4, "a " RED "bc" CLI_COLOUR_END},
    {"cut in a colour", RED "abc" CLI_COLOUR_END, 2, RED "a\xe2\x80\xa6" CLI_COLOUR_END},
    {"cut behind a colour", RED "a" CLI_COLOUR_END "bcd", 3,
     RED "a" CLI_COLOUR_END "b\xe2\x80\xa6"},
    {"no limit", RED "abc" CLI_COLOUR_END, 0, RED "abc" CLI_COLOUR_END},
    {"wide characters", "\xe4\xbe\x8b\xe4\xbe\x8b", 3, "\xe4\xbe\x8b\xe2\x80\xa6"},
    {"one column", "ab", 1, "\xe2\x80\xa6"},
    {"nothing", "", 5, ""},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        cli_table_put_line(out, str_from(lines[i].line), lines[i].width);
        (void)fclose(out);
        if (strcmp(text, lines[i].want) != 0)
            fail_msg("%s: %s", lines[i].name, text);
        free(text);
    }
}

static void test_without_memory_there_is_no_table(void **state)
{
    (void)state;
    cli_table_row(NULL);
    cli_table_cell(NULL, STR("x"), CLI_PLAIN);
    cli_table_print(NULL, NULL, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_colours_only_when_wanted),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_without_memory_there_is_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
