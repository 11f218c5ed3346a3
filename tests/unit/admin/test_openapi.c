/* The document lists what api.def lists, and points at nothing that is not there. */
#include "admin/api.h"
#include "admin/openapi.h"
#include "store/counted.h"
#include "tests/support/unit.h"

#include <stdio.h>

static json_t *doc;

static int set_up(void **state)
{
    (void)state;
    return failed(openapi_document(&doc)) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(doc);
    return 0;
}

static void test_every_row_is_an_operation(void **state)
{
    (void)state;
    size_t count;
    size_t operations = 0;
    const struct api_row *rows = api_rows(&count);
    json_t *paths = json_object_get(doc, "paths");
    const char *path;
    json_t *methods;
    for (size_t i = 0; i < count; i++) {
        char method[16] = "";
        for (size_t k = 0; rows[i].method[k] != '\0'; k++)
            method[k] = chr_lower(rows[i].method[k]);
        const json_t *operation =
            json_object_get(json_object_get(paths, rows[i].pattern), method);
        if (operation == NULL)
            fail_msg("%s %s", rows[i].method, rows[i].pattern);
        assert_string_equal(json_string_value(json_object_get(operation, "summary")),
                            rows[i].summary);
        assert_int_equal(json_object_get(operation, "requestBody") != NULL,
                         rows[i].body != API_BODY_NONE);
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "default"));
    }
    json_object_foreach(paths, path, methods) operations += json_object_size(methods);
    assert_int_equal(operations, count);
}

static void check_refs(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(value, i, member) check_refs(member);
    json_object_foreach(value, key, member)
    {
        if (strcmp(key, "$ref") != 0) {
            check_refs(member);
            continue;
        }
        struct str rest = json_str(member);
        struct str name;
        const json_t *at = doc;
        assert_true(str_next(&rest, '/', &name) && str_eq(name, STR("#")));
        while (str_next(&rest, '/', &name))
            at = json_object_getn(at, name.p, name.len);
        if (at == NULL)
            fail_msg("%s leads nowhere", json_string_value(member));
    }
}

static void test_references_lead_somewhere(void **state)
{
    (void)state;
    check_refs(doc);
}

static void test_operation_ids_are_unique(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *seen = json_object();
    const char *path, *method;
    json_t *methods, *operation;
    json_object_foreach(json_object_get(doc, "paths"), path, methods)
    {
        json_object_foreach(methods, method, operation)
        {
            const char *id = json_string_value(json_object_get(operation, "operationId"));
            assert_null(json_object_get(seen, id));
            assert_int_equal(json_object_set_new(seen, id, json_true()), 0);
        }
    }
}

/* What is not there yet promises no other answer. */
static void test_what_is_not_available_says_so(void **state)
{
    (void)state;
    size_t count, found = 0;
    const struct api_row *rows = api_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].status != 501)
            continue;
        const json_t *path = json_object_get(json_object_get(doc, "paths"), rows[i].pattern);
        const char *key;
        json_t *operation;
        json_object_foreach(COUNTED_MUTABLE(json_t, path), key, operation)
        {
            const json_t *answers = json_object_get(operation, "responses");
            if (!str_eq_nocase(str_from(key), str_from(rows[i].method)))
                continue;
            assert_non_null(json_object_get(answers, "501"));
            assert_int_equal(json_object_size(answers), 2);
            found++;
        }
    }
    assert_int_equal(found, 5); /* writes of streams, and revocation */
}

static void test_schemas(void **state)
{
    (void)state;
    const json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    const json_t *route = json_object_get(schemas, "Route");
    const json_t *members = json_object_get(route, "properties");
    assert_non_null(json_object_get(members, "hosts"));
    assert_non_null(json_object_get(members, "revision"));
    assert_non_null(json_object_get(route, "required"));
    assert_non_null(json_object_get(members, "hosts_unicode"));
    assert_int_equal(json_array_size(json_object_get(route, "oneOf")), 3);
    const json_t *patch = json_object_get(schemas, "RoutePatch");
    assert_null(json_object_get(patch, "required"));
    assert_null(json_object_get(patch, "oneOf"));
    assert_non_null(json_object_get(
        json_object_get(json_object_get(schemas, "Certificate"), "properties"), "updated_at"));
    assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_row_is_an_operation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_references_lead_somewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_operation_ids_are_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_available_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_schemas, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
