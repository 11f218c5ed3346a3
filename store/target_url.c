#include "store/target_url.h"

#include "store/host_name.h"

#include <stdio.h>

static const char out_of_memory[] = "there is not enough memory to check it";

static const char *check_unix_path(struct str path)
{
    if (path.len == 0 || path.p[0] != '/' || str_starts(path, STR("//")))
        return "must name the socket by an absolute path, such as unix:/run/app.sock";
    if (path.len == 1 || path.p[path.len - 1] == '/')
        return "must name a socket, not a directory";
    if (path.len > UNIX_PATH_MAX_BYTES)
        return "has a socket path longer than 107 bytes";
    for (size_t i = 0; i < path.len; i++) {
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
            return "has a control character in its socket path";
    }
    return NULL;
}

static const char *parse_unix(struct arena *a, struct str path, struct target *t)
{
    /* unix:///run/x, as other tools write it: an empty authority before the path. */
    if (str_starts(path, STR("///")))
        path = str_skip(path, 2);
    const char *words = check_unix_path(path);
    if (words != NULL)
        return words;
    t->scheme = TARGET_HTTP;
    t->host_kind = TARGET_HOST_UNIX;
    t->port = 0;
    t->host = arena_dup(a, path);
    t->url = arena_fmt(a, "unix:%.*s", STR_ARG(path));
    return t->host.p == NULL || t->url.p == NULL ? out_of_memory : NULL;
}

/* Splits "name:port", "[address]:port" or either without a port. */
static const char *split_port(struct str authority, struct str *ret_host, struct str *ret_port)
{
    *ret_port = STR_NONE;
    if (str_starts(authority, STR("["))) {
        size_t end = str_index(authority, ']');
        if (end == authority.len)
            return "has a \"[\" without its \"]\"";
        *ret_host = str_sub(authority, 0, end + 1);
        struct str rest = str_skip(authority, end + 1);
        if (rest.len > 0 && rest.p[0] != ':')
            return "has something other than a port after the \"]\"";
        if (rest.len == 1)
            return "has no port after its \":\"";
        *ret_port = str_skip(rest, 1);
        return NULL;
    }
    if (!str_split(authority, ':', ret_host, ret_port)) {
        *ret_host = authority;
        return NULL;
    }
    if (str_index(*ret_port, ':') != ret_port->len)
        return "has too many colons; an IPv6 address stands in brackets, such as "
               "http://[::1]:8080";
    return str_is_empty(*ret_port) ? "has no port after its \":\"" : NULL;
}

static const char *parse_port(struct str text, uint32_t standard, uint32_t *ret_port)
{
    uint64_t port = standard;
    if (text.len > 0 && (failed(str_to_u64(text, 65535, &port)) || port == 0))
        return "has a port that is not a number from 1 to 65535";
    *ret_port = (uint32_t)port;
    return NULL;
}

static const char *check_origin(struct str authority, struct str path)
{
    if (memchr(authority.p, '@', authority.len) != NULL)
        return "must not carry a user name or password";
    if (path.len > 0 && memchr(path.p, '?', path.len) != NULL)
        return "must not carry a query";
    if (path.len > 0 && memchr(path.p, '#', path.len) != NULL)
        return "must not carry a fragment";
    if (path.len > 1)
        return "must be an origin, without a path; the request's own path is sent";
    if (str_is_empty(authority))
        return "has no host";
    return NULL;
}

static enum target_host target_host_of(struct str host)
{
    switch (host_name_kind(host)) {
    case HOST_IPV4:
        return TARGET_HOST_IPV4;
    case HOST_IPV6:
        return TARGET_HOST_IPV6;
    case HOST_NAME:
    case HOST_WILDCARD:
    case HOST_ANY:
        return TARGET_HOST_NAME;
    }
    return TARGET_HOST_NAME;
}

static struct str print_url(struct arena *a, const struct target *t, bool has_port)
{
    bool is_v6 = t->host_kind == TARGET_HOST_IPV6;
    char port[8] = "";
    if (has_port)
        (void)snprintf(port, sizeof(port), ":%u", (unsigned)t->port);
    static const char *const schemes[] = {
        [TARGET_HTTP] = "http", [TARGET_HTTPS] = "https", [TARGET_H2C] = "h2c"};
    return arena_fmt(a, "%s://%s%.*s%s%s", schemes[t->scheme], is_v6 ? "[" : "",
                     STR_ARG(t->host), is_v6 ? "]" : "", port);
}

static const char *parse_http(struct arena *a, struct str rest, struct target *t)
{
    size_t end = 0;
    while (end < rest.len && memchr("/?#", rest.p[end], 3) == NULL)
        end++;
    struct str authority = str_sub(rest, 0, end);
    struct str port;
    const char *words = check_origin(authority, str_skip(rest, end));
    if (words == NULL)
        words = split_port(authority, &t->host, &port);
    if (words == NULL && str_starts(t->host, STR("[")) &&
        str_index(t->host, ':') == t->host.len)
        words = "has brackets around something that is no IPv6 address";
    if (words == NULL)
        words = host_name_check_target(a, &t->host);
    if (words == NULL)
        words = parse_port(port, t->scheme == TARGET_HTTPS ? 443 : 80, &t->port);
    if (words != NULL)
        return words;
    t->host_kind = target_host_of(t->host);
    t->host = arena_dup(a, t->host); /* terminated, as model.h promises */
    t->url = print_url(a, t, port.len > 0);
    return t->host.p == NULL || t->url.p == NULL ? out_of_memory : NULL;
}

static bool has_scheme(struct str url, struct str scheme)
{
    return str_eq_nocase(str_sub(url, 0, scheme.len), scheme);
}

const char *target_url_parse(struct arena *a, struct str url, struct target *ret_target)
{
    static const struct str http = STR_LIT("http://"), https = STR_LIT("https://");
    static const struct str h2c = STR_LIT("h2c://"), unix_scheme = STR_LIT("unix:");
    struct target t = *ret_target;
    const char *words;
    if (url.len > 0 && memchr(url.p, '\0', url.len) != NULL)
        return "holds a zero byte";
    if (has_scheme(url, http)) {
        t.scheme = TARGET_HTTP;
        words = parse_http(a, str_skip(url, http.len), &t);
    } else if (has_scheme(url, https)) {
        t.scheme = TARGET_HTTPS;
        words = parse_http(a, str_skip(url, https.len), &t);
    } else if (has_scheme(url, unix_scheme)) {
        words = parse_unix(a, str_skip(url, unix_scheme.len), &t);
    } else if (has_scheme(url, h2c)) {
        t.scheme = TARGET_H2C;
        words = parse_http(a, str_skip(url, h2c.len), &t);
    } else {
        words = "must begin with http://, https://, h2c:// or unix:/";
    }
    if (words == NULL)
        *ret_target = t;
    return words;
}
