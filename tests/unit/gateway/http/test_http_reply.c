#include "gateway/http/http_reply.h"
#include "tests/support/unit.h"

#include "gateway/base/err.h"
#include "gateway/base/mem.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(4096, 1 << 20);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static bool contains(struct str text, const char *part)
{
    return memmem(text.p, text.len, part, strlen(part)) != NULL;
}

static const struct http_field *field(const struct http_head *h, enum http_field_id id)
{
    const struct http_field *f = http_fields_find(&h->fields, id);
    assert_non_null(f);
    return f;
}

static void every_status_an_error_becomes_has_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ERR_ID_COUNT; i++) {
        unsigned status = err_kinds[i].status;
        if (status != 0 && str_eq(http_reason(status), STR("Unknown")))
            fail_msg("%u has no reason", status);
    }
    assert_true(str_eq(http_reason(200), STR("OK")));
    assert_true(str_eq(http_reason(299), STR("Unknown")));
    assert_true(str_eq(http_reason(0), STR("Unknown")));
}

static void a_page_has_status_reason_and_id(void **state)
{
    struct http_head h;
    struct str body;
    (void)state;
    assert_false(failed(http_reply_error(arena, 502, NULL, STR("01hx-2"), &h, &body)));
    assert_int_equal(h.status, 502);
    assert_int_equal(h.body, HTTP_BODY_LENGTH);
    assert_int_equal(h.body_bytes, body.len);
    assert_true(
        str_eq(field(&h, HTTP_FIELD_CONTENT_TYPE)->value, STR("text/html; charset=utf-8")));
    assert_true(str_eq(field(&h, HTTP_FIELD_CACHE_CONTROL)->value, STR("no-store")));
    assert_true(contains(body, "<title>502 Bad Gateway</title>"));
    assert_true(contains(body, "01hx-2"));
}

static void an_id_that_is_not_plain_is_left_out(void **state)
{
    static const char *const ids[] = {"a<b>", "a\"b", "a&b", "a'b", "a b", "a\\b", ""};
    static const char accept[] = "application/json";
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct http_head request = {0};
        struct http_head h;
        struct str body;
        assert_false(failed(http_reply_error(arena, 404, NULL, str_from(ids[i]), &h, &body)));
        assert_false(contains(body, "Request "));
        assert_false(
            failed(http_fields_add(&request.fields, arena, STR("Accept"), str_from(accept))));
        assert_false(
            failed(http_reply_error(arena, 404, &request, str_from(ids[i]), &h, &body)));
        assert_false(contains(body, "request_id"));
    }
}

static const struct {
    const char *name, *accept;
    bool is_json;
} choices[] = {
    {"no Accept", NULL, false},
    {"a browser", "text/html,application/xhtml+xml,*/*;q=0.8", false},
    {"curl", "*/*", false},
    {"a script", "application/json", true},
    {"problem documents", "application/problem+json", true},
    {"JSON by name, HTML not", "application/json, text/plain, */*", true},
    {"JSON preferred", "application/json, */*;q=0.5", true},
    {"HTML preferred", "application/json;q=0.5, text/html", false},
    {"HTML refused", "application/json;q=0.1, text/html;q=0", true},
    {"a range of types", "application/*, text/html;q=0.9", true},
    {"in another case", "APPLICATION/JSON", true},
    {"white space", " application/json ; Q=1.0 ,\ttext/html;q=0.999", true},
    {"neither", "image/png", false},
    {"empty", "", false},
    {"malformed", ";;,/,=q", false},
    {"a malformed weight", "application/json;q=x", true},
    {"a weight of zero", "application/json;q=0.000", false},
    {"the specific range wins", "text/*, text/html;q=0.1, application/json;q=0.5", true},
};

static void json_is_for_those_who_prefer_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        struct http_head request = {0};
        struct http_head h;
        struct str body;
        if (choices[i].accept != NULL)
            assert_false(failed(http_fields_add(&request.fields, arena, STR("Accept"),
                                                str_from(choices[i].accept))));
        assert_false(failed(http_reply_error(arena, 503, &request, STR("id"), &h, &body)));
        if (contains(body, "\"status\":503") != choices[i].is_json)
            fail_msg("%s: %.*s", choices[i].name, STR_ARG(body));
    }
}

static void a_problem_is_a_json_document(void **state)
{
    struct http_head request = {0};
    struct http_head h;
    struct str body;
    (void)state;
    assert_false(failed(
        http_fields_add(&request.fields, arena, STR("Accept"), STR("application/json"))));
    assert_false(failed(http_reply_error(arena, 404, &request, STR("x:1/a+b=@"), &h, &body)));
    assert_true(
        str_eq(field(&h, HTTP_FIELD_CONTENT_TYPE)->value, STR("application/problem+json")));
    assert_true(
        str_eq(body, STR("{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                         "\"detail\":\"Nothing is served at this address.\","
                         "\"request_id\":\"x:1/a+b=@\"}\n")));
}

static void a_redirect_has_a_place_and_no_body(void **state)
{
    struct http_head h;
    (void)state;
    assert_false(failed(http_reply_redirect(arena, 308, STR("https://a.example/"), &h)));
    assert_int_equal(h.status, 308);
    assert_int_equal(h.body, HTTP_BODY_NONE);
    assert_true(str_eq(field(&h, HTTP_FIELD_LOCATION)->value, STR("https://a.example/")));
}

static void memory_may_be_short_at_every_step(void **state)
{
    struct err e = fail(ERR_MEMORY, 0);
    (void)state;
    for (size_t bytes = 1; err_is(e, ERR_MEMORY); bytes += 8) {
        struct arena *a = arena_new(bytes, bytes);
        struct http_head h;
        struct str body;
        e = http_reply_error(a, 404, NULL, STR("x"), &h, &body);
        arena_free(a);
    }
    assert_false(failed(e));
    struct arena *a = arena_new(1, 1);
    struct http_head h;
    assert_true(err_is(http_reply_redirect(a, 308, STR("/"), &h), ERR_MEMORY));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_an_error_becomes_has_words),
        cmocka_unit_test(a_page_has_status_reason_and_id),
        cmocka_unit_test(an_id_that_is_not_plain_is_left_out),
        cmocka_unit_test(json_is_for_those_who_prefer_it),
        cmocka_unit_test(a_problem_is_a_json_document),
        cmocka_unit_test(a_redirect_has_a_place_and_no_body),
        cmocka_unit_test(memory_may_be_short_at_every_step),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
