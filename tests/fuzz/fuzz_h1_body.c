/* Targets: h1_body_take h1_parser_chunk_line h1_head_read_trailers
 *
 * Bodies alone, so that no head stands in the search's way.  The first byte says how the rest
 * is cut.  It must hold:
 *   body, trailers and the byte where the body ends do not depend on how the bytes arrive;
 *   a second reading, byte by byte and by the letter of RFC 9112 7.1, finds the same. */
#include "gateway/http/h1_body.h"

#include "gateway/base/buf.h"

#include <assert.h>

enum { ARENA_MAX_BYTES = 4 << 20, TEXT_MAX_BYTES = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    struct buf body;
    size_t used;
    size_t trailer_count;
    bool is_done;
    bool is_bad;
};

/* Bytes are offered again with more behind them until they are taken, as h1_input does. */
static void take_all(struct str bytes, size_t step, struct result *ret)
{
    struct h1_body b;
    struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
    size_t offered = 0;
    buf_init(&ret->body, TEXT_MAX_BYTES);
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0);
    while (!ret->is_bad && b.state != H1_BODY_DONE && offered < bytes.len) {
        struct h1_piece piece = {.used = 1};
        offered += step < bytes.len - offered ? step : bytes.len - offered;
        while (!ret->is_bad && b.state != H1_BODY_DONE && piece.used > 0 &&
               ret->used < offered) {
            struct str view = str_sub(bytes, ret->used, offered - ret->used);
            ret->is_bad = failed(h1_body_take(&b, view, a, &piece));
            assert(ret->is_bad || (piece.used <= view.len && piece.bytes.len <= piece.used));
            if (ret->is_bad)
                break;
            struct err e = buf_append(&ret->body, piece.bytes);
            assert(!failed(e));
            ret->used += piece.used;
            if (piece.trailers != NULL)
                ret->trailer_count = piece.trailers->count;
        }
    }
    ret->is_done = b.state == H1_BODY_DONE;
    arena_free(a);
}

/* The data of well-formed chunks without a look at extensions and trailers; false: there is no
 * last chunk. */
static bool decode(struct str bytes, struct buf *body)
{
    for (;;) {
        uint64_t size = 0;
        size_t lf = str_index(bytes, '\n');
        if (lf == bytes.len || lf == 0)
            return false;
        for (size_t i = 0; i < lf && chr_hex(bytes.p[i]) >= 0; i++)
            size = size * 16 + (uint64_t)chr_hex(bytes.p[i]);
        bytes = str_skip(bytes, lf + 1);
        if (size == 0)
            return true;
        if (bytes.len < size + 2 || memcmp(bytes.p + size, "\r\n", 2) != 0)
            return false;
        struct err e = buf_append(body, str_sub(bytes, 0, (size_t)size));
        assert(!failed(e));
        bytes = str_skip(bytes, (size_t)size + 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str bytes = str_make(data + 1, size - 1);
    const size_t steps[] = {bytes.len, 1, 1 + data[0] % bytes.len};
    struct result want = {.used = 0};
    take_all(bytes, steps[0], &want);
    for (size_t i = 1; i < sizeof(steps) / sizeof(*steps); i++) {
        struct result got = {.used = 0};
        take_all(bytes, steps[i], &got);
        assert(got.is_bad == want.is_bad && got.is_done == want.is_done);
        assert(got.used == want.used && got.trailer_count == want.trailer_count);
        assert(str_eq(buf_view(&got.body), buf_view(&want.body)));
        buf_fini(&got.body);
    }
    if (want.is_done) {
        struct buf body;
        buf_init(&body, TEXT_MAX_BYTES);
        assert(str_ends(str_sub(bytes, 0, want.used), STR("\r\n\r\n")));
        bool is_decoded = decode(bytes, &body);
        assert(is_decoded && str_eq(buf_view(&body), buf_view(&want.body)));
        buf_fini(&body);
    }
    buf_fini(&want.body);
    return 0;
}
