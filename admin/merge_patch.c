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
