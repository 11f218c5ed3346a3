#include "store/status_set.h"

static void add_range(struct status_set *s, unsigned first, unsigned last)
{
    for (unsigned at = first - STATUS_SET_MIN; at <= last - STATUS_SET_MIN; at++)
        s->bits[at / 64] |= 1ull << (at % 64);
}

static bool read_code(struct str text, unsigned *ret_code)
{
    uint64_t code;
    if (text.len != 3 || failed(str_to_u64(text, STATUS_SET_MAX, &code)) ||
        code < STATUS_SET_MIN)
        return false;
    *ret_code = (unsigned)code;
    return true;
}

static bool read_class(struct str text, unsigned *ret_class)
{
    if (text.len != 3 || text.p[0] < '1' || text.p[0] > '5' ||
        !str_eq_nocase(str_skip(text, 1), STR("xx")))
        return false;
    *ret_class = (unsigned)(text.p[0] - '0');
    return true;
}

static const char *read_item(struct status_set *s, struct str item)
{
    unsigned first, last;
    struct str from, to;
    if (read_class(item, &first)) {
        add_range(s, first * 100, first * 100 + 99);
        return NULL;
    }
    bool is_range = str_split(item, '-', &from, &to);
    if (!read_code(is_range ? str_trim(from) : item, &first))
        return "is no list of status codes such as \"2xx,3xx\" or \"200-299,404\"";
    last = first;
    if (is_range && !read_code(str_trim(to), &last))
        return "has a range that does not end in a status code from 100 to 599";
    if (last < first)
        return "has a range that ends before it begins";
    add_range(s, first, last);
    return NULL;
}

const char *status_set_parse(struct str text, struct status_set *ret_set)
{
    struct status_set s = {.bits = {0}};
    struct str rest = text, item;
    if (str_is_empty(text))
        return "must name at least one status code";
    while (str_next(&rest, ',', &item)) {
        const char *words = read_item(&s, str_trim(item));
        if (words != NULL)
            return words;
    }
    *ret_set = s;
    return NULL;
}
