#include "admin/body.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static void test_collects_up_to_the_limit(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, 0);
    body_set_limit(&b, 8);
    assert_false(failed(body_feed(&b, STR("abcd"))));
    assert_false(failed(body_feed(&b, STR("efgh"))));
    assert_false(body_is_too_large(&b));
    assert_true(str_eq(body_view(&b), STR("abcdefgh")));
    body_fini(&b);
}

/* The byte too many is read, so that the answer reaches the client, and nothing after it
 * kept. */
static void test_reads_on_beyond_the_limit(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, 4);
    assert_false(failed(body_feed(&b, STR("abcde"))));
    assert_true(body_is_too_large(&b));
    assert_false(failed(body_feed(&b, STR("x"))));
    assert_int_equal(body_view(&b).len, 0);
    body_fini(&b);
}

static void test_gives_up_at_last(void **state)
{
    (void)state;
    static char chunk[1024 * 1024];
    struct body b;
    struct err e = OK;
    unsigned fed = 0;
    body_init(&b, 4);
    while (!failed(e) && fed < 1000) {
        e = body_feed(&b, str_make(chunk, sizeof(chunk)));
        fed++;
    }
    assert_true(err_is(e, ERR_BODY_LIMIT));
    assert_int_equal(fed, ADMIN_DISCARD_MAX_BYTES / sizeof(chunk) + 1);
    body_fini(&b);
}

static void test_unwanted_is_not_too_large(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, 0);
    body_refuse(&b);
    assert_false(failed(body_feed(&b, STR("anything"))));
    assert_false(body_is_too_large(&b));
    body_fini(&b);
}

static const struct {
    const char *method, *type;
    bool is_ok;
} types[] = {
    {"POST", "application/json", true},
    {"POST", "Application/JSON; charset=utf-8", true},
    {"POST", "application/json;charset=utf-8", true},
    {"POST", "text/plain", false},
    {"POST", "application/x-www-form-urlencoded", false},
    {"POST", "multipart/form-data; boundary=x", false},
    {"POST", "", false},
    {"POST", NULL, false},
    {"POST", "application/jsonx", false},
    {"PATCH", "application/merge-patch+json", true},
    {"PUT", "application/merge-patch+json", false},
};

static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct admin_field field = {STR("Content-Type"), str_from(types[i].type)};
        struct admin_request rq = {.method = str_from(types[i].method),
                                   .fields = &field,
                                   .field_count = types[i].type == NULL ? 0 : 1};
        if (failed(body_check_type(&rq)) == types[i].is_ok)
            fail_msg("%s %s", types[i].method, types[i].type);
    }
}

static const struct {
    const char *name, *text, *words; /* words NULL: fine */
} texts[] = {
    {"object", "{\"a\":1}", NULL},
    {"nothing", "", "a JSON body is needed"},
    {"line", "{\n\"a\":\n}", "malformed JSON in line 3"},
    {"trailing", "{} x", "malformed JSON in line 1"},
    {"null", " \r\n\tnull", "malformed JSON: the body must be an object"},
    {"white space", "  ", "malformed JSON: the body must be an object"},
    {"twice", "{\"a\":1,\n\"a\":2}", "malformed JSON in line 2: \"a\" is there twice"},
    {"twice, quoted", "{\"a\\\"b\":1,\"a\\\"b\":2}",
     "malformed JSON in line 1: \"a\\\"b\" is there twice"},
    {"deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "malformed JSON: nested deeper than 32 levels"},
};

static void test_json(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 1024 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct admin_request rq = {.arena = a, .body = str_from(texts[i].text)};
        AUTO(json_decref) json_t *doc = NULL;
        struct str words = STR_NONE;
        struct err e = body_json(&rq, &words, &doc);
        assert_int_equal(failed(e), texts[i].words != NULL);
        if (failed(e) && !str_eq(words, str_from(texts[i].words)))
            fail_msg("%s: %.*s", texts[i].name, STR_ARG(words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collects_up_to_the_limit),
        cmocka_unit_test(test_reads_on_beyond_the_limit),
        cmocka_unit_test(test_gives_up_at_last),
        cmocka_unit_test(test_unwanted_is_not_too_large),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
