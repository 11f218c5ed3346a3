#include "store/sticky.h"
#include "tests/support/asserts.h"

#define KEY "0123456789abcdef0123456789abcdef"

static struct target build(struct arena *a, struct str key, const char *id, const char *cookie,
                           uint64_t max_age_ms, const char *path, const char *url)
{
    struct target t = {.url = str_from(url)};
    struct route r = {
        .arena = a,
        .object.id = str_from(id),
        .path = str_from(path),
        .upstream = {.targets_list = {&t, 1}, .sticky = {str_from(cookie), max_age_ms}}};
    assert_false(failed(sticky_build(&r, key)));
    return t;
}

/* printf r=gw=http://a | openssl dgst -sha256 -mac HMAC -macopt key:... -binary | head -c 16 */
#define VALUE "j3eR5p8tm3Q0qiWoiZHJIg"

static const struct {
    const char *name, *path;
    uint64_t max_age_ms;
    const char *want;
} rows[] = {
    {"until the browser ends", "/", 0, "gw=" VALUE "; Path=/; HttpOnly; SameSite=Lax; Secure"},
    {"for a time", "/app", 28800000,
     "gw=" VALUE "; Path=/app; Max-Age=28800; HttpOnly; SameSite=Lax; Secure"},
    {"a path that would end the attribute", "/app/a;b/c", 0,
     "gw=" VALUE "; Path=/app/; HttpOnly; SameSite=Lax; Secure"},
};

static void the_cookie_has_its_attributes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
        struct target t =
            build(a, STR(KEY), "r", "gw", rows[i].max_age_ms, rows[i].path, "http://a");
        assert_row_str(rows[i].name, t.sticky_cookie, rows[i].want);
        assert_row_str(rows[i].name, t.sticky_value, VALUE);
    }
}

static void values_depend_on_key_route_name_and_target(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct str values[] = {
        build(a, STR(KEY), "r", "gw", 0, "/", "http://a").sticky_value,
        build(a, STR(KEY), "r", "gw", 0, "/", "http://b").sticky_value,
        build(a, STR(KEY), "r", "wg", 0, "/", "http://a").sticky_value,
        build(a, STR(KEY), "s", "gw", 0, "/", "http://a").sticky_value,
        build(a, STR("other"), "r", "gw", 0, "/", "http://a").sticky_value,
        build(a, STR_NONE, "r", "gw", 0, "/", "http://a").sticky_value,
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        assert_int_equal(values[i].len, 22);
        for (size_t k = 0; k < i; k++)
            assert_false(str_eq(values[i], values[k]));
    }
}

static void without_a_name_there_is_no_cookie(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    assert_null(build(a, STR(KEY), "r", "", 0, "/", "http://a").sticky_cookie.p);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        AUTO(arena_free) struct arena *a = arena_new(16, 65536);
        struct target t = {.url = STR("http://a")};
        struct route r = {.arena = a,
                          .object.id = STR("r"),
                          .path = STR("/"),
                          .upstream = {.targets_list = {&t, 1}, .sticky = {STR("gw"), 1000}}};
        if (a != NULL && !failed(sticky_build(&r, STR(KEY))))
            assert_int_equal(t.sticky_value.len, 22);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cookie_has_its_attributes),
        cmocka_unit_test(values_depend_on_key_route_name_and_target),
        cmocka_unit_test(without_a_name_there_is_no_cookie),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
