#include "gateway/base/ip.h"

#include <arpa/inet.h>

static const unsigned char prefix[IP_V4_AT] = {[10] = 0xff, [11] = 0xff};

_Static_assert(IP_TEXT_BYTES == INET6_ADDRSTRLEN, "the longest text fits");

void ip_map(const void *four, unsigned char ret_address[IP_BYTES])
{
    memcpy(ret_address, prefix, sizeof(prefix));
    memcpy(ret_address + IP_V4_AT, four, IP_BYTES - IP_V4_AT);
}

bool ip_is_mapped(const unsigned char address[IP_BYTES])
{
    return memcmp(address, prefix, sizeof(prefix)) == 0;
}

bool ip_parse(struct str text, unsigned char ret_address[IP_BYTES], bool *ret_is_v6)
{
    char copy[IP_TEXT_BYTES];
    unsigned char four[IP_BYTES - IP_V4_AT];
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.p, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    bool is_v4 = inet_pton(AF_INET, copy, four) == 1;
    if (!is_v4 && inet_pton(AF_INET6, copy, ret_address) != 1)
        return false;
    if (is_v4)
        ip_map(four, ret_address);
    *ret_is_v6 = !is_v4;
    return true;
}

void ip_print(const unsigned char address[IP_BYTES], bool as_v4, char text[IP_TEXT_BYTES])
{
    (void)inet_ntop(as_v4 ? AF_INET : AF_INET6, address + (as_v4 ? IP_V4_AT : 0), text,
                    IP_TEXT_BYTES);
}
