/* codec_relay.c - events of the client, events of the target, and the end of an exchange, which
 * waits until neither codec is on the stack. */
#include "tests/support/codec_relay.h"

#include "gateway/http/h1_codec.h"
#include "gateway/route/rewrite.h"

#include "gateway/base/mem.h"

#include <assert.h>

enum {
    ARENA_FIRST_BYTES = 4096,
    ARENA_MAX_BYTES = 16 << 20,
    TEXT_MAX_BYTES = 64 << 20,
};

struct codec_relay {
    size_t max_head_bytes;
    struct codec *server;
    struct buf heard;
    struct buf unread; /* behind a request whose answer is not complete */
    bool has_client_ended;
    bool is_closed;

    struct codec *client; /* of the newest wire; NULL: no wire is open */
    struct relay_wire wires[RELAY_WIRES_MAX];
    size_t wire_count;
    struct relay_request requests[RELAY_REQUESTS_MAX];
    size_t request_count;

    struct {
        struct arena *arena; /* NULL: no exchange is under way */
        uint32_t id;
        uint32_t target_id;
        bool has_target; /* the request goes, or went, to a target */
        bool is_asked;   /* the request is complete */
        bool is_tunnel;
        enum { OUT_HEAD, OUT_BODY, OUT_DONE } out;
        bool is_over;        /* to be ended in the deferred phase */
        unsigned own_status; /* to be answered by ourselves then */
    } x;
};

static void must(struct err e)
{
    assert(!failed(e));
}

static struct relay_wire *newest(struct codec_relay *r)
{
    return &r->wires[r->wire_count - 1];
}

static struct relay_request *current(struct codec_relay *r)
{
    return &r->requests[r->request_count - 1];
}

static void close_wire(struct codec_relay *r)
{
    if (r->client == NULL)
        return;
    codec_free(r->client);
    r->client = NULL;
    newest(r)->state = RELAY_WIRE_CLOSED;
}

/* As exchange_give_up. */
static void give_up(struct codec_relay *r, struct err e)
{
    if (r->x.is_over)
        return;
    r->x.is_over = true;
    if (r->x.has_target)
        close_wire(r);
    if (r->x.out == OUT_HEAD)
        r->x.own_status = e.kind->status;
}

/* ---- the target's events ---- */

static struct err on_target_head(void *arg, void *user, struct http_head *head)
{
    static const struct route route = {.max_body_bytes = UINT64_MAX};
    struct codec_relay *r = arg;
    (void)user;
    if (r->x.is_over)
        return fail(ERR_CANCELLED, 0);
    struct err e = rewrite_response(r->x.arena, &route, NULL, STR("now"), head);
    if (failed(e))
        return err_is(e, ERR_HEAD_TOO_LARGE) ? fail(ERR_TARGET_HEAD_TOO_LARGE, 0) : e;
    TRY(codec_send_head(r->server, r->x.id, head, false));
    if (http_is_interim(head))
        return OK;
    r->x.out = OUT_BODY;
    if (head->status == 101) {
        r->x.is_tunnel = true;
        r->x.is_asked = false;
    }
    return OK;
}

static struct err on_target_body(void *arg, void *user, struct str bytes)
{
    struct codec_relay *r = arg;
    (void)user;
    return r->x.is_over ? fail(ERR_CANCELLED, 0) : codec_send_body(r->server, r->x.id, bytes);
}

static void check_done(struct codec_relay *r)
{
    if (r->x.out == OUT_DONE && (!r->x.is_tunnel || r->x.is_asked))
        r->x.is_over = true;
}

static struct err on_target_end(void *arg, void *user, const struct http_fields *trailers)
{
    struct codec_relay *r = arg;
    (void)user;
    if (r->x.is_over)
        return fail(ERR_CANCELLED, 0);
    if (!r->x.is_tunnel && !r->x.is_asked)
        codec_refuse_reuse(r->server);
    TRY(codec_send_end(r->server, r->x.id, trailers));
    r->x.out = OUT_DONE;
    check_done(r);
    return OK;
}

static const struct codec_events target_events = {
    .on_head = on_target_head, .on_body = on_target_body, .on_end = on_target_end};

static void open_wire(struct codec_relay *r)
{
    assert(r->wire_count < RELAY_WIRES_MAX);
    struct relay_wire *w = &r->wires[r->wire_count++];
    buf_init(&w->said, TEXT_MAX_BYTES);
    must(h1_codec_new_client(&(struct codec_options){.events = &target_events,
                                                     .arg = r,
                                                     .out = &w->said,
                                                     .max_head_bytes = r->max_head_bytes},
                             &r->client));
}

/* ---- the client's events ---- */

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct codec_relay *r = arg;
    assert(r->x.arena == NULL && r->request_count < RELAY_REQUESTS_MAX);
    memset(&r->x, 0, sizeof(r->x));
    r->x.id = id;
    r->x.arena = arena_new(ARENA_FIRST_BYTES, ARENA_MAX_BYTES);
    struct relay_request *q = &r->requests[r->request_count++];
    q->arena = r->x.arena;
    buf_init(&q->body, TEXT_MAX_BYTES);
    *ret_user = (void *)(uintptr_t)id;
    return r->x.arena;
}

static struct err copy_fields(struct arena *a, struct http_fields *f)
{
    const struct http_field *items = f->items;
    f->items = arena_array(a, struct http_field, f->room);
    if (f->items == NULL)
        return fail(ERR_MEMORY, 0);
    memcpy(f->items, items, f->count * sizeof(*items));
    return OK;
}

/* As exchange.c's write_request. */
static struct err send_request(struct codec_relay *r, struct http_head head)
{
    static const struct route route = {
        .host_header = STR_LIT("preserve"), .path = STR_LIT("/"), .max_body_bytes = UINT64_MAX};
    static const struct target target = {.scheme = TARGET_HTTP,
                                         .host_kind = TARGET_HOST_NAME,
                                         .host = STR_LIT("target.test"),
                                         .port = 80};
    const struct client_facts facts = {.address = STR("127.0.0.1"), .host = head.authority};
    TRY(copy_fields(r->x.arena, &head.fields));
    TRY(rewrite_request(r->x.arena, &route, &target, &facts, &head));
    TRY(codec_open(r->client, r->x.arena, NULL, &r->x.target_id));
    return codec_send_head(r->client, r->x.target_id, &head, head.body == HTTP_BODY_NONE);
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    struct codec_relay *r = arg;
    (void)user;
    current(r)->head = *head;
    r->x.is_asked = head->body == HTTP_BODY_NONE;
    r->x.has_target = true;
    if (r->client == NULL)
        open_wire(r);
    struct err e = send_request(r, *head);
    if (failed(e))
        give_up(r, e);
    else
        newest(r)->request_count++;
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    struct codec_relay *r = arg;
    (void)user;
    if (r->x.arena == NULL || r->x.is_over)
        return OK;
    must(buf_append(&current(r)->body, bytes));
    struct err e = codec_send_body(r->client, r->x.target_id, bytes);
    if (failed(e))
        give_up(r, e);
    return OK;
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    struct codec_relay *r = arg;
    (void)user;
    current(r)->is_whole = true;
    current(r)->trailers = trailers;
    if (r->x.arena == NULL || r->x.is_over || r->x.is_asked)
        return OK;
    r->x.is_asked = true;
    struct err e = codec_send_end(r->client, r->x.target_id, trailers);
    if (failed(e))
        give_up(r, e);
    else if (r->x.is_tunnel && r->client != NULL)
        newest(r)->state = RELAY_WIRE_HALF;
    check_done(r);
    return OK;
}

static const struct codec_events client_events = {
    .on_begin = on_begin, .on_head = on_head, .on_body = on_body, .on_end = on_end};

/* ---- the end of an exchange ---- */

/* As exchange_send_answer, with a page of one word. */
static void answer(struct codec_relay *r)
{
    struct http_head head = {.status = r->x.own_status, .body = HTTP_BODY_LENGTH};
    bool is_head_only = str_eq(current(r)->head.method, STR("HEAD"));
    head.body_bytes = 4;
    if (!r->x.is_asked)
        codec_refuse_reuse(r->server);
    must(codec_send_head(r->server, r->x.id, &head, false));
    if (!is_head_only)
        must(codec_send_body(r->server, r->x.id, STR("page")));
    must(codec_send_end(r->server, r->x.id, NULL));
    r->x.out = OUT_DONE;
}

static void close_client(struct codec_relay *r)
{
    r->is_closed = true;
}

static void end_exchange(struct codec_relay *r)
{
    if (r->x.own_status != 0)
        answer(r);
    bool is_cut = r->x.out != OUT_DONE;
    bool is_wire_over = is_cut || r->x.is_tunnel || r->client == NULL ||
                        !codec_can_reuse(r->client) || newest(r)->has_ended;
    if (r->x.has_target && is_wire_over)
        close_wire(r);
    r->x.arena = NULL; /* it lives on with the request */
    if (is_cut || !codec_can_reuse(r->server))
        close_client(r);
}

/* A request that cannot be read is answered; what is under way then is over. */
static void refuse(struct codec_relay *r, struct err e)
{
    if (r->x.arena == NULL) {
        close_client(r);
        return;
    }
    give_up(r, e);
}

/* What was left is offered again when an exchange has ended, and the end behind it. */
static void run(struct codec_relay *r)
{
    for (bool goes_on = true; goes_on && !r->is_closed;) {
        goes_on = r->x.arena != NULL && r->x.is_over;
        if (goes_on)
            end_exchange(r);
        size_t used = 0;
        size_t len = buf_len(&r->unread);
        if (r->is_closed || len == 0)
            continue;
        struct err e = codec_feed(r->server, buf_view(&r->unread), &used);
        buf_consume(&r->unread, failed(e) ? len : used);
        if (failed(e))
            refuse(r, e);
        goes_on |= used > 0 || failed(e);
    }
}

/* ---- the four mouths ---- */

void codec_relay_ask(struct codec_relay *r, struct str bytes)
{
    if (r->is_closed)
        return;
    must(buf_append(&r->unread, bytes));
    run(r);
}

void codec_relay_ask_end(struct codec_relay *r)
{
    r->has_client_ended = true;
    /* Requests that wait are still answered; the end is read behind them. */
    if (r->is_closed || buf_len(&r->unread) > 0)
        return;
    struct err e = codec_feed_eof(r->server);
    if (failed(e)) {
        /* Nobody is there to be answered, nor to be asked for. */
        if (r->x.has_target && r->x.arena != NULL)
            close_wire(r);
        close_client(r);
        return;
    }
    run(r);
    if (r->x.arena == NULL)
        close_client(r);
}

bool codec_relay_reply(struct codec_relay *r, struct str bytes)
{
    size_t used;
    if (r->client == NULL || newest(r)->has_ended)
        return false;
    struct codec *before = r->client;
    struct err e = codec_feed(r->client, bytes, &used);
    if (failed(e) && r->x.arena != NULL && r->client == before)
        give_up(r, e);
    else if (failed(e)) /* on an idle connection */
        close_wire(r);
    run(r);
    if (r->has_client_ended && !r->is_closed && r->x.arena == NULL)
        codec_relay_ask_end(r);
    return true;
}

bool codec_relay_reply_end(struct codec_relay *r)
{
    if (r->client == NULL || newest(r)->has_ended)
        return false;
    newest(r)->has_ended = true;
    struct err e = codec_feed_eof(r->client);
    if (r->x.arena == NULL)
        close_wire(r);
    else if (failed(e))
        give_up(r, e);
    run(r);
    if (r->has_client_ended && !r->is_closed && r->x.arena == NULL)
        codec_relay_ask_end(r);
    return true;
}

/* ---- what came of it ---- */

struct str codec_relay_heard(const struct codec_relay *r)
{
    return buf_view(&r->heard);
}

bool codec_relay_is_closed(const struct codec_relay *r)
{
    return r->is_closed;
}

size_t codec_relay_wires(const struct codec_relay *r, const struct relay_wire **ret_wires)
{
    *ret_wires = r->wires;
    return r->wire_count;
}

size_t codec_relay_requests(const struct codec_relay *r,
                            const struct relay_request **ret_requests)
{
    *ret_requests = r->requests;
    return r->request_count;
}

bool codec_relay_waits_for_answer(const struct codec_relay *r)
{
    return !r->is_closed && r->x.arena != NULL && !r->x.is_over && r->x.is_asked &&
           !r->x.is_tunnel;
}

struct codec_relay *codec_relay_new(size_t max_head_bytes)
{
    struct codec_relay *r = mem_new(struct codec_relay);
    assert(r != NULL);
    r->max_head_bytes = max_head_bytes;
    buf_init(&r->heard, TEXT_MAX_BYTES);
    buf_init(&r->unread, TEXT_MAX_BYTES);
    must(h1_codec_new_server(&(struct codec_options){.events = &client_events,
                                                     .arg = r,
                                                     .out = &r->heard,
                                                     .max_head_bytes = max_head_bytes},
                             &r->server));
    return r;
}

void codec_relay_free(struct codec_relay *r)
{
    codec_free(r->server);
    codec_free(r->client);
    buf_fini(&r->heard);
    buf_fini(&r->unread);
    for (size_t i = 0; i < r->wire_count; i++)
        buf_fini(&r->wires[i].said);
    for (size_t i = 0; i < r->request_count; i++) {
        buf_fini(&r->requests[i].body);
        arena_free(r->requests[i].arena);
    }
    mem_free(r);
}
