#include "gateway/base/text.h"

static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

static unsigned char byte_at(struct str s, size_t i)
{
    return i < s.len ? (unsigned char)s.p[i] : 0;
}

static struct err encode(struct buf *out, struct str bytes, const char *alphabet)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = (uint32_t)byte_at(bytes, i) << 16 |
                         (uint32_t)byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
        char quad[4];
        for (int k = 0; k < 4; k++)
            quad[k] = alphabet[(group >> (18 - 6 * k)) & 63];
        size_t left = bytes.len - i;
        TRY(buf_append(out, str_make(quad, left >= 3 ? 4 : left + 1)));
    }
    return OK;
}

struct err text_base64(struct buf *out, struct str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    TRY(encode(out, bytes, alphabet));
    return buf_append(out, str_sub(STR("=="), 0, (3 - bytes.len % 3) % 3));
}

struct err text_base64url(struct buf *out, struct str bytes)
{
    return encode(out, bytes, url_alphabet);
}

static int sextet(char c)
{
    if (c == '+')
        c = '-';
    if (c == '/')
        c = '_';
    const char *hit = c == '\0' ? NULL : strchr(url_alphabet, c);
    return hit == NULL ? -1 : (int)(hit - url_alphabet);
}

struct err text_unbase64(struct buf *out, struct str text)
{
    while (text.len > 0 && text.p[text.len - 1] == '=')
        text.len--;
    if (text.len % 4 == 1)
        return fail(ERR_SYNTAX, 0);
    uint32_t bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.p[i]);
        if (value < 0)
            return fail(ERR_SYNTAX, 0);
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            char byte = (char)(bits >> bit_count & 0xff);
            TRY(buf_append(out, str_make(&byte, 1)));
        }
    }
    /* RFC 4648 3.5: bits left over must be zero, else two texts mean the same bytes. */
    if ((bits & ((1u << bit_count) - 1)) != 0)
        return fail(ERR_SYNTAX, 0);
    return OK;
}

struct err text_hex(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        char pair[2] = {hex_digits[c >> 4], hex_digits[c & 15]};
        TRY(buf_append(out, str_make(pair, 2)));
    }
    return OK;
}

static struct err append_hex_pair(struct buf *out, struct str text)
{
    int high = text.len < 2 ? -1 : chr_hex(text.p[0]);
    int low = text.len < 2 ? -1 : chr_hex(text.p[1]);
    if (high < 0 || low < 0)
        return fail(ERR_SYNTAX, 0);
    char byte = (char)(high << 4 | low);
    return buf_append(out, str_make(&byte, 1));
}

struct err text_unhex(struct buf *out, struct str text)
{
    while (text.len > 0) {
        TRY(append_hex_pair(out, text));
        text = str_skip(text, 2);
        if (text.len > 0 && text.p[0] == ':') {
            text = str_skip(text, 1);
            if (text.len == 0)
                return fail(ERR_SYNTAX, 0);
        }
    }
    return OK;
}

struct err text_percent_decode(struct buf *out, struct str text)
{
    while (text.len > 0) {
        size_t plain = str_index(text, '%');
        TRY(buf_append(out, str_sub(text, 0, plain)));
        text = str_skip(text, plain);
        if (text.len > 0) {
            TRY(append_hex_pair(out, str_skip(text, 1)));
            text = str_skip(text, 3);
        }
    }
    return OK;
}

static bool is_unreserved(char c)
{
    return chr_is_alpha(c) || chr_is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

struct err text_percent_encode(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        struct str byte = str_sub(bytes, i, 1);
        if (is_unreserved(bytes.p[i])) {
            TRY(buf_append(out, byte));
        } else {
            TRY(buf_append(out, STR("%")));
            TRY(text_hex(out, byte));
        }
    }
    return OK;
}
