/* The codec of HTTP/2 with raw frames: what it takes and refuses, what it sends and when, and
 * what a peer may not make it do. */
#include "gateway/http/h2_codec.h"
#include "gateway/http/h2_shared.h"
#include "tests/support/asserts.h"
#include "tests/support/h2_frames.h"

#include "gateway/base/limits.h"

enum { TEXT_MAX_BYTES = 16 << 20, IDS_MAX = 256 };

/* A codec, and what it says: one line per event. */
struct bench {
    struct codec *codec;
    struct buf in;
    struct buf out;
    struct buf sent; /* taken out of out by pass */
    struct buf text;
    struct arena *arenas[IDS_MAX];
    unsigned begun;
    unsigned resets;
    unsigned turns; /* that the last run took */
    size_t body_bytes;
    struct h2_shared shared;
    bool is_stuck; /* nothing leaves */
    struct err error;
};

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct bench *b = arg;
    *ret_user = (void *)(uintptr_t)id;
    b->begun++;
    b->arenas[id % IDS_MAX] =
        b->arenas[id % IDS_MAX] == NULL ? arena_new(4096, 1 << 20) : b->arenas[id % IDS_MAX];
    return b->arenas[id % IDS_MAX];
}

static unsigned id_of(const void *user)
{
    return (unsigned)(uintptr_t)user;
}

static struct err on_head(void *arg, void *user, struct http_head *h)
{
    struct bench *b = arg;
    if (h->status != 0)
        TRY(buf_append_fmt(&b->text, "head %u %u", id_of(user), h->status));
    else
        TRY(buf_append_fmt(&b->text, "head %u %.*s %.*s %.*s", id_of(user), STR_ARG(h->method),
                           STR_ARG(h->host), STR_ARG(h->path)));
    if (h->body == HTTP_BODY_LENGTH)
        TRY(buf_append_fmt(&b->text, " body %llu", (unsigned long long)h->body_bytes));
    if (h->body == HTTP_BODY_UNKNOWN)
        TRY(buf_append(&b->text, STR(" body ?")));
    if (h->upgrade.len > 0)
        TRY(buf_append_fmt(&b->text, " upgrade %.*s", STR_ARG(h->upgrade)));
    TRY(buf_append(&b->text, STR("\n")));
    for (size_t i = 0; i < h->fields.count; i++) {
        const struct http_field *f = &h->fields.items[i];
        if (f->id == HTTP_FIELD_COOKIE)
            TRY(buf_append_fmt(&b->text, "  cookie %.*s\n", STR_ARG(f->value)));
        if (str_eq(f->name, STR("Sec-WebSocket-Accept")))
            TRY(buf_append_fmt(&b->text, "  accept %.*s\n", STR_ARG(f->value)));
    }
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    struct bench *b = arg;
    b->body_bytes += bytes.len;
    return bytes.len > 32
               ? OK
               : buf_append_fmt(&b->text, "body %u %.*s\n", id_of(user), STR_ARG(bytes));
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    struct bench *b = arg;
    return buf_append_fmt(&b->text, "end %u%s\n", id_of(user),
                          trailers == NULL ? "" : " trailers");
}

static void on_reset(void *arg, void *user, struct err e)
{
    struct bench *b = arg;
    b->resets++;
    if (b->resets < 4)
        assert_ok(buf_append_fmt(&b->text, "reset %u %s\n", id_of(user), err_name(e)));
    codec_abandon(b->codec, id_of(user));
    codec_forget(b->codec, id_of(user));
}

static void on_sent(void *arg, void *user)
{
    (void)arg, (void)user;
}

/* What the connection takes at once, as a link does it. */
static size_t take_all(void *arg, struct str bytes)
{
    struct bench *b = arg;
    assert_int_equal(bytes.len, 0);
    if (b->is_stuck)
        return 0;
    assert_ok(buf_append(&b->sent, buf_view(&b->out)));
    buf_clear(&b->out);
    return 0;
}

static void open_bench(struct bench *b, bool is_client)
{
    static const struct codec_events events = {.on_begin = on_begin,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end,
                                               .on_reset = on_reset,
                                               .on_sent = on_sent};
    *b = (struct bench){.error = OK};
    h2_shared_init(&b->shared);
    buf_init(&b->in, TEXT_MAX_BYTES);
    buf_init(&b->out, TEXT_MAX_BYTES);
    buf_init(&b->sent, TEXT_MAX_BYTES);
    buf_init(&b->text, TEXT_MAX_BYTES);
    const struct codec_options o = {.events = &events,
                                    .arg = b,
                                    .out = &b->out,
                                    .pass = take_all,
                                    .pass_arg = b,
                                    .max_head_bytes = HEAD_MAX_BYTES,
                                    .shared = &b->shared};
    assert_ok(is_client ? h2_codec_new_client(&o, &b->codec)
                        : h2_codec_new_server(&o, &b->codec));
    if (is_client)
        h2_frames_add(&b->in, H2_SETTINGS, 0, 0, STR_NONE);
    else
        h2_frames_preface(&b->in);
}

static void close_bench(struct bench *b)
{
    codec_free(b->codec);
    h2_shared_fini(&b->shared);
    buf_fini(&b->in);
    buf_fini(&b->out);
    buf_fini(&b->sent);
    buf_fini(&b->text);
    for (size_t i = 0; i < IDS_MAX; i++)
        arena_free(b->arenas[i]);
}

static void run(struct bench *b)
{
    size_t used = 1;
    b->error = OK;
    b->turns = 0;
    while (!failed(b->error) && buf_len(&b->in) > 0) {
        assert_true(used > 0);
        b->error = codec_feed(b->codec, buf_view(&b->in), &used);
        buf_consume(&b->in, used);
        b->turns++;
    }
    buf_clear(&b->in);
    struct err e = codec_fill(b->codec);
    if (!failed(b->error))
        b->error = e;
}

/* How many frames of the type are in out; *ret_last: the first 32 bits of the last payload's
 * code: of RST_STREAM, or of GOAWAY behind its stream. */
static unsigned count_frames(const struct bench *b, unsigned type, uint32_t *ret_code)
{
    struct str rest = buf_view(&b->out);
    unsigned count = 0;
    while (rest.len >= 9) {
        const unsigned char *p = (const unsigned char *)rest.p;
        size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        size_t at = 9 + (type == H2_GOAWAY ? 4 : 0);
        count += p[3] == type;
        if (p[3] == type && ret_code != NULL && len >= 4)
            *ret_code = (uint32_t)p[at] << 24 | (uint32_t)p[at + 1] << 16 |
                        (uint32_t)p[at + 2] << 8 | p[at + 3];
        rest = str_skip(rest, 9 + len);
    }
    return count;
}

#define GET  ":method: GET\n:scheme: https\n:authority: a.example\n:path: /x\n"
#define POST ":method: POST\n:scheme: https\n:authority: a.example\n:path: /x\n"

/* clang-format off */
static const struct {
    const char *name;
    const char *lines;
    const char *want; /* NULL: reset with PROTOCOL_ERROR, no head is told */
} heads[] = {
    {"a request", GET, "head 1 GET a.example /x\nend 1\n"},
    {"RFC 9113 8.2.3: cookies are joined", GET "cookie: a=1\ncookie: b=2\n",
     "head 1 GET a.example /x\n  cookie a=1; b=2\nend 1\n"},
    {"RFC 9113 8.3.1: Host alone",
     ":method: GET\n:scheme: https\n:path: /\nhost: B.example:8443\n",
     "head 1 GET b.example /\nend 1\n"},
    {"RFC 9113 8.3.1: Host as :authority", GET "host: a.example\n",
     "head 1 GET a.example /x\nend 1\n"},
    {"RFC 9113 8.3.1: another Host", GET "host: b.example\n", NULL},
    {"RFC 9113 8.3.1: no path", ":method: GET\n:scheme: https\n:authority: a\n", NULL},
    {"RFC 9113 8.3.1: an absolute path",
     ":method: GET\n:scheme: https\n:authority: a\n:path: http://a/\n", NULL},
    {"RFC 9113 8.3.1: a star is for OPTIONS",
     ":method: GET\n:scheme: https\n:authority: a\n:path: *\n", NULL},
    {"RFC 9113 8.3.1: OPTIONS *",
     ":method: OPTIONS\n:scheme: https\n:authority: a\n:path: *\n",
     "head 1 OPTIONS a *\nend 1\n"},
    {"RFC 9113 8.3.1: no method", ":scheme: https\n:authority: a\n:path: /\n", NULL},
    {"RFC 9113 8.3.1: no scheme", ":method: GET\n:authority: a\n:path: /\n", NULL},
    {"RFC 9113 8.3.1: another scheme",
     ":method: GET\n:scheme: ftp\n:authority: a\n:path: /\n", NULL},
    {"RFC 9113 8.3.1: user information",
     ":method: GET\n:scheme: https\n:authority: u@a\n:path: /\n", NULL},
    {"RFC 9113 8.3: a pseudo-field twice", GET ":path: /y\n", NULL},
    {"RFC 9113 8.3: an unknown one", GET ":x: y\n", NULL},
    {"RFC 9113 8.3: one of responses", GET ":status: 200\n", NULL},
    {"RFC 9113 8.3: one behind a field",
     ":method: GET\n:scheme: https\nx: y\n:authority: a\n:path: /\n", NULL},
    {"RFC 9113 8.2.1: upper case", GET "X-Y: z\n", NULL},
    {"RFC 9113 8.2.1: a space in a name", GET "x y: z\n", NULL},
    {"RFC 9113 8.2.1: CR in a value", GET "x: a\rb\n", NULL},
    {"RFC 9113 8.2.1: a space before a value", GET "x:  a\n", NULL},
    {"RFC 9113 8.2.1: a space behind a value", GET "x: a \n", NULL},
    {"RFC 9113 8.2.2: Connection", GET "connection: close\n", NULL},
    {"RFC 9113 8.2.2: Transfer-Encoding", GET "transfer-encoding: chunked\n", NULL},
    {"RFC 9113 8.2.2: Upgrade", GET "upgrade: h2c\n", NULL},
    {"RFC 9113 8.2.2: Keep-Alive", GET "keep-alive: 5\n", NULL},
    {"RFC 9113 8.2.2: Proxy-Connection", GET "proxy-connection: close\n", NULL},
    {"RFC 9113 8.2.2: TE of codings", GET "te: gzip\n", NULL},
    {"RFC 9113 8.2.2: TE of trailers", GET "te: trailers\n",
     "head 1 GET a.example /x\nend 1\n"},
    {"RFC 9113 8.1.1: a length without a body", POST "content-length: 5\n", NULL},
    {"RFC 9113 8.1.1: two lengths", POST "content-length: 0\ncontent-length: 0\n", NULL},
    {"RFC 9113 8.1.1: a length with a sign", POST "content-length: +0\n", NULL},
    {"RFC 8441 4: :protocol without CONNECT", GET ":protocol: websocket\n", NULL},
    {"RFC 9110 9.3.6: CONNECT", ":method: CONNECT\n:authority: a:1\n",
     "reset 1 not_implemented\n"},
    {"RFC 9110 9.3.8: TRACE", ":method: TRACE\n:scheme: https\n:authority: a\n:path: /\n",
     "reset 1 not_implemented\n"},
};
/* clang-format on */

static void heads_are_taken_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct bench b;
        uint32_t code = 0;
        open_bench(&b, false);
        h2_frames_headers(&b.in, H2_END_STREAM, 1, heads[i].lines);
        run(&b);
        assert_row_err(heads[i].name, b.error, NULL);
        if (heads[i].want != NULL) {
            assert_row_str(heads[i].name, buf_view(&b.text), heads[i].want);
        } else {
            assert_row(heads[i].name, !str_starts(buf_view(&b.text), STR("head")));
            assert_row_u64(heads[i].name, count_frames(&b, H2_RST_STREAM, &code), 1);
            assert_row_u64(heads[i].name, code, 1);
        }
        close_bench(&b);
    }
}

static void bodies_and_trailers_arrive(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, 0, 1, POST "content-length: 5\n");
    h2_frames_add(&b.in, H2_DATA, 0, 1, STR("hel"));
    h2_frames_add(&b.in, H2_DATA, H2_PADDED, 1, STR("\2lo\0\0"));
    h2_frames_headers(&b.in, H2_END_STREAM, 1, "x-sum: 1\n");
    run(&b);
    assert_ok(b.error);
    assert_str(buf_view(&b.text),
               "head 1 POST a.example /x body 5\nbody 1 hel\nbody 1 lo\nend 1 trailers\n");
    close_bench(&b);
}

static void a_length_that_disagrees_resets_one_stream(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, 0, 1, POST "content-length: 5\n");
    h2_frames_add(&b.in, H2_DATA, 0, 1, STR("longer than five"));
    h2_frames_headers(&b.in, H2_END_STREAM, 3, GET);
    run(&b);
    assert_ok(b.error);
    assert_ok(codec_fill(b.codec));
    assert_int_equal(count_frames(&b, H2_RST_STREAM, NULL), 1);
    assert_true(str_ends(buf_view(&b.text), STR("reset 1 bad_request\n")));
    close_bench(&b);
}

static void answer(struct bench *b, uint32_t id, struct str body)
{
    const struct http_head head = {
        .status = 200, .body = HTTP_BODY_LENGTH, .body_bytes = body.len};
    assert_ok(codec_send_head(b->codec, id, &head, false));
    assert_ok(codec_send_body(b->codec, id, body));
    assert_ok(codec_send_end(b->codec, id, NULL));
}

static char zeros[256 << 10];

/* SETTINGS_INITIAL_WINDOW_SIZE */
#define WINDOW_OF_A_MEBIBYTE "\0\x04\0\x10\0\0"

static void a_small_answer_overtakes_a_large_one(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_add_u32(&b.in, H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_frames_add(&b.in, H2_SETTINGS, 0, 0, STR(WINDOW_OF_A_MEBIBYTE));
    b.is_stuck = true;
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    h2_frames_headers(&b.in, H2_END_STREAM, 3, GET);
    run(&b);
    buf_clear(&b.out);
    answer(&b, 1, str_make(zeros, sizeof(zeros)));
    answer(&b, 3, STR("small"));
    buf_clear(&b.out); /* that much has left */
    assert_ok(codec_fill(b.codec));
    assert_int_equal(codec_queued(b.codec, 3), 0);
    assert_true(codec_queued(b.codec, 1) > 0);
    close_bench(&b);
}

static void a_window_is_honoured_and_an_answer_goes_on(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    run(&b);
    answer(&b, 1, str_make(zeros, 100000));
    for (int i = 0; i < 8; i++) {
        buf_clear(&b.out);
        assert_ok(codec_fill(b.codec));
    }
    assert_int_equal(codec_queued(b.codec, 1), 100000 - 65535);
    h2_frames_add_u32(&b.in, H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_frames_add_u32(&b.in, H2_WINDOW_UPDATE, 1, 1 << 20);
    run(&b);
    assert_ok(codec_fill(b.codec));
    for (int i = 0; i < 8; i++) {
        buf_clear(&b.out);
        assert_ok(codec_fill(b.codec));
    }
    assert_int_equal(codec_queued(b.codec, 1), 0);
    codec_forget(b.codec, 1);
    close_bench(&b);
}

static void a_paused_upload_gets_no_credit(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, 0, 1, POST);
    run(&b);
    codec_pause(b.codec, 1);
    h2_frames_add(&b.in, H2_SETTINGS, H2_ACK, 0, STR_NONE);
    buf_clear(&b.out);
    for (int i = 0; i < 4; i++)
        h2_frames_add(&b.in, H2_DATA, 0, 1, str_make(zeros, 16384));
    run(&b);
    assert_ok(b.error);
    assert_int_equal(b.body_bytes, 4 * 16384);
    assert_int_equal(count_frames(&b, H2_WINDOW_UPDATE, NULL), 0);
    codec_resume(b.codec, 1);
    assert_ok(codec_fill(b.codec));
    assert_true(count_frames(&b, H2_WINDOW_UPDATE, NULL) > 0);
    close_bench(&b);
}

/* What the frames of out add up to: credit for the stream; *ret_ping: a PING that awaits its
 * answer, copied. */
static size_t read_credit(const struct bench *b, uint32_t stream, struct buf *ret_ping)
{
    struct str rest = buf_view(&b->out);
    size_t credit = 0;
    while (rest.len >= 9) {
        const unsigned char *p = (const unsigned char *)rest.p;
        size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        if (p[3] == H2_WINDOW_UPDATE && p[8] == stream)
            credit += (size_t)p[9] << 24 | (size_t)p[10] << 16 | (size_t)p[11] << 8 | p[12];
        if (p[3] == H2_PING && (p[4] & H2_ACK) == 0)
            assert_ok(buf_append(ret_ping, str_sub(rest, 9, len)));
        rest = str_skip(rest, 9 + len);
    }
    return credit;
}

/* One round trip of a peer that sends all it may, and answers a PING behind it. Returns what it
 * may send then. */
static size_t upload_once(struct bench *b, uint32_t stream, size_t window)
{
    struct buf ping;
    size_t credit = 0;
    buf_init(&ping, 64);
    buf_clear(&b->out);
    for (size_t left = window, n; left > 0; left -= n) {
        n = left < 16384 ? left : 16384;
        h2_frames_add(&b->in, H2_DATA, 0, stream, str_make(zeros, n));
    }
    run(b);
    assert_ok(b->error);
    credit += read_credit(b, stream, &ping);
    buf_clear(&b->out);
    if (buf_len(&ping) > 0)
        h2_frames_add(&b->in, H2_PING, H2_ACK, 0, buf_view(&ping));
    run(b);
    credit += read_credit(b, stream, &ping);
    buf_fini(&ping);
    return credit;
}

static void begin_upload(struct bench *b, uint32_t stream)
{
    h2_frames_headers(&b->in, 0, stream, POST);
    if (stream == 1) /* the windows told by our SETTINGS count from here on */
        h2_frames_add(&b->in, H2_SETTINGS, H2_ACK, 0, STR_NONE);
    run(b);
    buf_clear(&b->out);
}

static void windows_grow_by_what_a_round_trip_brings(void **state)
{
    struct bench b;
    size_t window = H2_WINDOW_BYTES;
    (void)state;
    open_bench(&b, false);
    begin_upload(&b, 1);
    for (int trip = 0; trip < 6; trip++) {
        size_t next = upload_once(&b, 1, window);
        assert_true(next >= window || window == H2_WINDOW_MAX_BYTES);
        window = next;
    }
    assert_int_equal(window, H2_WINDOW_MAX_BYTES);
    assert_int_equal(b.shared.growth_left,
                     H2_GROWTH_ALL_BYTES - (H2_WINDOW_MAX_BYTES - H2_WINDOW_BYTES));
    /* The next one need not learn it again, as far as the connection's budget goes. */
    begin_upload(&b, 3);
    window = upload_once(&b, 3, H2_WINDOW_BYTES);
    assert_true(window <= 2 * H2_WINDOW_BYTES);
    assert_int_equal(b.shared.growth_left, H2_GROWTH_ALL_BYTES - H2_GROWTH_MAX_BYTES);
    codec_abandon(b.codec, 1);
    codec_forget(b.codec, 1);
    assert_ok(codec_fill(b.codec));
    assert_int_equal(b.shared.growth_left, H2_GROWTH_ALL_BYTES - H2_WINDOW_BYTES);
    assert_true(upload_once(&b, 3, window) > 6 * MIB);
    close_bench(&b);
    assert_int_equal(b.shared.growth_left, H2_GROWTH_ALL_BYTES);
}

static void windows_do_not_grow_for_a_slow_target_or_beyond_the_budget(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    b.shared.growth_left = 1000;
    begin_upload(&b, 1);
    assert_int_equal(upload_once(&b, 1, H2_WINDOW_BYTES), H2_WINDOW_BYTES + 1000);
    assert_int_equal(b.shared.growth_left, 0);
    begin_upload(&b, 3);
    b.shared.growth_left = MIB;
    codec_pause(b.codec, 3);
    assert_int_equal(upload_once(&b, 3, H2_WINDOW_BYTES), 0);
    assert_int_equal(b.shared.growth_left, MIB);
    close_bench(&b);
}

/* Others get their turn while one asks for a great deal at once. */
static void much_is_done_in_turns(void **state)
{
    struct bench b;
    struct buf block;
    (void)state;
    open_bench(&b, false);
    buf_init(&block, TEXT_MAX_BYTES);
    for (unsigned i = 0; i < 200; i++)
        h2_frames_field(&block, STR("x"), STR("y"));
    for (uint32_t id = 1; id < 60; id += 2)
        h2_frames_add(&b.in, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, id, buf_view(&block));
    run(&b);
    assert_ok(b.error);
    assert_int_equal(b.turns, 30 / 3); /* heads: the third goes beyond H2_TURN_FIELDS */
    buf_fini(&block);
    close_bench(&b);
}

/* RFC 7541 6.1: a byte for a field of 100 that was put into the table. */
static void bombs_of_hpack_are_glitches(void **state)
{
    static char bomb[16000];
    struct bench b;
    uint32_t code = 0;
    struct buf block;
    (void)state;
    open_bench(&b, false);
    buf_init(&block, TEXT_MAX_BYTES);
    memset(bomb, 'b', 100);
    assert_ok(buf_append(&block, STR("\x40\x01x\x64"))); /* with indexing; 100 bytes follow */
    assert_ok(buf_append(&block, str_make(bomb, 100)));
    memset(bomb, (char)0xbe, sizeof(bomb));
    assert_ok(buf_append(&block, str_make(bomb, sizeof(bomb))));
    for (uint32_t id = 1; id < 60; id += 2)
        h2_frames_add(&b.in, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, id, buf_view(&block));
    run(&b);
    assert_err(b.error, ERR_BAD_REQUEST);
    assert_true(b.begun <= 1 + H2_GLITCHES_MAX / H2_SURPLUS_GLITCHES);
    assert_int_equal(count_frames(&b, H2_GOAWAY, &code), 1);
    assert_int_equal(code, 11);
    buf_fini(&block);
    close_bench(&b);
}

static void small_bodies_cause_no_ping(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    for (uint32_t id = 1; id < 2 * H2_STREAMS_MAX; id += 2) {
        h2_frames_headers(&b.in, 0, id, POST);
        h2_frames_add(&b.in, H2_DATA, H2_END_STREAM, id, str_make(zeros, H2_MEASURE_BYTES - 1));
    }
    run(&b);
    assert_ok(b.error);
    assert_int_equal(count_frames(&b, H2_PING, NULL), 0);
    close_bench(&b);
}

static void answers_to_no_ping_are_glitches(void **state)
{
    struct bench b;
    uint32_t code = 0;
    (void)state;
    open_bench(&b, false);
    for (int i = 0; i <= H2_GLITCHES_MAX; i++)
        h2_frames_add(&b.in, H2_PING, H2_ACK, 0, STR("12345678"));
    run(&b);
    assert_err(b.error, ERR_BAD_REQUEST);
    assert_int_equal(count_frames(&b, H2_GOAWAY, &code), 1);
    assert_int_equal(code, 11);
    close_bench(&b);
}

static void a_sign_of_life_is_asked_for_once(void **state)
{
    struct bench b;
    struct buf ping;
    (void)state;
    open_bench(&b, true);
    buf_init(&ping, 64);
    run(&b);
    buf_clear(&b.out);
    codec_ping(b.codec);
    codec_ping(b.codec);
    assert_ok(codec_fill(b.codec));
    (void)read_credit(&b, 0, &ping);
    assert_int_equal(buf_len(&ping), 8);
    h2_frames_add(&b.in, H2_PING, H2_ACK, 0, buf_view(&ping));
    run(&b);
    codec_ping(b.codec);
    assert_ok(codec_fill(b.codec));
    assert_int_equal(count_frames(&b, H2_PING, NULL), 2);
    buf_fini(&ping);
    close_bench(&b);
}

/* RFC 8441 3 and 5; the key and its answer are those of RFC 6455 1.3. */
static void an_upgrade_is_asked_for_where_it_is_taken(void **state)
{
    const struct http_head head = {.method = STR("GET"),
                                   .authority = STR("a"),
                                   .path = STR("/ws"),
                                   .upgrade = STR("websocket")};
    struct bench b;
    uint32_t id;
    (void)state;
    open_bench(&b, true);
    run(&b);
    struct arena *a = arena_new(4096, 1 << 16);
    struct http_head asked = head;
    assert_ok(http_fields_add(&asked.fields, a, STR("Sec-WebSocket-Key"),
                              STR("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_ok(codec_open(b.codec, a, (void *)1, &id));
    assert_err(codec_send_head(b.codec, id, &asked, false), ERR_TARGET_UPGRADE);
    codec_forget(b.codec, id);
    h2_frames_add(&b.in, H2_SETTINGS, 0, 0, STR("\0\x08\0\0\0\x01"));
    run(&b);
    assert_ok(codec_open(b.codec, a, (void *)1, &id));
    assert_ok(codec_send_head(b.codec, id, &asked, false));
    assert_ok(codec_fill(b.codec));
    h2_frames_headers(&b.in, 0, 1, ":status: 200\n");
    run(&b);
    assert_str(buf_view(&b.text), "head 1 101 upgrade websocket\n"
                                  "  accept s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n");
    codec_forget(b.codec, id);
    arena_free(a);
    close_bench(&b);
}

static void an_extended_connect_is_a_tunnel(void **state)
{
    const struct http_head yes = {.status = 101, .upgrade = STR("websocket")};
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, 0, 1,
                      ":method: CONNECT\n:protocol: websocket\n:scheme: https\n"
                      ":authority: a\n:path: /ws\n");
    run(&b);
    assert_ok(codec_send_head(b.codec, 1, &yes, false));
    h2_frames_add(&b.in, H2_DATA, 0, 1, STR("ping"));
    run(&b);
    assert_ok(codec_send_body(b.codec, 1, STR("pong")));
    assert_ok(codec_fill(b.codec));
    h2_frames_add(&b.in, H2_DATA, H2_END_STREAM, 1, STR_NONE);
    run(&b);
    assert_ok(b.error);
    assert_str(buf_view(&b.text), "head 1 GET a /ws upgrade websocket\nbody 1 ping\nend 1\n");
    assert_int_equal(codec_queued(b.codec, 1), 0);
    close_bench(&b);
}

static void reset_streams_count_until_they_are_forgotten(void **state)
{
    struct bench b;
    uint32_t code = 0;
    (void)state;
    open_bench(&b, false);
    for (uint32_t i = 0; i < 3 * H2_STREAMS_MAX / 2; i++)
        h2_frames_headers(&b.in, H2_END_STREAM, 2 * i + 1, GET);
    run(&b);
    assert_true(b.begun <= H2_STREAMS_MAX);
    assert_true(count_frames(&b, H2_RST_STREAM, &code) > 0);
    assert_int_equal(code, 7); /* REFUSED_STREAM */
    close_bench(&b);
}

/* What a peer repeats without end; the connection ends with ENHANCE_YOUR_CALM, or with an error
 * of the library's own limit. */
static void flood(struct buf *in, unsigned kind, uint32_t i)
{
    switch (kind) {
    case 0: /* CVE-2023-44487 */
        h2_frames_headers(in, H2_END_STREAM, 2 * i + 1, GET);
        h2_frames_add_u32(in, H2_RST_STREAM, 2 * i + 1, 8);
        return;
    case 1: /* CVE-2025-8671 */
        h2_frames_headers(in, H2_END_STREAM, 2 * i + 1, GET);
        h2_frames_add_u32(in, H2_WINDOW_UPDATE, 2 * i + 1, 0);
        return;
    case 2:
        h2_frames_add(in, H2_SETTINGS, 0, 0, STR_NONE);
        return;
    case 3:
        h2_frames_add(in, H2_PING, 0, 0, STR("01234567"));
        return;
    case 4:
        if (i == 0)
            h2_frames_headers(in, 0, 1, POST);
        h2_frames_add(in, H2_DATA, 0, 1, STR_NONE);
        return;
    case 5:
        h2_frames_add_u32(in, H2_WINDOW_UPDATE, 0, 1);
        return;
    case 6: /* CVE-2024-27316 */
        h2_frames_add(in, i == 0 ? H2_HEADERS : H2_CONTINUATION, 0, 1, STR("\0\1a\1b"));
        return;
    default: /* malformed heads */
        h2_frames_headers(in, H2_END_STREAM, 2 * i + 1, "x: y\n");
        return;
    }
}

static void floods_end_the_connection(void **state)
{
    static const char *const names[] = {"rapid reset",  "provoked resets", "SETTINGS",
                                        "PING",         "empty DATA",      "WINDOW_UPDATE",
                                        "CONTINUATION", "malformed heads"};
    (void)state;
    for (unsigned kind = 0; kind < ARRAY_LEN(names); kind++) {
        struct bench b;
        open_bench(&b, false);
        uint32_t i = 0;
        for (; i < 2 * H2_GLITCHES_MAX && !failed(b.error); i++) {
            flood(&b.in, kind, i);
            run(&b);
            if (i % 64 == 0 && kind != 6 && !failed(b.error))
                buf_clear(&b.out);
        }
        assert_row(names[kind], failed(b.error));
        assert_row(names[kind], count_frames(&b, H2_GOAWAY, NULL) == 1);
        close_bench(&b);
    }
}

static void heads_beyond_the_ceiling_may_be_answered(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    struct buf block;
    buf_init(&block, TEXT_MAX_BYTES);
    for (unsigned i = 0; i < 300; i++)
        h2_frames_field(&block, STR("x"), STR("y"));
    h2_frames_headers(&b.in, 0, 1, GET);
    h2_frames_add(&b.in, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, buf_view(&block));
    run(&b);
    assert_ok(b.error);
    buf_fini(&block);
    close_bench(&b);
}

static void draining_says_so_and_serves_on(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    run(&b);
    codec_refuse_reuse(b.codec);
    assert_ok(codec_fill(b.codec));
    assert_int_equal(count_frames(&b, H2_GOAWAY, NULL), 1);
    struct buf ping;
    buf_init(&ping, 64);
    (void)read_credit(&b, 0, &ping);
    h2_frames_add(&b.in, H2_PING, H2_ACK, 0, buf_view(&ping));
    buf_fini(&ping);
    run(&b);
    assert_ok(b.error);
    assert_int_equal(count_frames(&b, H2_GOAWAY, NULL), 2);
    answer(&b, 1, STR("still"));
    assert_ok(codec_fill(b.codec));
    assert_int_equal(codec_queued(b.codec, 1), 0);
    assert_false(codec_can_reuse(b.codec));
    close_bench(&b);
}

static uint32_t ask(struct bench *b, struct arena *a, const char *method)
{
    const struct http_head head = {.method = str_from(method),
                                   .authority = STR("a.example"),
                                   .path = STR("/"),
                                   .body = HTTP_BODY_NONE};
    static uint32_t number;
    uint32_t id;
    number = number % 100 + 1;
    assert_ok(codec_open(b->codec, a, (void *)(uintptr_t)number, &id));
    assert_ok(codec_send_head(b->codec, id, &head, true));
    return id;
}

static void a_client_asks_and_hears(void **state)
{
    struct bench b;
    (void)state;
    struct arena *a = arena_new(4096, 1 << 20);
    open_bench(&b, true);
    run(&b);
    assert_int_equal(codec_capacity(b.codec), H2_STREAMS_MAX);
    uint32_t id = ask(&b, a, "GET");
    assert_ok(codec_fill(b.codec));
    assert_int_equal(codec_capacity(b.codec), H2_STREAMS_MAX - 1);
    h2_frames_headers(&b.in, 0, id, ":status: 103\n");
    h2_frames_headers(&b.in, 0, id, ":status: 200\ncontent-length: 2\n");
    h2_frames_add(&b.in, H2_DATA, 0, id, STR("ok"));
    h2_frames_headers(&b.in, H2_END_STREAM, id, "x-sum: 1\n");
    run(&b);
    assert_ok(b.error);
    assert_str(buf_view(&b.text), "head 1 103\nhead 1 200 body 2\nbody 1 ok\nend 1 trailers\n");
    codec_forget(b.codec, id);
    assert_int_equal(codec_capacity(b.codec), H2_STREAMS_MAX);
    close_bench(&b);
    arena_free(a);
}

static void a_client_hears_of_resets_and_of_the_end(void **state)
{
    struct bench b;
    (void)state;
    struct arena *a = arena_new(4096, 1 << 20);
    open_bench(&b, true);
    run(&b);
    uint32_t first = ask(&b, a, "GET");
    (void)ask(&b, a, "GET");
    assert_ok(codec_fill(b.codec));
    h2_frames_add_u32(&b.in, H2_RST_STREAM, first, 7);
    h2_frames_add(&b.in, H2_GOAWAY, 0, 0, STR("\0\0\0\1\0\0\0\0"));
    run(&b);
    assert_ok(b.error);
    assert_int_equal(b.resets, 2);
    assert_int_equal(codec_capacity(b.codec), 0);
    assert_false(codec_can_reuse(b.codec));
    close_bench(&b);
    arena_free(a);
}

static void a_closed_window_holds_a_bounded_body(void **state)
{
    const struct http_head head = {.status = 200, .body = HTTP_BODY_UNKNOWN};
    struct bench b;
    struct err e = OK;
    size_t taken = 0;
    (void)state;
    open_bench(&b, false);
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    run(&b);
    assert_ok(codec_send_head(b.codec, 1, &head, false));
    while (!failed(e)) {
        e = codec_send_body(b.codec, 1, str_make(zeros, sizeof(zeros)));
        taken += failed(e) ? 0 : sizeof(zeros);
        assert_ok(codec_fill(b.codec));
        buf_clear(&b.out);
    }
    assert_err(e, ERR_LIMIT);
    assert_true(taken <= H2_QUEUE_MAX_BYTES + 65535);
    close_bench(&b);
}

static void many_closed_windows_share_a_budget(void **state)
{
    const struct http_head head = {.status = 200, .body = HTTP_BODY_UNKNOWN};
    struct bench b;
    size_t held = 0;
    (void)state;
    open_bench(&b, false);
    for (uint32_t id = 1; id < 2 * H2_STREAMS_MAX; id += 2)
        h2_frames_headers(&b.in, H2_END_STREAM, id, GET);
    run(&b);
    for (uint32_t id = 1; id < 2 * H2_STREAMS_MAX; id += 2) {
        assert_ok(codec_send_head(b.codec, id, &head, false));
        /* As a relay does, which pauses the target then. */
        while (codec_queued(b.codec, id) < RELAY_HIGH_BYTES) {
            assert_ok(codec_send_body(b.codec, id, str_make(zeros, 16384)));
            held += 16384;
        }
    }
    assert_true(held <= H2_QUEUED_BUDGET_BYTES + H2_STREAMS_MAX * 2 * 16384);
    close_bench(&b);
}

static void large_pieces_go_into_frames_without_a_queue(void **state)
{
    const struct http_head head = {.status = 200, .body = HTTP_BODY_UNKNOWN};
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_add_u32(&b.in, H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_frames_add(&b.in, H2_SETTINGS, 0, 0, STR(WINDOW_OF_A_MEBIBYTE));
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    h2_frames_headers(&b.in, H2_END_STREAM, 3, GET);
    run(&b);
    for (uint32_t id = 1; id <= 3; id += 2) {
        assert_ok(codec_send_head(b.codec, id, &head, false));
        assert_ok(codec_send_body(b.codec, id, str_make(zeros, sizeof(zeros))));
        assert_int_equal(codec_queued(b.codec, id), 0);
        assert_ok(codec_send_end(b.codec, id, NULL));
    }
    assert_ok(codec_fill(b.codec));
    assert_true(buf_len(&b.sent) + buf_len(&b.out) > 2 * sizeof(zeros));
    close_bench(&b);
}

static void a_reset_while_a_frame_waits_cuts_nothing_else(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, false);
    h2_frames_add_u32(&b.in, H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_frames_add(&b.in, H2_SETTINGS, 0, 0, STR(WINDOW_OF_A_MEBIBYTE));
    b.is_stuck = true;
    h2_frames_headers(&b.in, H2_END_STREAM, 1, GET);
    h2_frames_headers(&b.in, H2_END_STREAM, 3, GET);
    run(&b);
    answer(&b, 1, str_make(zeros, sizeof(zeros)));
    assert_ok(codec_fill(b.codec)); /* stops before the rest of 1 */
    codec_abandon(b.codec, 1);
    codec_forget(b.codec, 1);
    answer(&b, 3, STR("whole"));
    buf_clear(&b.out);
    assert_ok(codec_fill(b.codec));
    assert_int_equal(count_frames(&b, H2_RST_STREAM, NULL), 1);
    assert_int_equal(count_frames(&b, H2_HEADERS, NULL), 1);
    assert_int_equal(codec_queued(b.codec, 3), 0);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_taken_or_refused),
        cmocka_unit_test(bodies_and_trailers_arrive),
        cmocka_unit_test(a_length_that_disagrees_resets_one_stream),
        cmocka_unit_test(a_small_answer_overtakes_a_large_one),
        cmocka_unit_test(a_window_is_honoured_and_an_answer_goes_on),
        cmocka_unit_test(a_paused_upload_gets_no_credit),
        cmocka_unit_test(large_pieces_go_into_frames_without_a_queue),
        cmocka_unit_test(windows_grow_by_what_a_round_trip_brings),
        cmocka_unit_test(windows_do_not_grow_for_a_slow_target_or_beyond_the_budget),
        cmocka_unit_test(small_bodies_cause_no_ping),
        cmocka_unit_test(much_is_done_in_turns),
        cmocka_unit_test(bombs_of_hpack_are_glitches),
        cmocka_unit_test(answers_to_no_ping_are_glitches),
        cmocka_unit_test(a_sign_of_life_is_asked_for_once),
        cmocka_unit_test(an_upgrade_is_asked_for_where_it_is_taken),
        cmocka_unit_test(a_closed_window_holds_a_bounded_body),
        cmocka_unit_test(many_closed_windows_share_a_budget),
        cmocka_unit_test(a_reset_while_a_frame_waits_cuts_nothing_else),
        cmocka_unit_test(an_extended_connect_is_a_tunnel),
        cmocka_unit_test(reset_streams_count_until_they_are_forgotten),
        cmocka_unit_test(floods_end_the_connection),
        cmocka_unit_test(heads_beyond_the_ceiling_may_be_answered),
        cmocka_unit_test(draining_says_so_and_serves_on),
        cmocka_unit_test(a_client_asks_and_hears),
        cmocka_unit_test(a_client_hears_of_resets_and_of_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
