/* Targets: codec_feed codec_send_head codec_send_body codec_send_end rewrite_request
 *          rewrite_response
 *
 * A client and a target speak through the two codecs, joined as the gateway joins them.  The
 * first byte chooses how; then come pieces with 0xff 0xff between them: the first is the
 * client's, each other one an answer.  It must hold, judged by a reader that shares no code
 * with the codecs:
 *   what the target sees are exactly the requests that were accepted, in one spelling;
 *   a request that did not come whole never looks whole;
 *   the client gets at most one final answer to each request, in order, in one spelling. */
#include "tests/support/codec_relay.h"
#include "tests/support/wire_reader.h"

#include "gateway/base/limits.h"

#include <assert.h>

enum {
    TARGET_IS_EARLY = 1, /* it answers when half of what the client says has come */
    TARGET_ENDS = 2,     /* behind each answer */
    CLIENT_ENDS = 4,
    IN_STEPS = 8, /* all bytes one by one */
    IS_NARROW = 16,

    NARROW_HEAD_MAX_BYTES = 512,
    CLIENT_MAX_BYTES = 4096, /* bounds the number of requests */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- saying ---- */

static struct str take_piece(struct str *rest)
{
    size_t i = 0;
    while (i < rest->len &&
           !(rest->p[i] == '\xff' && i + 1 < rest->len && rest->p[i + 1] == '\xff'))
        i++;
    struct str piece = str_sub(*rest, 0, i);
    *rest = str_skip(*rest, i + 2);
    return piece;
}

static void ask(struct codec_relay *r, unsigned how, struct str bytes)
{
    size_t step = (how & IN_STEPS) != 0 ? 1 : bytes.len;
    for (size_t i = 0; i < bytes.len; i += step)
        codec_relay_ask(r, str_sub(bytes, i, step));
}

static void reply(struct codec_relay *r, unsigned how, struct str bytes)
{
    size_t step = (how & IN_STEPS) != 0 ? 1 : bytes.len;
    for (size_t i = 0; i < bytes.len; i += step)
        (void)codec_relay_reply(r, str_sub(bytes, i, step));
    if ((how & TARGET_ENDS) != 0)
        (void)codec_relay_reply_end(r);
}

static void speak(struct codec_relay *r, unsigned how, struct str bytes)
{
    struct str client = take_piece(&bytes);
    client = str_sub(client, 0, CLIENT_MAX_BYTES);
    if ((how & TARGET_IS_EARLY) != 0) {
        ask(r, how, str_sub(client, 0, client.len / 2));
        reply(r, how, take_piece(&bytes));
        client = str_skip(client, client.len / 2);
    }
    ask(r, how, client);
    for (size_t i = 0; bytes.len > 0 && i < RELAY_WIRES_MAX / 2; i++)
        reply(r, how, take_piece(&bytes));
    if ((how & CLIENT_ENDS) != 0)
        codec_relay_ask_end(r);
}

/* ---- what the target sees ---- */

/* Each trailer that was accepted, in order, and nothing else. */
static void check_trailers(struct str got, const struct http_fields *want)
{
    struct str line, name, value;
    size_t count = want == NULL ? 0 : want->count;
    for (size_t i = 0; i < count; i++) {
        assert(str_split(got, '\n', &line, &got) || got.len == 0);
        assert(str_split(str_sub(line, 0, line.len - 1), ':', &name, &value));
        assert(str_eq(name, want->items[i].name));
        assert(str_eq(str_skip(value, 1), want->items[i].value));
    }
    assert(got.len == 0);
}

static void check_start(const struct wire_message *m, const struct http_head *head)
{
    struct str method, rest, target, version;
    assert(str_split(m->start, ' ', &method, &rest));
    assert(str_split(rest, ' ', &target, &version));
    assert(str_eq(method, head->method) && str_eq(target, head->path));
    if (head->authority.len > 0)
        assert(str_eq(wire_field(m, "Host"), head->authority));
}

static bool has_come(const struct relay_request *q)
{
    return q->is_whole || q->head.body == HTTP_BODY_NONE;
}

static void check_request(const struct wire_message *m, enum wire_end end,
                          const struct relay_request *q)
{
    assert(end != WIRE_BAD && end != WIRE_OPEN);
    if (m->fields.len > 0)
        check_start(m, &q->head);
    struct str body = buf_view(&m->body);
    assert(str_starts(buf_view(&q->body), body));
    if (end != WIRE_WHOLE)
        return;
    assert(has_come(q) || q->head.body_bytes == body.len);
    assert(q->head.upgrade.len > 0 || body.len == buf_len(&q->body));
    check_trailers(m->trailers, q->trailers);
}

/* q: the first request on this connection. */
static void check_wire(const struct relay_wire *w, const struct relay_request *q)
{
    struct str rest = buf_view(&w->said);
    for (size_t i = 0; i < w->request_count; i++, q++) {
        struct wire_message m;
        enum wire_end end = wire_read(&rest, WIRE_REQUEST, &m);
        check_request(&m, end, q);
        wire_message_fini(&m);
        if (q->head.upgrade.len > 0 && rest.len > 0)
            return; /* a tunnel */
    }
    assert(rest.len == 0);
}

/* ---- what the client gets ---- */

/* Answers to one request: true if a further answer may follow. */
static bool check_answer(struct str *rest, const struct relay_request *q)
{
    bool is_head = str_eq(q->head.method, STR("HEAD"));
    for (;;) {
        struct wire_message m;
        enum wire_end end =
            wire_read(rest, is_head ? WIRE_RESPONSE_TO_HEAD : WIRE_RESPONSE, &m);
        unsigned status = m.status;
        wire_message_fini(&m);
        assert(end != WIRE_BAD);
        assert(end != WIRE_WHOLE || status >= 200 || q->head.version != HTTP_1_0);
        if (end != WIRE_WHOLE || status == 101)
            return false;
        if (status >= 200)
            return true;
    }
}

static void check_answers(const struct codec_relay *r)
{
    const struct relay_request *requests;
    size_t count = codec_relay_requests(r, &requests);
    struct str rest = codec_relay_heard(r);
    bool goes_on = true;
    for (size_t i = 0; goes_on && rest.len > 0; i++) {
        assert(i < count);
        goes_on = check_answer(&rest, &requests[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned how = data[0];
    size_t head_max = (how & IS_NARROW) != 0 ? NARROW_HEAD_MAX_BYTES : HEAD_MAX_BYTES;
    struct codec_relay *r = codec_relay_new(head_max);
    speak(r, how, str_make(data + 1, size - 1));

    const struct relay_wire *wires;
    const struct relay_request *q;
    size_t count = codec_relay_wires(r, &wires);
    (void)codec_relay_requests(r, &q);
    for (size_t i = 0; i < count; i++) {
        check_wire(&wires[i], q);
        q += wires[i].request_count;
    }
    check_answers(r);
    codec_relay_free(r);
    return 0;
}
