#include "gateway/stream/stun.h"

/* Two zero bits and 14 of type, of which no method in use needs the first six; a length in
 * words of four bytes; the magic cookie. */
enum { TYPE_MAX = 0x03, LENGTH_LOW_AT = 3, COOKIE_AT = 4 };

static const struct str cookie = STR_LIT("\x21\x12\xa4\x42");

enum stun_look stun_look(struct str bytes)
{
    struct str seen = str_sub(bytes, COOKIE_AT, cookie.len);
    bool may_be = (bytes.len == 0 || (unsigned char)bytes.p[0] <= TYPE_MAX) &&
                  (bytes.len <= LENGTH_LOW_AT || bytes.p[LENGTH_LOW_AT] % 4 == 0) &&
                  str_starts(cookie, seen);
    if (!may_be)
        return STUN_LOOK_NO;
    return bytes.len < STUN_TELL_BYTES ? STUN_LOOK_MORE : STUN_LOOK_YES;
}
