#include "store/ids.h"
#include "store/model_check.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static const struct {
    const char *host, *path, *want;
} hosts[] = {
    {"cloud.example.org", "", "cloud.example.org"},
    {"*.example.org", "", "wildcard.example.org"},
    {"*", "", "any"},
    {"*", "/api", "any-api"},
    {"cloud.example.org", "/api/v1", "cloud.example.org-api-v1"},
    {"2001:db8::1", "", "2001-db8-1"},
    {"::1", "", "1"},
    {"my_app.internal", "", "my_app.internal"},
    {"a.org", "/%2f..", "a.org-2f"},
    {"xn--bcher-kva.example", "", "xn--bcher-kva.example"},
};

static const struct {
    const char *text, *want;
} texts[] = {
    {"Backup Script", "backup-script"}, {"  --x--  ", "x"}, {"", "unnamed"},
    {"\xc3\xa4\xc3\xb6", "unnamed"},    {"...", "unnamed"}, {"a..b", "a..b"},
    {"Web - Shop", "web-shop"},         {"a--b", "a--b"},
};

static void check_form(struct str id)
{
    assert_null(model_check_id(NULL, &id));
}

static void names_become_slugs(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct str id;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        assert_false(
            failed(ids_from_host(a, str_from(hosts[i].host), str_from(hosts[i].path), &id)));
        if (!str_eq(id, str_from(hosts[i].want)))
            fail_msg("%s%s: %.*s", hosts[i].host, hosts[i].path, STR_ARG(id));
        check_form(id);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_false(failed(ids_from_text(a, str_from(texts[i].text), &id)));
        if (!str_eq(id, str_from(texts[i].want)))
            fail_msg("%s: %.*s", texts[i].text, STR_ARG(id));
        check_form(id);
    }
}

static const void *same(const void *v)
{
    return v;
}

static void ignore(const void *v)
{
    (void)v;
}

static void taken_ids_get_a_number(void **state)
{
    (void)state;
    static const struct pmap_type type = {.ref = same, .unref = ignore};
    static const struct hash_key key = {.k0 = 3, .k1 = 4};
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    struct pmap taken = pmap_empty(&type, &key);
    char text[200];
    memset(text, 'x', sizeof(text));
    struct str longest, id;
    assert_false(failed(ids_from_text(a, str_make(text, sizeof(text)), &longest)));
    assert_int_equal(longest.len, ID_MAX_BYTES);
    for (int i = 0; i < 12; i++) {
        assert_false(failed(ids_make_unique(a, longest, &taken, &id)));
        assert_true(id.len <= ID_MAX_BYTES);
        assert_null(pmap_find(&taken, id));
        check_form(id);
        assert_false(failed(pmap_put(&taken, id, "")));
    }
    assert_true(str_ends(id, STR("-12")));
    assert_false(failed(ids_make_unique(a, STR("auto"), &taken, &id)));
    assert_true(str_eq(id, STR("auto-2")));
    pmap_unref(&taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_slugs),
        cmocka_unit_test(taken_ids_get_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
