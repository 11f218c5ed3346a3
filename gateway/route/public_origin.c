/* public_origin.c - which origins are whose; then references, Refresh, cookies; then all. */
#include "gateway/route/public_origin.h"

#include "gateway/http/http_syntax.h"
#include "gateway/route/route_choice.h"

#include "gateway/base/ip.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

/* ---- origins ---- */

struct origin {
    struct str host; /* empty: there is none */
    unsigned port;
    bool is_standard; /* it goes without saying */
    bool is_address;
};

/* What may stand for the target, and what for us. */
struct origins {
    struct origin target;
    struct origin sent;
    struct origin public;
};

static bool is_address(struct str host)
{
    unsigned char address[IP_BYTES];
    bool is_v6;
    return ip_parse(host, address, &is_v6);
}

static struct origin read_authority(struct str text, unsigned standard_port)
{
    struct http_authority authority;
    if (text.len == 0 || failed(http_syntax_authority(text, &authority)))
        return (struct origin){.host = STR_NONE};
    return (struct origin){.host = authority.host,
                           .port = authority.port != 0 ? authority.port : standard_port,
                           .is_standard =
                               authority.port == 0 || authority.port == standard_port,
                           .is_address = is_address(authority.host)};
}

static struct origins read_origins(const struct public_origin *o)
{
    const struct target *t = o->target;
    unsigned standard = t->scheme == TARGET_HTTPS ? HTTPS_PORT : HTTP_PORT;
    struct origins known = {
        .target = {.host = t->host, .port = t->port, .is_standard = t->port == standard},
        .sent = read_authority(o->sent_host, standard),
        .public = read_authority(o->facts->host, o->facts->is_https ? HTTPS_PORT : HTTP_PORT)};
    if (t->host_kind == TARGET_HOST_UNIX)
        known.target = read_authority(STR("localhost"), standard);
    return known;
}

static bool is_same_host(struct str a, struct str b)
{
    unsigned char x[IP_BYTES], y[IP_BYTES];
    bool is_v6;
    if (ip_parse(a, x, &is_v6) && ip_parse(b, y, &is_v6))
        return memcmp(x, y, IP_BYTES) == 0;
    return a.len > 0 && str_eq_nocase(a, b);
}

/* ---- references ---- */

/* An absolute or scheme-relative reference (RFC 3986 4.2), in parts. */
struct reference {
    struct http_authority authority;
    unsigned scheme_port; /* 0: it names no scheme */
    struct str rest;      /* path, query and fragment */
};

static bool skip_start(struct str *text, struct str start)
{
    if (!str_eq_nocase(str_sub(*text, 0, start.len), start))
        return false;
    *text = str_skip(*text, start.len);
    return true;
}

static size_t span_until(struct str s, const char *any)
{
    size_t n = 0;
    while (n < s.len && (s.p[n] == '\0' || strchr(any, s.p[n]) == NULL))
        n++;
    return n;
}

static bool read_reference(struct str text, struct reference *ret_reference)
{
    struct reference r = {.scheme_port = 0};
    if (skip_start(&text, STR("http:")))
        r.scheme_port = HTTP_PORT;
    else if (skip_start(&text, STR("https:")))
        r.scheme_port = HTTPS_PORT;
    if (!skip_start(&text, STR("//")))
        return false;
    size_t end = span_until(text, "/?#");
    if (failed(http_syntax_authority(str_sub(text, 0, end), &r.authority)))
        return false;
    r.rest = str_skip(text, end);
    *ret_reference = r;
    return true;
}

/* A target that knows only its port says either scheme; one on a port of a scheme's own says
 * either of these. */
static bool is_of(const struct reference *r, const struct origin *origin)
{
    unsigned port = r->authority.port != 0 ? r->authority.port : r->scheme_port;
    bool is_standard = r->authority.port == 0 || r->authority.port == r->scheme_port;
    return is_same_host(r->authority.host, origin->host) &&
           (port == origin->port || (is_standard && origin->is_standard));
}

/* The path as the client knows it.  One that this route leads nowhere near stays; so does one
 * that has the prefix already, of a target that heeds X-Forwarded-Prefix. */
static struct str map_path(struct arena *a, const struct route *route, struct str path)
{
    bool is_stripped = route->strip_prefix && !str_eq(route->path, STR("/"));
    bool is_added = route->add_prefix.len > 0;
    if ((!is_stripped && !is_added) || route_path_has_dots(path))
        return path;
    if (path.len == 0)
        path = STR("/");
    if (is_added && !route_path_matches(route->add_prefix, path))
        return path;
    if (!is_added && route_path_matches(route->path, path))
        return path;
    path = str_skip(path, route->add_prefix.len);
    const struct str parts[] = {is_stripped ? route->path : STR_NONE,
                                path.len > 0 ? path : STR("/")};
    return arena_join(a, parts, ARRAY_LEN(parts));
}

/* RFC 3986 3.3, 4.2: a path alone must not begin as if a host stood there, for browsers with
 * either kind of slash. */
static bool is_like_host(struct str path)
{
    return path.len > 1 && path.p[0] == '/' && (path.p[1] == '/' || path.p[1] == '\\');
}

/* What goes before the path.  Without a public name the path alone says as much. */
static struct str write_origin(struct arena *a, const struct public_origin *o,
                               const struct origins *known, struct str path)
{
    if (known->public.host.len == 0)
        return path.len == 0 ? STR("/") : is_like_host(path) ? STR("/.") : STR("");
    const struct str parts[] = {o->facts->is_https ? STR("https://") : STR("http://"),
                                o->facts->host};
    return arena_join(a, parts, ARRAY_LEN(parts));
}

static struct err map_reference(struct arena *a, const struct public_origin *o,
                                const struct origins *known, struct str *text)
{
    struct reference r;
    bool is_target = read_reference(*text, &r) && !is_of(&r, &known->public) &&
                     (is_of(&r, &known->target) || is_of(&r, &known->sent));
    if (!is_target)
        return OK;
    size_t end = span_until(r.rest, "?#");
    struct str path = map_path(a, o->route, str_sub(r.rest, 0, end));
    struct str origin = write_origin(a, o, known, path);
    if (path.p == NULL || origin.p == NULL)
        return fail(ERR_MEMORY, 0);
    const struct str parts[] = {origin, path, str_skip(r.rest, end)};
    *text = arena_join(a, parts, ARRAY_LEN(parts));
    return text->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- Refresh: "5; url=http://..." (HTML 4.2.5.3) ---- */

static void skip_spaces(struct str *s)
{
    while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = str_skip(*s, 1);
}

/* The reference in a Refresh, where browsers find it; empty if there is none. */
static struct str find_refresh(struct str value)
{
    struct str rest = str_skip(value, span_until(value, ";,") + 1);
    skip_spaces(&rest);
    if (!skip_start(&rest, STR("url")))
        return STR_NONE;
    skip_spaces(&rest);
    if (!skip_start(&rest, STR("=")))
        return STR_NONE;
    skip_spaces(&rest);
    bool is_quoted = rest.len > 0 && (rest.p[0] == '"' || rest.p[0] == '\'');
    if (!is_quoted)
        return rest;
    char quote = rest.p[0];
    rest = str_skip(rest, 1);
    return str_sub(rest, 0, str_index(rest, quote));
}

static struct err map_refresh(struct arena *a, const struct public_origin *o,
                              const struct origins *known, struct str *value)
{
    struct str found = find_refresh(*value), mapped = found;
    TRY(map_reference(a, o, known, &mapped));
    if (mapped.p == found.p)
        return OK;
    size_t at = (size_t)(found.p - value->p);
    const struct str parts[] = {str_sub(*value, 0, at), mapped,
                                str_skip(*value, at + found.len)};
    *value = arena_join(a, parts, ARRAY_LEN(parts));
    return value->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- cookies (RFC 6265 5.2) ---- */

static bool is_own_domain(const struct origins *known, struct str attribute)
{
    struct str name, value;
    if (!str_split(attribute, '=', &name, &value) ||
        !str_eq_nocase(str_trim(name), STR("Domain")))
        return false;
    value = str_trim(value);
    if (str_starts(value, STR(".")))
        value = str_skip(value, 1);
    return !is_same_host(value, known->public.host) &&
           (is_same_host(value, known->target.host) || is_same_host(value, known->sent.host));
}

static bool has_own_domain(const struct origins *known, struct str value, size_t *ret_count)
{
    struct str attribute;
    bool is_found = false;
    *ret_count = 0;
    for (bool is_pair = true; str_next(&value, ';', &attribute); is_pair = false) {
        is_found |= !is_pair && is_own_domain(known, attribute);
        ++*ret_count;
    }
    return is_found;
}

/* A cookie without a Domain is for the host that was asked: all that an address, or nothing,
 * can be. */
static struct err map_cookie(struct arena *a, const struct origins *known, struct str *value)
{
    size_t count, used = 0;
    if (!has_own_domain(known, *value, &count))
        return OK;
    struct str *parts = arena_table(a, struct str, 3 * count);
    if (parts == NULL)
        return fail(ERR_MEMORY, 0);
    bool has_domain = known->public.host.len > 0 && !known->public.is_address;
    struct str rest = *value, attribute;
    while (str_next(&rest, ';', &attribute)) {
        bool is_own = used > 0 && is_own_domain(known, attribute);
        if (is_own && !has_domain)
            continue;
        parts[used] = used > 0 ? STR(";") : STR_NONE;
        parts[used + 1] = is_own ? STR(" Domain=") : attribute;
        parts[used + 2] = is_own ? known->public.host : STR_NONE;
        used += 3;
    }
    *value = arena_join(a, parts, used);
    return value->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- all ---- */

static struct err map_field(struct arena *a, const struct public_origin *o,
                            struct http_field *field)
{
    struct origins known = read_origins(o);
    if (field->id == HTTP_FIELD_SET_COOKIE)
        return map_cookie(a, &known, &field->value);
    if (field->id == HTTP_FIELD_REFRESH)
        return map_refresh(a, o, &known, &field->value);
    return map_reference(a, o, &known, &field->value);
}

struct err public_origin_restore(struct arena *a, const struct public_origin *o,
                                 struct http_fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        enum http_field_id id = f->items[i].id;
        if (id == HTTP_FIELD_LOCATION || id == HTTP_FIELD_CONTENT_LOCATION ||
            id == HTTP_FIELD_REFRESH || id == HTTP_FIELD_SET_COOKIE)
            TRY(map_field(a, o, &f->items[i]));
    }
    return OK;
}
