#include "store/shape.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

struct item {
    struct str name;
    uint32_t weight;
};

struct part {
    struct str word;
    bool flag;
};

struct binding {
    struct str kid;
    struct str hmac;
};

struct thing {
    struct str title;
    struct str note;
    bool is_on;
    uint32_t count;
    uint64_t wait_ms;
    uint64_t room_bytes;
    int colour;
    struct str_list tags;
    struct pair_list set;
    struct part part;
    struct binding binding;
    struct object_list items;
    struct str later;
};

static const char *check_tag(struct arena *a, struct str *value)
{
    if (!str_eq_nocase(*value, STR("ok")))
        return "must be ok";
    *value = arena_dup(a, STR("ok"));
    return NULL;
}

static const char *check_name(struct arena *a, struct str *value)
{
    (void)a;
    return str_eq(*value, STR("Bad")) ? "is bad" : NULL;
}

static const char *check_colour(struct arena *a, struct str *value)
{
    (void)a;
    return str_eq(*value, STR("ultraviolet")) ? "is not visible yet" : NULL;
}

static const char *const colours[] = {"red", "green", "blue", NULL};

/* clang-format off */
static const struct shape item_shape[] = {
    {.name = "name",
     .kind = SHAPE_STR,
     .offset = offsetof(struct item, name),
     .is_required = true},
    {.name = "weight",
     .kind = SHAPE_UINT,
     .offset = offsetof(struct item, weight),
     .standard = "1",
     .min = 1,
     .max = 10},
    {.name = NULL},
};
/* clang-format on */

/* clang-format off */
static const struct shape part_shape[] = {
    {.name = "word",
     .kind = SHAPE_STR,
     .offset = offsetof(struct part, word),
     .standard = "\"w\""},
    {.name = "flag",
     .kind = SHAPE_BOOL,
     .offset = offsetof(struct part, flag),
     .standard = "true"},
    {.name = NULL},
};
/* clang-format on */

/* clang-format off */
static const struct shape binding_shape[] = {
    {.name = "kid",
     .kind = SHAPE_STR,
     .offset = offsetof(struct binding, kid),
     .is_nullable = true},
    {.name = "hmac",
     .kind = SHAPE_SECRET,
     .offset = offsetof(struct binding, hmac),
     .is_nullable = true,
     .check = check_name},
    {.name = NULL},
};
/* clang-format on */

/* clang-format off */
static const struct shape thing_shape[] = {
    {.name = "title",
     .kind = SHAPE_STR,
     .offset = offsetof(struct thing, title),
     .is_required = true,
     .max = 8,
     .doc = "What it is called."},
    {.name = "note",
     .kind = SHAPE_STR,
     .offset = offsetof(struct thing, note),
     .is_nullable = true,
     .check = check_name},
    {.name = "on",
     .kind = SHAPE_BOOL,
     .offset = offsetof(struct thing, is_on),
     .standard = "true"},
    {.name = "count",
     .kind = SHAPE_UINT,
     .offset = offsetof(struct thing, count),
     .standard = "3",
     .max = 9},
    {.name = "wait",
     .kind = SHAPE_DURATION,
     .offset = offsetof(struct thing, wait_ms),
     .standard = "\"5s\"",
     .min = 100,
     .max = 60000},
    {.name = "room",
     .kind = SHAPE_SIZE,
     .offset = offsetof(struct thing, room_bytes),
     .standard = "\"unlimited\""},
    {.name = "colour",
     .kind = SHAPE_ENUM,
     .offset = offsetof(struct thing, colour),
     .standard = "\"green\"",
     .names = colours,
     .check = check_colour},
    {.name = "tags",
     .kind = SHAPE_STRS,
     .offset = offsetof(struct thing, tags),
     .standard = "[]",
     .check = check_tag,
     .max = 3},
    {.name = "set",
     .kind = SHAPE_PAIRS,
     .offset = offsetof(struct thing, set),
     .standard = "{}",
     .check = check_name,
     .max = 2},
    {.name = "part",
     .kind = SHAPE_OBJECT,
     .offset = offsetof(struct thing, part),
     .sub = part_shape},
    {.name = "binding",
     .kind = SHAPE_OBJECT,
     .offset = offsetof(struct thing, binding),
     .is_nullable = true,
     .sub = binding_shape},
    {.name = "items",
     .kind = SHAPE_OBJECTS,
     .offset = offsetof(struct thing, items),
     .standard = "[]",
     .max = 2,
     .sub = item_shape,
     .item_size = sizeof(struct item)},
    {.name = "later",
     .kind = SHAPE_STR,
     .offset = offsetof(struct thing, later),
     .standard = "\"off\"",
     .unavailable = "later is not available yet"},
    {.name = NULL},
};
/* clang-format on */

static const char standard[] =
    "{'title': 't', 'note': null, 'on': true, 'count': 3, 'wait': '5s', 'room': 'unlimited',"
    " 'colour': 'green', 'tags': [], 'set': {}, 'part': {'word': 'w', 'flag': true},"
    " 'binding': null, 'items': [], 'later': 'off'}";

/* Documents that are right, and what they are written as; NULL: the same. */
/* clang-format off */
static const struct {
    const char *name, *in, *out;
} good[] = {
    {"only what is required", "{'title': 't'}", standard},
    {"all standard values", standard, NULL},
    {"everything else",
     "{'title': 'x', 'note': 'n', 'on': false, 'count': 9, 'wait': '1m', 'room': '64KiB',"
     " 'colour': 'blue', 'tags': ['ok', 'ok'], 'set': {'A': '1', 'b': ''},"
     " 'part': {'word': '', 'flag': false}, 'binding': {'kid': 'k'},"
     " 'items': [{'name': 'a', 'weight': 10}, {'name': 'b', 'weight': 1}], 'later': 'off'}",
     NULL},
    {"a secret is read and not written",
     "{'title': 't', 'binding': {'kid': null, 'hmac': 'very secret'}}", standard},
    {"empty where null is allowed is null", "{'title': 't', 'note': ''}", standard},
    {"null for an object is its standard", "{'title': 't', 'binding': null}", standard},
    {"an object in part", "{'title': 't', 'part': {'flag': true}}", standard},
    {"other units of the same", "{'title': 't', 'wait': '5000ms'}", standard},
};
/* clang-format on */

static void right_documents_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        AUTO(json_decref) json_t *in = temp_json(good[i].in);
        AUTO(json_decref)
        json_t *want = temp_json(good[i].out != NULL ? good[i].out : good[i].in);
        struct thing t = {.count = 0};
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        if (failed(shape_read(thing_shape, in, a, &path, &inv, &t)))
            fail_msg("%s: %.*s", good[i].name, STR_ARG(inv.entries[0].message));
        AUTO(json_decref) json_t *out = shape_write(thing_shape, &t);
        if (!json_equal(out, want))
            fail_msg("%s: %s", good[i].name, json_dumps(out, 0));
        assert_int_equal(path.len, 0);
        invalid_fini(&inv);
    }
}

/* clang-format off */
static const struct {
    const char *name, *in, *field, *words;
} bad[] = {
    {"required", "{}", "/title", "required"},
    {"null for what has none", "{'title': null}", "/title", "must be text"},
    {"a number for text", "{'title': 7}", "/title", "must be text"},
    {"too long", "{'title': 'ninebytes'}", "/title", "8 bytes"},
    {"a check's words come with the value", "{'title': 't', 'note': 'Bad'}", "/note",
     "\"Bad\" is bad"},
    {"a secret is not quoted", "{'title': 't', 'binding': {'hmac': 'Bad'}}", "/binding/hmac",
     "is bad"},
    {"text for a number", "{'title': 't', 'count': '3'}", "/count", "whole number"},
    {"real for a number", "{'title': 't', 'count': 3.5}", "/count", "whole number"},
    {"negative", "{'title': 't', 'count': -1}", "/count", "from 0 to 9"},
    {"beyond the largest", "{'title': 't', 'count': 10}", "/count", "from 0 to 9"},
    {"far beyond", "{'title': 't', 'count': 4294967299}", "/count", "from 0 to 9"},
    {"1 for true", "{'title': 't', 'on': 1}", "/on", "true or false"},
    {"a number for a duration", "{'title': 't', 'wait': 5}", "/wait", "duration"},
    {"a duration without unit", "{'title': 't', 'wait': '5'}", "/wait", "duration"},
    {"too short a wait", "{'title': 't', 'wait': '99ms'}", "/wait", "at least 100ms"},
    {"too long a wait", "{'title': 't', 'wait': '61s'}", "/wait", "at most 1m"},
    {"a size of another kind", "{'title': 't', 'room': '64KB'}", "/room", "size"},
    {"unknown word", "{'title': 't', 'colour': 'pink'}", "/colour",
     "\"red\", \"green\" or \"blue\""},
    {"a word whose time has not come", "{'title': 't', 'colour': 'ultraviolet'}", "/colour",
     "\"ultraviolet\" is not visible yet"},
    {"text for a list", "{'title': 't', 'tags': 'ok'}", "/tags", "must be a list"},
    {"too many", "{'title': 't', 'tags': ['ok', 'ok', 'ok', 'ok']}", "/tags", "at most 3"},
    {"one of a list", "{'title': 't', 'tags': ['ok', 'no']}", "/tags/1", "\"no\" must be ok"},
    {"a number in a list", "{'title': 't', 'tags': [7]}", "/tags/0", "must be text"},
    {"a list for pairs", "{'title': 't', 'set': []}", "/set", "pairs"},
    {"too many pairs", "{'title': 't', 'set': {'a': '', 'b': '', 'c': ''}}", "/set",
     "at most 2"},
    {"a bad name", "{'title': 't', 'set': {'Bad': ''}}", "/set/Bad", "the name is bad"},
    {"a bad value", "{'title': 't', 'set': {'a/b': null}}", "/set/a~1b", "must be text"},
    {"text for an object", "{'title': 't', 'part': 'x'}", "/part", "must be an object"},
    {"null for an object that has none", "{'title': 't', 'part': null}", "/part",
     "must be an object"},
    {"unknown field", "{'title': 't', 'titel': 'x'}", "/titel", "no field \"titel\""},
    {"unknown field deeper", "{'title': 't', 'part': {'x': 1}}", "/part/x", "no field"},
    {"an object in a list", "{'title': 't', 'items': [{'name': 'a'}, {'weight': 0}]}",
     "/items/1/weight", "from 1 to 10"},
    {"... and its other fault", "{'title': 't', 'items': [{'name': 'a'}, {'weight': 0}]}",
     "/items/1/name", "required"},
    {"no object in a list", "{'title': 't', 'items': [1]}", "/items/0", "must be an object"},
    {"not available", "{'title': 't', 'later': 'on'}", "/later", "not available yet"},
    {"not available, of another type", "{'title': 't', 'later': {'x': 1}}", "/later",
     "not available yet"},
    {"no object at all", "[]", "", "must be an object"},
};
/* clang-format on */

static void every_fault_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        AUTO(json_decref) json_t *in = temp_json(bad[i].in);
        struct thing t = {.count = 0};
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        assert_true(err_is(shape_read(thing_shape, in, a, &path, &inv, &t), ERR_INVALID));
        if (!temp_says(&inv, bad[i].field, bad[i].words))
            fail_msg("%s: %.*s %.*s", bad[i].name, STR_ARG(inv.entries[0].field),
                     STR_ARG(inv.entries[0].message));
        assert_int_equal(path.len, 0);
        invalid_fini(&inv);
    }
}

static void all_faults_come_at_once(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    AUTO(json_decref)
    json_t *in = temp_json("{'x': 1, 'on': 2, 'count': -3, 'tags': ['a', 'b']}");
    struct thing t = {.count = 0};
    struct json_path path = {.len = 0};
    struct invalid inv;
    invalid_init(&inv);
    assert_true(err_is(shape_read(thing_shape, in, a, &path, &inv, &t), ERR_INVALID));
    assert_int_equal(inv.count, 6);
    invalid_fini(&inv);
}

static void a_hidden_zero_byte_is_refused(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    AUTO(json_decref) json_t *in = json_pack("{ss#}", "title", "a\0b", (size_t)3);
    struct thing t = {.count = 0};
    struct json_path path = {.len = 0};
    struct invalid inv;
    invalid_init(&inv);
    assert_true(err_is(shape_read(thing_shape, in, a, &path, &inv, &t), ERR_INVALID));
    assert_true(temp_says(&inv, "/title", "zero"));
    invalid_fini(&inv);
}

static void running_out_of_memory_is_no_fault_of_the_input(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *in = temp_json(good[2].in);
    for (size_t room = 64; room < 2048; room += 16) {
        AUTO(arena_free) struct arena *a = arena_new(32, room);
        struct thing t = {.count = 0};
        struct json_path path = {.len = 0};
        struct invalid inv;
        invalid_init(&inv);
        struct err e = shape_read(thing_shape, in, a, &path, &inv, &t);
        assert_true(!failed(e) || err_is(e, ERR_MEMORY));
        assert_true(invalid_is_empty(&inv));
    }
}

static const json_t *at(const json_t *schema, const char *name)
{
    return json_object_get(json_object_get(schema, "properties"), name);
}

static void the_schema_says_the_same(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *schema = shape_schema(thing_shape);
    AUTO(json_decref)
    json_t *colour =
        temp_json("{'type': 'string', 'enum': ['red', 'green', 'blue'], 'default': 'green'}");
    AUTO(json_decref) json_t *note = temp_json("{'type': ['string', 'null']}");
    AUTO(json_decref)
    json_t *title =
        temp_json("{'type': 'string', 'maxLength': 8, 'description': 'What it is called.'}");
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 1);
    assert_true(json_equal(at(schema, "colour"), colour));
    assert_true(json_equal(at(schema, "note"), note));
    assert_true(json_equal(at(schema, "title"), title));
    const json_t *items = json_object_get(at(schema, "items"), "items");
    assert_non_null(at(items, "weight"));
    assert_true(json_is_true(json_object_get(at(at(schema, "binding"), "hmac"), "writeOnly")));
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_documents_are_read_and_written),
        cmocka_unit_test(every_fault_is_named),
        cmocka_unit_test(all_faults_come_at_once),
        cmocka_unit_test(a_hidden_zero_byte_is_refused),
        cmocka_unit_test(running_out_of_memory_is_no_fault_of_the_input),
        cmocka_unit_test(the_schema_says_the_same),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
