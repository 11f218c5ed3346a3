#include "gateway/http/websocket.h"
#include "tests/support/asserts.h"

static struct str value_of(const struct http_head *head, const char *name)
{
    const struct http_field *f = http_fields_find_name(&head->fields, str_from(name));
    assert_non_null(f);
    return f->value;
}

/* RFC 6455 4.1: 16 bytes that nobody has used before, in base64. */
static void keys_are_fresh(void **state)
{
    struct arena *a = arena_new(1024, 65536);
    struct http_head first = {0}, second = {0};
    (void)state;
    assert_ok(websocket_add_key(a, &first));
    assert_ok(websocket_add_key(a, &second));
    struct str key = value_of(&first, "Sec-WebSocket-Key");
    assert_int_equal(key.len, 24);
    assert_true(str_ends(key, STR("==")));
    assert_false(str_eq(key, value_of(&second, "Sec-WebSocket-Key")));
    arena_free(a);
}

static void an_answer_proves_that_its_key_was_read(void **state)
{
    struct arena *a = arena_new(1024, 65536);
    struct http_head head = {0};
    (void)state;
    /* RFC 6455 1.3 */
    assert_ok(websocket_add_accept(a, &head, STR("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_str(value_of(&head, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    arena_free(a);
}

static void without_memory_they_say_so(void **state)
{
    struct arena *a = arena_new(64, 64);
    struct http_head head = {0};
    (void)state;
    while (arena_bytes(a, 1) != NULL) {
    }
    assert_err(websocket_add_key(a, &head), ERR_MEMORY);
    assert_err(websocket_add_accept(a, &head, STR("key")), ERR_MEMORY);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_fresh),
        cmocka_unit_test(an_answer_proves_that_its_key_was_read),
        cmocka_unit_test(without_memory_they_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
