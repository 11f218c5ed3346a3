/* cidr.c - address blocks. */
#include "store/model.h"

#include <arpa/inet.h>

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool parse_address(struct str s, unsigned char address[16], unsigned *ret_family_bits)
{
    char text[INET6_ADDRSTRLEN];
    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, '\0', s.len) != NULL)
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (inet_pton(AF_INET6, text, address) == 1) {
        *ret_family_bits = 128;
        return true;
    }
    memcpy(address, mapped_prefix, sizeof(mapped_prefix));
    *ret_family_bits = 32;
    return inet_pton(AF_INET, text, address + sizeof(mapped_prefix)) == 1;
}

struct err cidr_parse(struct str s, struct cidr *ret_cidr)
{
    struct str address = s, length = STR_NONE;
    bool has_length = str_split(s, '/', &address, &length);
    struct cidr c;
    unsigned family_bits;
    if (!parse_address(address, c.address, &family_bits))
        return fail(ERR_SYNTAX, 0);
    uint64_t bits = family_bits;
    if (has_length)
        TRY(str_to_u64(length, family_bits, &bits));
    c.bits = (unsigned)bits + 128 - family_bits;
    /* Bits beyond the length count for nothing: 192.0.2.7/24 is 192.0.2.0/24. */
    for (unsigned i = c.bits; i < 128; i++)
        c.address[i / 8] &= (unsigned char)~(0x80u >> (i % 8));
    *ret_cidr = c;
    return OK;
}

bool cidr_has(const struct cidr *c, const unsigned char address[16])
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(c->address, address, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return (c->address[whole] & mask) == (address[whole] & mask);
}
