/* h1_codec_client.c - HTTP/1.x as we speak it to targets: send, then feed, then the ends.
 *
 *   IDLE -> HEAD -> BODY -> IDLE ...     the response's end leads back to IDLE, or to OVER
 *               \-> TUNNEL               if the connection cannot go on
 *   any ------------> OVER
 *
 * A connection is used again only if request and response were both complete and nothing came
 * behind the response: bytes of one exchange can never be taken for another's. */
#include "gateway/http/h1_body.h"
#include "gateway/http/h1_codec.h"
#include "gateway/http/h1_input.h"
#include "gateway/http/h1_writer.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

struct client {
    struct codec base; /* first: can_reuse casts */
    struct codec_options options;
    struct h1_input input;
    struct h1_scan scan;
    struct h1_body body;
    struct h1_writer writer;
    enum phase {
        PHASE_IDLE, /* nothing was asked: nothing may come */
        PHASE_HEAD,
        PHASE_BODY,
        PHASE_TUNNEL,
        PHASE_OVER, /* what comes is dropped */
    } phase;
    bool is_last; /* no further exchange on this connection */
    uint32_t id;
    void *user;          /* of the exchange under way, as its owner gave it */
    struct arena *arena; /* of the exchange under way; NULL: none is */
    unsigned interim_count;
    struct {
        bool is_head;
        struct str upgrade; /* what was asked for, in the exchange's memory */
    } request;
};

static struct client *client_of(struct codec *c)
{
    return container_of(c, struct client, base);
}

static bool is_current(const struct client *k, uint32_t id)
{
    return id == k->id && k->arena != NULL;
}

static void cut_exchange(struct client *k)
{
    k->writer.state = H1_WRITER_CUT;
    k->arena = NULL;
    k->request.upgrade = STR_NONE;
    k->phase = PHASE_OVER;
    k->is_last = true;
}

/* ---- send ---- */

static struct err open_exchange(struct codec *c, struct arena *a, void *user, uint32_t *ret_id)
{
    struct client *k = client_of(c);
    if (k->phase != PHASE_IDLE || k->is_last)
        return fail(ERR_TARGET_CLOSED, 0);
    k->arena = a;
    k->phase = PHASE_HEAD;
    k->scan = (struct h1_scan){0};
    k->interim_count = 0;
    k->writer = (struct h1_writer){.out = k->options.out,
                                   .pass = k->options.pass,
                                   .pass_arg = k->options.pass_arg,
                                   .misfit = ERR_CLIENT_GONE};
    k->user = user;
    *ret_id = ++k->id;
    return OK;
}

static struct err send_end(struct codec *c, uint32_t id, const struct http_fields *trailers)
{
    struct client *k = client_of(c);
    if (!is_current(k, id))
        return id == k->id && k->writer.state == H1_WRITER_DONE ? OK : fail(ERR_CANCELLED, 0);
    if (k->writer.state == H1_WRITER_DONE)
        return OK;
    struct err e = h1_writer_end(&k->writer, trailers);
    if (k->writer.state == H1_WRITER_CUT)
        cut_exchange(k);
    return e;
}

static struct err send_body(struct codec *c, uint32_t id, struct str bytes)
{
    struct client *k = client_of(c);
    if (!is_current(k, id))
        return fail(ERR_CANCELLED, 0);
    struct err e = h1_writer_body(&k->writer, bytes);
    if (k->writer.state == H1_WRITER_CUT)
        cut_exchange(k);
    return e;
}

static struct err send_head(struct codec *c, uint32_t id, const struct http_head *head,
                            bool is_end)
{
    static const struct {
        enum h1_framing framing;
        enum h1_writer_state next;
    } bodies[] = {
        [HTTP_BODY_NONE] = {H1_FRAMING_NONE, H1_WRITER_NOTHING},
        [HTTP_BODY_LENGTH] = {H1_FRAMING_LENGTH, H1_WRITER_LENGTH},
        [HTTP_BODY_UNKNOWN] = {H1_FRAMING_CHUNKED, H1_WRITER_CHUNKED},
    };
    struct client *k = client_of(c);
    if (!is_current(k, id) || k->writer.state != H1_WRITER_HEAD)
        return fail(ERR_CANCELLED, 0);
    const struct h1_plan plan = {
        .framing = bodies[head->body].framing,
        .body_bytes = head->body_bytes,
        .connection = h1_writer_connection(k->is_last, head->upgrade.len > 0, false),
        .next = bodies[head->body].next,
    };
    TRY(h1_writer_request(&k->writer, head, &plan));
    k->request.is_head = str_eq(head->method, STR("HEAD"));
    k->request.upgrade = head->upgrade;
    return is_end ? send_end(c, id, NULL) : OK;
}

/* ---- feed ---- */

/* What a malformed message is when a target has sent it. */
static struct err as_target(struct err e)
{
    if (!failed(e) || err_is(e, ERR_MEMORY))
        return e;
    return fail(err_is(e, ERR_HEAD_TOO_LARGE) ? ERR_TARGET_HEAD_TOO_LARGE
                                              : ERR_TARGET_BAD_RESPONSE,
                e.detail);
}

/* has_more: bytes stand behind the response. On a connection that goes on they are an error,
 * and whoever hears of the end already sees that it does not; on one that ends they are
 * dropped. */
static struct err end_response(struct client *k, bool has_more,
                               const struct http_fields *trailers)
{
    /* RFC 9112 9.3: after an early answer the rest of the request would have to be sent
     * first. */
    k->is_last |= !h1_writer_is_complete(&k->writer);
    k->phase = k->is_last ? PHASE_OVER : PHASE_IDLE;
    k->is_last |= has_more;
    if (h1_writer_is_complete(&k->writer))
        k->writer.state = H1_WRITER_DONE;
    k->arena = NULL;
    k->request.upgrade = STR_NONE;
    return k->options.events->on_end(k->options.arg, k->user, trailers);
}

/* Every protocol the target switches to was among those asked for (RFC 9110 15.2.2). */
static bool is_asked_for(struct str answer, struct str asked)
{
    struct str item;
    while (str_next(&answer, ',', &item)) {
        struct str list = asked;
        struct str option;
        bool is_known = false;
        while (!is_known && str_next(&list, ',', &option))
            is_known = str_eq_nocase(str_trim(option), str_trim(item));
        if (!is_known)
            return false;
    }
    return answer.len == 0;
}

static struct err accept_switch(struct client *k, struct http_head *head)
{
    if (k->request.upgrade.len == 0 || head->upgrade.len == 0 ||
        !is_asked_for(head->upgrade, k->request.upgrade) || !h1_writer_is_complete(&k->writer))
        return fail(ERR_TARGET_BAD_RESPONSE, 0);
    k->writer.state = H1_WRITER_RAW;
    k->phase = PHASE_TUNNEL;
    k->is_last = true;
    return k->options.events->on_head(k->options.arg, k->user, head);
}

static struct err accept_interim(struct client *k, struct http_head *head)
{
    if (++k->interim_count > INTERIM_MAX)
        return fail(ERR_TARGET_BAD_RESPONSE, 0);
    k->scan = (struct h1_scan){0};
    return k->options.events->on_head(k->options.arg, k->user, head);
}

static struct err accept_final(struct client *k, struct http_head *head,
                               enum h1_framing framing, bool has_more)
{
    uint32_t id = k->id;
    if (framing == H1_FRAMING_CLOSE && !k->request.is_head) {
        head->body = HTTP_BODY_UNKNOWN;
        k->is_last = true;
    }
    h1_body_init(&k->body, k->request.is_head ? H1_FRAMING_NONE : framing, head->body_bytes);
    k->phase = PHASE_BODY;
    TRY(k->options.events->on_head(k->options.arg, k->user, head));
    if (k->body.state == H1_BODY_DONE && is_current(k, id))
        return end_response(k, has_more, NULL);
    return OK;
}

static struct err take_head(struct client *k, struct str bytes, size_t *ret_used)
{
    const struct h1_limits limits = {.block_max_bytes = k->options.max_head_bytes};
    struct h1_facts facts;
    if (k->writer.state == H1_WRITER_HEAD)
        return fail(ERR_TARGET_BAD_RESPONSE, 0); /* an answer before the question */
    struct err e = h1_parser_scan(&k->scan, bytes, &limits, ret_used);
    /* What speaks something else may well wait for us to answer: it is not waited for. */
    if ((failed(e) || *ret_used == 0) && !h1_parser_may_be_status(bytes))
        return fail(ERR_TARGET_BAD_RESPONSE, 0);
    TRY(as_target(e));
    if (*ret_used == 0)
        return OK;
    struct str block = arena_dup(k->arena, str_sub(bytes, 0, *ret_used));
    struct http_head *head = arena_one(k->arena, struct http_head);
    if (block.p == NULL || head == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(as_target(h1_head_read_response(block, k->scan.lines, k->arena, head, &facts)));
    k->is_last |= !facts.keeps_alive;
    if (head->status == 101)
        return accept_switch(k, head);
    if (http_is_interim(head))
        return accept_interim(k, head);
    return accept_final(k, head, facts.framing, *ret_used < bytes.len);
}

static struct err take_body(struct client *k, struct str bytes, size_t *ret_used)
{
    struct h1_piece piece;
    TRY(as_target(h1_body_take(&k->body, bytes, k->arena, &piece)));
    *ret_used = piece.used;
    if (piece.bytes.len > 0)
        TRY(k->options.events->on_body(k->options.arg, k->user, piece.bytes));
    if (k->phase == PHASE_BODY && k->body.state == H1_BODY_DONE)
        return end_response(k, piece.used < bytes.len, piece.trailers);
    return OK;
}

static struct err take(void *codec, struct str bytes, size_t *ret_used)
{
    struct client *k = codec;
    switch (k->phase) {
    case PHASE_IDLE:
        return fail(ERR_TARGET_BAD_RESPONSE, 0);
    case PHASE_HEAD:
        return take_head(k, bytes, ret_used);
    case PHASE_BODY:
        return take_body(k, bytes, ret_used);
    case PHASE_TUNNEL:
        *ret_used = bytes.len;
        return k->options.events->on_body(k->options.arg, k->user, bytes);
    case PHASE_OVER:
        break;
    }
    *ret_used = bytes.len;
    return OK;
}

static bool is_taking(const void *codec)
{
    (void)codec;
    return true;
}

static struct err feed(struct codec *c, struct str bytes, size_t *ret_used)
{
    static const struct h1_taker taker = {.is_taking = is_taking, .take = take};
    struct client *k = client_of(c);
    struct err e = h1_input_feed(&k->input, &taker, k, bytes, ret_used);
    if (failed(e)) {
        k->phase = PHASE_OVER;
        k->is_last = true;
    }
    return e;
}

static struct err feed_eof(struct codec *c)
{
    struct client *k = client_of(c);
    enum phase phase = k->phase;
    k->is_last = true;
    k->phase = PHASE_OVER;
    switch (phase) {
    case PHASE_HEAD:
        return fail(ERR_TARGET_CLOSED, 0);
    case PHASE_BODY:
        if (k->body.state != H1_BODY_UNTIL_END)
            return fail(ERR_TARGET_RESET, 0);
        return end_response(k, false, NULL);
    case PHASE_TUNNEL:
        return k->options.events->on_end(k->options.arg, k->user, NULL);
    case PHASE_IDLE:
    case PHASE_OVER:
        break;
    }
    return OK;
}

/* ---- ends ---- */

static void abandon(struct codec *c, uint32_t id)
{
    struct client *k = client_of(c);
    if (is_current(k, id))
        cut_exchange(k);
}

static bool can_reuse(const struct codec *c)
{
    return !((const struct client *)(const void *)c)->is_last;
}

static void refuse_reuse(struct codec *c)
{
    client_of(c)->is_last = true;
}

static void free_client(struct codec *c)
{
    struct client *k = client_of(c);
    h1_input_fini(&k->input);
    mem_free(k);
}

struct err h1_codec_new_client(const struct codec_options *o, struct codec **ret_codec)
{
    static const struct codec_ops ops = {
        .feed = feed,
        .feed_eof = feed_eof,
        .open = open_exchange,
        .send_head = send_head,
        .send_body = send_body,
        .send_end = send_end,
        .abandon = abandon,
        .can_reuse = can_reuse,
        .refuse_reuse = refuse_reuse,
        .free = free_client,
    };
    struct client *k = mem_new(struct client);
    if (k == NULL)
        return fail(ERR_MEMORY, 0);
    k->base.ops = &ops;
    k->options = *o;
    h1_input_init(&k->input, o->max_head_bytes);
    *ret_codec = &k->base;
    return OK;
}
