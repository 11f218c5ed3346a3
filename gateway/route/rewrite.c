#include "gateway/route/rewrite.h"

#include "gateway/http/http_syntax.h"
#include "gateway/route/route_choice.h"

#include <arpa/inet.h>

static const struct str https_name = STR_LIT("https");
static const struct str http_name = STR_LIT("http");

/* ---- whom we believe ---- */

/* Text to 16 bytes, IPv4 mapped; false if it is no address. */
static bool read_address(struct str text, unsigned char address[16])
{
    char copy[INET6_ADDRSTRLEN];
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    memcpy(address, mapped, sizeof(mapped));
    return inet_pton(AF_INET, copy, address + 12) == 1 ||
           inet_pton(AF_INET6, copy, address) == 1;
}

static bool is_trusted(const struct settings *settings, const unsigned char address[16])
{
    for (size_t i = 0; i < settings->trusted_proxies.count; i++) {
        if (cidr_has(&settings->trusted_cidrs[i], address))
            return true;
    }
    return false;
}

/* "[::1]:80", "[::1]", "192.0.2.1:80" -> the address alone. */
static struct str without_port(struct str text)
{
    struct str head, tail;
    if (str_starts(text, STR("[")))
        return str_split(str_skip(text, 1), ']', &head, &tail) ? head : text;
    if (str_split(text, ':', &head, &tail) && str_index(tail, ':') == tail.len)
        return head;
    return text;
}

/* Walks one line from the right over trusted proxies; the first address that is none of them
 * asked.  True if the whole line was trusted: the search goes on in the line before. */
static bool read_forwarded_for(const struct settings *settings, struct str list,
                               struct client_facts *facts)
{
    while (list.len > 0) {
        size_t start = list.len;
        while (start > 0 && list.p[start - 1] != ',')
            start--;
        struct str entry = without_port(str_trim(str_skip(list, start)));
        unsigned char address[16];
        if (!read_address(entry, address))
            return false; /* not ours to interpret: what is known so far stands */
        facts->address = entry;
        if (!is_trusted(settings, address))
            return false;
        list.len = start > 0 ? start - 1 : 0;
    }
    return true;
}

void rewrite_client_facts(const struct settings *settings, const unsigned char peer[16],
                          const struct http_head *request, struct client_facts *facts)
{
    facts->host = request->authority;
    facts->is_trusted_peer = is_trusted(settings, peer);
    if (!facts->is_trusted_peer)
        return;
    /* Several lines are one list (RFC 9110 5.3): the last line is the right-most part. */
    const struct http_fields *f = &request->fields;
    bool goes_on = true;
    for (size_t i = f->count; i > 0 && goes_on; i--) {
        if (f->items[i - 1].id == HTTP_FIELD_X_FORWARDED_FOR)
            goes_on = read_forwarded_for(settings, f->items[i - 1].value, facts);
    }
    const struct http_field *proto = http_fields_find(f, HTTP_FIELD_X_FORWARDED_PROTO);
    if (proto != NULL)
        facts->is_https = str_eq_nocase(str_trim(proto->value), https_name);
    /* A proxy may pass on what its own client sent: only what can be an authority is
     * believed. */
    const struct http_field *port = http_fields_find(f, HTTP_FIELD_X_FORWARDED_PORT);
    uint64_t number;
    if (port != NULL && !failed(str_to_u64(str_trim(port->value), 65535, &number)) &&
        number > 0)
        facts->port = str_trim(port->value);
    const struct http_field *host = http_fields_find(f, HTTP_FIELD_X_FORWARDED_HOST);
    struct http_authority authority;
    if (host != NULL && !failed(http_syntax_authority(host->value, &authority)))
        facts->host = host->value;
}

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

/* The port the client used: as a trusted proxy tells it, in the authority, or the scheme's own.
 * Not the listener's: behind a port mapping that is nobody's. */
static struct str public_port(const struct client_facts *facts)
{
    struct str host = facts->host;
    if (facts->port.len > 0)
        return facts->port;
    size_t at = host.len;
    while (at > 0 && chr_is_digit(host.p[at - 1]))
        at--;
    if (at > 0 && at < host.len && host.p[at - 1] == ':')
        return str_skip(host, at);
    return facts->is_https ? STR("443") : STR("80");
}

static struct err add_forwarded(struct arena *a, const struct client_facts *facts,
                                struct http_fields *f)
{
    bool is_v6 = str_index(facts->address, ':') < facts->address.len;
    struct str proto = facts->is_https ? https_name : http_name;
    /* RFC 7239 4: an IPv6 address and anything with a colon must be quoted. */
    struct str value = arena_fmt(a,
                                 is_v6 ? "for=\"[%.*s]\";host=\"%.*s\";proto=%.*s"
                                       : "for=%.*s;host=\"%.*s\";proto=%.*s",
                                 STR_ARG(facts->address), STR_ARG(facts->host), STR_ARG(proto));
    if (value.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_FOR, facts->address));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_PROTO, proto));
    if (facts->host.len > 0)
        TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_HOST, facts->host));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_FORWARDED_PORT, public_port(facts)));
    TRY(http_fields_add_id(f, a, HTTP_FIELD_X_REAL_IP, facts->address));
    return http_fields_add_id(f, a, HTTP_FIELD_FORWARDED, value);
}

static struct err apply_ops(struct arena *a, const struct header_ops *ops,
                            struct http_fields *f)
{
    for (size_t i = 0; i < ops->remove.count; i++)
        (void)http_fields_remove_name(f, ops->remove.items[i]);
    for (size_t i = 0; i < ops->set.count; i++) {
        (void)http_fields_remove_name(f, ops->set.items[i].name);
        TRY(http_fields_add(f, a, ops->set.items[i].name, ops->set.items[i].value));
    }
    for (size_t i = 0; i < ops->add.count; i++)
        TRY(http_fields_add(f, a, ops->add.items[i].name, ops->add.items[i].value));
    return OK;
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
    http_fields_strip_hop_by_hop(&head->fields);
    drop_forwarding_fields(&head->fields);
    TRY(choose_host(a, route, target, head));
    if (route->strip_prefix && head->path.p[0] == '/') {
        TRY(strip_prefix(a, route->path, &head->path));
        TRY(http_fields_add(&head->fields, a, STR("X-Forwarded-Prefix"), route->path));
    }
    TRY(add_forwarded(a, facts, &head->fields));
    return apply_ops(a, &route->request_headers, &head->fields);
}

/* ---- responses ---- */

struct err rewrite_response(struct arena *a, const struct route *route, struct str date,
                            struct http_head *head)
{
    http_fields_strip_hop_by_hop(&head->fields);
    if (http_is_interim(head))
        return OK;
    if (http_fields_find(&head->fields, HTTP_FIELD_DATE) == NULL)
        TRY(http_fields_add_id(&head->fields, a, HTTP_FIELD_DATE, date));
    return apply_ops(a, &route->response_headers, &head->fields);
}
