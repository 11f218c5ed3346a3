/* shape_schema.c - the same tables as JSON Schema, for openapi.json. */
#include "store/shape.h"

/* False if value is NULL (out of memory) or cannot be stored. */
static bool set(json_t *schema, const char *key, json_t *value)
{
    return json_object_set_new(schema, key, value) == 0;
}

/* "string", or ["string", "null"] */
static bool set_type(json_t *schema, const struct shape *row, const char *type)
{
    if (!row->is_nullable)
        return set(schema, "type", json_string(type));
    return set(schema, "type", json_pack("[ss]", type, "null"));
}

static bool describe_text(json_t *schema, const struct shape *row)
{
    return set_type(schema, row, "string") &&
           (row->max == 0 || set(schema, "maxLength", json_integer((json_int_t)row->max))) &&
           (row->kind != SHAPE_SECRET || set(schema, "writeOnly", json_true()));
}

static bool describe_uint(json_t *schema, const struct shape *row)
{
    json_int_t max = row->max > 0 ? (json_int_t)row->max : UINT32_MAX;
    return set_type(schema, row, "integer") &&
           set(schema, "minimum", json_integer((json_int_t)row->min)) &&
           set(schema, "maximum", json_integer(max));
}

static bool describe_pattern(json_t *schema, const struct shape *row, const char *pattern)
{
    return set_type(schema, row, "string") && set(schema, "pattern", json_string(pattern));
}

static bool describe_enum(json_t *schema, const struct shape *row)
{
    AUTO(json_decref) json_t *names = json_array();
    for (size_t i = 0; row->names[i] != NULL; i++) {
        if (json_array_append_new(names, json_string(row->names[i])) != 0)
            return false;
    }
    return set_type(schema, row, "string") && set(schema, "enum", TAKE(names));
}

static bool describe_list(json_t *schema, const struct shape *row, json_t *items)
{
    return set(schema, "items", items) && set_type(schema, row, "array") &&
           (row->min == 0 || set(schema, "minItems", json_integer((json_int_t)row->min))) &&
           (row->max == 0 || set(schema, "maxItems", json_integer((json_int_t)row->max)));
}

static bool describe_pairs(json_t *schema, const struct shape *row)
{
    return set_type(schema, row, "object") &&
           (row->max == 0 ||
            set(schema, "maxProperties", json_integer((json_int_t)row->max))) &&
           set(schema, "additionalProperties", json_pack("{ss}", "type", "string"));
}

static bool describe_kind(json_t *schema, const struct shape *row)
{
    switch (row->kind) {
    case SHAPE_STR:
    case SHAPE_SECRET:
        return describe_text(schema, row);
    case SHAPE_BOOL:
        return set_type(schema, row, "boolean");
    case SHAPE_UINT:
        return describe_uint(schema, row);
    case SHAPE_DURATION:
        return describe_pattern(schema, row, "^[0-9]+(ms|s|m|h|d)$");
    case SHAPE_SIZE:
        return describe_pattern(schema, row, "^([0-9]+(B|KiB|MiB|GiB|TiB)|unlimited)$");
    case SHAPE_ENUM:
        return describe_enum(schema, row);
    case SHAPE_STRS:
        return describe_list(schema, row, json_pack("{ss}", "type", "string"));
    case SHAPE_PAIRS:
        return describe_pairs(schema, row);
    case SHAPE_OBJECTS:
        return describe_list(schema, row, shape_schema(row->sub));
    case SHAPE_OBJECT:
        return true; /* shape_schema has described it */
    }
    return true;
}

static json_t *describe(const struct shape *row)
{
    AUTO(json_decref)
    json_t *schema = row->kind == SHAPE_OBJECT ? shape_schema(row->sub) : json_object();
    if (schema == NULL || !describe_kind(schema, row))
        return NULL;
    if (row->kind == SHAPE_OBJECT && row->is_nullable && !set_type(schema, row, "object"))
        return NULL;
    if (row->doc != NULL && !set(schema, "description", json_string(row->doc)))
        return NULL;
    if (row->standard != NULL &&
        !set(schema, "default", json_loads(row->standard, JSON_DECODE_ANY, NULL)))
        return NULL;
    return TAKE(schema);
}

json_t *shape_schema(const struct shape *shape)
{
    AUTO(json_decref)
    json_t *schema = json_pack("{sssb}", "type", "object", "additionalProperties", 0);
    AUTO(json_decref) json_t *properties = json_object();
    AUTO(json_decref) json_t *required = json_array();
    for (const struct shape *row = shape; row->name != NULL; row++) {
        if (json_object_set_new(properties, row->name, describe(row)) != 0)
            return NULL;
        if (row->is_required && json_array_append_new(required, json_string(row->name)) != 0)
            return NULL;
    }
    if (json_array_size(required) > 0 && !set(schema, "required", TAKE(required)))
        return NULL;
    if (!set(schema, "properties", TAKE(properties)))
        return NULL;
    return TAKE(schema);
}
