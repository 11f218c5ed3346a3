/* shape.c - reading and writing by table: one reader and one writer per kind of field. */
#include "store/shape.h"

#include "store/counted.h"

#include "gateway/base/limits.h"
#include "gateway/base/units.h"

#include <stdio.h>

/* What every reader needs to know. */
struct reader {
    struct arena *arena;
    struct json_path *path;
    struct invalid *inv;
};

static struct err read_object(const struct reader *r, const struct shape *shape,
                              const json_t *obj, void *ret);

#define complain(r, ...) invalid_add((r)->inv, json_path_view((r)->path), __VA_ARGS__)

/* ---- text ---- */

static struct err read_text(const struct reader *r, const struct shape *row,
                            const json_t *value, struct str *ret)
{
    if (!json_is_string(value)) {
        complain(r, "must be text%s", row->is_nullable ? " or null" : "");
        return OK;
    }
    struct str text = json_str(value);
    size_t max = row->kind == SHAPE_STR && row->max > 0 ? row->max : SHAPE_TEXT_MAX;
    if (text.len > max) {
        complain(r, "must not be longer than %zu bytes", max);
        return OK;
    }
    if (text.len > 0 && memchr(text.p, '\0', text.len) != NULL) {
        complain(r, "must not hold a zero byte");
        return OK;
    }
    /* An empty text where null is allowed means the same as null. */
    const char *words = NULL;
    if (row->check != NULL && !(row->is_nullable && str_is_empty(text)))
        words = row->check(r->arena, &text);
    if (words != NULL) {
        struct str shown = invalid_excerpt(text);
        if (row->kind == SHAPE_SECRET)
            complain(r, "%s", words);
        else
            complain(r, "\"%.*s\" %s", STR_ARG(shown), words);
        return OK;
    }
    *ret = arena_dup(r->arena, text);
    return ret->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err read_texts(const struct reader *r, const struct shape *row,
                             const json_t *value, struct str_list *ret)
{
    size_t count = json_array_size(value);
    ret->items = arena_array(r->arena, struct str, count);
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    ret->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t mark = json_path_push_index(r->path, i);
        struct err e = read_text(r, row, json_array_get(value, i), &ret->items[i]);
        json_path_pop(r->path, mark);
        TRY(e);
    }
    return OK;
}

/* ---- pairs ---- */

static struct err read_pair(const struct reader *r, const struct shape *row, struct str name,
                            const json_t *value, struct pair *ret)
{
    const char *words = row->check == NULL ? NULL : row->check(r->arena, &name);
    if (words != NULL)
        complain(r, "the name %s", words);
    static const struct shape any_text = {.kind = SHAPE_STR};
    TRY(read_text(r, &any_text, value, &ret->value));
    ret->name = arena_dup(r->arena, name);
    return ret->name.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err read_pairs(const struct reader *r, const struct shape *row, json_t *value,
                             struct pair_list *ret)
{
    ret->items = arena_array(r->arena, struct pair, json_object_size(value));
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    const char *name;
    json_t *text;
    json_object_foreach(value, name, text)
    {
        size_t mark = json_path_push(r->path, str_from(name));
        struct err e = read_pair(r, row, str_from(name), text, &ret->items[ret->count++]);
        json_path_pop(r->path, mark);
        TRY(e);
    }
    return OK;
}

/* ---- numbers and words ---- */

static void read_uint(const struct reader *r, const struct shape *row, const json_t *value,
                      uint32_t *ret)
{
    uint64_t max = row->max > 0 ? row->max : UINT32_MAX;
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number >= row->min &&
        (uint64_t)number <= max)
        *ret = (uint32_t)number;
    else
        complain(r, "must be a whole number from %llu to %llu", (unsigned long long)row->min,
                 (unsigned long long)max);
}

static bool is_in_range(const struct shape *row, uint64_t quantity)
{
    return quantity >= row->min && (row->max == 0 || quantity <= row->max);
}

static void read_duration(const struct reader *r, const struct shape *row, const json_t *value,
                          uint64_t *ret)
{
    uint64_t ms;
    if (!json_is_string(value) || failed(units_parse_duration(json_str(value), &ms))) {
        complain(r, "must be a duration such as \"250ms\", \"30s\", \"5m\", \"1h\" or \"90d\"");
    } else if (!is_in_range(row, ms)) {
        char min[UNITS_QUANTITY_MAX], max[UNITS_QUANTITY_MAX];
        units_format_duration(row->min, min);
        units_format_duration(row->max, max);
        complain(r, "must be at least %s%s%s", min, row->max > 0 ? " and at most " : "",
                 row->max > 0 ? max : "");
    } else {
        *ret = ms;
    }
}

static void read_size(const struct reader *r, const struct shape *row, const json_t *value,
                      uint64_t *ret)
{
    uint64_t bytes;
    if (!json_is_string(value) || failed(units_parse_size(json_str(value), &bytes))) {
        complain(r, "must be a size such as \"64KiB\" or \"10GiB\"%s",
                 row->max == 0 ? ", or \"unlimited\"" : "");
    } else if (!is_in_range(row, bytes)) {
        char min[UNITS_QUANTITY_MAX], max[UNITS_QUANTITY_MAX];
        units_format_size(row->min, min);
        units_format_size(row->max, max);
        complain(r, "must be at least %s%s%s", min, row->max > 0 ? " and at most " : "",
                 row->max > 0 ? max : "");
    } else {
        *ret = bytes;
    }
}

/* "a", "b" or "c" */
static void list_names(const char *const *names, char *out, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; names[i] != NULL && len < room; i++) {
        const char *joint = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
        int added = snprintf(out + len, room - len, "%s\"%s\"", joint, names[i]);
        len += added > 0 ? (size_t)added : 0;
    }
}

static void read_enum(const struct reader *r, const struct shape *row, const json_t *value,
                      int *ret)
{
    struct str word = json_str(value);
    for (int i = 0; json_is_string(value) && row->names[i] != NULL; i++) {
        if (str_eq(word, str_from(row->names[i]))) {
            *ret = i;
            return;
        }
    }
    const char *words = NULL;
    if (json_is_string(value) && row->check != NULL)
        words = row->check(r->arena, &word);
    if (words != NULL) {
        struct str shown = invalid_excerpt(word);
        complain(r, "\"%.*s\" %s", STR_ARG(shown), words);
        return;
    }
    char names[256] = "";
    list_names(row->names, names, sizeof(names));
    complain(r, "must be %s", names);
}

/* ---- lists of objects ---- */

static struct err read_objects(const struct reader *r, const struct shape *row,
                               const json_t *value, struct object_list *ret)
{
    size_t count = json_array_size(value);
    char *items = arena_alloc(r->arena, count, row->item_size);
    if (items == NULL)
        return fail(ERR_MEMORY, 0);
    *ret = (struct object_list){.items = items, .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t mark = json_path_push_index(r->path, i);
        struct err e =
            read_object(r, row->sub, json_array_get(value, i), items + i * row->item_size);
        json_path_pop(r->path, mark);
        TRY(e);
    }
    return OK;
}

/* True if the list has an acceptable length; says so otherwise. */
static bool is_list(const struct reader *r, const struct shape *row, const json_t *value)
{
    bool is_pairs = row->kind == SHAPE_PAIRS;
    if (is_pairs ? !json_is_object(value) : !json_is_array(value)) {
        complain(r, is_pairs ? "must be an object of name and value pairs" : "must be a list");
        return false;
    }
    size_t count = is_pairs ? json_object_size(value) : json_array_size(value);
    if (count < row->min)
        complain(r, "must have at least %llu %s", (unsigned long long)row->min,
                 row->min == 1 ? "entry" : "entries");
    else if (row->max > 0 && count > row->max)
        complain(r, "must have at most %llu entries", (unsigned long long)row->max);
    else
        return true;
    return false;
}

/* ---- one field of any kind ---- */

static struct err read_value(const struct reader *r, const struct shape *row, json_t *value,
                             void *field)
{
    if (row->is_nullable && json_is_null(value))
        return OK;
    switch (row->kind) {
    case SHAPE_STR:
    case SHAPE_SECRET:
        return read_text(r, row, value, field);
    case SHAPE_BOOL:
        if (json_is_boolean(value))
            *(bool *)field = json_is_true(value);
        else
            complain(r, "must be true or false");
        return OK;
    case SHAPE_UINT:
        read_uint(r, row, value, field);
        return OK;
    case SHAPE_DURATION:
        read_duration(r, row, value, field);
        return OK;
    case SHAPE_SIZE:
        read_size(r, row, value, field);
        return OK;
    case SHAPE_ENUM:
        read_enum(r, row, value, field);
        return OK;
    case SHAPE_STRS:
        return is_list(r, row, value) ? read_texts(r, row, value, field) : OK;
    case SHAPE_PAIRS:
        return is_list(r, row, value) ? read_pairs(r, row, value, field) : OK;
    case SHAPE_OBJECT:
        return read_object(r, row->sub, value, field);
    case SHAPE_OBJECTS:
        return is_list(r, row, value) ? read_objects(r, row, value, field) : OK;
    }
    return OK;
}

static struct err read_standard(const struct reader *r, const struct shape *row, void *field)
{
    if (row->kind == SHAPE_OBJECT && !row->is_nullable)
        return read_object(r, row->sub, NULL, field);
    if (row->standard == NULL)
        return OK;
    AUTO(json_decref) json_t *value = json_loads(row->standard, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        return fail(ERR_MEMORY, 0);
    return read_value(r, row, value, field);
}

/* A field whose feature is not there yet takes its standard value only. */
static struct err read_unavailable(const struct reader *r, const struct shape *row,
                                   const json_t *value, void *field)
{
    AUTO(json_decref)
    json_t *standard =
        json_loads(row->standard != NULL ? row->standard : "null", JSON_DECODE_ANY, NULL);
    if (standard == NULL)
        return fail(ERR_MEMORY, 0);
    if (json_equal(value, standard))
        return read_value(r, row, standard, field);
    complain(r, "%s", row->unavailable);
    return OK;
}

static struct err read_field(const struct reader *r, const struct shape *row, const json_t *obj,
                             void *field)
{
    json_t *value = json_object_get(obj, row->name);
    if (value != NULL && row->unavailable != NULL)
        return read_unavailable(r, row, value, field);
    if (value != NULL)
        return read_value(r, row, value, field);
    if (!row->is_required)
        return read_standard(r, row, field);
    complain(r, "is required");
    return OK;
}

static void refuse_unknown(const struct reader *r, const struct shape *shape, const json_t *obj)
{
    const char *name;
    json_t *value;
    /* jansson iterates over a writable object only, and does not write. */
    json_object_foreach(COUNTED_MUTABLE(json_t, obj), name, value)
    {
        const struct shape *row = shape;
        while (row->name != NULL && strcmp(row->name, name) != 0)
            row++;
        if (row->name != NULL)
            continue;
        struct str shown = invalid_excerpt(str_from(name));
        size_t mark = json_path_push(r->path, shown);
        complain(r, "there is no field \"%.*s\"", STR_ARG(shown));
        json_path_pop(r->path, mark);
    }
}

/* obj NULL: all standard values. */
static struct err read_object(const struct reader *r, const struct shape *shape,
                              const json_t *obj, void *ret)
{
    if (obj != NULL && !json_is_object(obj)) {
        complain(r, "must be an object");
        return OK;
    }
    if (obj != NULL)
        refuse_unknown(r, shape, obj);
    for (const struct shape *row = shape; row->name != NULL; row++) {
        size_t mark = json_path_push(r->path, str_from(row->name));
        struct err e = read_field(r, row, obj, (char *)ret + row->offset);
        json_path_pop(r->path, mark);
        TRY(e);
    }
    return OK;
}

struct err shape_read(const struct shape *shape, const json_t *obj, struct arena *a,
                      struct json_path *path, struct invalid *inv, void *ret)
{
    struct reader r = {.arena = a, .path = path, .inv = inv};
    size_t before = inv->count;
    if (!json_is_object(obj)) {
        complain(&r, "must be an object");
        return fail(ERR_INVALID, 0);
    }
    TRY(read_object(&r, shape, obj, ret));
    return inv->count > before ? fail(ERR_INVALID, 0) : OK;
}

/* ---- writing ---- */

static json_t *write_texts(const struct str_list *list)
{
    AUTO(json_decref) json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_from_str(list->items[i])) != 0)
            return NULL;
    }
    return TAKE(array);
}

/* Every text of a shape comes from arena_dup, so that names are terminated. */
static json_t *write_pairs(const struct pair_list *list)
{
    AUTO(json_decref) json_t *object = json_object();
    for (size_t i = 0; i < list->count; i++) {
        if (json_object_set_new(object, list->items[i].name.p,
                                json_from_str(list->items[i].value)) != 0)
            return NULL;
    }
    return TAKE(object);
}

static json_t *write_objects(const struct shape *row, const struct object_list *list)
{
    AUTO(json_decref) json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const char *item = (const char *)list->items + i * row->item_size;
        if (json_array_append_new(array, shape_write(row->sub, item)) != 0)
            return NULL;
    }
    return TAKE(array);
}

/* The value that null was read as; only kinds that can be null have one. */
static bool is_zero(const struct shape *row, const void *field)
{
    switch (row->kind) {
    case SHAPE_STR:
        return str_is_empty(*(const struct str *)field);
    case SHAPE_UINT:
        return *(const uint32_t *)field == 0;
    case SHAPE_DURATION:
        return *(const uint64_t *)field == 0;
    case SHAPE_OBJECT:
        return is_zero(row->sub, (const char *)field + row->sub->offset);
    case SHAPE_OBJECTS:
        return ((const struct object_list *)field)->count == 0;
    case SHAPE_BOOL:
    case SHAPE_SIZE:
    case SHAPE_ENUM:
    case SHAPE_STRS:
    case SHAPE_PAIRS:
    case SHAPE_SECRET:
        break;
    }
    return false;
}

static json_t *write_value(const struct shape *row, const void *field)
{
    char text[UNITS_QUANTITY_MAX];
    if (row->is_nullable && is_zero(row, field))
        return json_null();
    switch (row->kind) {
    case SHAPE_STR:
        return json_from_str(*(const struct str *)field);
    case SHAPE_BOOL:
        return json_boolean(*(const bool *)field);
    case SHAPE_UINT:
        return json_integer(*(const uint32_t *)field);
    case SHAPE_DURATION:
        units_format_duration(*(const uint64_t *)field, text);
        return json_string(text);
    case SHAPE_SIZE:
        units_format_size(*(const uint64_t *)field, text);
        return json_string(text);
    case SHAPE_ENUM:
        return json_string(row->names[*(const int *)field]);
    case SHAPE_STRS:
        return write_texts(field);
    case SHAPE_PAIRS:
        return write_pairs(field);
    case SHAPE_OBJECT:
        return shape_write(row->sub, field);
    case SHAPE_OBJECTS:
        return write_objects(row, field);
    case SHAPE_SECRET:
        break;
    }
    return NULL;
}

json_t *shape_write(const struct shape *shape, const void *from)
{
    AUTO(json_decref) json_t *object = json_object();
    for (const struct shape *row = shape; row->name != NULL; row++) {
        if (row->kind == SHAPE_SECRET)
            continue;
        json_t *value = write_value(row, (const char *)from + row->offset);
        if (json_object_set_new(object, row->name, value) != 0)
            return NULL;
    }
    return TAKE(object);
}
