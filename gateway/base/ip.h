/* ip.h - addresses of both families as 16 bytes.
 *
 * Purpose: IPv6 as it is, IPv4 mapped into it (RFC 4291 2.5.5.2), so that whoever compares
 *          addresses needs no family.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Limits:  texts of IP_TEXT_BYTES, the NUL included.
 * Fails:   ip_parse: false. */
#pragma once

#include "gateway/base/str.h"

enum { IP_BYTES = 16, IP_V4_AT = 12, IP_TEXT_BYTES = 46 };

/* four: the bytes of an IPv4 address, in network order. */
void ip_map(const void *four, unsigned char ret_address[IP_BYTES]);

bool ip_is_mapped(const unsigned char address[IP_BYTES]);

/* What inet_pton takes: no leading zeros in IPv4, no brackets and no zone in IPv6. ret_is_v6:
 * how it was written; a mapped address may be written as IPv6. */
bool ip_parse(struct str text, unsigned char ret_address[IP_BYTES], bool *ret_is_v6);

/* as_v4: of a mapped address, without what it is mapped by. */
void ip_print(const unsigned char address[IP_BYTES], bool as_v4, char text[IP_TEXT_BYTES]);
