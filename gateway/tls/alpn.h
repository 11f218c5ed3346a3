/* alpn.h - which version of HTTP a TLS connection carries (RFC 7301; RFC 9113 3.2).
 *
 * Purpose: the lists that are offered, and what was agreed upon.
 * Thread:  any; constants.
 * Owns:    nothing.
 * Fails:   never. */
#pragma once

#include "gateway/base/str.h"

#include <openssl/ssl.h>

/* As on the wire: each name with its length before it. */
static const struct str alpn_http1 = STR_LIT("\x08http/1.1");
static const struct str alpn_http2 = STR_LIT("\x02h2");
static const struct str alpn_both = STR_LIT("\x02h2\x08http/1.1");

/* After the handshake: HTTP/2 was agreed upon; else HTTP/1.1 is spoken. */
static inline bool alpn_is_http2(const SSL *ssl)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(ssl, &name, &len);
    return str_eq(str_make((const char *)name, len), STR("h2"));
}
