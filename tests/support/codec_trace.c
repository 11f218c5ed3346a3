#include "tests/support/codec_trace.h"

#include "gateway/http/h1_codec.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <assert.h>

enum {
    ARENA_FIRST_BYTES = 4096,
    ARENA_MAX_BYTES = 16 << 20,
    TEXT_MAX_BYTES = 64 << 20,
    CUTS_MAX = 1500, /* inputs beyond this are cut at some places only */
};

struct trace {
    const struct codec_trace_options *options;
    struct codec *codec;
    struct arena *arena;
    struct buf *text;
    struct buf out;
    bool is_in_body;
};

static void say(struct trace *t, struct str s)
{
    struct err e = buf_append(t->text, s);
    assert(!failed(e) || mem_fault_fired());
}

static void say_number(struct trace *t, uint64_t number)
{
    struct err e = buf_append_fmt(t->text, "%llu", (unsigned long long)number);
    assert(!failed(e) || mem_fault_fired());
}

static void begin_line(struct trace *t, struct str what, uint32_t id)
{
    if (t->is_in_body)
        say(t, STR("\n"));
    t->is_in_body = false;
    say(t, what);
    if (id > 0) {
        say(t, STR(" "));
        say_number(t, id);
    }
}

static void say_fields(struct trace *t, const struct http_fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        say(t, STR("  "));
        say(t, f->items[i].name);
        say(t, STR(": "));
        say(t, f->items[i].value);
        say(t, STR("\n"));
    }
}

static void say_start(struct trace *t, const struct http_head *h)
{
    static const struct str versions[] = {
        [HTTP_1_0] = STR_LIT(" 1.0"), [HTTP_1_1] = STR_LIT(" 1.1"), [HTTP_2] = STR_LIT(" 2")};
    say(t, STR(" "));
    if (h->status > 0) {
        say_number(t, h->status);
    } else {
        say(t, h->method);
        say(t, STR(" "));
        say(t, h->host);
        say(t, STR(" "));
        say(t, h->path);
    }
    say(t, versions[h->version]);
}

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct trace *t = arg;
    begin_line(t, STR("begin"), id);
    say(t, STR("\n"));
    *ret_user = (void *)(uintptr_t)id;
    return t->arena;
}

static struct err on_preface(void *arg, struct str taken)
{
    struct trace *t = arg;
    assert(str_starts(taken, STR("PRI ")));
    say(t, STR("preface\n"));
    return OK;
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    uint32_t id = (uint32_t)(uintptr_t)user;
    struct trace *t = arg;
    begin_line(t, STR("head"), id);
    say_start(t, head);
    if (head->body == HTTP_BODY_LENGTH) {
        say(t, STR(" body "));
        say_number(t, head->body_bytes);
    }
    if (head->body == HTTP_BODY_UNKNOWN)
        say(t, STR(" body ?"));
    if (head->expects_continue)
        say(t, STR(" expects"));
    if (head->upgrade.len > 0) {
        say(t, STR(" upgrade "));
        say(t, head->upgrade);
    }
    say(t, STR("\n"));
    if (t->options->tells_fields)
        say_fields(t, &head->fields);
    return OK;
}

static void on_refused(void *arg, void *user, const struct http_head *head)
{
    uint32_t id = (uint32_t)(uintptr_t)user;
    struct trace *t = arg;
    if (!t->options->tells_refused)
        return;
    begin_line(t, STR("refused"), id);
    say_start(t, head);
    say(t, STR("\n"));
    if (t->options->tells_fields)
        say_fields(t, &head->fields);
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    uint32_t id = (uint32_t)(uintptr_t)user;
    struct trace *t = arg;
    if (!t->is_in_body) {
        begin_line(t, STR("body"), id);
        say(t, STR(" "));
    }
    t->is_in_body = true;
    say(t, bytes);
    return OK;
}

static struct err answer(struct trace *t, uint32_t id)
{
    const struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .body_bytes = 2};
    TRY(codec_send_head(t->codec, id, &head, false));
    TRY(codec_send_body(t->codec, id, STR("ok")));
    return codec_send_end(t->codec, id, NULL);
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    uint32_t id = (uint32_t)(uintptr_t)user;
    struct trace *t = arg;
    begin_line(t, STR("end"), id);
    say(t, STR("\n"));
    if (trailers != NULL)
        say_fields(t, trailers);
    return t->options->answers ? answer(t, id) : OK;
}

static const struct codec_events trace_events = {
    .on_begin = on_begin,
    .on_preface = on_preface,
    .on_head = on_head,
    .on_refused = on_refused,
    .on_body = on_body,
    .on_end = on_end,
};

static struct err send_request(struct trace *t)
{
    const struct codec_trace_options *o = t->options;
    struct http_head head = {
        .method = o->method == NULL ? STR("GET") : str_from(o->method),
        .authority = STR("a.example"),
        .path = STR("/"),
        .upgrade = str_from(o->upgrade),
        .body = o->unsent_bytes > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE,
        .body_bytes = o->unsent_bytes,
    };
    uint32_t id;
    TRY(codec_open(t->codec, t->arena, (void *)1, &id));
    return codec_send_head(t->codec, id, &head, o->unsent_bytes == 0 && o->upgrade == NULL);
}

/* What is not taken stays at the front of the next piece, as with a connection. */
static struct err feed_pieces(struct trace *t, struct str bytes, size_t first, size_t step)
{
    size_t taken = 0;
    size_t offered = 0;
    while (offered < bytes.len) {
        size_t piece = offered == 0 ? first : step;
        size_t used = 0;
        offered += piece < bytes.len - offered ? piece : bytes.len - offered;
        TRY(codec_feed(t->codec, str_sub(bytes, taken, offered - taken), &used));
        taken += used;
        assert(taken <= offered);
    }
    return t->options->ends && taken == bytes.len ? codec_feed_eof(t->codec) : OK;
}

static struct err open_trace(struct trace *t)
{
    const struct codec_options o = {
        .events = &trace_events,
        .arg = t,
        .out = &t->out,
        .max_head_bytes =
            t->options->max_head_bytes > 0 ? t->options->max_head_bytes : HEAD_MAX_BYTES,
        .is_plain = t->options->is_plain,
    };
    t->arena = arena_new(ARENA_FIRST_BYTES, ARENA_MAX_BYTES);
    if (t->arena == NULL)
        return fail(ERR_MEMORY, 0);
    if (!t->options->is_client)
        return h1_codec_new_server(&o, &t->codec);
    TRY(h1_codec_new_client(&o, &t->codec));
    return send_request(t);
}

void codec_trace_run(const struct codec_trace_options *o, struct str bytes, size_t first_bytes,
                     size_t step_bytes, struct buf *text)
{
    struct trace t = {.options = o, .text = text};
    buf_init(&t.out, TEXT_MAX_BYTES);
    struct err e = open_trace(&t);
    if (!failed(e))
        e = feed_pieces(&t, bytes, first_bytes, step_bytes);
    begin_line(&t, STR(""), 0);
    if (failed(e)) {
        say(&t, STR("error "));
        say(&t, str_from(err_name(e)));
        say(&t, STR("\n"));
    }
    if (t.codec != NULL)
        say(&t, codec_can_reuse(t.codec) ? STR("reuse yes\n") : STR("reuse no\n"));
    if (!o->is_client)
        say(&t, buf_view(&t.out));
    codec_free(t.codec);
    arena_free(t.arena);
    buf_fini(&t.out);
}

void codec_trace_run_cut(const struct codec_trace_options *o, struct str bytes,
                         struct buf *text, size_t *ret_odd)
{
    struct buf other;
    size_t stride = 1 + bytes.len / CUTS_MAX;
    size_t from = buf_len(text);
    buf_init(&other, TEXT_MAX_BYTES);
    codec_trace_run(o, bytes, bytes.len, bytes.len, text);
    struct str want = str_skip(buf_view(text), from);
    *ret_odd = 0;
    for (size_t cut = 1; cut < bytes.len && *ret_odd == 0; cut += stride) {
        buf_clear(&other);
        codec_trace_run(o, bytes, cut, bytes.len, &other);
        if (!str_eq(buf_view(&other), want))
            *ret_odd = cut;
    }
    buf_clear(&other);
    codec_trace_run(o, bytes, 1, 1, &other);
    if (*ret_odd == 0 && !str_eq(buf_view(&other), want))
        *ret_odd = bytes.len;
    buf_fini(&other);
}
