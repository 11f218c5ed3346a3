/* cli_edit.c - cli_edit_patch -> find_member -> make_value -> cli_edit_put. */
#include "admin/cli_edit.h"

#include "admin/cli_target.h"

static const struct shape *find_row(const struct shape *shape, struct str name)
{
    for (; shape != NULL && shape->name != NULL; shape++) {
        if (str_eq(name, str_from(shape->name)))
            return shape;
    }
    return NULL;
}

/* The row that a dotted path leads to; NULL if the shape does not know it (the API will
 * say so).  A path that goes on into a table of headers leads to text. */
static const struct shape *find_member(const struct shape *shape, struct str path)
{
    static const struct shape header_value = {.name = "", .kind = SHAPE_STR};
    const struct shape *row = NULL;
    struct str name;
    while (str_next(&path, '.', &name)) {
        if (row != NULL && row->kind == SHAPE_PAIRS)
            return &header_value;
        row = find_row(row == NULL ? shape : row->sub, name);
        if (row == NULL)
            return NULL;
    }
    return row;
}

/* {"url": ...} for each target; reads what people type. */
static struct err make_targets(const struct cli_edit *edit, struct str text,
                               struct str *ret_words, json_t **ret_value)
{
    AUTO(json_decref) json_t *list = json_array();
    struct str item;
    struct str url;
    while (str_next(&text, ',', &item)) {
        TRY(cli_target_url(edit->arena, str_trim(item), &url, ret_words));
        if (json_array_append_new(list, json_pack("{s:s%}", "url", url.p, url.len)) != 0)
            return fail(ERR_MEMORY, 0);
    }
    *ret_value = TAKE(list);
    return OK;
}

static struct err make_list(struct str text, json_t **ret_value)
{
    AUTO(json_decref) json_t *list = json_array();
    struct str item;
    while (!str_is_empty(text) && str_next(&text, ',', &item)) {
        if (json_array_append_new(list, json_from_str(str_trim(item))) != 0)
            return fail(ERR_MEMORY, 0);
    }
    *ret_value = TAKE(list);
    return OK;
}

/* A JSON scalar such as 3 or true if it is one, else the text itself. */
static json_t *scalar_or_text(struct str text)
{
    json_t *value =
        json_loadb(str_is_empty(text) ? "" : text.p, text.len, JSON_DECODE_ANY, NULL);
    if (value != NULL && !json_is_string(value))
        return value;
    json_decref(value);
    return json_from_str(text);
}

static bool is_text_kind(enum shape_kind kind)
{
    return kind == SHAPE_STR || kind == SHAPE_SECRET || kind == SHAPE_ENUM ||
           kind == SHAPE_DURATION || kind == SHAPE_SIZE;
}

/* row: of the member, NULL if the shape does not know it. */
static struct err make_value(const struct cli_edit *edit, const struct shape *row,
                             struct str text, struct str *ret_words, json_t **ret_value)
{
    bool is_text = row != NULL && is_text_kind(row->kind);
    bool is_like_json = !is_text && (str_starts(text, STR("[")) || str_starts(text, STR("{")));
    if (str_eq(text, STR("null"))) {
        *ret_value = json_null();
        return OK;
    }
    if (is_like_json && !failed(json_read(text, ret_value)))
        return OK;
    /* A target may begin with a bracket as well: "[::1]:8080". */
    if (row != NULL && row->kind == SHAPE_OBJECTS)
        return make_targets(edit, text, ret_words, ret_value);
    if (is_like_json) {
        *ret_words = arena_fmt(edit->arena, "%.*s begins like JSON but is none", STR_ARG(text));
        return fail(ERR_SYNTAX, 0);
    }
    if (row != NULL && row->kind == SHAPE_STRS)
        return make_list(text, ret_value);
    *ret_value = is_text ? json_from_str(text) : scalar_or_text(text);
    return OK;
}

/* The names of a path, one after the other; in a table of headers the rest is one name. */
static bool next_name(struct str *path, const struct shape **row, const struct shape *shape,
                      struct str *ret_name)
{
    if (path->p == NULL)
        return false;
    if (*row != NULL && (*row)->kind == SHAPE_PAIRS) {
        *ret_name = *path;
        *path = STR_NONE;
        return true;
    }
    (void)str_next(path, '.', ret_name);
    *row = find_row(*row == NULL ? shape : (*row)->sub, *ret_name);
    return true;
}

static struct err put_at(json_t *patch, const struct shape *shape, struct str path,
                         json_t *value)
{
    AUTO(json_decref) json_t *owned = value;
    const struct shape *row = NULL;
    json_t *at = patch;
    struct str name;
    while (next_name(&path, &row, shape, &name)) {
        bool is_last = path.p == NULL;
        json_t *inner = json_object_getn(at, name.p, name.len);
        if (is_last && json_object_setn(at, name.p, name.len, owned) != 0)
            return fail(ERR_MEMORY, 0);
        if (!is_last && !json_is_object(inner) &&
            json_object_setn_new(at, name.p, name.len, json_object()) != 0)
            return fail(ERR_MEMORY, 0);
        at = json_object_getn(at, name.p, name.len);
    }
    return OK;
}

struct err cli_edit_put(json_t *patch, struct str path, json_t *value)
{
    return put_at(patch, NULL, path, value);
}

static struct err add_word(const struct cli_edit *edit, struct str word, json_t *patch,
                           struct str *ret_words)
{
    struct str path;
    struct str text;
    json_t *value = NULL;
    if (!str_split(word, '=', &path, &text) || str_is_empty(path)) {
        *ret_words =
            arena_fmt(edit->arena, "\"%.*s\" is not of the form NAME=VALUE", STR_ARG(word));
        return fail(ERR_SYNTAX, 0);
    }
    const struct shape *row = find_member(edit->shape, path);
    if (str_starts(text, STR("@"))) {
        TRY(edit->read(edit->arg, str_skip(text, 1), &text));
        value = json_from_str(text);
    } else {
        TRY(make_value(edit, row, text, ret_words, &value));
    }
    if (value == NULL) {
        *ret_words = arena_fmt(edit->arena, "%.*s: the value is not UTF-8 text", STR_ARG(path));
        return fail(ERR_SYNTAX, 0);
    }
    return put_at(patch, edit->shape, path, value);
}

struct err cli_edit_patch(const struct cli_edit *edit, const struct str *words, size_t count,
                          struct str *ret_words, json_t **ret_patch)
{
    AUTO(json_decref) json_t *patch = json_object();
    if (patch == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++)
        TRY(add_word(edit, words[i], patch, ret_words));
    *ret_patch = TAKE(patch);
    return OK;
}
