/* h1_codec_server.c - HTTP/1.x as clients speak it to us: feed, then send, then the ends.
 *
 *   START -> HEAD -> BODY -> ANSWER -> START ...    the answer's end leads back to START, or
 *                 \-------/     \--> TUNNEL          to OVER if the connection cannot go on
 *   any -----------------------------> OVER
 *
 * While in ANSWER nothing is taken: pipelined requests wait unread (RFC 9112 9.3.2). */
#include "gateway/http/h1_body.h"
#include "gateway/http/h1_codec.h"
#include "gateway/http/h1_input.h"
#include "gateway/http/h1_writer.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

enum {
    /* Method, version and spaces around the longest target. */
    REQUEST_LINE_MAX_BYTES = TARGET_URI_MAX_BYTES + 64,
};

struct server {
    struct codec base; /* first: can_reuse casts */
    struct codec_options options;
    struct h1_input input;
    struct h1_scan scan;
    struct h1_body body;
    struct h1_writer writer;
    enum phase {
        PHASE_START, /* of a request; one empty line may come first */
        PHASE_HEAD,
        PHASE_BODY,
        PHASE_ANSWER, /* the request is complete, its answer is not */
        PHASE_TUNNEL,
        PHASE_HTTP2, /* the rest is for another codec */
        PHASE_OVER,  /* what comes is dropped */
    } phase;
    bool is_last; /* no further request on this connection */
    uint32_t id;
    void *user;          /* of the exchange under way, as its owner gave it */
    struct arena *arena; /* of the exchange under way; NULL: none is */
    struct {
        enum http_version version;
        bool is_head;
        bool wants_upgrade;
    } request;
};

static struct server *server_of(struct codec *c)
{
    return container_of(c, struct server, base);
}

static bool is_current(const struct server *s, uint32_t id)
{
    return id == s->id && s->arena != NULL;
}

static void begin_exchange(struct server *s, struct arena *a)
{
    s->arena = a;
    s->request.version = HTTP_1_1;
    s->request.is_head = false;
    s->request.wants_upgrade = false;
    s->writer = (struct h1_writer){.out = s->options.out,
                                   .pass = s->options.pass,
                                   .pass_arg = s->options.pass_arg,
                                   .misfit = ERR_TARGET_RESET};
}

/* ---- feed ---- */

/* Nothing is done that such a head asks for; only the form of the answer follows it. */
static struct err refuse_head(struct server *s, struct str bytes, struct err e)
{
    struct http_head head;
    h1_head_glimpse(bytes, &s->scan, s->arena, &head);
    s->request.version = head.version;
    s->request.is_head = str_eq(head.method, STR("HEAD"));
    if (s->options.events->on_refused != NULL)
        s->options.events->on_refused(s->options.arg, s->user, &head);
    return e;
}

static struct err read_request(struct server *s, struct str bytes)
{
    const struct codec_events *events = s->options.events;
    struct arena *a = s->arena;
    char *block = arena_bytes(a, bytes.len);
    struct http_head *head = arena_one(a, struct http_head);
    struct h1_facts facts;
    if (block == NULL || head == NULL)
        return fail(ERR_MEMORY, 0);
    memcpy(block, bytes.p, bytes.len);
    struct err e =
        h1_head_read_request(str_make(block, bytes.len), s->scan.lines, a, head, &facts);
    if (failed(e))
        return refuse_head(s, bytes, e);
    s->request.version = head->version;
    s->request.is_head = str_eq(head->method, STR("HEAD"));
    s->request.wants_upgrade = head->upgrade.len > 0;
    s->is_last |= !facts.keeps_alive;
    h1_body_init(&s->body, facts.framing, head->body_bytes);
    s->phase = s->body.state == H1_BODY_DONE ? PHASE_ANSWER : PHASE_BODY;

    uint32_t id = s->id;
    TRY(events->on_head(s->options.arg, s->user, head));
    if (s->phase == PHASE_ANSWER && is_current(s, id) && !s->request.wants_upgrade)
        return events->on_end(s->options.arg, s->user, NULL);
    return OK;
}

/* A request of HTTP/2 that every server of HTTP/1.1 would refuse (RFC 9113 3.4). */
static bool is_preface(const struct server *s, struct str head)
{
    return s->options.is_plain && s->id == 0 && str_eq(head, STR("PRI * HTTP/2.0\r\n\r\n"));
}

static struct err take_head(struct server *s, struct str bytes, size_t *ret_used)
{
    const struct h1_limits limits = {.block_max_bytes = s->options.max_head_bytes,
                                     .first_line_max_bytes = REQUEST_LINE_MAX_BYTES};
    size_t len = 0;
    struct err e = h1_parser_scan(&s->scan, bytes, &limits, &len);
    *ret_used = len;
    if (!failed(e) && len == 0)
        return OK;
    if (!failed(e) && is_preface(s, str_sub(bytes, 0, len))) {
        s->phase = PHASE_HTTP2;
        return s->options.events->on_preface(s->options.arg, str_sub(bytes, 0, len));
    }
    /* A head that cannot be read needs an exchange as well: for its error answer. */
    struct arena *a = s->options.events->on_begin(s->options.arg, ++s->id, &s->user);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    begin_exchange(s, a);
    if (failed(e))
        return refuse_head(s, bytes, e);
    return read_request(s, str_sub(bytes, 0, len));
}

/* RFC 9112 2.2: one empty line before a request is skipped; old clients end bodies with it. */
static struct err take_start(struct server *s, struct str bytes, size_t *ret_used)
{
    *ret_used = 0;
    if (bytes.p[0] == '\r' && bytes.len < 2)
        return OK;
    s->phase = PHASE_HEAD;
    s->scan = (struct h1_scan){0};
    if (bytes.p[0] != '\r' || bytes.p[1] != '\n')
        return take_head(s, bytes, ret_used);
    *ret_used = 2;
    return OK;
}

static struct err take_body(struct server *s, struct str bytes, size_t *ret_used)
{
    const struct codec_events *events = s->options.events;
    struct h1_piece piece;
    TRY(h1_body_take(&s->body, bytes, s->arena, &piece));
    *ret_used = piece.used;
    if (piece.bytes.len > 0)
        TRY(events->on_body(s->options.arg, s->user, piece.bytes));
    if (s->phase != PHASE_BODY || s->body.state != H1_BODY_DONE)
        return OK;
    s->phase = PHASE_ANSWER;
    return events->on_end(s->options.arg, s->user, piece.trailers);
}

static struct err take(void *codec, struct str bytes, size_t *ret_used)
{
    struct server *s = codec;
    switch (s->phase) {
    case PHASE_START:
        return take_start(s, bytes, ret_used);
    case PHASE_HEAD:
        return take_head(s, bytes, ret_used);
    case PHASE_BODY:
        return take_body(s, bytes, ret_used);
    case PHASE_TUNNEL:
        *ret_used = bytes.len;
        return s->options.events->on_body(s->options.arg, s->user, bytes);
    case PHASE_ANSWER:
    case PHASE_HTTP2:
    case PHASE_OVER:
        break;
    }
    *ret_used = bytes.len;
    return OK;
}

static bool is_taking(const void *codec)
{
    enum phase phase = ((const struct server *)codec)->phase;
    return phase != PHASE_ANSWER && phase != PHASE_HTTP2;
}

static struct err feed(struct codec *c, struct str bytes, size_t *ret_used)
{
    static const struct h1_taker taker = {.is_taking = is_taking, .take = take};
    struct server *s = server_of(c);
    struct err e = h1_input_feed(&s->input, &taker, s, bytes, ret_used);
    if (failed(e)) {
        s->phase = PHASE_OVER;
        s->is_last = true;
    }
    return e;
}

static struct err feed_eof(struct codec *c)
{
    struct server *s = server_of(c);
    enum phase phase = s->phase;
    s->is_last = true;
    /* RFC 9112 9.6: a client may end its direction and still wait for the answer. */
    if (phase == PHASE_ANSWER) /* a tunnel needs a client that can still speak */
        return s->request.wants_upgrade ? fail(ERR_CLIENT_GONE, 0) : OK;
    s->phase = PHASE_OVER;
    if (phase == PHASE_TUNNEL)
        return s->options.events->on_end(s->options.arg, s->user, NULL);
    bool is_in_unit = phase != PHASE_OVER && h1_input_is_partial(&s->input);
    return phase == PHASE_BODY || is_in_unit ? fail(ERR_CLIENT_GONE, 0) : OK;
}

/* ---- send ---- */

static void cut_exchange(struct server *s)
{
    s->writer.state = H1_WRITER_CUT;
    s->arena = NULL;
    s->phase = PHASE_OVER;
    s->is_last = true;
}

/* The answer is complete. If the request is not, its rest could be told from the next request
 * only by reading it: the connection ends instead. */
static void end_exchange(struct server *s)
{
    s->arena = NULL;
    if (s->phase != PHASE_ANSWER || s->is_last) {
        s->phase = PHASE_OVER;
        s->is_last = true;
    } else {
        s->phase = PHASE_START;
    }
}

static struct err send_end(struct codec *c, uint32_t id, const struct http_fields *trailers)
{
    struct server *s = server_of(c);
    if (!is_current(s, id))
        return id == s->id && s->writer.state == H1_WRITER_DONE ? OK : fail(ERR_CANCELLED, 0);
    struct err e = h1_writer_end(&s->writer, trailers);
    if (s->writer.state == H1_WRITER_CUT)
        cut_exchange(s);
    TRY(e);
    if (s->phase != PHASE_TUNNEL)
        end_exchange(s);
    return OK;
}

static struct err send_body(struct codec *c, uint32_t id, struct str bytes)
{
    struct server *s = server_of(c);
    if (!is_current(s, id))
        return fail(ERR_CANCELLED, 0);
    struct err e = h1_writer_body(&s->writer, bytes);
    if (s->writer.state == H1_WRITER_CUT)
        cut_exchange(s);
    return e;
}

/* RFC 9110 15.2: HTTP/1.0 knows no interim answers. */
static struct err send_interim(struct server *s, const struct http_head *head)
{
    static const struct h1_plan plan = {.framing = H1_FRAMING_NONE, .next = H1_WRITER_HEAD};
    return s->request.version == HTTP_1_0 ? OK : h1_writer_response(&s->writer, head, &plan);
}

static struct err send_switch(struct server *s, const struct http_head *head)
{
    const struct h1_plan plan = {.framing = H1_FRAMING_NONE,
                                 .connection = h1_writer_connection(false, true, false),
                                 .next = H1_WRITER_RAW};
    if (!s->request.wants_upgrade || head->upgrade.len == 0)
        return fail(ERR_TARGET_BAD_RESPONSE, 0);
    TRY(h1_writer_response(&s->writer, head, &plan));
    s->is_last = true;
    s->phase = s->phase == PHASE_ANSWER ? PHASE_TUNNEL : PHASE_OVER;
    return OK;
}

/* RFC 9112 6.3, seen from the sender. */
static struct h1_plan plan_answer(const struct server *s, const struct http_head *head)
{
    if (s->request.is_head || head->status == 204 || head->status == 304) {
        bool tells_length = head->body == HTTP_BODY_LENGTH && head->status != 204;
        return (struct h1_plan){.framing = tells_length ? H1_FRAMING_LENGTH : H1_FRAMING_NONE,
                                .body_bytes = head->body_bytes,
                                .next = H1_WRITER_NOTHING};
    }
    if (head->body != HTTP_BODY_UNKNOWN)
        return (struct h1_plan){.framing = H1_FRAMING_LENGTH,
                                .body_bytes =
                                    head->body == HTTP_BODY_LENGTH ? head->body_bytes : 0,
                                .next = H1_WRITER_LENGTH};
    if (s->request.version == HTTP_1_0)
        return (struct h1_plan){.framing = H1_FRAMING_CLOSE, .next = H1_WRITER_RAW};
    return (struct h1_plan){.framing = H1_FRAMING_CHUNKED, .next = H1_WRITER_CHUNKED};
}

/* RFC 9112 9.6: an answer that comes before the request is complete is the last one, and says
 * so: whether the rest of the request still comes is the client's to decide. */
static struct err send_final(struct server *s, const struct http_head *head, bool is_end)
{
    struct h1_plan plan = plan_answer(s, head);
    bool is_early = s->phase != PHASE_ANSWER;
    bool is_last = s->is_last || is_early || plan.framing == H1_FRAMING_CLOSE;
    plan.connection =
        h1_writer_connection(is_last, head->upgrade.len > 0, s->request.version == HTTP_1_0);
    TRY(h1_writer_response(&s->writer, head, &plan));
    s->is_last = is_last;
    return is_end ? send_end(&s->base, s->id, NULL) : OK;
}

static struct err send_head(struct codec *c, uint32_t id, const struct http_head *head,
                            bool is_end)
{
    struct server *s = server_of(c);
    if (!is_current(s, id) || s->writer.state != H1_WRITER_HEAD)
        return fail(ERR_CANCELLED, 0);
    if (http_is_interim(head))
        return send_interim(s, head);
    return head->status == 101 ? send_switch(s, head) : send_final(s, head, is_end);
}

/* ---- beginnings and ends ---- */

static struct err open_exchange(struct codec *c, struct arena *a, void *user, uint32_t *ret_id)
{
    struct server *s = server_of(c);
    if (s->arena != NULL)
        return fail(ERR_CANCELLED, 0);
    begin_exchange(s, a);
    s->phase = PHASE_OVER;
    s->is_last = true;
    s->user = user;
    *ret_id = ++s->id;
    return OK;
}

static void abandon(struct codec *c, uint32_t id)
{
    struct server *s = server_of(c);
    if (is_current(s, id))
        cut_exchange(s);
}

static bool has_begun(const struct codec *c)
{
    const struct server *s = (const void *)c;
    return s->phase == PHASE_HEAD && h1_input_is_partial(&s->input);
}

static bool can_reuse(const struct codec *c)
{
    return !((const struct server *)(const void *)c)->is_last;
}

static void refuse_reuse(struct codec *c)
{
    server_of(c)->is_last = true;
}

static void free_server(struct codec *c)
{
    struct server *s = server_of(c);
    h1_input_fini(&s->input);
    mem_free(s);
}

struct err h1_codec_new_server(const struct codec_options *o, struct codec **ret_codec)
{
    static const struct codec_ops ops = {
        .feed = feed,
        .feed_eof = feed_eof,
        .open = open_exchange,
        .send_head = send_head,
        .send_body = send_body,
        .send_end = send_end,
        .abandon = abandon,
        .has_begun = has_begun,
        .can_reuse = can_reuse,
        .refuse_reuse = refuse_reuse,
        .free = free_server,
    };
    struct server *s = mem_new(struct server);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->base.ops = &ops;
    s->options = *o;
    h1_input_init(&s->input, o->max_head_bytes);
    *ret_codec = &s->base;
    return OK;
}
