#include "store/invalid.h"
#include "tests/support/unit.h"

#include "gateway/base/mem.h"

static const char *field_of(const json_t *list, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(list, i), name));
}

static void entries_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct invalid inv;
    invalid_init(&inv);
    assert_true(invalid_is_empty(&inv));
    invalid_add(&inv, STR("/a"), "must be %d", 7);
    invalid_add(&inv, STR_NONE, "the whole");
    json_t *list = invalid_to_json(&inv);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(field_of(list, 0, "field"), "/a");
    assert_string_equal(field_of(list, 0, "message"), "must be 7");
    assert_string_equal(field_of(list, 1, "field"), "");
    json_decref(list);
    invalid_fini(&inv);
    assert_true(invalid_is_empty(&inv));
}

static void further_entries_are_only_counted(void **state)
{
    (void)state;
    struct invalid inv;
    invalid_init(&inv);
    for (int i = 0; i < 3 * INVALID_MAX; i++)
        invalid_add(&inv, STR("/x"), "no");
    assert_int_equal(inv.count, 3 * INVALID_MAX);
    assert_int_equal(inv.kept_count, INVALID_MAX);
    json_t *list = invalid_to_json(&inv);
    assert_int_equal(json_array_size(list), INVALID_MAX);
    json_decref(list);
    invalid_fini(&inv);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2001];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[2000] = '\0';
    struct invalid inv;
    invalid_init(&inv);
    invalid_add(&inv, STR("/x"), "%s", text);
    invalid_add(&inv, STR("/x"), "-%s", text);
    json_t *list = invalid_to_json(&inv);
    assert_true(strlen(field_of(list, 0, "message")) > 400);
    assert_true(strlen(field_of(list, 1, "message")) > 400);
    json_decref(list);
    invalid_fini(&inv);
}

static void bytes_that_are_not_text_do_not_spoil_the_list(void **state)
{
    (void)state;
    struct invalid inv;
    invalid_init(&inv);
    invalid_add(&inv, STR("/\xff"), "\xfe");
    invalid_add(&inv, STR("/b"), "fine");
    json_t *list = invalid_to_json(&inv);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(field_of(list, 1, "message"), "fine");
    json_decref(list);
    invalid_fini(&inv);
}

static void without_memory_it_still_counts(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 4; n++) {
        struct invalid inv;
        invalid_init(&inv);
        mem_fault_arm(n);
        invalid_add(&inv, STR("/a"), "no");
        mem_fault_arm(0);
        assert_int_equal(inv.count, 1);
        invalid_fini(&inv);
    }
}

static void excerpts_end_between_characters(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'a', sizeof(text));
    assert_int_equal(invalid_excerpt(str_make(text, sizeof(text))).len, 80);
    assert_int_equal(invalid_excerpt(str_make(text, 80)).len, 80);
    memcpy(text + 79, "\xe2\x82\xac", 3);
    assert_int_equal(invalid_excerpt(str_make(text, sizeof(text))).len, 79);
}

static const struct {
    const char *name, *key, *want;
} keys[] = {
    {"plain", "hosts", "/hosts"},
    {"slash and tilde are escaped (RFC 6901 3)", "a/b~c", "/a~1b~0c"},
    {"empty key", "", "/"},
};

static void pointers_are_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct json_path path = {.len = 0};
        size_t mark = json_path_push(&path, str_from(keys[i].key));
        if (!str_eq(json_path_view(&path), str_from(keys[i].want)))
            fail_msg("%s: %.*s", keys[i].name, STR_ARG(json_path_view(&path)));
        json_path_pop(&path, mark);
        assert_int_equal(path.len, 0);
    }
}

static void a_path_that_is_too_deep_is_cut_whole_keys_at_a_time(void **state)
{
    (void)state;
    char key[300];
    memset(key, '/', sizeof(key));
    struct json_path path = {.len = 0};
    size_t first = json_path_push(&path, STR("first"));
    size_t second = json_path_push(&path, str_make(key, sizeof(key)));
    assert_true(str_eq(json_path_view(&path), STR("/first")));
    json_path_pop(&path, second);
    for (int i = 0; i < 1000; i++)
        (void)json_path_push_index(&path, 12345678);
    assert_true(path.len <= sizeof(path.text));
    json_path_pop(&path, first);
    assert_int_equal(path.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_out_as_they_went_in),
        cmocka_unit_test(further_entries_are_only_counted),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(bytes_that_are_not_text_do_not_spoil_the_list),
        cmocka_unit_test(without_memory_it_still_counts),
        cmocka_unit_test(excerpts_end_between_characters),
        cmocka_unit_test(pointers_are_escaped),
        cmocka_unit_test(a_path_that_is_too_deep_is_cut_whole_keys_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
