#include "store/ids.h"

#include "gateway/base/limits.h"

#include <stdio.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || chr_is_digit(c);
}

struct err ids_from_text(struct arena *a, struct str text, struct str *ret_id)
{
    char id[ID_MAX_BYTES];
    size_t len = 0;
    bool was_replaced = false; /* the last byte of id stands for others */
    for (size_t i = 0; i < text.len && len < sizeof(id); i++) {
        char c = chr_lower(text.p[i]);
        bool is_kept = is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
        bool is_repeated = was_replaced && (!is_kept || c == '-');
        if (is_repeated || (len == 0 && !is_letter_or_digit(c)))
            continue;
        id[len++] = is_kept ? c : '-';
        was_replaced = !is_kept;
    }
    while (len > 0 && !is_letter_or_digit(id[len - 1]))
        len--;
    *ret_id = arena_dup(a, len > 0 ? str_make(id, len) : STR("unnamed"));
    return ret_id->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err ids_from_host(struct arena *a, struct str host, struct str path, struct str *ret_id)
{
    bool is_any = str_eq(host, STR("*"));
    bool is_wildcard = str_starts(host, STR("*."));
    struct str name = is_any ? STR("any") : is_wildcard ? str_skip(host, 2) : host;
    struct str text = arena_fmt(a, "%s%.*s%.*s", is_wildcard ? "wildcard." : "", STR_ARG(name),
                                STR_ARG(path));
    if (text.p == NULL)
        return fail(ERR_MEMORY, 0);
    return ids_from_text(a, text, ret_id);
}

/* Words that settings and routes say in the place of an id. */
static bool is_reserved(struct str id)
{
    static const struct str words[] = {STR_LIT("auto"), STR_LIT("none"), STR_LIT("reject"),
                                       STR_LIT("404")};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(id, words[i]))
            return true;
    }
    return false;
}

struct err ids_make_unique(struct arena *a, struct str id, const struct pmap *taken,
                           struct str *ret_id)
{
    struct str candidate = id;
    for (unsigned n = 2; is_reserved(candidate) || pmap_find(taken, candidate) != NULL; n++) {
        char suffix[16];
        int len = snprintf(suffix, sizeof(suffix), "-%u", n);
        struct str stem = str_sub(id, 0, ID_MAX_BYTES - (size_t)len);
        candidate = arena_fmt(a, "%.*s%s", STR_ARG(stem), suffix);
        if (candidate.p == NULL)
            return fail(ERR_MEMORY, 0);
    }
    *ret_id = candidate;
    return OK;
}
