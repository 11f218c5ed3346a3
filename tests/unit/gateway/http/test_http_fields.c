#include "gateway/http/http_fields.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1024, 1 << 20);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void add(struct http_fields *f, const char *name, const char *value)
{
    assert_false(failed(http_fields_add(f, arena, str_from(name), str_from(value))));
}

static void check_text(struct str got, const char *want)
{
    if (!str_eq(got, str_from(want)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(got), want);
}

static struct str changed(struct str s, char (*change)(char))
{
    char *copy = arena_bytes(arena, s.len);
    for (size_t i = 0; i < s.len; i++)
        copy[i] = change(s.p[i]);
    return str_make(copy, s.len);
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static struct str name_of(enum http_field_id id)
{
    struct http_fields f = {0};
    assert_false(failed(http_fields_add_id(&f, arena, id, STR(""))));
    return f.items[0].name;
}

/* Also proves that every row stands among those of its length. */
static void every_known_name_is_found_in_any_case(void **state)
{
    (void)state;
    for (int id = 1; id < HTTP_FIELD_COUNT; id++) {
        struct str name = name_of((enum http_field_id)id);
        if ((int)http_field_id_of(name) != id ||
            (int)http_field_id_of(changed(name, chr_lower)) != id ||
            (int)http_field_id_of(changed(name, to_upper)) != id)
            fail_msg("%.*s is not found", STR_ARG(name));
    }
}

static void a_name_with_one_byte_changed_is_another(void **state)
{
    (void)state;
    for (int id = 1; id < HTTP_FIELD_COUNT; id++) {
        struct str name = name_of((enum http_field_id)id);
        char copy[64];
        for (size_t i = 0; i < name.len; i++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(copy, name.p, name.len);
                copy[i] = (char)byte;
                struct str other = str_make(copy, name.len);
                bool is_same = str_eq_nocase(other, name);
                bool is_found = (int)http_field_id_of(other) == id;
                if (is_same != is_found)
                    fail_msg("%.*s with byte %zu = %d", STR_ARG(name), i, byte);
            }
        }
    }
}

static void unknown_names_are_other(void **state)
{
    static const char *const names[] = {"",
                                        "x",
                                        "Hos",
                                        "Hostx",
                                        "X-Forwarded-By",
                                        "Frob",
                                        "hO5t",
                                        "Content_Length",
                                        "a-name-that-is-longer-than-every-known-one"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(http_field_id_of(str_from(names[i])), HTTP_FIELD_OTHER);
}

static const struct {
    const char *name;
    bool want;
} forwarding[] = {
    {"X-Forwarded-For", true},
    {"x-forwarded-proto", true},
    {"X-Forwarded-Prefix", true},
    {"X_Forwarded_For", true},
    {"X.Forwarded.For", true},
    {"x-forwarded_host", true},
    {"X-FORWARDED.port", true},
    {"X-Forwarded", true},
    {"Forwarded", true},
    {"forwarded", true},
    {"X-Real-IP", true},
    {"X_Real_IP", true},
    {"x.real-ip", true},
    {"Forwarded-For", false},
    {"X-Forward-For", false},
    {"X-Real-IP-2", false},
    {"X-Real", false},
    {"Host", false},
    {"", false},
};

static void forwarding_fields_are_known_under_aliases_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forwarding); i++) {
        if (http_field_is_forwarding(str_from(forwarding[i].name)) != forwarding[i].want)
            fail_msg("%s", forwarding[i].name);
    }
}

static void fields_are_found_by_id_and_by_name(void **state)
{
    struct http_fields f = {0};
    (void)state;
    add(&f, "HOST", "a");
    add(&f, "X-One", "1");
    add(&f, "x-one", "2");
    assert_false(failed(http_fields_add_id(&f, arena, HTTP_FIELD_SERVER, STR("s"))));
    check_text(http_fields_find(&f, HTTP_FIELD_HOST)->value, "a");
    check_text(http_fields_find_name(&f, STR("host"))->value, "a");
    check_text(http_fields_find_name(&f, STR("X-ONE"))->value, "1");
    check_text(http_fields_find(&f, HTTP_FIELD_SERVER)->name, "Server");
    assert_null(http_fields_find(&f, HTTP_FIELD_DATE));
    assert_null(http_fields_find_name(&f, STR("X-Two")));
    assert_int_equal(http_fields_count(&f, HTTP_FIELD_HOST), 1);
    assert_int_equal(http_fields_count(&f, HTTP_FIELD_OTHER), 2);
}

static void removing_keeps_the_order_of_the_rest(void **state)
{
    struct http_fields f = {0};
    (void)state;
    add(&f, "A", "1");
    add(&f, "Cookie", "x");
    add(&f, "B", "2");
    add(&f, "cookie", "y");
    add(&f, "a", "3");
    assert_int_equal(http_fields_remove(&f, HTTP_FIELD_COOKIE), 2);
    assert_int_equal(http_fields_remove_name(&f, STR("a")), 2);
    assert_int_equal(http_fields_remove_name(&f, STR("Cookie")), 0);
    assert_int_equal(f.count, 1);
    check_text(f.items[0].value, "2");
}

/* RFC 9110 7.6.1. */
static void hop_by_hop_fields_and_what_connection_names_go(void **state)
{
    struct http_fields f = {0};
    (void)state;
    add(&f, "Connection", "X-Gone, close");
    add(&f, "X-Gone", "1");
    add(&f, "Keep-Alive", "timeout=5");
    add(&f, "TE", "trailers");
    add(&f, "Transfer-Encoding", "chunked");
    add(&f, "Upgrade", "websocket");
    add(&f, "Proxy-Connection", "keep-alive");
    add(&f, "HTTP2-Settings", "AAA");
    add(&f, "x-gone-too", "2");
    add(&f, "connection", " x-gone-TOO");
    add(&f, "X-Stays", "3");
    http_fields_strip_hop_by_hop(&f);
    assert_int_equal(f.count, 1);
    check_text(f.items[0].name, "X-Stays");
}

static void the_fields_that_go_on_have_a_table_of_their_own(void **state)
{
    struct http_fields f = {0};
    (void)state;
    add(&f, "Connection", "close, X-Gone");
    add(&f, "X-Gone", "1");
    add(&f, "TE", "gzip");
    add(&f, "TE", "trailers");
    add(&f, "X-Stays", "2");
    struct http_fields received = f;
    assert_false(failed(http_fields_end_to_end(arena, &f)));
    assert_int_equal(f.count, 2);
    check_text(f.items[0].value, "trailers");
    check_text(f.items[1].name, "X-Stays");
    add(&f, "X-Ours", "3");
    assert_ptr_not_equal(f.items, received.items);
    assert_int_equal(received.count, 5);
    check_text(received.items[1].name, "X-Gone");
    check_text(received.items[4].name, "X-Stays");
}

static void connection_cannot_name_away_what_matters(void **state)
{
    static const char *const names[] = {"Host",
                                        "Content-Length",
                                        "Content-Type",
                                        "Authorization",
                                        "Cookie",
                                        "Set-Cookie",
                                        "X-Real-IP",
                                        "Forwarded",
                                        "X-Forwarded-For",
                                        "X_Forwarded_For",
                                        "Cache-Control",
                                        "X-Request-ID",
                                        "Origin",
                                        "Range"};
    struct http_fields f = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        add(&f, names[i], "v");
        add(&f, "Connection", names[i]);
    }
    http_fields_strip_hop_by_hop(&f);
    assert_int_equal(f.count, ARRAY_LEN(names));
}

static const struct {
    const char *name;
    bool want;
} trailers[] = {
    {"X-Checksum", true},
    {"grpc-status", true},
    {"ETag", true},
    {"Host", false},
    {"Content-Length", false},
    {"Transfer-Encoding", false},
    {"Authorization", false},
    {"Set-Cookie", false},
    {"Content-Type", false},
    {"X-Forwarded-For", false},
    {"X_Forwarded_For", false},
    {"Connection", false},
    {"Trailer", false},
};

/* RFC 9110 6.5.1. */
static void trailers_have_no_say_in_what_a_head_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(trailers); i++) {
        struct http_field f = {.name = str_from(trailers[i].name)};
        f.id = http_field_id_of(f.name);
        if (http_field_is_trailer(&f) != trailers[i].want)
            fail_msg("%s", trailers[i].name);
    }
}

static void a_list_has_a_ceiling(void **state)
{
    struct http_fields f = {0};
    (void)state;
    for (int i = 0; i < HEAD_FIELDS_MAX; i++)
        add(&f, "X", "y");
    struct err e = http_fields_add(&f, arena, STR("X"), STR("y"));
    assert_true(err_is(e, ERR_HEAD_TOO_LARGE));
    assert_int_equal(f.count, HEAD_FIELDS_MAX);
}

static void a_full_arena_is_an_answer(void **state)
{
    struct arena *small = arena_new(16, 16);
    struct http_fields f = {0};
    (void)state;
    struct err e = http_fields_add(&f, small, STR("X"), STR("y"));
    assert_true(err_is(e, ERR_MEMORY));
    assert_int_equal(f.count, 0);
    arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_is_found_in_any_case),
        cmocka_unit_test(a_name_with_one_byte_changed_is_another),
        cmocka_unit_test(unknown_names_are_other),
        cmocka_unit_test(forwarding_fields_are_known_under_aliases_too),
        cmocka_unit_test(fields_are_found_by_id_and_by_name),
        cmocka_unit_test(removing_keeps_the_order_of_the_rest),
        cmocka_unit_test(hop_by_hop_fields_and_what_connection_names_go),
        cmocka_unit_test(the_fields_that_go_on_have_a_table_of_their_own),
        cmocka_unit_test(connection_cannot_name_away_what_matters),
        cmocka_unit_test(trailers_have_no_say_in_what_a_head_decides),
        cmocka_unit_test(a_list_has_a_ceiling),
        cmocka_unit_test(a_full_arena_is_an_answer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
