#include "gateway/upstream/stick.h"
#include "tests/support/asserts.h"

static struct target targets[] = {
    {.sticky_value = STR_LIT("aaaa"), .sticky_cookie = STR_LIT("gw=aaaa; HttpOnly; Secure")},
    {.sticky_value = STR_LIT("bbbb"), .sticky_cookie = STR_LIT("gw=bbbb; HttpOnly; Secure")},
};

/* Without a store; the cookie's making is store/sticky.c's. */
static struct route make_route(void)
{
    struct route r = {.upstream.sticky.cookie = STR("gw")};
    r.upstream.targets_list = (struct object_list){targets, ARRAY_LEN(targets)};
    return r;
}

/* set: what the answer of target a sets over plain HTTP; NULL: nothing. */
static const struct {
    const char *name, *cookie;
    int named; /* -1: none */
    const char *set;
} rows[] = {
    {"no cookie", "", -1, "gw=aaaa; HttpOnly"},
    {"another cookie", "wg=aaaa", -1, "gw=aaaa; HttpOnly"},
    {"its cookie", "gw=aaaa", 0, NULL},
    {"of another target", "gw=bbbb", 1, "gw=aaaa; HttpOnly"},
    {"of a target that is gone", "gw=cccc", -1, "gw=aaaa; HttpOnly"},
    {"made up", "gw=aaa", -1, "gw=aaaa; HttpOnly"},
    {"made longer", "gw=aaaaa", -1, "gw=aaaa; HttpOnly"},
    {"empty", "gw=", -1, "gw=aaaa; HttpOnly"},
    {"two, one of them ours", "gw=old; gw=aaaa", 0, NULL},
};

static void the_cookie_names_a_target_or_is_set(void **state)
{
    (void)state;
    struct route r = make_route();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
        struct http_head request = {.status = 0}, answer = {.status = 200};
        if (rows[i].cookie[0] != '\0')
            assert_false(failed(http_fields_add_id(&request.fields, a, HTTP_FIELD_COOKIE,
                                                   str_from(rows[i].cookie))));
        const struct target *want = rows[i].named < 0 ? NULL : &targets[rows[i].named];
        if (stick_find(&r, &request) != want)
            fail_msg("%s: another target", rows[i].name);
        assert_false(failed(stick_set(a, &r, &request, &targets[0], false, &answer)));
        const struct http_field *f = http_fields_find(&answer.fields, HTTP_FIELD_SET_COOKIE);
        if (rows[i].set == NULL)
            assert_null(f);
        else
            assert_row_str(rows[i].name, f->value, rows[i].set);
        assert_false(failed(stick_hide(a, &r, &request)));
        assert_null(stick_find(&r, &request));
    }
}

static void over_https_it_is_secure(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    struct route r = make_route();
    struct http_head request = {.status = 0}, answer = {.status = 200};
    assert_true(stick_is_on(&r));
    assert_false(failed(stick_set(a, &r, &request, &targets[1], true, &answer)));
    assert_true(str_eq(answer.fields.items[0].value, STR("gw=bbbb; HttpOnly; Secure")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cookie_names_a_target_or_is_set),
        cmocka_unit_test(over_https_it_is_secure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
