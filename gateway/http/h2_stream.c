/* h2_stream.c - streams from their beginning to their end, and what their peer has cost. */
#include "gateway/http/h2_session.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

/* ---- streams ---- */

struct h2_stream *h2_find(const struct h2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->ng, id);
}

struct h2_stream *h2_find_any(const struct h2 *h, int32_t id)
{
    struct h2_stream *s = h2_find(h, id);
    if (s != NULL)
        return s;
    struct list_node *n = list_first(&h->streams);
    while (n != NULL && container_of(n, struct h2_stream, node)->id != id)
        n = list_after(&h->streams, n);
    return n == NULL ? NULL : container_of(n, struct h2_stream, node);
}

struct h2_stream *h2_add_stream(struct h2 *h, int32_t id)
{
    struct h2_stream *s = mem_new(struct h2_stream);
    if (s == NULL)
        return NULL;
    s->id = id;
    s->measure_at_bytes = H2_MEASURE_BYTES;
    buf_init(&s->out, H2_QUEUE_MAX_BYTES);
    list_push_back(&h->streams, &s->node);
    h->stream_count++;
    return s;
}

void h2_drop_queue(struct h2 *h, struct h2_stream *s)
{
    h->queued_bytes -= buf_len(&s->out);
    buf_clear(&s->out);
    buf_release(&s->out);
}

void h2_free_stream(struct h2 *h, struct h2_stream *s)
{
    h2_drop_queue(h, s);
    h2_window_end(h, s);
    list_remove(&s->node);
    list_remove(&s->sent_node);
    h->stream_count--;
    arena_free(s->trailer_arena);
    buf_fini(&s->out);
    mem_free(s);
}

void h2_free_if_done(struct h2 *h, struct h2_stream *s)
{
    if (s->is_closed && s->arena == NULL)
        h2_free_stream(h, s);
}

void h2_reset(struct h2 *h, struct h2_stream *s, uint32_t code)
{
    s->out_state = OUT_CUT;
    h2_drop_queue(h, s);
    if (!s->is_closed)
        (void)nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, s->id, code);
}

void h2_tell_reset(struct h2 *h, struct h2_stream *s, struct err e)
{
    if (s->is_over || s->arena == NULL)
        return;
    s->is_over = true;
    h->options.events->on_reset(h->options.arg, s->user, e);
}

void h2_drop(struct h2 *h, struct h2_stream *s, struct err e, uint32_t code)
{
    h2_reset(h, s, code);
    h2_tell_reset(h, s, e);
}

/* ---- glitches ---- */

void h2_end_session(struct h2 *h, struct err e, uint32_t code)
{
    if (failed(h->error))
        return;
    h->error = e;
    h->is_last = true;
    (void)nghttp2_session_terminate_session(h->ng, code);
}

const struct err_kind *h2_bad(const struct h2 *h)
{
    return h->is_client ? ERR_TARGET_BAD_RESPONSE : ERR_BAD_REQUEST;
}

void h2_note_glitch(struct h2 *h)
{
    if (++h->glitches > H2_GLITCHES_MAX)
        h2_end_session(h, fail(h2_bad(h), NGHTTP2_ENHANCE_YOUR_CALM),
                       NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_note_use(struct h2 *h)
{
    if (h->glitches > 0)
        h->glitches--;
}

void h2_submit_goaway(struct h2 *h)
{
    (void)nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->ng),
                                NGHTTP2_NO_ERROR, NULL, 0);
}
