/* h2_send.c - send_ functions queue; fill has the library frame what is most urgent. */
#include "gateway/http/h2_session.h"

#include "gateway/base/limits.h"

/* ---- send ---- */

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *room, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = source->ptr;
    (void)ng, (void)id, (void)room, (void)arg;
    size_t queued = buf_len(&s->out) + s->direct.len;
    bool is_ending = s->out_state == OUT_ENDING;
    if (queued == 0 && !is_ending) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t n = queued < len ? queued : len;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n < queued || !is_ending)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    s->out_state = OUT_DONE;
    nghttp2_nv *nva;
    size_t count;
    if (s->trailer_arena == NULL ||
        failed(h2_head_write_trailers(s->trailer_arena, &s->trailers, &nva, &count)) ||
        count == 0)
        return (ssize_t)n;
    if (nghttp2_submit_trailer(ng, id, nva, count) == 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return (ssize_t)n;
}

static void take_bytes(struct h2 *h, struct h2_stream *s, size_t len)
{
    if (s->direct.len > 0) {
        s->direct = str_skip(s->direct, len);
        return;
    }
    buf_consume(&s->out, len);
    h->queued_bytes -= len;
    buf_release(&s->out);
}

static int write_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                      size_t len, nghttp2_data_source *source, void *arg)
{
    enum { FRAME_HEAD_BYTES = 9 };
    struct h2 *h = arg;
    struct h2_stream *s = source->ptr;
    (void)ng, (void)frame;
    struct buf *out = h->options.out;
    /* The library goes on until we say so; it offers this frame again. */
    if (buf_len(out) >= H2_OUT_BYTES)
        return NGHTTP2_ERR_WOULDBLOCK;
    struct str bytes = s->direct.len > 0 ? s->direct : buf_view(&s->out);
    if (bytes.len < len) /* reset since the frame was begun */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (buf_room(out) < FRAME_HEAD_BYTES + len ||
        failed(buf_append(out, str_make(frame_head, FRAME_HEAD_BYTES))) ||
        failed(buf_append(out, str_sub(bytes, 0, len))))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    take_bytes(h, s, len);
    if (len >= H2_USEFUL_BYTES)
        h2_note_use(h);
    if (len > 0 && h->excuses < H2_EXCUSES_MAX)
        h->excuses += H2_EXCUSES_OF_DATA;
    if (len > 0 && !list_has_node(&s->sent_node))
        list_push_back(&h->sent, &s->sent_node);
    return 0;
}

/* RFC 9113 8.1: an answer that is complete before its request ends the request too. */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = h2_find(h, frame->hd.stream_id);
    bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    /* The library says GOAWAY by itself when the connection is beyond repair. */
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        h2_end_session(h, fail(h2_bad(h), (int32_t)frame->goaway.error_code),
                       frame->goaway.error_code);
    if (frame->hd.type == NGHTTP2_RST_STREAM &&
        nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) == 0)
        h2_amnesty_add(&h->amnesty, frame->hd.stream_id);
    if (!is_message || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || s == NULL)
        return 0;
    h2_note_use(h);
    if (!h->is_client && nghttp2_session_get_stream_remote_close(ng, s->id) == 0)
        (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

static struct err cut_misfit(struct h2 *h, struct h2_stream *s)
{
    h2_reset(h, s, h->is_client ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
    s->is_over = true;
    return fail(h->is_client ? ERR_CLIENT_GONE : ERR_TARGET_RESET, 0);
}

static void go_on(struct h2 *h, struct h2_stream *s)
{
    if (!s->is_deferred)
        return;
    s->is_deferred = false;
    (void)nghttp2_session_resume_data(h->ng, s->id);
}

static void write_frames(struct h2 *h)
{
    ssize_t n = 1;
    while (n > 0 && buf_len(h->options.out) < H2_OUT_BYTES) {
        const uint8_t *frames;
        size_t before = buf_len(h->options.out);
        n = nghttp2_session_mem_send(h->ng, &frames);
        if (n > 0 && failed(buf_append(h->options.out, str_make(frames, (size_t)n))))
            n = NGHTTP2_ERR_NOMEM;
        if (n == 0 && buf_len(h->options.out) > before)
            n = 1; /* a body went past the table of frames */
    }
    if (n < 0 && !failed(h->error)) {
        h->error = fail(ERR_MEMORY, (int32_t)n);
        h->is_last = true;
    }
}

/* While nothing else waits there is no urgency to weigh, and a large piece goes into frames
 * without a copy first. Returns what is left of it. */
static struct str send_directly(struct h2 *h, struct h2_stream *s, struct str bytes)
{
    if (h->is_reading || h->queued_bytes > 0 || bytes.len < BODY_PASS_MIN_BYTES)
        return bytes;
    s->direct = bytes;
    go_on(h, s);
    size_t before;
    do {
        before = s->direct.len;
        if (buf_len(h->options.out) >= H2_OUT_BYTES && h->options.pass != NULL)
            (void)h->options.pass(h->options.pass_arg, STR_NONE);
        write_frames(h);
    } while (s->direct.len > 0 && s->direct.len < before);
    bytes = s->direct;
    s->direct = STR_NONE;
    return bytes;
}

static struct err queue_body(struct h2 *h, struct h2_stream *s, struct str bytes)
{
    struct str rest = send_directly(h, s, bytes);
    if (s->is_closed)
        return fail(ERR_CANCELLED, 0);
    TRY(buf_append(&s->out, rest));
    h->queued_bytes += rest.len;
    return OK;
}

struct err h2_send_body(struct codec *c, uint32_t id, struct str bytes)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find_any(h, (int32_t)id);
    if (s == NULL || s->is_closed)
        return fail(ERR_CANCELLED, 0);
    switch (s->out_state) {
    case OUT_NOTHING:
        return OK;
    case OUT_LENGTH:
        if (bytes.len > s->left_bytes)
            return cut_misfit(h, s);
        TRY(queue_body(h, s, bytes));
        s->left_bytes -= bytes.len;
        break;
    case OUT_UNKNOWN:
        TRY(queue_body(h, s, bytes));
        break;
    case OUT_HEAD:
    case OUT_ENDING:
    case OUT_DONE:
    case OUT_CUT:
        return fail(ERR_CANCELLED, 0);
    }
    if (bytes.len > 0)
        go_on(h, s);
    return OK;
}

/* They are sent when the body has been, and the exchange may be over by then. */
static struct err keep_trailers(struct h2_stream *s, const struct http_fields *trailers)
{
    enum { FIRST_BYTES = 1024 };
    struct arena *a = s->trailer_arena = arena_new(FIRST_BYTES, 2 * TRAILER_MAX_BYTES);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < trailers->count; i++) {
        struct str name = arena_dup(a, trailers->items[i].name);
        struct str value = arena_dup(a, trailers->items[i].value);
        if (name.p == NULL || value.p == NULL)
            return fail(ERR_MEMORY, 0);
        TRY(http_fields_add(&s->trailers, a, name, value));
    }
    return OK;
}

struct err h2_send_end(struct codec *c, uint32_t id, const struct http_fields *trailers)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find_any(h, (int32_t)id);
    if (s == NULL || s->out_state == OUT_HEAD || s->out_state == OUT_CUT)
        return fail(ERR_CANCELLED, 0);
    if (s->out_state == OUT_NOTHING)
        s->out_state = OUT_DONE;
    if (s->out_state == OUT_ENDING || s->out_state == OUT_DONE)
        return OK;
    if (s->out_state == OUT_LENGTH && s->left_bytes > 0)
        return cut_misfit(h, s);
    if (trailers != NULL && trailers->count > 0)
        TRY(keep_trailers(s, trailers));
    s->out_state = OUT_ENDING;
    go_on(h, s);
    return OK;
}

static bool has_no_body(const struct h2 *h, const struct h2_stream *s,
                        const struct http_head *head)
{
    if (!h->is_client && (s->is_head || head->status == 204 || head->status == 304))
        return true;
    if (head->upgrade.len > 0 && (h->is_client || head->status == 101))
        return false;
    return head->body == HTTP_BODY_NONE ||
           (head->body == HTTP_BODY_LENGTH && head->body_bytes == 0);
}

static struct str scheme_of(const struct h2 *h)
{
    return h->options.is_plain ? STR("http") : STR("https");
}

static struct err submit(struct h2 *h, struct h2_stream *s, const struct http_head *head)
{
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    bool is_empty = has_no_body(h, s, head);
    nghttp2_nv *nva;
    size_t count;
    int rc;
    TRY(h2_head_write(s->arena, head, scheme_of(h), &nva, &count));
    if (!h->is_client) {
        rc = nghttp2_submit_response(h->ng, s->id, nva, count, is_empty ? NULL : &body);
    } else {
        rc = nghttp2_submit_request(h->ng, NULL, nva, count, is_empty ? NULL : &body, s);
        if (rc > 0)
            s->id = rc;
    }
    if (rc < 0)
        return fail(rc == NGHTTP2_ERR_NOMEM ? ERR_MEMORY : ERR_CANCELLED, rc);
    s->left_bytes = head->body_bytes;
    s->out_state = is_empty                         ? OUT_NOTHING
                   : head->body == HTTP_BODY_LENGTH ? OUT_LENGTH
                                                    : OUT_UNKNOWN;
    return OK;
}

static struct err send_interim(struct h2 *h, struct h2_stream *s, const struct http_head *head)
{
    nghttp2_nv *nva;
    size_t count;
    TRY(h2_head_write(s->arena, head, scheme_of(h), &nva, &count));
    int rc = nghttp2_submit_headers(h->ng, NGHTTP2_FLAG_NONE, s->id, NULL, nva, count, NULL);
    return rc == 0 ? OK : fail(rc == NGHTTP2_ERR_NOMEM ? ERR_MEMORY : ERR_CANCELLED, rc);
}

static struct err ask_tunnel(struct h2 *h, struct h2_stream *s, const struct http_head *head)
{
    static const nghttp2_settings_id enable = NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL;
    if (nghttp2_session_get_remote_settings(h->ng, enable) != 1) /* RFC 8441 3 */
        return fail(ERR_TARGET_UPGRADE, 0);
    const struct http_field *key =
        http_fields_find_name(&head->fields, STR("Sec-WebSocket-Key"));
    s->asked = head->upgrade;
    s->websocket_key = key == NULL ? STR_NONE : key->value;
    return OK;
}

struct err h2_send_head(struct codec *c, uint32_t id, const struct http_head *head, bool is_end)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find_any(h, (int32_t)id);
    if (s == NULL || s->arena == NULL || s->is_closed || s->out_state != OUT_HEAD)
        return fail(ERR_CANCELLED, 0);
    if (!h->is_client && http_is_interim(head))
        return send_interim(h, s, head);
    s->is_head |= h->is_client && str_eq(head->method, STR("HEAD"));
    if (h->is_client && head->upgrade.len > 0)
        TRY(ask_tunnel(h, s, head));
    TRY(submit(h, s, head));
    return is_end && s->asked.len == 0 ? h2_send_end(c, id, NULL) : OK;
}

struct err h2_fill(struct codec *c)
{
    struct h2 *h = h2_of(c);
    write_frames(h);
    struct list_node *node;
    while ((node = list_pop_front(&h->sent)) != NULL) {
        const struct h2_stream *s = container_of(node, struct h2_stream, sent_node);
        if (s->arena != NULL && !s->is_over)
            h->options.events->on_sent(h->options.arg, s->user);
    }
    return h->error;
}

size_t h2_queued(const struct codec *c, uint32_t id)
{
    const struct h2 *h = h2_of_const(c);
    const struct h2_stream *s = h2_find_any(h, (int32_t)id);
    size_t own_bytes = s == NULL ? 0 : buf_len(&s->out);
    /* Who opens many streams and no window makes us hold a little for each, not a lot. A stream
     * with nothing queued is always let go on. */
    return h->queued_bytes > H2_QUEUED_BUDGET_BYTES ? own_bytes * H2_QUEUED_WEIGHT : own_bytes;
}

/* ---- the library's calls ---- */

void h2_set_send_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_send_data_callback(cb, write_body);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
}
