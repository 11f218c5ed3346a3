#include "tests/support/fake_fetch.h"

#include "gateway/base/text.h"

#include <assert.h>

static struct err send_to_test(struct fetch *base, struct arena *a,
                               const struct fetch_request *q, struct fetch_reply *ret_reply)
{
    struct fake_fetch *f = container_of(base, struct fake_fetch, fetch);
    *ret_reply = (struct fetch_reply){.status = 0};
    if (f->is_cancelled)
        return fail(ERR_CANCELLED, 0);
    bool is_lost = ++f->sent_count == f->fail_at;
    if (!is_lost)
        return f->answer(f->arg, a, q, ret_reply);
    if (f->loses_answers)
        (void)f->answer(f->arg, a, q, ret_reply);
    *ret_reply = (struct fetch_reply){.words = STR("the line went dead")};
    return fail(ERR_ACME_NETWORK, 52);
}

static struct err pause_on_paper(struct fetch *base, uint64_t ms)
{
    struct fake_fetch *f = container_of(base, struct fake_fetch, fetch);
    f->paused_ms += ms;
    return f->is_cancelled ? fail(ERR_CANCELLED, 0) : OK;
}

static void cancel(struct fetch *base)
{
    container_of(base, struct fake_fetch, fetch)->is_cancelled = true;
}

static void free_nothing(struct fetch *base)
{
    (void)base;
}

static const struct fetch_ops fake_ops = {
    .send = send_to_test,
    .pause = pause_on_paper,
    .cancel = cancel,
    .free = free_nothing,
};

void fake_fetch_init(struct fake_fetch *f, fake_fetch_fn *answer, void *arg)
{
    memset(f, 0, sizeof(*f));
    f->fetch.ops = &fake_ops;
    f->answer = answer;
    f->arg = arg;
}

static struct str decode(struct arena *a, struct str text)
{
    struct buf out;
    buf_init(&out, 1024 * 1024);
    struct err e = text_unbase64(&out, text);
    assert(!failed(e));
    struct str copy = arena_dup(a, buf_view(&out));
    buf_fini(&out);
    assert(copy.p != NULL);
    return copy;
}

void fake_jws_read(struct arena *a, struct str body, struct fake_jws *ret_jws)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct str protected, payload, signature;
    struct err e = json_read(body, &doc);
    assert(!failed(e) && json_object_size(doc) == 3);
    assert(!failed(json_need_str(doc, "protected", &protected)));
    assert(!failed(json_need_str(doc, "payload", &payload)));
    assert(!failed(json_need_str(doc, "signature", &signature)));
    e = json_read(decode(a, protected), &ret_jws->header);
    assert(!failed(e));
    ret_jws->payload = decode(a, payload);
    ret_jws->signature = decode(a, signature);
    ret_jws->input = arena_fmt(a, "%.*s.%.*s", STR_ARG(protected), STR_ARG(payload));
}
