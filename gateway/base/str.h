/* str.h - a view of bytes somebody else owns.
 *
 * Purpose: text without copies or terminators; passed by value.
 * Thread:  values; any thread.
 * Owns:    nothing; a view is valid as long as the bytes it points at.
 * Fails:   number parsers return ERR_SYNTAX and write nothing. */
#pragma once

#include "gateway/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* may be NULL when len is 0; never NUL-terminated by promise */
    size_t len;
};

#define STR_LIT(s)                                                                             \
    {                                                                                          \
        .p = ("" s), .len = sizeof(s) - 1                                                      \
    } /* initialiser for static const views */
#define STR(s)   ((struct str){.p = ("" s), .len = sizeof(s) - 1})
#define STR_NONE ((struct str){.p = NULL, .len = 0})

/* printf("%.*s", STR_ARG(s)) for a view known to be short. */
#define STR_ARG(s) (int)(s).len, (s).p

static inline struct str str_make(const void *p, size_t len)
{
    return (struct str){.p = p, .len = len};
}

/* View of a terminated string; an empty view for NULL. */
static inline struct str str_from(const char *s)
{
    return (struct str){.p = s, .len = s == NULL ? 0 : strlen(s)};
}

static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ASCII letters compare equal in either case; the locale plays no part. */
bool str_eq_nocase(struct str a, struct str b);

/* Bytewise order, shorter first on a common prefix: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* From byte `from` on, at most `len` bytes; clamps to the view. */
struct str str_sub(struct str s, size_t from, size_t len);

/* From byte `from` to the end; clamps. */
struct str str_skip(struct str s, size_t from);

/* Index of the first c, or s.len. */
size_t str_index(struct str s, char c);

/* Splits at the first sep: true if found; *ret_tail is what follows it. */
bool str_split(struct str s, char sep, struct str *ret_head, struct str *ret_tail);

/* The next sep-separated element of *rest, which advances; false at the end. */
bool str_next(struct str *rest, char sep, struct str *ret_item);

/* Without leading and trailing spaces and tabs (OWS of RFC 9110 5.6.3). */
struct str str_trim(struct str s);

/* All digits, no sign, no overflow beyond max. */
struct err str_to_u64(struct str s, uint64_t max, uint64_t *ret_value);

static inline char chr_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool chr_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool chr_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 0..15, or -1. */
static inline int chr_hex(char c)
{
    if (chr_is_digit(c))
        return c - '0';
    c = chr_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
