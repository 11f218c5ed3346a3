#include "gateway/route/forwarded.h"
#include "tests/support/asserts.h"

/* want: "for|host|proto" of each element; "" for a list that is none. */
static const struct {
    const char *name, *value, *want;
} rows[] = {
    {"RFC 7239 4: an address", "for=192.0.2.43", "192.0.2.43||\n"},
    {"names know no case", "For=a;HOST=b;Proto=http", "a|b|http\n"},
    {"quoted, with a port", "for=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711||\n"},
    {"two proxies", "for=192.0.2.43, for=198.51.100.17", "192.0.2.43||\n198.51.100.17||\n"},
    {"a comma inside quotes", "for=\"a,b;c\";proto=https", "a,b;c||https\n"},
    {"by and extensions are passed over", "by=203.0.113.43;secret=x;for=a", "a||\n"},
    {"only by: an element all the same", "for=a, by=b", "a||\n||\n"},
    {"empty elements and parameters", " , for=a;;proto=http; , ,", "a||http\n"},
    {"an empty quoted text", "for=\"\"", "||\n"},
    {"nothing", "", ""},
    {"an open quote", "for=a, for=\"b", ""},
    {"an escape in quotes", "for=\"a\\b\"", ""},
    {"no value", "for=a, for=", ""},
    {"no name", "=a", ""},
    {"no equals sign", "for", ""},
    {"space around the equals sign", "for =a", ""},
    {"two words", "for=a b", ""},
    {"text behind quotes", "for=\"a\"b", ""},
    {"an unquoted colon", "for=192.0.2.1:80", ""},
    {"a name that comes twice", "for=a;for=b", ""},
};

static struct arena *a;

static struct str show(const struct http_fields *f)
{
    struct forwarded_element e[FORWARDED_ELEMENTS_MAX];
    size_t count = forwarded_read(f, e);
    struct str text = STR("");
    for (size_t i = 0; i < count; i++)
        text = arena_fmt(a, "%.*s%.*s|%.*s|%.*s\n", STR_ARG(text), STR_ARG(e[i].client),
                         STR_ARG(e[i].host), STR_ARG(e[i].proto));
    return text;
}

static void lists_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_fields f = {0};
        assert_ok(http_fields_add_id(&f, a, HTTP_FIELD_FORWARDED, str_from(rows[i].value)));
        assert_row_str(rows[i].name, show(&f), rows[i].want);
    }
}

static void several_lines_are_one_list_whose_end_counts(void **state)
{
    (void)state;
    struct http_fields f = {0};
    assert_ok(http_fields_add_id(&f, a, HTTP_FIELD_FORWARDED, STR("for=first")));
    for (int i = 0; i < FORWARDED_ELEMENTS_MAX; i++)
        assert_ok(http_fields_add_id(&f, a, HTTP_FIELD_FORWARDED, arena_fmt(a, "for=n%d", i)));
    struct forwarded_element e[FORWARDED_ELEMENTS_MAX];
    assert_int_equal(forwarded_read(&f, e), FORWARDED_ELEMENTS_MAX);
    assert_str(e[0].client, "n0");
    assert_str(e[FORWARDED_ELEMENTS_MAX - 1].client, "n31");
    assert_ok(http_fields_add_id(&f, a, HTTP_FIELD_FORWARDED, STR("for=")));
    assert_int_equal(forwarded_read(&f, e), 0);
}

static int set_up(void **state)
{
    (void)state;
    a = arena_new(64 * 1024, 1024 * 1024);
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_whole_or_not_at_all),
        cmocka_unit_test(several_lines_are_one_list_whose_end_counts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
