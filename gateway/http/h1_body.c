#include "gateway/http/h1_body.h"

#include "gateway/base/limits.h"

void h1_body_init(struct h1_body *b, enum h1_framing framing, uint64_t bytes)
{
    static const enum h1_body_state firsts[] = {
        [H1_FRAMING_NONE] = H1_BODY_DONE,
        [H1_FRAMING_LENGTH] = H1_BODY_LENGTH,
        [H1_FRAMING_CHUNKED] = H1_BODY_CHUNK_LINE,
        [H1_FRAMING_CLOSE] = H1_BODY_UNTIL_END,
    };
    *b = (struct h1_body){.state = firsts[framing], .left_bytes = bytes};
    if (framing == H1_FRAMING_LENGTH && bytes == 0)
        b->state = H1_BODY_DONE;
}

static struct str take_bytes(struct h1_body *b, struct str bytes, enum h1_body_state next)
{
    if (bytes.len > b->left_bytes)
        bytes.len = (size_t)b->left_bytes;
    b->left_bytes -= bytes.len;
    if (b->left_bytes == 0)
        b->state = next;
    return bytes;
}

static struct err take_chunk_line(struct h1_body *b, struct str bytes, size_t *ret_used)
{
    TRY(h1_parser_chunk_line(bytes, ret_used, &b->left_bytes));
    if (*ret_used == 0)
        return OK;
    b->state = b->left_bytes > 0 ? H1_BODY_CHUNK : H1_BODY_TRAILERS;
    b->scan = (struct h1_scan){0};
    return OK;
}

static struct err take_chunk_end(struct h1_body *b, struct str bytes, size_t *ret_used)
{
    if (bytes.len > 0 && bytes.p[0] != '\r')
        return fail(ERR_BAD_FRAMING, 0);
    if (bytes.len < 2)
        return OK;
    if (bytes.p[1] != '\n')
        return fail(ERR_BAD_FRAMING, 0);
    b->state = H1_BODY_CHUNK_LINE;
    *ret_used = 2;
    return OK;
}

static struct err take_trailers(struct h1_body *b, struct str bytes, struct arena *a,
                                struct h1_piece *ret_piece)
{
    static const struct h1_limits limits = {.block_max_bytes = TRAILER_MAX_BYTES};
    TRY(h1_parser_scan(&b->scan, bytes, &limits, &ret_piece->used));
    if (ret_piece->used == 0)
        return OK;
    if (b->scan.lines > 0) {
        struct str block = arena_dup(a, str_sub(bytes, 0, ret_piece->used));
        if (block.p == NULL)
            return fail(ERR_MEMORY, 0);
        TRY(h1_head_read_trailers(block, b->scan.lines, a, &ret_piece->trailers));
    }
    b->state = H1_BODY_DONE;
    return OK;
}

struct err h1_body_take(struct h1_body *b, struct str bytes, struct arena *a,
                        struct h1_piece *ret_piece)
{
    *ret_piece = (struct h1_piece){.used = 0};
    switch (b->state) {
    case H1_BODY_DONE:
        return OK;
    case H1_BODY_LENGTH:
        ret_piece->bytes = take_bytes(b, bytes, H1_BODY_DONE);
        break;
    case H1_BODY_CHUNK:
        ret_piece->bytes = take_bytes(b, bytes, H1_BODY_CHUNK_END);
        break;
    case H1_BODY_UNTIL_END:
        ret_piece->bytes = bytes;
        break;
    case H1_BODY_CHUNK_LINE:
        return take_chunk_line(b, bytes, &ret_piece->used);
    case H1_BODY_CHUNK_END:
        return take_chunk_end(b, bytes, &ret_piece->used);
    case H1_BODY_TRAILERS:
        return take_trailers(b, bytes, a, ret_piece);
    }
    ret_piece->used = ret_piece->bytes.len;
    return OK;
}
