#include "admin/precondition.h"
#include "tests/support/unit.h"

struct row {
    const char *name, *field, *value, *etag;
    bool is_ok; /* writes: may go on; reads: is known */
};

static const struct row writes[] = {
    {"nothing asked", "Accept", "*/*", "\"7\"", true},
    {"same tag", "If-Match", "\"7\"", "\"7\"", true},
    {"other tag", "If-Match", "\"6\"", "\"7\"", false},
    {"one of several", "If-Match", "\"6\", \"7\"", "\"7\"", true},
    {"any, and there is one", "If-Match", "*", "\"7\"", true},
    {"any, and there is none", "If-Match", "*", "", false},
    {"a tag, and there is none", "If-Match", "\"7\"", "", false},
    {"a weak tag never matches a write", "If-Match", "W/\"7\"", "\"7\"", false},
    {"unquoted", "If-Match", "7", "\"7\"", false},
    {"empty", "If-Match", "", "\"7\"", false},
    {"only if new, and it is", "If-None-Match", "*", "", true},
    {"only if new, and it is not", "If-None-Match", "*", "\"7\"", false},
    {"not this version, and it is", "If-None-Match", "\"7\"", "\"7\"", false},
    {"not this version, and it is not", "If-None-Match", "\"6\"", "\"7\"", true},
};

static const struct row reads[] = {
    {"nothing asked", "Accept", "*/*", "\"7\"", false},
    {"same", "If-None-Match", "\"7\"", "\"7\"", true},
    {"same, weakly", "If-None-Match", "W/\"7\"", "\"7\"", true},
    {"other", "If-None-Match", "\"17\"", "\"7\"", false},
    {"any", "if-none-match", "*", "\"7\"", true},
};

static struct admin_request make(const struct row *row, struct admin_field *field)
{
    *field = (struct admin_field){str_from(row->field), str_from(row->value)};
    return (struct admin_request){.fields = field, .field_count = 1};
}

static void test_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct admin_field field;
        struct admin_request rq = make(&writes[i], &field);
        struct err e = precondition_check(&rq, str_from(writes[i].etag));
        if (failed(e) == writes[i].is_ok)
            fail_msg("%s", writes[i].name);
    }
}

static void test_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        struct admin_field field;
        struct admin_request rq = make(&reads[i], &field);
        if (precondition_is_known(&rq, str_from(reads[i].etag)) != reads[i].is_ok)
            fail_msg("%s", reads[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
