#include "gateway/http/http_cookie.h"

/* The next pair of a field; without a name if it has no equals sign. */
static bool next_pair(struct str *rest, struct str *ret_pair, struct str *ret_name,
                      struct str *ret_value)
{
    if (!str_next(rest, ';', ret_pair))
        return false;
    if (str_split(*ret_pair, '=', ret_name, ret_value)) {
        *ret_name = str_trim(*ret_name);
        *ret_value = str_trim(*ret_value);
    } else {
        *ret_name = *ret_value = STR_NONE;
    }
    return true;
}

bool http_cookie_next(const struct http_fields *f, struct http_cookie *c)
{
    struct str pair;
    for (;;) {
        while (next_pair(&c->priv.rest, &pair, &c->name, &c->value)) {
            if (c->name.len > 0)
                return true;
        }
        while (c->priv.field < f->count && f->items[c->priv.field].id != HTTP_FIELD_COOKIE)
            c->priv.field++;
        if (c->priv.field == f->count)
            return false;
        c->priv.rest = f->items[c->priv.field++].value;
    }
}

struct str http_cookie_find(const struct http_fields *f, struct str name)
{
    struct http_cookie c = {.name = STR_NONE};
    while (http_cookie_next(f, &c)) {
        if (str_eq(c.name, name))
            return c.value;
    }
    return STR_NONE;
}

/* value without the cookies of this name; the same view if it has none. */
static struct err without(struct arena *a, struct str value, struct str name,
                          struct str *ret_value)
{
    struct str rest = value, pair, pair_name, pair_value;
    char *text = arena_bytes(a, value.len + 1);
    size_t len = 0, taken = 0;
    if (text == NULL)
        return fail(ERR_MEMORY, 0);
    while (next_pair(&rest, &pair, &pair_name, &pair_value)) {
        if (str_eq(pair_name, name)) {
            taken++;
            continue;
        }
        if (len > 0)
            text[len++] = ';';
        else
            pair = str_trim(pair);
        memcpy(text + len, pair.p, pair.len);
        len += pair.len;
    }
    *ret_value = taken > 0 ? str_make(text, len) : value;
    return OK;
}

struct err http_cookie_remove(struct http_fields *f, struct arena *a, struct str name)
{
    size_t kept = 0;
    if (http_cookie_find(f, name).p == NULL)
        return OK;
    for (size_t i = 0; i < f->count; i++) {
        struct http_field field = f->items[i];
        bool is_cookie = field.id == HTTP_FIELD_COOKIE;
        if (is_cookie)
            TRY(without(a, field.value, name, &field.value));
        if (!is_cookie || field.value.len > 0)
            f->items[kept++] = field;
    }
    f->count = kept;
    return OK;
}
