#include "admin/json_diff.h"

#include "store/invalid.h"

static bool note(json_t *found, struct json_path *path)
{
    struct str where = json_path_view(path);
    if (json_array_size(found) > JSON_DIFF_MAX)
        return true;
    if (json_array_size(found) == JSON_DIFF_MAX)
        where = STR("...");
    return json_array_append_new(found, json_from_str(where)) == 0;
}

/* false when out of memory. */
static bool compare(json_t *before, json_t *after, struct json_path *path, json_t *found)
{
    if (!json_is_object(before) || !json_is_object(after))
        return json_equal(before, after) || note(found, path);
    const char *key;
    json_t *value;
    bool is_ok = true;
    json_object_foreach(before, key, value)
    {
        size_t len = json_path_push(path, str_from(key));
        is_ok = is_ok && compare(value, json_object_get(after, key), path, found);
        json_path_pop(path, len);
    }
    json_object_foreach(after, key, value)
    {
        size_t len = json_path_push(path, str_from(key));
        is_ok = is_ok && (json_object_get(before, key) != NULL || note(found, path));
        json_path_pop(path, len);
    }
    return is_ok;
}

json_t *json_diff(json_t *before, json_t *after)
{
    struct json_path path = {.len = 0};
    AUTO(json_decref) json_t *found = json_array();
    if (found == NULL || !compare(before, after, &path, found))
        return NULL;
    return TAKE(found);
}
