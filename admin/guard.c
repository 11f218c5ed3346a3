#include "admin/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Without the port; brackets of an IPv6 address are kept.  Empty: malformed. */
static struct str cut_port(struct str authority)
{
    struct str host;
    struct str port;
    if (str_starts(authority, STR("["))) {
        size_t end = str_index(authority, ']');
        if (end == authority.len)
            return STR_NONE;
        host = str_sub(authority, 0, end + 1);
        port = str_skip(authority, end + 1);
        if (str_is_empty(port))
            return host;
        if (port.p[0] != ':')
            return STR_NONE;
        port = str_skip(port, 1);
    } else if (!str_split(authority, ':', &host, &port)) {
        return authority;
    }
    uint64_t number;
    if (failed(str_to_u64(port, 65535, &number)))
        return STR_NONE;
    return host;
}

static bool is_address(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    bool is_bracketed = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    struct str bare = is_bracketed ? str_sub(host, 1, host.len - 2) : host;
    if (bare.len >= sizeof(text) || str_is_empty(bare))
        return false;
    memcpy(text, bare.p, bare.len);
    text[bare.len] = '\0';
    return inet_pton(is_bracketed ? AF_INET6 : AF_INET, text, address) == 1;
}

static bool is_ours(struct str host, const struct own_names *own_names)
{
    if (str_is_empty(host))
        return false;
    if (is_address(host) || str_eq_nocase(host, STR("localhost")))
        return true;
    for (size_t i = 0; i < own_names->count; i++) {
        if (str_eq_nocase(host, own_names->items[i]))
            return true;
    }
    return false;
}

/* "http://127.0.0.1:8088" is the origin of Host "127.0.0.1:8088". */
static bool is_origin_of(struct str origin, struct str authority)
{
    static const struct str schemes[] = {STR_LIT("http://"), STR_LIT("https://")};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (str_starts(origin, schemes[i]))
            return str_eq_nocase(str_skip(origin, schemes[i].len), authority);
    }
    return false;
}

struct err guard_check(const struct admin_request *rq, const struct own_names *own_names,
                       const char **ret_why)
{
    const struct admin_field *host = admin_request_field(rq, "Host");
    if (host == NULL || admin_request_count(rq, "Host") > 1 ||
        !is_ours(cut_port(host->value), own_names)) {
        *ret_why = "Host must be an address, localhost, this machine's name or one given to "
                   "--admin-host: a request under another name may come from a web page";
        return fail(ERR_WRONG_ORIGIN, 0);
    }
    const struct admin_field *origin = admin_request_field(rq, "Origin");
    if (origin != NULL && !is_origin_of(origin->value, host->value)) {
        *ret_why = "Origin names another site: web pages may not drive this interface";
        return fail(ERR_WRONG_ORIGIN, 0);
    }
    const struct admin_field *site = admin_request_field(rq, "Sec-Fetch-Site");
    if (site != NULL && !str_eq(site->value, STR("none")) &&
        !str_eq(site->value, STR("same-origin"))) {
        *ret_why = "Sec-Fetch-Site says that another site sent this: web pages may not drive "
                   "this interface";
        return fail(ERR_WRONG_ORIGIN, 0);
    }
    return OK;
}
