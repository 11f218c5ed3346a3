#include "tests/support/h2_frames.h"

#include <assert.h>

enum { BLOCK_MAX_BYTES = 1 << 20 };

static void put(struct buf *b, struct str bytes)
{
    struct err e = buf_append(b, bytes);
    assert(!failed(e));
}

static void put_byte(struct buf *b, unsigned byte)
{
    char c = (char)byte;
    put(b, str_make(&c, 1));
}

void h2_frames_add(struct buf *b, unsigned type, unsigned flags, uint32_t stream,
                   struct str payload)
{
    for (int shift = 16; shift >= 0; shift -= 8)
        put_byte(b, (unsigned)(payload.len >> shift) & 0xff);
    put_byte(b, type);
    put_byte(b, flags);
    for (int shift = 24; shift >= 0; shift -= 8)
        put_byte(b, (stream >> shift) & 0xff);
    put(b, payload);
}

void h2_frames_preface(struct buf *b)
{
    put(b, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2_frames_add(b, H2_SETTINGS, 0, 0, STR_NONE);
}

void h2_frames_add_u32(struct buf *b, unsigned type, uint32_t stream, uint32_t number)
{
    const char bytes[] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                          (char)number};
    h2_frames_add(b, type, 0, stream, str_make(bytes, sizeof(bytes)));
}

/* RFC 7541 5.1 with a prefix of seven bits, and the text without Huffman coding. */
static void put_text(struct buf *b, struct str text)
{
    size_t len = text.len;
    if (len < 127) {
        put_byte(b, (unsigned)len);
    } else {
        put_byte(b, 127);
        for (len -= 127; len >= 128; len /= 128)
            put_byte(b, (unsigned)(len % 128) + 128);
        put_byte(b, (unsigned)len);
    }
    put(b, text);
}

void h2_frames_field(struct buf *block, struct str name, struct str value)
{
    put_byte(block, 0);
    put_text(block, name);
    put_text(block, value);
}

void h2_frames_headers(struct buf *b, unsigned flags, uint32_t stream, const char *lines)
{
    struct str rest = str_from(lines);
    struct str line;
    struct buf block;
    buf_init(&block, BLOCK_MAX_BYTES);
    while (str_next(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        size_t colon = 1 + str_index(str_skip(line, 1), ':');
        h2_frames_field(&block, str_sub(line, 0, colon), str_skip(line, colon + 2));
    }
    h2_frames_add(b, H2_HEADERS, flags | H2_END_HEADERS, stream, buf_view(&block));
    buf_fini(&block);
}
