#include "gateway/stream/first_bytes.h"

#include "gateway/stream/stun.h"

/* Each says whether the bytes are of a protocol, are not, or may still turn out so. */
enum answer { NO, MAYBE, YES };

static enum answer is_tls(struct str s)
{
    static const unsigned char most[] = {0x16, 0x03, 0x04}, least[] = {0x16, 0x03, 0x00};
    for (size_t i = 0; i < s.len && i < sizeof(most); i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < least[i] || c > most[i])
            return NO;
    }
    return s.len < sizeof(most) ? MAYBE : YES;
}

static enum answer is_ssh(struct str s)
{
    static const struct str start = STR_LIT("SSH-");
    if (str_starts(s, start))
        return YES;
    return str_starts(start, s) ? MAYBE : NO;
}

static enum answer is_stun(struct str s)
{
    switch (stun_look(s)) {
    case STUN_LOOK_NO:
        return NO;
    case STUN_LOOK_MORE:
        return MAYBE;
    case STUN_LOOK_YES:
        return YES;
    }
    return NO;
}

/* The longest registered method has 17 letters; any token may be one, but a text in small
 * letters, or without a space, is more likely something else. */
static enum answer is_http(struct str s)
{
    size_t n = 0;
    while (n < s.len && n < FIRST_BYTES_MAX &&
           ((s.p[n] >= 'A' && s.p[n] <= 'Z') || s.p[n] == '-' || s.p[n] == '_'))
        n++;
    if (n == s.len && n < FIRST_BYTES_MAX)
        return MAYBE;
    return n > 0 && n < FIRST_BYTES_MAX && s.p[n] == ' ' ? YES : NO;
}

enum first_bytes first_bytes_tell(struct str bytes)
{
    static const struct {
        enum answer (*ask)(struct str s);
        enum first_bytes result;
    } protocols[] = {{is_tls, FIRST_BYTES_TLS},
                     {is_ssh, FIRST_BYTES_SSH},
                     {is_stun, FIRST_BYTES_STUN},
                     {is_http, FIRST_BYTES_HTTP}};
    bool may_be_any = false;
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        enum answer a = protocols[i].ask(bytes);
        if (a == YES)
            return protocols[i].result;
        may_be_any |= a == MAYBE;
    }
    return may_be_any ? FIRST_BYTES_MORE : FIRST_BYTES_UNKNOWN;
}
