/* proxy_protocol.c - version 1: one line of text; version 2: a binary block; then which of the
 * two it is; then the other way round. */
#include "gateway/proxy_protocol.h"

#include "gateway/base/ip.h"
#include "gateway/base/limits.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 107 }; /* 2.1: the longest line, its CRLF included */

static const struct str line_start = STR_LIT("PROXY ");
static const struct str signature = STR_LIT("\r\n\r\n\0\r\nQUIT\n");

static struct err refuse(void)
{
    return fail(ERR_PROXY_HEADER, 0);
}

/* ---- version 1 ---- */

static bool read_address(struct str text, bool is_v6, unsigned char address[IP_BYTES])
{
    bool is_written_v6;
    return ip_parse(text, address, &is_written_v6) && is_written_v6 == is_v6;
}

static bool read_port(struct str text, uint16_t *ret_port)
{
    uint64_t port;
    bool has_leading_zero = text.len > 1 && text.p[0] == '0';
    if (has_leading_zero || failed(str_to_u64(text, UINT16_MAX, &port)))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* "SOURCE DESTINATION SPORT DPORT", one space between any two. */
static bool read_endpoints(struct str text, bool is_v6, struct proxy_header *h)
{
    struct str source, destination, source_port, port;
    return str_split(text, ' ', &source, &text) && str_split(text, ' ', &destination, &text) &&
           str_split(text, ' ', &source_port, &port) &&
           read_address(source, is_v6, h->source.address) &&
           read_address(destination, is_v6, h->destination.address) &&
           read_port(source_port, &h->source.port) && read_port(port, &h->destination.port);
}

/* line: without "PROXY " and CRLF. */
static struct err read_line(struct str line, struct proxy_header *ret_header)
{
    struct proxy_header h = {.has_addresses = false};
    struct str family = line, rest = STR_NONE;
    (void)str_split(line, ' ', &family, &rest);
    bool is_v4 = str_eq(family, STR("TCP4")), is_v6 = str_eq(family, STR("TCP6"));
    if (is_v4 || is_v6) {
        h.has_addresses = read_endpoints(rest, is_v6, &h);
        if (!h.has_addresses)
            return refuse();
    } else if (!str_eq(family, STR("UNKNOWN"))) {
        return refuse(); /* what follows UNKNOWN is to be ignored */
    }
    *ret_header = h;
    return OK;
}

static struct err read_v1(struct str bytes, struct proxy_header *ret_header, size_t *ret_len)
{
    struct str window = str_sub(bytes, 0, LINE_MAX_BYTES);
    size_t end = str_index(window, '\r');
    /* A line end is CRLF and nothing else: a lone one of the two is no text either. */
    if (str_index(str_sub(window, 0, end), '\n') < end)
        return refuse();
    if (end + 1 >= window.len)
        return window.len < LINE_MAX_BYTES ? fail(ERR_AGAIN, 0) : refuse();
    if (window.p[end + 1] != '\n')
        return refuse();
    TRY(read_line(str_sub(window, line_start.len, end - line_start.len), ret_header));
    *ret_len = end + 2;
    return OK;
}

/* ---- version 2 ---- */

/* The block after the signature: version and command, family and protocol, length. */
enum { FIXED_BYTES = 16, VERSION_AT = 12, FAMILY_AT = 13, LENGTH_AT = 14 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILY_COUNT };
enum { PROTOCOL_UNSPEC, PROTOCOL_STREAM, PROTOCOL_DGRAM, PROTOCOL_COUNT };
enum { TLV_CRC32C = 0x03, TLV_HEAD_BYTES = 3, CRC_BYTES = 4 };

static unsigned byte_at(struct str s, size_t i)
{
    return (unsigned char)s.p[i];
}

static size_t u16_at(struct str s, size_t i)
{
    return (size_t)byte_at(s, i) << 8 | byte_at(s, i + 1);
}

/* One byte of CRC-32C (RFC 9260 appendix B), bit by bit: a few hundred bytes once per
 * connection need no table. */
static uint32_t crc_byte(uint32_t crc, unsigned byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    return crc;
}

/* The checksum at byte `at` is that of the header with zeros in its own place. */
static bool is_crc_right(struct str header, size_t at)
{
    uint32_t crc = UINT32_MAX, said = 0;
    for (size_t i = 0; i < header.len; i++)
        crc = crc_byte(crc, i >= at && i < at + CRC_BYTES ? 0 : byte_at(header, i));
    for (size_t i = 0; i < CRC_BYTES; i++)
        said = said << 8 | byte_at(header, at + i);
    return ~crc == said;
}

/* Extensions from byte `at` on: each whole, none but the checksum looked into. */
static bool are_extensions_right(struct str header, size_t at)
{
    while (at < header.len) {
        if (header.len - at < TLV_HEAD_BYTES)
            return false;
        unsigned type = byte_at(header, at);
        size_t len = u16_at(header, at + 1);
        at += TLV_HEAD_BYTES;
        if (len > header.len - at)
            return false;
        if (type == TLV_CRC32C && (len != CRC_BYTES || !is_crc_right(header, at)))
            return false;
        at += len;
    }
    return true;
}

static void read_endpoint(struct str address, struct str port, struct proxy_endpoint *e)
{
    if (address.len == IP_BYTES)
        memcpy(e->address, address.p, IP_BYTES);
    else
        ip_map(address.p, e->address);
    e->port = (uint16_t)u16_at(port, 0);
}

/* Source and destination address, then source and destination port. */
static void read_addresses(struct str block, size_t address_bytes, struct proxy_header *h)
{
    struct str ports = str_skip(block, 2 * address_bytes);
    h->has_addresses = true;
    read_endpoint(str_sub(block, 0, address_bytes), ports, &h->source);
    read_endpoint(str_sub(block, address_bytes, address_bytes), str_skip(ports, 2),
                  &h->destination);
}

static struct err read_block(struct str header, struct proxy_header *ret_header)
{
    static const struct {
        size_t block_bytes;
        size_t address_bytes; /* 0: no ports */
    } families[FAMILY_COUNT] = {
        [FAMILY_INET] = {12, 4}, [FAMILY_INET6] = {36, 16}, [FAMILY_UNIX] = {216, 0}};
    struct proxy_header h = {.has_addresses = false};
    unsigned family = byte_at(header, FAMILY_AT) >> 4;
    unsigned protocol = byte_at(header, FAMILY_AT) & 0x0f;
    struct str block = str_skip(header, FIXED_BYTES);
    *ret_header = h;
    /* The proxy speaks for itself, to see whether we live: the block means nothing. */
    if (byte_at(header, VERSION_AT) == COMMAND_LOCAL)
        return OK;
    if (family >= FAMILY_COUNT || protocol >= PROTOCOL_COUNT)
        return refuse();
    if (family == FAMILY_UNSPEC || protocol == PROTOCOL_UNSPEC)
        return OK; /* nor does it say where extensions would begin */
    if (block.len < families[family].block_bytes ||
        !are_extensions_right(header, FIXED_BYTES + families[family].block_bytes))
        return refuse();
    if (families[family].address_bytes > 0)
        read_addresses(block, families[family].address_bytes, &h);
    h.is_datagram = h.has_addresses && protocol == PROTOCOL_DGRAM;
    *ret_header = h;
    return OK;
}

static struct err read_v2(struct str bytes, struct proxy_header *ret_header, size_t *ret_len)
{
    if (bytes.len > VERSION_AT && byte_at(bytes, VERSION_AT) != COMMAND_LOCAL &&
        byte_at(bytes, VERSION_AT) != COMMAND_PROXY)
        return refuse();
    if (bytes.len < FIXED_BYTES)
        return fail(ERR_AGAIN, 0);
    size_t len = FIXED_BYTES + u16_at(bytes, LENGTH_AT);
    if (len > PROXY_HEADER_MAX_BYTES)
        return refuse();
    if (bytes.len < len)
        return fail(ERR_AGAIN, 0);
    struct proxy_header h;
    TRY(read_block(str_sub(bytes, 0, len), &h));
    *ret_header = h;
    *ret_len = len;
    return OK;
}

/* ---- either ---- */

/* True if bytes begin with it, or are a beginning of it. */
static bool may_be(struct str bytes, struct str start)
{
    return str_starts(bytes, start) || str_starts(start, bytes);
}

struct err proxy_protocol_read(struct str bytes, struct proxy_header *ret_header,
                               size_t *ret_len)
{
    if (!may_be(bytes, line_start) && !may_be(bytes, signature))
        return refuse();
    if (str_starts(bytes, line_start))
        return read_v1(bytes, ret_header, ret_len);
    if (str_starts(bytes, signature))
        return read_v2(bytes, ret_header, ret_len);
    return fail(ERR_AGAIN, 0);
}

/* ---- towards a target ---- */

static bool are_v4(const struct proxy_header *h)
{
    return ip_is_mapped(h->source.address) && ip_is_mapped(h->destination.address);
}

struct str proxy_protocol_write_v1(const struct proxy_header *h,
                                   char text[PROXY_HEADER_WRITE_MAX_BYTES])
{
    static const struct str unknown = STR_LIT("PROXY UNKNOWN\r\n");
    char source[IP_TEXT_BYTES], destination[IP_TEXT_BYTES];
    if (!h->has_addresses || h->is_datagram)
        return unknown;
    bool as_v4 = are_v4(h);
    ip_print(h->source.address, as_v4, source);
    ip_print(h->destination.address, as_v4, destination);
    int len = snprintf(text, PROXY_HEADER_WRITE_MAX_BYTES, "PROXY TCP%c %s %s %u %u\r\n",
                       as_v4 ? '4' : '6', source, destination, (unsigned)h->source.port,
                       (unsigned)h->destination.port);
    return str_make(text, (size_t)len);
}

static char *put_bytes(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_u16(char *at, size_t value)
{
    at[0] = (char)(value >> 8);
    at[1] = (char)value;
    return at + 2;
}

struct str proxy_protocol_write_v2(const struct proxy_header *h,
                                   char text[PROXY_HEADER_WRITE_MAX_BYTES])
{
    bool as_v4 = are_v4(h);
    size_t skip = as_v4 ? IP_V4_AT : 0;
    size_t address_bytes = h->has_addresses ? sizeof(h->source.address) - skip : 0;
    unsigned family = as_v4 ? FAMILY_INET : FAMILY_INET6;
    unsigned protocol = h->is_datagram ? PROTOCOL_DGRAM : PROTOCOL_STREAM;
    char *at = put_bytes(text, signature.p, signature.len);
    *at++ = h->has_addresses ? COMMAND_PROXY : COMMAND_LOCAL;
    *at++ = h->has_addresses ? (char)(family << 4 | protocol) : 0;
    at = put_u16(at, h->has_addresses ? 2 * address_bytes + 4 : 0);
    if (h->has_addresses) {
        at = put_bytes(at, h->source.address + skip, address_bytes);
        at = put_bytes(at, h->destination.address + skip, address_bytes);
        at = put_u16(at, h->source.port);
        at = put_u16(at, h->destination.port);
    }
    return str_make(text, (size_t)(at - text));
}
