#include "gateway/http/http_cookie.h"
#include "tests/support/asserts.h"

/* Fields of a row are separated by '|'. */
static const struct {
    const char *name, *cookies, *value, *rest;
} rows[] = {
    {"alone", "gw=1", "1", ""},
    {"first", "gw=1; a=2", "1", "a=2"},
    {"last", "a=2; gw=1", "1", "a=2"},
    {"between", "a=2; gw=1; b=3", "1", "a=2; b=3"},
    {"twice: the first counts, both go", "gw=1; a=2; gw=3", "1", "a=2"},
    {"in a second field", "a=2|gw=1; b=3", "1", "a=2|b=3"},
    {"a field of its own goes", "a=2|gw=1|b=3", "1", "a=2|b=3"},
    {"absent", "a=2;  b=3", "", "a=2;  b=3"},
    {"names have case", "GW=1", "", "GW=1"},
    {"a longer name is another", "xgw=1; gwx=2", "", "xgw=1; gwx=2"},
    {"in a value", "a=gw=1", "", "a=gw=1"},
    {"with = in its value", "gw=a=b=; c=1", "a=b=", "c=1"},
    {"spaces around", " a = 1 ;gw = 2 ; b=3", "2", "a = 1; b=3"},
    {"quoted, as it is", "gw=\"1\"", "\"1\"", ""},
    {"empty value", "gw=; a=1", "", "a=1"},
    {"no pairs", ";;; ;x; ", "", ";;; ;x; "},
    {"what is no pair stays", "x; gw=1; =y", "1", "x; =y"},
    {"empty field", "", "", ""},
};

static void read_fields(struct arena *a, const char *text, struct http_fields *f)
{
    struct str rest = str_from(text), item;
    assert_false(failed(http_fields_add(f, a, STR("X-Before"), STR("gw=0"))));
    while (str_next(&rest, '|', &item))
        assert_false(failed(http_fields_add_id(f, a, HTTP_FIELD_COOKIE, item)));
}

static struct str join(struct arena *a, const struct http_fields *f)
{
    struct str text = STR("");
    assert_true(str_eq(f->items[0].value, STR("gw=0")));
    for (size_t i = 1; i < f->count; i++)
        text = arena_fmt(a, "%.*s%s%.*s", STR_ARG(text), i > 1 ? "|" : "",
                         STR_ARG(f->items[i].value));
    return text;
}

static void cookies_are_found_and_taken_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
        struct http_fields f = {.items = NULL};
        read_fields(a, rows[i].cookies, &f);
        assert_row_str(rows[i].name, http_cookie_find(&f, STR("gw")), rows[i].value);
        assert_false(failed(http_cookie_remove(&f, a, STR("gw"))));
        assert_row_str(rows[i].name, join(a, &f), rows[i].rest);
    }
}

static void each_is_visited_once(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct http_fields f = {.items = NULL};
    struct http_cookie c = {.name = STR_NONE};
    struct str seen = STR("");
    read_fields(a, "a=1; b=2|x|c=3;;d=4", &f);
    while (http_cookie_next(&f, &c))
        seen = arena_fmt(a, "%.*s%.*s%.*s ", STR_ARG(seen), STR_ARG(c.name), STR_ARG(c.value));
    assert_true(str_eq(seen, STR("a1 b2 c3 d4 ")));
    assert_false(http_cookie_next(&f, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_found_and_taken_away),
        cmocka_unit_test(each_is_visited_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
