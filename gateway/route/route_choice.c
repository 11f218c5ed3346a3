#include "gateway/route/route_choice.h"

bool route_path_matches(struct str prefix, struct str path)
{
    if (!str_starts(path, prefix))
        return false;
    return path.len == prefix.len || prefix.p[prefix.len - 1] == '/' ||
           path.p[prefix.len] == '/';
}

static const struct route *longest_prefix(const struct host_routes *routes, struct str path)
{
    for (size_t i = 0; routes != NULL && i < routes->count; i++) {
        if (route_path_matches(routes->routes[i]->path, path))
            return routes->routes[i]; /* longest first */
    }
    return NULL;
}

const struct route *route_choose(const struct snapshot *s, struct str host, struct str path)
{
    char wildcard[256];
    struct str patterns[3];
    size_t count = snapshot_host_patterns(host, wildcard, patterns);
    for (size_t i = 0; i < count; i++) {
        const struct route *r = longest_prefix(snapshot_host_find(s, patterns[i]), path);
        if (r != NULL)
            return r;
    }
    return NULL;
}

/* ---- normal paths ---- */

static bool is_unreserved(int c)
{
    return chr_is_alpha((char)c) || chr_is_digit((char)c) || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* Most paths are normal already: no escape, no empty or dot segment. */
static bool is_normal(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.p[i] == '%')
            return false;
        if (path.p[i] == '/' && i + 1 < path.len &&
            (path.p[i + 1] == '/' || path.p[i + 1] == '.'))
            return false;
    }
    return true;
}

/* Appends path with escapes of unreserved characters decoded; returns the new length. */
static size_t unescape(struct str path, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        int high = path.p[i] == '%' && i + 2 < path.len ? chr_hex(path.p[i + 1]) : -1;
        int low = high < 0 ? -1 : chr_hex(path.p[i + 2]);
        if (low >= 0 && is_unreserved(high * 16 + low)) {
            out[len++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[len++] = path.p[i];
        }
    }
    return len;
}

/* In place: folds empty segments, drops ".", lets ".." eat its predecessor. Begins with '/'. */
static size_t resolve_segments(char *p, size_t len)
{
    size_t out = 0;
    bool ends_open =
        false; /* the last segment was ".", ".." or empty: the result ends in '/' */
    struct str rest = str_make(p, len), segment;
    while (str_next(&rest, '/', &segment)) {
        ends_open = true;
        if (str_is_empty(segment) || str_eq(segment, STR(".")))
            continue;
        if (str_eq(segment, STR(".."))) {
            while (out > 0 && p[--out] != '/')
                ;
            continue;
        }
        /* The source lies at or behind the place it goes to. */
        p[out] = '/';
        memmove(p + out + 1, segment.p, segment.len);
        out += segment.len + 1;
        ends_open = false;
    }
    if (ends_open || out == 0)
        p[out++] = '/';
    return out;
}

struct str route_normal_path(struct arena *a, struct str request_target)
{
    struct str path = str_sub(request_target, 0, str_index(request_target, '?'));
    if (is_normal(path))
        return path;
    char *copy = arena_bytes(a, path.len + 1);
    if (copy == NULL)
        return STR_NONE;
    return str_make(copy, resolve_segments(copy, unescape(path, copy)));
}

/* The length of the dot at the beginning of s; 0: there is none. */
static size_t dot_len(struct str s)
{
    if (str_starts(s, STR(".")))
        return 1;
    return str_starts(s, STR("%2e")) || str_starts(s, STR("%2E")) ? 3 : 0;
}

bool route_path_has_dots(struct str request_target)
{
    struct str path = str_sub(request_target, 0, str_index(request_target, '?'));
    struct str segment;
    while (str_next(&path, '/', &segment)) {
        size_t dots = 0, len;
        for (; (len = dot_len(segment)) > 0; dots++)
            segment = str_skip(segment, len);
        if (str_is_empty(segment) && (dots == 1 || dots == 2))
            return true;
    }
    return false;
}
