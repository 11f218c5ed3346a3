#include "admin/token_request.h"
#include "tests/support/fake_clock.h"
#include "tests/support/unit.h"

/* clang-format off */
static const struct {
    const char *name, *text;
    unsigned scopes;
    const char *field; /* complained about; NULL: fine */
} cases[] = {
    {"least", "{\"name\":\"ci\"}", SCOPE_READ, NULL},
    {"scopes", "{\"name\":\"ci\",\"scopes\":[\"write\",\"admin\"]}",
     SCOPE_WRITE | SCOPE_ADMIN, NULL},
    {"never", "{\"name\":\"ci\",\"expires_at\":null}", SCOPE_READ, NULL},
    {"later", "{\"name\":\"ci\",\"expires_at\":\"2030-01-31T00:00:00Z\"}", SCOPE_READ, NULL},
    {"no name", "{}", 0, "/name"},
    {"empty name", "{\"name\":\"  \"}", 0, "/name"},
    {"name that is a number", "{\"name\":1}", 0, "/name"},
    {"unknown scope", "{\"name\":\"ci\",\"scopes\":[\"read\",\"root\"]}", 0, "/scopes/1"},
    {"no scopes at all", "{\"name\":\"ci\",\"scopes\":[]}", 0, "/scopes"},
    {"no time", "{\"name\":\"ci\",\"expires_at\":\"tomorrow\"}", 0, "/expires_at"},
    {"past", "{\"name\":\"ci\",\"expires_at\":\"2020-01-31T00:00:00Z\"}", 0, "/expires_at"},
    {"unknown member", "{\"name\":\"ci\",\"scope\":\"read\"}", 0, "/scope"},
    {"no object", "[]", 0, ""},
};
/* clang-format on */

static void test_cases(void **state)
{
    (void)state;
    struct fake_clock now;
    fake_clock_use(&now, 1800000000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        AUTO(json_decref) json_t *doc = json_loads(cases[i].text, 0, NULL);
        struct token_request request;
        struct invalid inv;
        invalid_init(&inv);
        struct err e = token_request_read(doc, a, &inv, &request);
        if (failed(e) != (cases[i].field != NULL))
            fail_msg("%s", cases[i].name);
        if (!failed(e) && request.scopes != cases[i].scopes)
            fail_msg("%s: scopes %u", cases[i].name, request.scopes);
        if (failed(e) && !str_eq(inv.entries[0].field, str_from(cases[i].field)))
            fail_msg("%s: %.*s", cases[i].name, STR_ARG(inv.entries[0].field));
        invalid_fini(&inv);
    }
    fake_clock_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
