#include "gateway/base/json.h"

#include "gateway/base/limits.h"

/* jansson recurses per level; a scan that only counts brackets outside strings bounds it
 * first. */
static bool is_too_deep(struct str text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* The text between the quotes that end at end; jansson's own words leave out long ones. */
static struct str key_before(struct str text, size_t end)
{
    if (end < 2 || end > text.len || text.p[end - 1] != '"')
        return STR_NONE;
    size_t begin = end - 1;
    while (begin > 0 && (text.p[begin - 1] != '"' || (begin > 1 && text.p[begin - 2] == '\\')))
        begin--;
    return str_sub(text, begin, end - 1 - begin);
}

struct err json_read_told(struct str text, json_t **ret_doc, struct str *ret_twice)
{
    json_error_t error = {.line = 0};
    *ret_twice = STR_NONE;
    if (is_too_deep(text))
        return fail(ERR_JSON, 0);
    json_t *doc =
        json_loadb(text.len > 0 ? text.p : "", text.len, JSON_REJECT_DUPLICATES, &error);
    if (doc == NULL && json_error_code(&error) == json_error_duplicate_key)
        *ret_twice = key_before(text, (size_t)error.position);
    if (doc == NULL)
        return fail(ERR_JSON, error.line);
    *ret_doc = doc;
    return OK;
}

struct err json_read(struct str text, json_t **ret_doc)
{
    struct str twice;
    return json_read_told(text, ret_doc, &twice);
}

struct writer {
    struct buf *out;
    struct err first; /* failure; jansson forgets some of those it is told about */
};

static int append_chunk(const char *p, size_t len, void *arg)
{
    struct writer *w = arg;
    if (!failed(w->first))
        w->first = buf_append(w->out, str_make(p, len));
    return failed(w->first) ? -1 : 0;
}

static struct err write_with(const json_t *doc, struct buf *out, size_t flags)
{
    struct writer w = {.out = out, .first = OK};
    int code = json_dump_callback(doc, append_chunk, &w, flags | JSON_ENCODE_ANY);
    if (failed(w.first))
        return w.first;
    return code == 0 ? OK : fail(ERR_MEMORY, 0);
}

struct err json_write(const json_t *doc, struct buf *out)
{
    return write_with(doc, out, JSON_COMPACT);
}

struct err json_write_pretty(const json_t *doc, struct buf *out)
{
    return write_with(doc, out, JSON_INDENT(2));
}

struct str json_str(const json_t *value)
{
    return str_make(json_string_value(value), json_string_length(value));
}

struct err json_need_str(const json_t *obj, const char *key, struct str *ret_value)
{
    const json_t *value = json_object_get(obj, key);
    if (!json_is_string(value))
        return fail(ERR_JSON_FIELD, 0);
    *ret_value = json_str(value);
    return OK;
}

struct err json_want_str(const json_t *obj, const char *key, struct str *ret_value)
{
    const json_t *value = json_object_get(obj, key);
    if (value != NULL && !json_is_null(value))
        return json_need_str(obj, key, ret_value);
    *ret_value = STR_NONE;
    return OK;
}

struct err json_need_array(const json_t *obj, const char *key, json_t **ret_array)
{
    json_t *value = json_object_get(obj, key);
    if (!json_is_array(value))
        return fail(ERR_JSON_FIELD, 0);
    *ret_array = value;
    return OK;
}

struct err json_need_object(const json_t *obj, const char *key, json_t **ret_object)
{
    json_t *value = json_object_get(obj, key);
    if (!json_is_object(value))
        return fail(ERR_JSON_FIELD, 0);
    *ret_object = value;
    return OK;
}

json_t *json_from_str(struct str s)
{
    return json_stringn(s.len > 0 ? s.p : "", s.len);
}
