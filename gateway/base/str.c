#include "gateway/base/str.h"

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (chr_lower(a.p[i]) != chr_lower(b.p[i]))
            return false;
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.p, b.p, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    s = str_skip(s, from);
    if (s.len > len)
        s.len = len;
    return s;
}

struct str str_skip(struct str s, size_t from)
{
    if (from > s.len)
        from = s.len;
    if (from == 0)
        return s;
    return str_make(s.p + from, s.len - from);
}

size_t str_index(struct str s, char c)
{
    const char *hit = s.len == 0 ? NULL : memchr(s.p, c, s.len);
    return hit == NULL ? s.len : (size_t)(hit - s.p);
}

bool str_split(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
    size_t at = str_index(s, sep);
    if (at == s.len)
        return false;
    *ret_head = str_sub(s, 0, at);
    *ret_tail = str_skip(s, at + 1);
    return true;
}

bool str_next(struct str *rest, char sep, struct str *ret_item)
{
    if (rest->p == NULL)
        return false;
    if (str_split(*rest, sep, ret_item, rest))
        return true;
    *ret_item = *rest;
    *rest = STR_NONE;
    return true;
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_skip(s, 1);
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

struct err str_to_u64(struct str s, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0)
        return fail(ERR_SYNTAX, 0);
    for (size_t i = 0; i < s.len; i++) {
        if (!chr_is_digit(s.p[i]))
            return fail(ERR_SYNTAX, 0);
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value) || value > max)
            return fail(ERR_SYNTAX, 0);
    }
    *ret_value = value;
    return OK;
}
