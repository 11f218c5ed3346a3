#include "store/invalid.h"

#include "gateway/base/limits.h"

#include <stdio.h>

enum { EXCERPT_MAX_BYTES = 80, MESSAGE_MAX_BYTES = 512 };

void invalid_init(struct invalid *inv)
{
    *inv = (struct invalid){.arena = NULL};
}

void invalid_fini(struct invalid *inv)
{
    arena_free(inv->arena);
    invalid_init(inv);
}

/* At most max bytes, never ending inside a UTF-8 sequence. */
static struct str cut_utf8(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_sub(s, 0, max);
}

struct str invalid_excerpt(struct str value)
{
    return cut_utf8(value, EXCERPT_MAX_BYTES);
}

static bool keep(struct invalid *inv, struct str field, struct str message)
{
    if (inv->arena == NULL) {
        inv->arena = arena_new(4 * KIB, MIB);
        if (inv->arena == NULL)
            return false;
    }
    if (inv->entries == NULL) {
        inv->entries = arena_array(inv->arena, struct invalid_entry, INVALID_MAX);
        if (inv->entries == NULL)
            return false;
    }
    struct invalid_entry entry = {.field = arena_dup(inv->arena, field),
                                  .message = arena_dup(inv->arena, message)};
    if (entry.field.p == NULL || entry.message.p == NULL)
        return false;
    inv->entries[inv->kept_count] = entry;
    return true;
}

void invalid_add(struct invalid *inv, struct str field, const char *fmt, ...)
{
    inv->count++;
    if (inv->kept_count == INVALID_MAX)
        return;
    char text[MESSAGE_MAX_BYTES + 8]; /* cut_utf8 looks at the byte after the last */
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0)
        return;
    size_t written = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    if (keep(inv, field, cut_utf8(str_make(text, written), MESSAGE_MAX_BYTES)))
        inv->kept_count++;
}

/* Bytes that are not UTF-8 cannot be shown in JSON; their place can. */
static json_t *text_or_mark(struct str s)
{
    json_t *text = json_from_str(s);
    return text != NULL ? text : json_string("?");
}

json_t *invalid_to_json(const struct invalid *inv)
{
    AUTO(json_decref) json_t *list = json_array();
    for (size_t i = 0; i < inv->kept_count; i++) {
        json_t *entry = json_object();
        if (json_array_append_new(list, entry) != 0 ||
            json_object_set_new(entry, "field", text_or_mark(inv->entries[i].field)) != 0 ||
            json_object_set_new(entry, "message", text_or_mark(inv->entries[i].message)) != 0)
            return NULL;
    }
    return TAKE(list);
}

/* RFC 6901 3: '~' and '/' are escaped inside a reference token. */
static size_t escape(struct str key, char *out, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        bool is_special = c == '~' || c == '/';
        if (room - len < 2)
            return SIZE_MAX;
        out[len++] = is_special ? '~' : c;
        if (is_special)
            out[len++] = c == '~' ? '0' : '1';
    }
    return len;
}

size_t json_path_push(struct json_path *path, struct str key)
{
    size_t old_len = path->len;
    size_t room = sizeof(path->text) - path->len;
    if (room < 2)
        return old_len;
    size_t len = escape(key, path->text + path->len + 1, room - 1);
    if (len == SIZE_MAX)
        return old_len;
    path->text[path->len] = '/';
    path->len += 1 + len;
    return old_len;
}

size_t json_path_push_index(struct json_path *path, size_t index)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%zu", index);
    return json_path_push(path, str_make(digits, (size_t)len));
}

void json_path_pop(struct json_path *path, size_t old_len)
{
    path->len = old_len;
}
