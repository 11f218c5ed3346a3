#include "admin/admin_reply.h"
#include "tests/support/unit.h"

#include "gateway/base/mem.h"

static json_t *problem(struct err e, const char *detail, const struct invalid *inv)
{
    struct admin_reply r;
    json_t *doc = NULL;
    admin_reply_init(&r);
    admin_reply_problem(
        &r, e,
        &(struct problem){.detail = str_from(detail), .inv = inv, .request_id = STR("id1")});
    assert_int_equal(r.status, e.kind->status);
    assert_string_equal(r.content_type, "application/problem+json");
    assert_false(failed(json_read(buf_view(&r.body), &doc)));
    admin_reply_fini(&r);
    return doc;
}

static const char *text(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(doc, name));
}

static void test_problem(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *doc = problem(fail(ERR_NOT_FOUND, 0), "there is no x", NULL);
    assert_string_equal(text(doc, "type"), "urn:gatehouse:problem:not_found");
    assert_string_equal(text(doc, "title"), "no such object");
    assert_string_equal(text(doc, "detail"), "there is no x");
    assert_string_equal(text(doc, "request_id"), "id1");
    assert_int_equal(json_integer_value(json_object_get(doc, "status")), 404);
    assert_null(json_object_get(doc, "errors"));
}

static void test_problem_without_words(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *doc = problem(fail(ERR_MEMORY, 0), NULL, NULL);
    assert_string_equal(text(doc, "detail"), "out of memory");
}

static void test_problem_with_errors(void **state)
{
    (void)state;
    struct invalid inv;
    invalid_init(&inv);
    invalid_add(&inv, STR("/a"), "is wrong");
    AUTO(json_decref) json_t *one = problem(fail(ERR_INVALID, 0), NULL, &inv);
    assert_string_equal(text(one, "detail"), "/a: is wrong");
    invalid_add(&inv, STR("/b"), "too");
    AUTO(json_decref) json_t *two = problem(fail(ERR_INVALID, 0), NULL, &inv);
    assert_string_equal(text(two, "detail"), "2 things are wrong; errors lists them");
    assert_int_equal(json_array_size(json_object_get(two, "errors")), 2);
    invalid_fini(&inv);
}

static void test_items(void **state)
{
    (void)state;
    struct admin_reply r;
    admin_reply_init(&r);
    assert_false(failed(admin_reply_items_begin(&r)));
    assert_false(failed(admin_reply_items_end(&r)));
    assert_true(str_eq(buf_view(&r.body), STR("{\"items\":[]}\n")));
    admin_reply_clear(&r);
    assert_false(failed(admin_reply_items_begin(&r)));
    assert_false(failed(admin_reply_item(&r, json_pack("{s:[]}", "a"))));
    assert_false(failed(admin_reply_item(&r, json_pack("{s:[]}", "b"))));
    assert_true(err_is(admin_reply_item(&r, NULL), ERR_MEMORY));
    assert_false(failed(admin_reply_items_end(&r)));
    assert_true(str_eq(buf_view(&r.body), STR("{\"items\":[{\"a\":[]},{\"b\":[]}]}\n")));
    admin_reply_fini(&r);
}

static void test_fields(void **state)
{
    (void)state;
    struct admin_reply r;
    admin_reply_init(&r);
    assert_true(err_is(admin_reply_field(&r, "ETag", STR_NONE), ERR_MEMORY));
    for (size_t i = 0; i < ADMIN_REPLY_FIELDS_MAX; i++)
        assert_false(failed(admin_reply_field(&r, "ETag", STR("\"1\""))));
    assert_true(err_is(admin_reply_field(&r, "ETag", STR("\"1\"")), ERR_LIMIT));
    admin_reply_fini(&r);
}

/* Whatever cannot be allocated, there is an answer with the right status. */
static void test_a_problem_survives_lack_of_memory(void **state)
{
    (void)state;
    bool has_fired = true;
    for (unsigned n = 1; has_fired; n++) {
        struct admin_reply r;
        admin_reply_init(&r);
        mem_fault_arm(n);
        admin_reply_problem(&r, fail(ERR_CONFLICT, 0), &(struct problem){.detail = STR("x")});
        has_fired = mem_fault_fired();
        mem_fault_arm(0);
        assert_int_equal(r.status, 409);
        admin_reply_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_problem_without_words),
        cmocka_unit_test(test_problem_with_errors),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_a_problem_survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
