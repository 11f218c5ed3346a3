/* h2_receive.c - what the library tells while it is fed: heads, bodies, and the rest. */
#include "gateway/http/h2_session.h"
#include "gateway/http/websocket.h"

#include "gateway/base/limits.h"

/* ---- feed: heads ---- */

static struct err begin_section(struct h2 *h, struct h2_stream *s)
{
    enum h2_head_kind kind = h->is_client ? H2_HEAD_RESPONSE : H2_HEAD_REQUEST;
    size_t max_bytes = h->options.max_head_bytes;
    if (s->in != IN_HEAD) {
        kind = H2_HEAD_TRAILERS;
        max_bytes = TRAILER_MAX_BYTES;
    }
    s->head = arena_one(s->arena, struct h2_head);
    if (s->head == NULL)
        return fail(ERR_MEMORY, 0);
    h2_head_init(s->head, kind, s->arena, max_bytes);
    return OK;
}

static void begin_request(struct h2 *h, int32_t id)
{
    h->last_id = id;
    struct h2_stream *s = h->stream_count < H2_STREAMS_MAX ? h2_add_stream(h, id) : NULL;
    if (s != NULL)
        s->arena = h->options.events->on_begin(h->options.arg, (uint32_t)id, &s->user);
    if (s != NULL && s->arena == NULL)
        h2_free_stream(h, TAKE(s));
    if (s == NULL) { /* RFC 9113 8.7: the client may ask again */
        h2_note_glitch(h);
        (void)nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return;
    }
    (void)nghttp2_session_set_stream_user_data(h->ng, id, s);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    (void)ng;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    h->is_in_section = true;
    if (!h->is_client && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        begin_request(h, frame->hd.stream_id);
    struct h2_stream *s = h2_find(h, frame->hd.stream_id);
    if (s == NULL || s->is_over || s->arena == NULL)
        return 0;
    struct err e = begin_section(h, s);
    if (failed(e))
        h2_drop(h, s, e, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

/* A head that is refused already, and goes on: a byte may name a field of 4 KB that was put
 * into the table once. The library does not look at the rest, but for the table. */
static int take_surplus(struct h2 *h, struct h2_stream *s)
{
    if (++s->surplus_fields < H2_SURPLUS_FIELDS)
        return 0;
    for (unsigned i = 0; i < H2_SURPLUS_GLITCHES; i++)
        h2_note_glitch(h);
    h->turn_fields = H2_TURN_FIELDS; /* others come first */
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = h2_find(h, frame->hd.stream_id);
    (void)ng;
    (void)flags;
    h->turn_fields++;
    if (s == NULL || s->is_over || s->head == NULL)
        return 0;
    if (failed(s->head->error))
        return take_surplus(h, s);
    h2_head_add(s->head, str_make(name, name_len), str_make(value, value_len));
    return 0;
}

/* Left alone the library would pass over what is not valid; it is not to be repaired. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *arg)
{
    (void)ng, (void)frame, (void)name, (void)name_len;
    (void)value, (void)value_len, (void)flags, (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static struct err as_peer(const struct h2 *h, struct err e)
{
    if (!h->is_client || err_is(e, ERR_MEMORY))
        return e;
    return fail(err_is(e, ERR_HEAD_TOO_LARGE) ? ERR_TARGET_HEAD_TOO_LARGE
                                              : ERR_TARGET_BAD_RESPONSE,
                e.detail);
}

/* A request that is well-formed, but not to be had, may be answered; a malformed one may not
 * (RFC 9113 8.1.1). */
static void refuse_head(struct h2 *h, struct h2_stream *s, struct err e)
{
    bool is_answerable = !h->is_client && s->in == IN_HEAD &&
                         (err_is(e, ERR_HEAD_TOO_LARGE) || err_is(e, ERR_URI_TOO_LONG) ||
                          err_is(e, ERR_NOT_IMPLEMENTED));
    h2_note_glitch(h);
    if (!h->is_client && s->in == IN_HEAD && h->options.events->on_refused != NULL)
        h->options.events->on_refused(h->options.arg, s->user, &s->head->head);
    if (is_answerable)
        h2_tell_reset(h, s, e);
    else
        h2_drop(h, s, as_peer(h, e),
                err_is(e, ERR_MEMORY) ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_PROTOCOL_ERROR);
}

/* RFC 9218 without a signal: streams take turns; a short answer overtakes a long one. */
static void set_turns(struct h2 *h, const struct h2_stream *s)
{
    const nghttp2_extpri turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    const struct http_fields *f = &s->head->head.fields;
    if (!h->is_client && http_fields_find_name(f, STR("priority")) == NULL)
        (void)nghttp2_session_change_extpri_stream_priority(h->ng, s->id, &turns, 0);
}

static struct err take_end(struct h2 *h, struct h2_stream *s,
                           const struct http_fields *trailers)
{
    s->in = IN_DONE;
    return h->options.events->on_end(h->options.arg, s->user, trailers);
}

/* RFC 8441 5: a tunnel looks as it does in HTTP/1.1. */
static struct err take_tunnel(struct h2_stream *s, struct http_head *head)
{
    head->status = 101;
    head->upgrade = s->asked;
    head->body = HTTP_BODY_NONE;
    return s->websocket_key.len == 0 ? OK
                                     : websocket_add_accept(s->arena, head, s->websocket_key);
}

static struct err take_head(struct h2 *h, struct h2_stream *s, bool has_end)
{
    struct http_head *head = &s->head->head;
    if (s->in != IN_HEAD)
        return take_end(h, s, head->fields.count > 0 ? &head->fields : NULL);
    if (h->is_client && http_is_interim(head)) {
        if (++s->interim_count > INTERIM_MAX)
            return fail(ERR_TARGET_BAD_RESPONSE, 0);
        return h->options.events->on_head(h->options.arg, s->user, head);
    }
    if (h->is_client && s->asked.len > 0 && head->status / 100 == 2)
        TRY(take_tunnel(s, head));
    if (!h->is_client) {
        s->is_head = str_eq(head->method, STR("HEAD"));
        set_turns(h, s);
    }
    if (!h->is_client && str_eq_nocase(head->upgrade, STR("websocket")))
        TRY(websocket_add_key(s->arena, head)); /* in case that the target speaks HTTP/1.1 */
    s->in = IN_BODY;
    TRY(h->options.events->on_head(h->options.arg, s->user, head));
    return has_end && !s->is_over ? take_end(h, s, NULL) : OK;
}

static void end_section(struct h2 *h, struct h2_stream *s, bool has_end)
{
    struct err e = h2_head_finish(s->head, has_end);
    if (failed(e)) {
        refuse_head(h, s, e);
        return;
    }
    e = take_head(h, s, has_end);
    if (failed(e))
        h2_drop(h, s, e, NGHTTP2_INTERNAL_ERROR);
}

/* ---- feed: bodies and the rest ---- */

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t len, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = h2_find(h, id);
    (void)flags;
    bool is_heard = s != NULL && !s->is_over && s->arena != NULL && s->out_state != OUT_CUT;
    if (is_heard) {
        struct err e =
            h->options.events->on_body(h->options.arg, s->user, str_make(bytes, len));
        if (failed(e))
            h2_drop(h, s, e, NGHTTP2_INTERNAL_ERROR);
    }
    /* The connection as a whole always goes on: what a stream may have sent is its own window's
     * matter. */
    (void)nghttp2_session_consume_connection(ng, len);
    if (is_heard && s->is_paused) {
        s->withheld_bytes += len;
        return 0;
    }
    (void)nghttp2_session_consume_stream(ng, id, len);
    if (is_heard)
        h2_window_on_data(h, s, len);
    return 0;
}

static void take_settings(struct h2 *h)
{
    h->has_settings = true;
    if (h->is_client && h->options.events->on_room != NULL)
        h->options.events->on_room(h->options.arg);
}

/* What a peer says of each small piece that it is sent, as gRPC's do: two WINDOW_UPDATEs and a
 * PING. */
static void note_chatter(struct h2 *h)
{
    if (h->excuses > 0)
        h->excuses--;
    else
        h2_note_glitch(h);
}

/* What each frame costs its sender; a GOAWAY of the peer means no further exchange. */
static void judge_frame(struct h2 *h, const nghttp2_frame *frame)
{
    bool is_ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        if (frame->hd.length >= H2_USEFUL_BYTES)
            h2_note_use(h);
        else if (frame->hd.length == frame->data.padlen && !has_end)
            h2_note_glitch(h);
        return;
    case NGHTTP2_SETTINGS:
        if (!is_ack && h->has_settings)
            h2_note_glitch(h);
        else if (!is_ack)
            take_settings(h);
        return;
    case NGHTTP2_PING:
        if (is_ack)
            h2_on_pong(h, frame->ping.opaque_data);
        else
            note_chatter(h);
        return;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY_UPDATE:
        h2_note_glitch(h);
        return;
    case NGHTTP2_WINDOW_UPDATE:
        if (frame->window_update.window_size_increment >= H2_UPDATE_MIN_BYTES)
            return;
        if (h->queued_bytes > 0) /* bytes in dribs and drabs (CVE-2019-9511) */
            h2_note_glitch(h);
        else
            note_chatter(h);
        return;
    case NGHTTP2_GOAWAY:
        h->is_last = true;
        if (h->options.events->on_last != NULL)
            h->options.events->on_last(h->options.arg);
        return;
    default:
        return;
    }
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    (void)ng;
    h->is_in_section &= frame->hd.type != NGHTTP2_HEADERS;
    judge_frame(h, frame);
    struct h2_stream *s = h2_find(h, frame->hd.stream_id);
    if (s == NULL || s->is_over || s->arena == NULL)
        return 0;
    bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        end_section(h, s, has_end);
    } else if (frame->hd.type == NGHTTP2_DATA && has_end) {
        struct err e = take_end(h, s, NULL);
        if (failed(e))
            h2_drop(h, s, e, NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
}

/* Frames that are answered with a reset: who provokes them (CVE-2025-8671) pays as who sends
 * them. */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code,
                            void *arg)
{
    struct h2 *h = arg;
    (void)ng, (void)code;
    h->is_in_section &= frame->hd.type != NGHTTP2_HEADERS;
    /* What the library finds wrong in a head, it passes over to the end, at its price. */
    for (size_t bytes = 0; bytes <= frame->hd.length; bytes += H2_SURPLUS_BYTES)
        h2_note_glitch(h);
    return 0;
}

static struct err explain_close(const struct h2 *h, const struct h2_stream *s, uint32_t code)
{
    if (!h->is_client)
        return fail(code == NGHTTP2_PROTOCOL_ERROR ? ERR_BAD_REQUEST : ERR_CLIENT_GONE,
                    (int32_t)code);
    if (code == NGHTTP2_REFUSED_STREAM) /* RFC 9113 8.7 */
        return fail(ERR_TARGET_REFUSED, 0);
    return fail(s->in == IN_HEAD ? ERR_TARGET_CLOSED : ERR_TARGET_RESET, 0);
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);
    if (s == NULL)
        return 0;
    struct err e = explain_close(h, s, code);
    bool is_whole = code == NGHTTP2_NO_ERROR && s->in == IN_DONE;
    s->withheld_bytes = 0;
    if (!is_whole || s->out_state != OUT_NOTHING)
        s->out_state = is_whole && s->out_state == OUT_DONE ? OUT_DONE : OUT_CUT;
    if (!is_whole)
        h2_tell_reset(h, s, e); /* it may be forgotten there, and is not freed before: */
    s->is_closed = true;
    h2_free_if_done(h, s);
    return 0;
}

static struct err explain(const struct h2 *h, int code)
{
    if (code == NGHTTP2_ERR_NOMEM)
        return fail(ERR_MEMORY, 0);
    return fail(code == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? ERR_BAD_VERSION : h2_bad(h), code);
}

/* RFC 9113 5.1: who has ended a stream, or passed over its number, says no more on it. */
static bool is_of_the_past(const struct h2 *h, int32_t id)
{
    return id <= h->last_id && id % 2 == 1 && nghttp2_session_find_stream(h->ng, id) == NULL &&
           !h2_amnesty_has(&h->amnesty, id);
}

/* What the library passes over without a word. */
static void judge_seen(struct h2 *h)
{
    const struct h2_walk *w = &h->walk;
    bool is_message = w->type == NGHTTP2_HEADERS || w->type == NGHTTP2_DATA;
    if (is_message && is_of_the_past(h, w->id))
        h2_end_session(h, fail(h2_bad(h), NGHTTP2_STREAM_CLOSED), NGHTTP2_STREAM_CLOSED);
    if (w->type == NGHTTP2_PRIORITY || w->type > NGHTTP2_PRIORITY_UPDATE)
        h2_note_glitch(h);
    if (w->type == NGHTTP2_PRIORITY && (w->id == 0 || w->id == w->depends_on))
        h2_end_session(h, fail(h2_bad(h), NGHTTP2_PROTOCOL_ERROR), NGHTTP2_PROTOCOL_ERROR);
}

struct err h2_feed(struct codec *c, struct str bytes, size_t *ret_used)
{
    struct h2 *h = h2_of(c);
    size_t offered = bytes.len;
    *ret_used = offered;
    TRY(h->error);
    h->turn_fields = 0;
    while (bytes.len > 0 && !failed(h->error) && h->turn_fields < H2_TURN_FIELDS) {
        size_t len = h->is_client ? bytes.len : h2_walk_feed(&h->walk, bytes);
        h->is_reading = true;
        ssize_t n = nghttp2_session_mem_recv(h->ng, (const uint8_t *)bytes.p, len);
        h->is_reading = false;
        if (n < 0)
            h2_end_session(h, explain(h, (int)n), NGHTTP2_PROTOCOL_ERROR);
        else if (h->walk.has_frame)
            judge_seen(h);
        bytes = str_skip(bytes, len);
    }
    *ret_used = offered - bytes.len;
    return h->error;
}

struct err h2_feed_eof(struct codec *c)
{
    struct h2 *h = h2_of(c);
    h->is_last = true;
    /* Who says no more gives no more leave to send, either. */
    if (!h->is_client)
        return list_is_empty(&h->streams) ? OK : fail(ERR_CLIENT_GONE, 0);
    for (struct list_node *n = list_first(&h->streams); n != NULL;
         n = list_after(&h->streams, n)) {
        const struct h2_stream *s = container_of(n, struct h2_stream, node);
        if (s->arena == NULL || s->is_over || (s->in == IN_DONE && s->out_state == OUT_DONE))
            continue;
        return fail(s->in == IN_HEAD ? ERR_TARGET_CLOSED : ERR_TARGET_RESET, 0);
    }
    return OK;
}

/* ---- the library's calls ---- */

void h2_set_receive_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
}
