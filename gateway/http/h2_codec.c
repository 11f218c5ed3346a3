/* h2_codec.c - a codec's making, its exchanges' beginnings and ends, and its own end. */
#include "gateway/http/h2_session.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

/* ---- beginnings and ends ---- */

static size_t capacity(const struct codec *c)
{
    const struct h2 *h = h2_of_const(c);
    size_t max = h->has_settings ? nghttp2_session_get_remote_settings(
                                       h->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                                 : 1;
    if (max > H2_STREAMS_MAX)
        max = H2_STREAMS_MAX;
    return h->is_last || h->stream_count >= max ? 0 : max - h->stream_count;
}

/* The id is known when the head is sent; streams get theirs in the order of their heads, so the
 * one for it is told at once and must be used before another is opened. */
static struct err open_exchange(struct codec *c, struct arena *a, void *user, uint32_t *ret_id)
{
    struct h2 *h = h2_of(c);
    if (!h->is_client)
        return fail(ERR_CANCELLED, 0); /* a request that did not come has no stream */
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(h->ng);
    if (capacity(c) == 0 || id < 0 || h2_find_any(h, id) != NULL)
        return fail(ERR_TARGET_CLOSED, 0);
    struct h2_stream *s = h2_add_stream(h, id);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->arena = a;
    s->user = user;
    *ret_id = (uint32_t)id;
    return OK;
}

static void abandon(struct codec *c, uint32_t id)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find_any(h, (int32_t)id);
    if (s == NULL || s->out_state == OUT_CUT)
        return;
    s->is_over = true;
    if (h->is_client && s->out_state == OUT_HEAD) /* the library does not know of it */
        s->is_closed = true;
    h2_reset(h, s, NGHTTP2_CANCEL);
}

static void set_paused(struct codec *c, uint32_t id)
{
    struct h2_stream *s = h2_find(h2_of(c), (int32_t)id);
    if (s != NULL)
        s->is_paused = true;
}

static void resume(struct codec *c, uint32_t id)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find(h, (int32_t)id);
    if (s == NULL)
        return;
    s->is_paused = false;
    if (s->withheld_bytes > 0)
        (void)nghttp2_session_consume_stream(h->ng, s->id, s->withheld_bytes);
    s->withheld_bytes = 0;
}

static void forget(struct codec *c, uint32_t id)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s = h2_find_any(h, (int32_t)id);
    if (s == NULL)
        return;
    bool is_answered =
        s->out_state == OUT_DONE || s->out_state == OUT_ENDING || s->out_state == OUT_NOTHING;
    if (!is_answered || (h->is_client && s->in != IN_DONE))
        abandon(c, id);
    else
        resume(c, id);
    s->is_over = true;
    s->arena = NULL;
    h2_free_if_done(h, s);
}

static bool has_begun(const struct codec *c)
{
    return h2_of_const(c)->is_in_section;
}

static bool is_flushed(const struct codec *c)
{
    const struct h2 *h = h2_of_const(c);
    bool is_said = h->queued_bytes == 0 || failed(h->error);
    return is_said && nghttp2_session_want_write(h->ng) == 0;
}

static bool can_reuse(const struct codec *c)
{
    return !h2_of_const(c)->is_last;
}

/* RFC 9113 6.8: first the notice, then, when the PING behind it is answered, the end; at once
 * where nothing is under way. */
static void refuse_reuse(struct codec *c)
{
    struct h2 *h = h2_of(c);
    if (h->is_last)
        return;
    h->is_last = true;
    if (h->is_client)
        return;
    if (list_is_empty(&h->streams)) {
        h2_submit_goaway(h);
        return;
    }
    (void)nghttp2_submit_shutdown_notice(h->ng);
    (void)h2_ping(h, H2_PING_NOTICE);
}

static void ping(struct codec *c)
{
    (void)h2_ping(h2_of(c), H2_PING_ALIVE);
}

static void free_h2(struct codec *c)
{
    struct h2 *h = h2_of(c);
    nghttp2_session_del(h->ng);
    struct list_node *n;
    while ((n = list_first(&h->streams)) != NULL)
        h2_free_stream(h, container_of(n, struct h2_stream, node));
    h2_memory_close(&h->memory);
    mem_free(h);
}

/* ---- new ---- */

AUTO_DEFINE(nghttp2_session_callbacks_del, nghttp2_session_callbacks *)
AUTO_DEFINE(nghttp2_option_del, nghttp2_option *)

static int submit_settings(const struct h2 *h)
{
    static const nghttp2_settings_entry common[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_MAX_BYTES},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    static const nghttp2_settings_entry client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_MAX_BYTES},
    };
    int rc = h->is_client
                 ? nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, client, ARRAY_LEN(client))
                 : nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, common, ARRAY_LEN(common));
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
                                                   H2_CONN_WINDOW_BYTES);
    return rc;
}

static struct err make_session(struct h2 *h)
{
    nghttp2_mem mem = h2_memory_calls(&h->memory);
    AUTO(nghttp2_session_callbacks_del) nghttp2_session_callbacks *cb = NULL;
    AUTO(nghttp2_option_del) nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&option) != 0)
        return fail(ERR_MEMORY, 0);
    h2_set_receive_callbacks(cb);
    h2_set_send_callbacks(cb);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    int rc = h->is_client ? nghttp2_session_client_new3(&h->ng, cb, h, option, &mem)
                          : nghttp2_session_server_new3(&h->ng, cb, h, option, &mem);
    if (rc != 0)
        return fail(ERR_MEMORY, 0);
    h2_memory_settle(&h->memory);
    return submit_settings(h) == 0 ? OK : fail(ERR_MEMORY, 0);
}

static struct err new_codec(const struct codec_options *o, bool is_client,
                            struct codec **ret_codec)
{
    static const struct codec_ops ops = {
        .feed = h2_feed,
        .feed_eof = h2_feed_eof,
        .open = open_exchange,
        .send_head = h2_send_head,
        .send_body = h2_send_body,
        .send_end = h2_send_end,
        .abandon = abandon,
        .has_begun = has_begun,
        .can_reuse = can_reuse,
        .refuse_reuse = refuse_reuse,
        .fill = h2_fill,
        .queued = h2_queued,
        .pause = set_paused,
        .resume = resume,
        .forget = forget,
        .capacity = capacity,
        .is_flushed = is_flushed,
        .ping = ping,
        .free = free_h2,
    };
    struct h2 *h = mem_new(struct h2);
    if (h == NULL)
        return fail(ERR_MEMORY, 0);
    h->base.ops = &ops;
    h->options = *o;
    h->is_client = is_client;
    list_init(&h->streams);
    list_init(&h->sent);
    h2_memory_open(&h->memory, o->shared);
    struct err e = make_session(h);
    if (failed(e)) {
        free_h2(&h->base);
        return e;
    }
    *ret_codec = &h->base;
    return OK;
}

struct err h2_codec_new_server(const struct codec_options *o, struct codec **ret_codec)
{
    return new_codec(o, false, ret_codec);
}

struct err h2_codec_new_client(const struct codec_options *o, struct codec **ret_codec)
{
    return new_codec(o, true, ret_codec);
}
