#include "admin/cli_target.h"

static bool is_port(struct str s)
{
    uint64_t port;
    return !failed(str_to_u64(s, 65535, &port)) && port > 0;
}

/* Splits "host:port" at the last colon outside brackets; false if there is no port. */
static bool split_port(struct str text, struct str *ret_host, struct str *ret_port)
{
    size_t at = text.len;
    while (at > 0 && text.p[at - 1] != ':' && text.p[at - 1] != ']')
        at--;
    if (at == 0 || text.p[at - 1] == ']')
        return false;
    *ret_host = str_sub(text, 0, at - 1);
    *ret_port = str_skip(text, at);
    return true;
}

/* True for an IPv6 address that somebody forgot to put into brackets. */
static bool is_bare_ipv6(struct str host)
{
    return !str_starts(host, STR("[")) && str_index(host, ':') < host.len;
}

static struct err make_url(struct arena *a, struct str host, struct str port,
                           struct str *ret_url)
{
    const char *scheme = str_eq(port, STR("443")) ? "https" : "http";
    if (str_is_empty(host))
        host = STR("127.0.0.1");
    *ret_url = arena_fmt(a, "%s://%.*s%s%.*s", scheme, STR_ARG(host),
                         str_is_empty(port) ? "" : ":", STR_ARG(port));
    return ret_url->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err cli_target_url(struct arena *a, struct str text, struct str *ret_url,
                          struct str *ret_words)
{
    struct str host = text;
    struct str port = STR_NONE;
    size_t colon = str_index(text, ':');
    if (str_starts(str_skip(text, colon), STR("://")) || str_starts(text, STR("unix:"))) {
        *ret_url = text;
        return OK;
    }
    if (str_starts(text, STR("/"))) {
        *ret_url = arena_fmt(a, "unix:%.*s", STR_ARG(text));
        return ret_url->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    if (is_port(text))
        return make_url(a, STR_NONE, text, ret_url);
    bool has_port = split_port(text, &host, &port);
    if (is_bare_ipv6(host)) {
        *ret_words = arena_fmt(a, "an IPv6 address needs brackets: [%.*s] or [%.*s]:PORT",
                               STR_ARG(text), STR_ARG(text));
        return fail(ERR_SYNTAX, 0);
    }
    if (str_is_empty(text) || (has_port && !is_port(port))) {
        *ret_words = arena_fmt(a, "\"%.*s\" is no target: give a URL, HOST:PORT or a port",
                               STR_ARG(text));
        return fail(ERR_SYNTAX, 0);
    }
    return make_url(a, host, port, ret_url);
}

struct err cli_target_site(struct arena *a, struct str text, json_t **ret_hosts,
                           struct str *ret_path, struct str *ret_words)
{
    static const struct str schemes[] = {STR_LIT("https://"), STR_LIT("http://")};
    AUTO(json_decref) json_t *hosts = json_array();
    struct str path = STR("/");
    struct str host;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (str_starts(text, schemes[i]))
            text = str_skip(text, schemes[i].len);
    }
    size_t slash = str_index(text, '/');
    if (slash < text.len)
        path = str_skip(text, slash);
    struct str names = str_sub(text, 0, slash);
    while (str_next(&names, ',', &host)) {
        if (str_is_empty(host)) {
            *ret_words =
                arena_fmt(a, "\"%.*s\" names no host: HOST or HOST/PATH", STR_ARG(text));
            return fail(ERR_SYNTAX, 0);
        }
        if (json_array_append_new(hosts, json_from_str(host)) != 0)
            return fail(ERR_MEMORY, 0);
    }
    *ret_path = path;
    *ret_hosts = TAKE(hosts);
    return OK;
}
