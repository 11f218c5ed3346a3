#include "admin/merge_patch.h"

/* Takes over target, which may be NULL, and gives what the patch makes of it. */
static json_t *apply(json_t *target, json_t *patch)
{
    AUTO(json_decref) json_t *merged = target;
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    if (!json_is_object(merged)) {
        json_decref(merged);
        merged = json_object();
    }
    const char *key;
    json_t *value;
    json_object_foreach(patch, key, value)
    {
        if (json_is_null(value)) {
            (void)json_object_del(merged, key);
            continue;
        }
        json_t *member = apply(json_incref(json_object_get(merged, key)), value);
        if (json_object_set_new(merged, key, member) != 0)
            return NULL;
    }
    return TAKE(merged);
}

json_t *merge_patch(const json_t *target, json_t *patch)
{
    return apply(target == NULL ? NULL : json_deep_copy(target), patch);
}

/* ---- schemas ---- */

static bool has_word(const json_t *words, const char *word)
{
    size_t i;
    json_t *it;
    json_array_foreach(words, i, it)
    {
        if (str_eq(json_str(it), str_from(word)))
            return true;
    }
    return false;
}

static bool is_type(const json_t *schema, const char *word)
{
    const json_t *type = json_object_get(schema, "type");
    return has_word(type, word) || str_eq(json_str(type), str_from(word));
}

static bool allow_null(json_t *schema)
{
    json_t *values = json_object_get(schema, "enum");
    if (is_type(schema, "null"))
        return true;
    if (values != NULL && json_array_append_new(values, json_null()) != 0)
        return false;
    json_t *type = json_object_get(schema, "type");
    return json_object_set_new(schema, "type", json_pack("[Os]", type, "null")) == 0;
}

/* Members of members too, but not of what stands in lists: those are replaced whole. */
static bool loosen(json_t *schema)
{
    AUTO(json_decref) json_t *required = json_incref(json_object_get(schema, "required"));
    json_t *others = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *member;
    (void)json_object_del(schema, "required");
    (void)json_object_del(schema, "oneOf");
    if (json_is_object(others) && !allow_null(others))
        return false;
    json_object_foreach(json_object_get(schema, "properties"), name, member)
    {
        if (is_type(member, "object") && !loosen(member))
            return false;
        if (!has_word(required, name) && !allow_null(member))
            return false;
    }
    return true;
}

json_t *merge_patch_schema(const json_t *schema)
{
    AUTO(json_decref) json_t *patch = json_deep_copy(schema);
    return patch != NULL && loosen(patch) ? TAKE(patch) : NULL;
}
