/* cidr.c - address blocks. */
#include "store/model.h"

#include "gateway/base/ip.h"

struct err cidr_parse(struct str s, struct cidr *ret_cidr)
{
    struct str address = s, length = STR_NONE;
    bool has_length = str_split(s, '/', &address, &length);
    struct cidr c;
    bool is_v6;
    if (!ip_parse(address, c.address, &is_v6))
        return fail(ERR_SYNTAX, 0);
    unsigned family_bits = is_v6 ? 128 : 32;
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
