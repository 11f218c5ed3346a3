/* proxy_protocol.h - the PROXY header that a proxy sends first on a connection, to tell whose
 * it is (HAProxy's proxy-protocol.txt, versions 1 and 2).
 *
 * Purpose: bytes to addresses, and addresses to bytes.  Sans I/O: no descriptor, no clock.
 * Thread:  any; nothing is kept.
 * Owns:    nothing.
 * Limits:  107 bytes in version 1, PROXY_HEADER_MAX_BYTES in version 2; what we write has no
 *          extensions.
 * Fails:   reading: ERR_AGAIN while the header may still become a good one, else
 *          ERR_PROXY_HEADER; nothing is written then. */
#pragma once

#include "gateway/base/str.h"

struct proxy_endpoint {
    unsigned char address[16]; /* IPv4 mapped */
    uint16_t port;
};

struct proxy_header {
    /* False: LOCAL, UNKNOWN, UNSPEC, or a family without ports: the addresses of what it came
     * on stand. */
    bool has_addresses;
    bool is_datagram; /* the addresses are of UDP, not of TCP */
    struct proxy_endpoint source;
    struct proxy_endpoint destination;
};

/* bytes: what has arrived so far, from the connection's first byte on.  *ret_len: how many of
 * them are the header; what follows belongs to TLS or HTTP. */
struct err proxy_protocol_read(struct str bytes, struct proxy_header *ret_header,
                               size_t *ret_len);

/* ---- towards a target ---- */

enum { PROXY_HEADER_WRITE_MAX_BYTES = 108 };

/* The header that says h, in text.  Without addresses it says UNKNOWN, or LOCAL; so does
 * version 1, which knows TCP alone, of datagrams.  Before a datagram it stands in the same
 * datagram. */
struct str proxy_protocol_write_v1(const struct proxy_header *h,
                                   char text[PROXY_HEADER_WRITE_MAX_BYTES]);
struct str proxy_protocol_write_v2(const struct proxy_header *h,
                                   char text[PROXY_HEADER_WRITE_MAX_BYTES]);
