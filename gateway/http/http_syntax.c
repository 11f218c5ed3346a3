#include "gateway/http/http_syntax.h"

#include <arpa/inet.h>

enum {
    T = HTTP_SYNTAX_TOKEN,
    V = HTTP_SYNTAX_VALUE,
    U = HTTP_SYNTAX_TARGET,
    H = HTTP_SYNTAX_HOST,
};

enum { HOST_MAX_BYTES = 254 }; /* RFC 1035 2.3.4, and the trailing dot */

/* Indexed by the unsigned value of the byte; what is not listed is in no class. */
const uint8_t http_syntax_classes[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U,
    ['"'] = V | U,
    ['#'] = T | V,
    ['$'] = T | V | U,
    ['%'] = T | V | U,
    ['&'] = T | V | U,
    ['\''] = T | V | U,
    ['('] = V | U,
    [')'] = V | U,
    ['*'] = T | V | U,
    ['+'] = T | V | U,
    [','] = V | U,
    ['-'] = T | V | U | H,
    ['.'] = T | V | U | H,
    ['/'] = V | U,
    ['0' ... '9'] = T | V | U | H,
    [':' ... '@'] = V | U,
    ['A' ... 'Z'] = T | V | U | H,
    ['[' ... ']'] = V | U,
    ['^'] = T | V | U,
    ['_'] = T | V | U | H,
    ['`'] = T | V | U,
    ['a' ... 'z'] = T | V | U | H,
    ['{'] = V | U,
    ['|'] = T | V | U,
    ['}'] = V | U,
    ['~'] = T | V | U,
    [0x80 ... 0xff] = V | U,
};

size_t http_syntax_span(struct str s, unsigned class)
{
    size_t i = 0;
    while (i < s.len && http_syntax_is(s.p[i], class))
        i++;
    return i;
}

bool http_syntax_is_token(struct str s)
{
    return s.len > 0 && http_syntax_span(s, HTTP_SYNTAX_TOKEN) == s.len;
}

bool http_syntax_is_value(struct str s)
{
    return http_syntax_span(s, HTTP_SYNTAX_VALUE) == s.len && str_trim(s).len == s.len;
}

bool http_syntax_is_target(struct str s)
{
    return s.len > 0 && http_syntax_span(s, HTTP_SYNTAX_TARGET) == s.len;
}

struct err http_syntax_length(struct str s, uint64_t *ret_bytes)
{
    uint64_t bytes;
    if (failed(str_to_u64(s, INT64_MAX, &bytes)))
        return fail(ERR_BAD_FRAMING, 0);
    *ret_bytes = bytes;
    return OK;
}

/* What follows the host: nothing, or ':' and 1 to 65535. */
static struct err read_port(struct str s, uint16_t *ret_port)
{
    uint64_t port = 0;
    if (s.len > 0) {
        if (s.p[0] != ':' || failed(str_to_u64(str_skip(s, 1), UINT16_MAX, &port)) || port == 0)
            return fail(ERR_BAD_HOST, 0);
    }
    *ret_port = (uint16_t)port;
    return OK;
}

static struct err read_name(struct str s, struct http_authority *ret_authority)
{
    size_t len = http_syntax_span(s, HTTP_SYNTAX_HOST);
    struct str host = str_sub(s, 0, len);
    if (host.len > 0 && host.p[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || len > HOST_MAX_BYTES)
        return fail(ERR_BAD_HOST, 0);
    char last = '.';
    for (size_t i = 0; i < host.len; i++) {
        if (host.p[i] == '.' && last == '.')
            return fail(ERR_BAD_HOST, 0);
        last = host.p[i];
    }
    if (last == '.')
        return fail(ERR_BAD_HOST, 0);
    uint16_t port;
    TRY(read_port(str_skip(s, len), &port));
    *ret_authority = (struct http_authority){.host = host, .port = port};
    return OK;
}

/* s begins with '['. */
static struct err read_ip6(struct str s, struct http_authority *ret_authority)
{
    char text[INET6_ADDRSTRLEN] = "";
    unsigned char address[sizeof(struct in6_addr)];
    size_t end = str_index(s, ']');
    if (end == s.len || end - 1 >= sizeof(text))
        return fail(ERR_BAD_HOST, 0);
    struct str host = str_sub(s, 1, end - 1);
    memcpy(text, host.p, host.len);
    if (memchr(text, '\0', host.len) != NULL || inet_pton(AF_INET6, text, address) != 1)
        return fail(ERR_BAD_HOST, 0);
    uint16_t port;
    TRY(read_port(str_skip(s, end + 1), &port));
    *ret_authority = (struct http_authority){.host = host, .port = port, .is_ip6 = true};
    return OK;
}

struct err http_syntax_authority(struct str s, struct http_authority *ret_authority)
{
    if (s.len > 0 && s.p[0] == '[')
        return read_ip6(s, ret_authority);
    return read_name(s, ret_authority);
}
