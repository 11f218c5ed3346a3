/* http_syntax.h - what characters and short texts are valid in HTTP, for every version.
 *
 * Purpose: one table of character classes, and the checks built on it: tokens, field values,
 *          request targets, authorities, lengths.
 * Thread:  any; pure.
 * Owns:    nothing; results are views of the argument.
 * Fails:   as said at each function; nothing is written then. */
#pragma once

#include "gateway/base/str.h"

/* Classes of a byte; a byte may be in several. */
enum {
    /* RFC 9110 5.6.2: methods, field names, options. */
    HTTP_SYNTAX_TOKEN = 1,
    /* RFC 9110 5.5: field values; spaces and tabs inside, bytes above 0x7f as they are. */
    HTTP_SYNTAX_VALUE = 2,
    /* Request targets: what is visible, without '#', which never reaches a server. Bytes above
     * 0x7f and the few visible characters that RFC 3986 leaves out are let through: WebDAV
     * clients and browsers send them, no delimiter is among them, and the target gets the path
     * byte for byte. */
    HTTP_SYNTAX_TARGET = 4,
    /* Host names as DNS has them, with '_'. RFC 3986 would allow '%' and sub-delims; no name
     * that can be resolved has them, and they only serve to confuse the next hop. */
    HTTP_SYNTAX_HOST = 8,
};

extern const uint8_t http_syntax_classes[256];

static inline bool http_syntax_is(char c, unsigned class)
{
    return (http_syntax_classes[(unsigned char)c] & class) != 0;
}

/* How many bytes at the start of s are of the class. */
size_t http_syntax_span(struct str s, unsigned class);

bool http_syntax_is_token(struct str s);

/* True for an empty value; false with a space or tab at an end, which are not part of a
 * value. */
bool http_syntax_is_value(struct str s);

/* Not empty; says nothing about the form of the target. */
bool http_syntax_is_target(struct str s);

/* Content-Length: digits only, below 2^63.  ERR_BAD_FRAMING. */
struct err http_syntax_length(struct str s, uint64_t *ret_bytes);

struct http_authority {
    struct str host; /* as received, without brackets and trailing dot */
    uint16_t port;   /* 0: none was given */
    bool is_ip6;
};

/* "host", "host:port", "1.2.3.4", "[2001:db8::1]:443"; no user information, no empty host, no
 * empty label, no empty port. ERR_BAD_HOST. */
struct err http_syntax_authority(struct str s, struct http_authority *ret_authority);
