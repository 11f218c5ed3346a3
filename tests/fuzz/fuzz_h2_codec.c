/* Targets: h2_codec_new_server h2_codec_new_client h2_head_add h2_head_finish
 *
 * The first byte says the role and how the owner behaves; the rest are frames behind a valid
 * preface. Whatever comes, each exchange hears its events in order, nothing after its reset,
 * and what waits to be sent stays bounded. */
#include "gateway/http/h2_codec.h"
#include "gateway/http/h2_shared.h"

#include "gateway/base/limits.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS_MAX = 512, OUT_MAX_BYTES = 1 << 20, STEP_BYTES = 512 };

enum { IS_CLIENT = 1, ANSWERS_AT_HEAD = 2, ANSWERS_AT_END = 4, PAUSES = 8, ABANDONS = 16 };

struct peer {
    unsigned how;
    struct codec *codec;
    struct buf out;
    size_t count;
    size_t live;
    struct exchange {
        struct peer *peer;
        uint32_t id;
        struct arena *arena;
        enum { BEGUN, HEARD, ENDED, GONE } state;
    } items[IDS_MAX];
};

static struct exchange *add(struct peer *p, uint32_t id)
{
    if (p->count == IDS_MAX)
        return NULL;
    struct exchange *x = &p->items[p->count++];
    *x = (struct exchange){.peer = p, .id = id, .arena = arena_new(1024, 1 << 18)};
    p->live++;
    assert(p->live <= H2_STREAMS_MAX);
    return x;
}

static void leave(struct exchange *x)
{
    if (x->state == GONE)
        return;
    x->state = GONE;
    x->peer->live--;
    codec_forget(x->peer->codec, x->id);
    arena_free(x->arena);
}

static void answer(struct exchange *x)
{
    static const char body[40000];
    struct codec *c = x->peer->codec;
    const struct http_head head = {.status = 200, .body = HTTP_BODY_UNKNOWN};
    (void)codec_send_head(c, x->id, &head, false);
    (void)codec_send_body(c, x->id, str_make(body, sizeof(body)));
    (void)codec_send_end(c, x->id, NULL);
}

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct exchange *x = add(arg, id);
    *ret_user = x;
    return x == NULL ? NULL : x->arena;
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    const struct peer *p = arg;
    struct exchange *x = user;
    assert(x->state == BEGUN);
    if ((p->how & PAUSES) != 0)
        codec_pause(p->codec, x->id);
    if ((p->how & IS_CLIENT) != 0) {
        assert(head->status >= 100);
        if (!http_is_interim(head))
            x->state = HEARD;
        return OK;
    }
    assert(head->host.len > 0 && head->path.len > 0 && head->method.len > 0);
    x->state = HEARD;
    if ((p->how & ANSWERS_AT_HEAD) != 0)
        answer(x);
    if ((p->how & ABANDONS) != 0) {
        codec_abandon(p->codec, x->id);
        leave(x);
    }
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    const struct exchange *x = user;
    (void)arg;
    assert(x->state == HEARD && bytes.len > 0);
    return OK;
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    const struct peer *p = arg;
    struct exchange *x = user;
    (void)trailers;
    assert(x->state == HEARD);
    x->state = ENDED;
    if ((p->how & (IS_CLIENT | ANSWERS_AT_END)) == ANSWERS_AT_END) {
        answer(x);
        leave(x);
    }
    return OK;
}

static void on_reset(void *arg, void *user, struct err e)
{
    struct exchange *x = user;
    (void)arg;
    assert(failed(e) && x->state != GONE);
    leave(x);
}

static void on_sent(void *arg, void *user)
{
    const struct exchange *x = user;
    (void)arg;
    assert(x->state != GONE);
}

static void ask(struct peer *p)
{
    const struct http_head head = {.method = STR("GET"),
                                   .authority = STR("a.example"),
                                   .path = STR("/"),
                                   .body = HTTP_BODY_NONE};
    for (unsigned i = 0; i < 4; i++) {
        struct exchange *x = add(p, 0);
        struct err e = codec_open(p->codec, x->arena, x, &x->id);
        assert(!failed(e));
        (void)codec_send_head(p->codec, x->id, &head, true);
    }
}

static void speak(struct peer *p, struct str bytes)
{
    struct err e = OK;
    while (!failed(e) && bytes.len > 0) {
        size_t used;
        e = codec_feed(p->codec, str_sub(bytes, 0, STEP_BYTES), &used);
        bytes = str_skip(bytes, used);
        struct err filled = codec_fill(p->codec);
        if (!failed(e))
            e = filled;
        assert(buf_len(&p->out) < OUT_MAX_BYTES / 2);
        buf_clear(&p->out);
        for (size_t i = 0; i < p->count; i++) {
            if (p->items[i].state == HEARD && (p->how & PAUSES) != 0)
                codec_resume(p->codec, p->items[i].id);
        }
    }
    if (!failed(e))
        (void)codec_feed_eof(p->codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_events events = {.on_begin = on_begin,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end,
                                               .on_reset = on_reset,
                                               .on_sent = on_sent};
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";
    static struct peer p;
    struct h2_shared shared;
    size_t used;
    if (size < 2)
        return 0;
    p = (struct peer){.how = data[0]};
    buf_init(&p.out, OUT_MAX_BYTES);
    h2_shared_init(&shared);
    bool is_client = (p.how & IS_CLIENT) != 0;
    const struct codec_options o = {
        .events = &events, .arg = &p, .out = &p.out, .max_head_bytes = 4096, .shared = &shared};
    struct err e =
        is_client ? h2_codec_new_client(&o, &p.codec) : h2_codec_new_server(&o, &p.codec);
    assert(!failed(e));
    if (!is_client)
        e = codec_feed(p.codec, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &used);
    assert(!failed(e));
    e = codec_feed(p.codec, str_make(settings, sizeof(settings) - 1), &used);
    assert(!failed(e));
    if (is_client)
        ask(&p);
    (void)codec_fill(p.codec);
    buf_clear(&p.out);
    speak(&p, str_make(data + 1, size - 1));
    for (size_t i = 0; i < p.count; i++)
        leave(&p.items[i]);
    codec_free(p.codec);
    h2_shared_fini(&shared);
    buf_fini(&p.out);
    return 0;
}
