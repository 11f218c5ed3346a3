#include "gateway/http/h1_input.h"

#include "gateway/base/limits.h"

void h1_input_init(struct h1_input *in, size_t max_head_bytes)
{
    size_t unit_max_bytes =
        max_head_bytes > TRAILER_MAX_BYTES ? max_head_bytes : TRAILER_MAX_BYTES;
    /* One byte more than a unit: so whoever takes one always sees whether something follows. */
    buf_init(&in->partial, unit_max_bytes + 1);
}

void h1_input_fini(struct h1_input *in)
{
    buf_fini(&in->partial);
}

/* The unit that begins in partial goes on in bytes. */
static struct err take_partial(struct h1_input *in, const struct h1_taker *taker, void *codec,
                               struct str bytes, size_t *ret_used)
{
    size_t kept = buf_len(&in->partial);
    size_t used;
    bytes = str_sub(bytes, 0, buf_room(&in->partial));
    TRY(buf_append(&in->partial, bytes));
    TRY(taker->take(codec, buf_view(&in->partial), &used));
    if (used == 0) {
        *ret_used = bytes.len;
        return OK;
    }
    *ret_used = used - kept;
    buf_clear(&in->partial);
    buf_release(&in->partial);
    return OK;
}

static struct err take_next(struct h1_input *in, const struct h1_taker *taker, void *codec,
                            struct str bytes, size_t *ret_used)
{
    if (buf_len(&in->partial) > 0)
        return take_partial(in, taker, codec, bytes, ret_used);
    TRY(taker->take(codec, bytes, ret_used));
    if (*ret_used > 0)
        return OK;
    TRY(buf_append(&in->partial, bytes));
    *ret_used = bytes.len;
    return OK;
}

struct err h1_input_feed(struct h1_input *in, const struct h1_taker *taker, void *codec,
                         struct str bytes, size_t *ret_used)
{
    size_t used = 0;
    struct err e = OK;
    while (!failed(e) && used < bytes.len && taker->is_taking(codec)) {
        size_t more = 0;
        e = take_next(in, taker, codec, str_skip(bytes, used), &more);
        used += more;
    }
    if (failed(e)) {
        buf_clear(&in->partial);
        buf_release(&in->partial);
    }
    *ret_used = used;
    return e;
}
