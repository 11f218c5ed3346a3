#include "gateway/route/rewrite.h"

#include "gateway/http/http_syntax.h"
#include "gateway/route/route_choice.h"
#include "gateway/route/variables.h"

static const struct str https_name = STR_LIT("https");
static const struct str http_name = STR_LIT("http");

/* ---- requests ---- */

static void drop_forwarding_fields(struct http_fields *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!http_field_is_forwarding(f->items[i].name))
            f->items[kept++] = f->items[i];
    }
    f->count = kept;
}

static struct err add_forwarded(struct arena *a, const struct client_facts *facts,
                                struct http_fields *f)
{
    bool is_v6 = str_index(facts->address, ':') < facts->address.len;
    struct str proto = facts->is_https ? https_name : http_name;
    /* RFC 7239 4: an IPv6 address and anything with a colon must be quoted. */
    const struct str parts[] = {is_v6 ? STR("for=\"[") : STR("for="),
                                facts->address,
                                is_v6 ? STR("]\";host=\"") : STR(";host=\""),
                                facts->host,
                                STR("\";proto="),
                                proto};
    struct str value = arena_join(a, parts, ARRAY_LEN(parts));
    if (value.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_FOR, facts->address));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_PROTO, proto));
    if (facts->host.len > 0)
        TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_HOST, facts->host));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_PORT, client_facts_port(facts)));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_REAL_IP, facts->address));
    return http_fields_add_id(f, a, HTTP_FIELD_FORWARDED, value);
}

/* v: NULL where the route has no variables. */
static struct err apply_ops(struct arena *a, const struct header_ops *ops,
                            const struct variables *v, struct http_fields *f)
{
    struct str value;
    for (size_t i = 0; i < ops->remove.count; i++)
        (void)http_fields_remove_name(f, ops->remove.items[i]);
    for (size_t i = 0; i < ops->set.count; i++) {
        TRY(variables_expand(a, &ops->set_values[i], v, &value));
        (void)http_fields_remove_name(f, ops->set.items[i].name);
        TRY(http_fields_add(f, a, ops->set.items[i].name, value));
    }
    for (size_t i = 0; i < ops->add.count; i++) {
        TRY(variables_expand(a, &ops->add_values[i], v, &value));
        TRY(http_fields_add(f, a, ops->add.items[i].name, value));
    }
    return OK;
}

/* A target behind a changed prefix must not be led out of it by dot segments, which it would
 * resolve against the changed path. */
static struct err resolve_dots(struct arena *a, struct str *path)
{
    if (!route_path_has_dots(*path))
        return OK;
    struct str normal = route_normal_path(a, *path);
    if (normal.p == NULL)
        return fail(ERR_MEMORY, 0);
    *path = arena_fmt(a, "%.*s%.*s", STR_ARG(normal),
                      STR_ARG(str_skip(*path, str_index(*path, '?'))));
    return path->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* The prefix goes from the bytes as sent; if only the normal form matched, from the normal
 * form. */
static struct err strip_prefix(struct arena *a, struct str prefix, struct str *path)
{
    if (str_eq(prefix, STR("/")))
        return OK;
    struct str query = str_skip(*path, str_index(*path, '?'));
    struct str raw = str_sub(*path, 0, path->len - query.len);
    if (!route_path_matches(prefix, raw)) {
        raw = route_normal_path(a, raw);
        if (raw.p == NULL)
            return fail(ERR_MEMORY, 0);
    }
    struct str rest = str_skip(raw, prefix.len);
    *path = rest.len == 0 ? arena_fmt(a, "/%.*s", STR_ARG(query))
                          : arena_fmt(a, "%.*s%.*s", STR_ARG(rest), STR_ARG(query));
    return path->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* RFC 9110 7.6.2: how many hops an OPTIONS may still go; false if it does not say. (TRACE goes
 * none.) */
static bool read_hops(const struct http_head *head, uint64_t *ret_hops)
{
    const struct http_field *f = str_eq(head->method, STR("OPTIONS"))
                                     ? http_fields_find(&head->fields, HTTP_FIELD_MAX_FORWARDS)
                                     : NULL;
    return f != NULL && !failed(http_syntax_length(f->value, ret_hops));
}

bool rewrite_ends_here(const struct http_head *request)
{
    uint64_t hops;
    return read_hops(request, &hops) && hops == 0;
}

static struct err count_hop(struct arena *a, struct http_head *head)
{
    uint64_t hops;
    if (!read_hops(head, &hops))
        return OK;
    struct str left = arena_fmt(a, "%llu", (unsigned long long)hops - 1);
    if (left.p == NULL)
        return fail(ERR_MEMORY, 0);
    (void)http_fields_remove(&head->fields, HTTP_FIELD_MAX_FORWARDS);
    return http_fields_add_id(&head->fields, a, HTTP_FIELD_MAX_FORWARDS, left);
}

static struct str target_authority(struct arena *a, const struct target *t)
{
    if (t->host_kind == TARGET_HOST_UNIX)
        return STR("localhost");
    bool is_standard = t->port == (t->scheme == TARGET_HTTPS ? 443 : 80);
    const char *open = t->host_kind == TARGET_HOST_IPV6 ? "[" : "";
    const char *close = t->host_kind == TARGET_HOST_IPV6 ? "]" : "";
    if (is_standard)
        return arena_fmt(a, "%s%.*s%s", open, STR_ARG(t->host), close);
    return arena_fmt(a, "%s%.*s%s:%u", open, STR_ARG(t->host), close, (unsigned)t->port);
}

static struct err choose_host(struct arena *a, const struct route *route,
                              const struct target *target, struct http_head *head)
{
    bool is_preserved = str_eq(route->host_header, STR("preserve"));
    if (is_preserved && head->authority.len > 0)
        return OK;
    /* An HTTP/1.0 request may have come without a Host; a target needs one. */
    if (is_preserved || str_eq(route->host_header, STR("target")))
        head->authority = target_authority(a, target);
    else
        head->authority = route->host_header;
    return head->authority.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err rewrite_request(struct arena *a, const struct route *route,
                           const struct target *target, const struct client_facts *facts,
                           struct http_head *head)
{
    TRY(http_fields_end_to_end(a, &head->fields));
    drop_forwarding_fields(&head->fields);
    TRY(count_hop(a, head));
    /* RFC 9110 10.1.1: from HTTP/1.0 it means nothing; the target would take it for ours. */
    if (head->version == HTTP_1_0)
        (void)http_fields_remove(&head->fields, HTTP_FIELD_EXPECT);
    TRY(choose_host(a, route, target, head));
    if ((route->strip_prefix || route->add_prefix.len > 0) && head->path.p[0] == '/')
        TRY(resolve_dots(a, &head->path));
    if (route->strip_prefix && head->path.p[0] == '/') {
        TRY(strip_prefix(a, route->path, &head->path));
        TRY(http_fields_add(&head->fields, a, STR("X-Forwarded-Prefix"), route->path));
    }
    if (route->add_prefix.len > 0 && head->path.p[0] == '/') {
        head->path = arena_fmt(a, "%.*s%.*s", STR_ARG(route->add_prefix), STR_ARG(head->path));
        if (head->path.p == NULL)
            return fail(ERR_MEMORY, 0);
    }
    TRY(add_forwarded(a, facts, &head->fields));
    return apply_ops(a, &route->request_headers, facts->variables, &head->fields);
}

/* ---- responses ---- */

struct err rewrite_answer(struct arena *a, const struct route *route,
                          const struct variables *variables, struct http_head *head)
{
    return apply_ops(a, &route->response_headers, variables, &head->fields);
}

struct err rewrite_response(struct arena *a, const struct route *route,
                            const struct variables *variables, struct str date,
                            struct http_head *head)
{
    http_fields_strip_hop_by_hop(&head->fields);
    if (http_is_interim(head))
        return OK;
    if (http_fields_find(&head->fields, HTTP_FIELD_DATE) == NULL)
        TRY(http_fields_add_id(&head->fields, a, HTTP_FIELD_DATE, date));
    return rewrite_answer(a, route, variables, head);
}
