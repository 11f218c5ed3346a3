/* Targets: codec_feed codec_feed_eof codec_send_head codec_send_body codec_send_end
 *
 * The first byte chooses role and circumstances, the second how the rest is cut.  It must hold:
 *   the events do not depend on how the bytes arrive;
 *   what was accepted is in order: no byte of it could be read in two ways;
 *   what was accepted and is sent on by the other role reads back as the same message. */
#include "gateway/http/h1_codec.h"
#include "gateway/http/http_syntax.h"
#include "tests/support/codec_trace.h"

#include "gateway/base/limits.h"

#include <assert.h>

enum {
    IS_CLIENT = 1,
    ENDS = 2,
    ASKS_HEAD = 4,
    ASKS_UPGRADE = 8,
    LEAVES_BODY = 16,
    IS_NARROW = 32,

    MESSAGES_MAX = 32,
    TEXT_MAX_BYTES = 16 << 20,
    NARROW_HEAD_MAX_BYTES = 48,
    WIDE_HEAD_MAX_BYTES =
        2 * HEAD_MAX_BYTES, /* what we write may be longer than what we read */
};

struct message {
    struct http_head head;
    struct buf body;
    const struct http_fields *trailers;
    bool is_whole;
};

/* A codec and the messages that came out of it. */
struct reader {
    struct codec *codec;
    struct arena *arena;
    struct buf out;
    struct message messages[MESSAGES_MAX];
    size_t count;
    uint32_t id;
    bool answers; /* each request at once, so that the next one is read */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(struct err e)
{
    assert(!failed(e));
}

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct reader *r = arg;
    r->id = id;
    *ret_user = (void *)(uintptr_t)id;
    return r->arena;
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    struct reader *r = arg;
    (void)user;
    if (r->count == MESSAGES_MAX)
        return fail(ERR_LIMIT, 0);
    struct message *m = &r->messages[r->count++];
    m->head = *head;
    m->is_whole = http_is_interim(head);
    buf_init(&m->body, TEXT_MAX_BYTES);
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    struct reader *r = arg;
    (void)user;
    return buf_append(&r->messages[r->count - 1].body, bytes);
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    uint32_t id = (uint32_t)(uintptr_t)user;
    struct reader *r = arg;
    struct message *m = &r->messages[r->count - 1];
    static const struct http_head answer = {.status = 204};
    m->trailers = trailers;
    m->is_whole = true;
    return r->answers ? codec_send_head(r->codec, id, &answer, true) : OK;
}

static void open_reader(struct reader *r, bool is_client)
{
    static const struct codec_events events = {
        .on_begin = on_begin, .on_head = on_head, .on_body = on_body, .on_end = on_end};
    *r = (struct reader){.arena = arena_new(4096, 16 << 20)};
    buf_init(&r->out, TEXT_MAX_BYTES);
    struct codec_options o = {
        .events = &events, .arg = r, .out = &r->out, .max_head_bytes = WIDE_HEAD_MAX_BYTES};
    must(is_client ? h1_codec_new_client(&o, &r->codec) : h1_codec_new_server(&o, &r->codec));
}

static void close_reader(struct reader *r)
{
    for (size_t i = 0; i < r->count; i++)
        buf_fini(&r->messages[i].body);
    codec_free(r->codec);
    arena_free(r->arena);
    buf_fini(&r->out);
}

static void read_all(struct reader *r, struct str bytes)
{
    size_t used;
    (void)codec_feed(r->codec, bytes, &used);
}

/* ---- what was accepted is in order ---- */

static void check_message(const struct message *m)
{
    const struct http_head *h = &m->head;
    bool has_no_body = h->status == 204 || h->status == 304 || http_is_interim(h);
    for (size_t i = 0; i < h->fields.count; i++) {
        assert(http_syntax_is_token(h->fields.items[i].name));
        assert(http_syntax_is_value(h->fields.items[i].value));
    }
    if (h->status == 0) {
        assert(http_syntax_is_token(h->method) && http_syntax_is_target(h->path));
        assert(h->path.p[0] == '/' || str_eq(h->path, STR("*")));
        assert(h->version == HTTP_1_0 || h->authority.len > 0);
        for (size_t i = 0; i < h->host.len; i++)
            assert(h->host.p[i] == chr_lower(h->host.p[i]));
    }
    if (m->is_whole && h->status == 0 && h->body == HTTP_BODY_LENGTH)
        assert(buf_len(&m->body) == h->body_bytes);
    if (h->body == HTTP_BODY_NONE && h->upgrade.len == 0)
        assert(buf_len(&m->body) == 0);
    assert(!has_no_body || buf_len(&m->body) == 0);
}

/* ---- what was accepted survives being sent on ---- */

static bool is_sent(const struct http_field *f)
{
    return !http_field_is_framing(f->id) && !http_field_is_hop_by_hop(f->id);
}

static void check_same_fields(const struct http_fields *a, const struct http_fields *b)
{
    size_t j = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (!is_sent(&a->items[i]))
            continue;
        while (j < b->count && !is_sent(&b->items[j]))
            j++;
        assert(j < b->count && str_eq(a->items[i].name, b->items[j].name) &&
               str_eq(a->items[i].value, b->items[j].value));
        j++;
    }
    for (; j < b->count; j++)
        assert(!is_sent(&b->items[j]));
}

static void check_same(const struct message *sent, const struct message *got, bool is_bodyless)
{
    static const struct http_fields none = {0};
    const struct http_head *a = &sent->head;
    const struct http_head *b = &got->head;
    assert(a->status == b->status && str_eq(a->method, b->method) && str_eq(a->path, b->path));
    assert(str_eq(a->authority, b->authority) && str_eq(a->host, b->host));
    assert(str_eq(a->upgrade, b->upgrade));
    assert(a->expects_continue == b->expects_continue || a->version == HTTP_1_0);
    assert(a->body == b->body || (is_bodyless && a->body == HTTP_BODY_UNKNOWN));
    assert(a->body != HTTP_BODY_LENGTH || a->body_bytes == b->body_bytes);
    check_same_fields(&a->fields, &b->fields);
    assert(str_eq(buf_view(&sent->body), buf_view(&got->body)));
    check_same_fields(sent->trailers != NULL ? sent->trailers : &none,
                      got->trailers != NULL ? got->trailers : &none);
}

static void send_message(struct reader *writer, uint32_t id, const struct message *m,
                         const struct http_fields *trailers)
{
    bool asks_upgrade = m->head.upgrade.len > 0 && m->head.status == 0;
    must(codec_send_head(writer->codec, id, &m->head, false));
    if (asks_upgrade || http_is_interim(&m->head))
        return;
    must(codec_send_body(writer->codec, id, buf_view(&m->body)));
    must(codec_send_end(writer->codec, id, trailers));
}

/* We add at most two fields to a head, and may give a host to who has none. */
static bool can_be_sent_on(const struct message *m)
{
    bool has_host = m->head.status != 0 || m->head.authority.len > 0;
    bool is_complete = m->is_whole || (m->head.upgrade.len > 0 && m->head.status != 426);
    return has_host && is_complete && m->head.fields.count + 2 < HEAD_FIELDS_MAX;
}

static void send_request_on(const struct message *m)
{
    struct reader writer;
    struct reader back;
    uint32_t id;
    open_reader(&writer, true);
    open_reader(&back, false);
    must(codec_open(writer.codec, writer.arena, NULL, &id));
    send_message(&writer, id, m, m->trailers);
    read_all(&back, buf_view(&writer.out));
    assert(back.count == 1 && back.messages[0].is_whole == m->is_whole);
    check_same(m, &back.messages[0], false);
    close_reader(&writer);
    close_reader(&back);
}

static const struct http_head *question(unsigned how, struct str upgrade)
{
    static struct http_head head;
    head = (struct http_head){.method = (how & ASKS_HEAD) != 0 ? STR("HEAD") : STR("GET"),
                              .authority = STR("a"),
                              .path = STR("/"),
                              .upgrade = upgrade};
    return &head;
}

static void send_response_on(const struct message *m, unsigned how)
{
    struct reader writer;
    struct reader back;
    uint32_t id;
    bool is_bodyless = (how & ASKS_HEAD) != 0 || m->head.status == 204 || m->head.status == 304;
    struct str upgrade = m->head.status == 101 ? m->head.upgrade : STR_NONE;
    open_reader(&writer, false);
    open_reader(&back, true);
    must(codec_open(back.codec, back.arena, NULL, &id));
    must(codec_send_head(back.codec, id, question(how, upgrade), upgrade.len == 0));
    read_all(&writer, buf_view(&back.out));
    send_message(&writer, writer.id, m, m->trailers);
    read_all(&back, buf_view(&writer.out));
    assert(back.count == 1);
    check_same(m, &back.messages[0], is_bodyless);
    close_reader(&writer);
    close_reader(&back);
}

static void check_messages(unsigned how, struct str bytes)
{
    struct reader r;
    bool is_client = (how & IS_CLIENT) != 0;
    open_reader(&r, is_client);
    r.answers = !is_client;
    if (is_client) {
        must(codec_open(r.codec, r.arena, NULL, &r.id));
        struct str upgrade = (how & ASKS_UPGRADE) != 0 ? STR("websocket, x/1") : STR_NONE;
        must(codec_send_head(r.codec, r.id, question(how, upgrade), upgrade.len == 0));
    }
    read_all(&r, bytes);
    if ((how & ENDS) != 0)
        (void)codec_feed_eof(r.codec);
    for (size_t i = 0; i < r.count; i++) {
        check_message(&r.messages[i]);
        if (!can_be_sent_on(&r.messages[i]))
            continue;
        if (is_client)
            send_response_on(&r.messages[i], how);
        else
            send_request_on(&r.messages[i]);
    }
    close_reader(&r);
}

/* ---- the same events however the bytes arrive ---- */

static void check_cuts(unsigned how, size_t cut, struct str bytes)
{
    const struct codec_trace_options o = {
        .is_client = (how & IS_CLIENT) != 0,
        .answers = (how & ASKS_HEAD) == 0,
        .ends = (how & ENDS) != 0,
        .tells_fields = true,
        .tells_refused = true,
        .method = (how & ASKS_HEAD) != 0 ? "HEAD" : NULL,
        .upgrade = (how & ASKS_UPGRADE) != 0 ? "websocket, x/1" : NULL,
        .unsent_bytes = (how & LEAVES_BODY) != 0 ? 1 : 0,
        .max_head_bytes = (how & IS_NARROW) != 0 ? NARROW_HEAD_MAX_BYTES : HEAD_MAX_BYTES,
    };
    const size_t steps[][2] = {{cut, bytes.len}, {1, 1}, {cut, cut + 1}};
    struct buf want;
    struct buf got;
    buf_init(&want, TEXT_MAX_BYTES);
    buf_init(&got, TEXT_MAX_BYTES);
    codec_trace_run(&o, bytes, bytes.len, bytes.len, &want);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&got);
        codec_trace_run(&o, bytes, steps[i][0], steps[i][1], &got);
        assert(str_eq(buf_view(&want), buf_view(&got)));
    }
    buf_fini(&want);
    buf_fini(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct str bytes = str_make(data + 2, size - 2);
    check_cuts(data[0], 1 + data[1] % bytes.len, bytes);
    check_messages(data[0], bytes);
    return 0;
}
