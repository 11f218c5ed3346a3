/* forwarded.c - pair, element, line, all lines. */
#include "gateway/route/forwarded.h"

#include "gateway/http/http_syntax.h"

struct list {
    struct forwarded_element *elements;
    size_t count;
};

static void skip_space(struct str *rest)
{
    while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_skip(*rest, 1);
}

static struct str take_token(struct str *rest)
{
    struct str token = str_sub(*rest, 0, http_syntax_span(*rest, HTTP_SYNTAX_TOKEN));
    *rest = str_skip(*rest, token.len);
    return token;
}

/* A token or a quoted text; nothing that we look for needs an escape in it. */
static bool take_value(struct str *rest, struct str *ret_value)
{
    if (!str_starts(*rest, STR("\""))) {
        *ret_value = take_token(rest);
        return ret_value->len > 0;
    }
    struct str text = str_skip(*rest, 1);
    size_t end = str_index(text, '"');
    *ret_value = str_sub(text, 0, end);
    *rest = str_skip(text, end + 1);
    return end < text.len && str_index(*ret_value, '\\') == ret_value->len;
}

/* One "name=value"; a name that comes twice would be read in two ways. */
static bool take_pair(struct str *rest, struct forwarded_element *e)
{
    struct str name = take_token(rest), value;
    if (name.len == 0 || !str_starts(*rest, STR("=")))
        return false;
    *rest = str_skip(*rest, 1);
    if (!take_value(rest, &value))
        return false;
    struct str *place = str_eq_nocase(name, STR("for"))     ? &e->client
                        : str_eq_nocase(name, STR("host"))  ? &e->host
                        : str_eq_nocase(name, STR("proto")) ? &e->proto
                                                            : NULL;
    if (place == NULL)
        return true; /* by, and extensions */
    bool is_first = place->p == NULL;
    *place = value;
    return is_first;
}

static void add(struct list *list, const struct forwarded_element *e)
{
    if (list->count == FORWARDED_ELEMENTS_MAX) {
        list->count--;
        memmove(list->elements, list->elements + 1, list->count * sizeof(*e));
    }
    list->elements[list->count++] = *e;
}

/* Empty elements and parameters are passed over (RFC 9110 5.6.1). */
static bool read_line(struct str rest, struct list *list)
{
    struct forwarded_element e = {.client = STR_NONE};
    bool has_pair = false;
    for (;;) {
        skip_space(&rest);
        if (rest.len > 0 && rest.p[0] != ';' && rest.p[0] != ',') {
            if (!take_pair(&rest, &e))
                return false;
            has_pair = true;
            skip_space(&rest);
        }
        if (rest.len > 0 && rest.p[0] != ';' && rest.p[0] != ',')
            return false;
        if (rest.len == 0 || rest.p[0] == ',') {
            if (has_pair)
                add(list, &e);
            e = (struct forwarded_element){.client = STR_NONE};
            has_pair = false;
        }
        if (rest.len == 0)
            return true;
        rest = str_skip(rest, 1);
    }
}

size_t forwarded_read(const struct http_fields *f,
                      struct forwarded_element ret_elements[FORWARDED_ELEMENTS_MAX])
{
    struct list list = {.elements = ret_elements};
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id == HTTP_FIELD_FORWARDED && !read_line(f->items[i].value, &list))
            return 0;
    }
    return list.count;
}
