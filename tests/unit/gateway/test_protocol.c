/* test_protocol.c - the rows of tests/protocol against the two codecs, joined.
 *
 * Usage: test_protocol [FOLDER]   the rows of another folder, e.g. with mistakes in them */
#include "tests/support/codec_relay.h"
#include "tests/support/protocol_case.h"
#include "tests/support/unit.h"
#include "tests/support/wire_reader.h"

#include "gateway/base/arena.h"
#include "gateway/base/limits.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TEXT_MAX_BYTES = 16 << 20,
    CUT_MAX_BYTES = 600,     /* rows with more are not cut at every byte */
    SINGLE_MAX_BYTES = 9000, /* rows with more are not sent byte by byte */
    FILES_MAX = 64,
};

/* How the bytes of a row are cut: at one place, counted over all that client and target say, or
 * everywhere. */
struct cut {
    size_t at; /* SIZE_MAX: nowhere */
    bool is_everywhere;
};

struct run {
    const struct protocol_case *row;
    struct codec_relay *relay;
    struct cut cut;
    size_t said; /* bytes so far, by both */
    struct buf want_target;
    struct buf want_client;
    size_t answered; /* requests that the target has answered by itself */
    const char *fault;
    struct buf shown;
};

static void put(struct buf *b, struct str bytes)
{
    struct err e = buf_append(b, bytes);
    assert_false(failed(e));
}

/* ---- normal form: what two texts are compared by ---- */

/* Drops the line, CRLF included, if it is there. */
static struct str drop_line(struct str fields, const char *line, struct buf *out)
{
    const char *at = fields.len == 0 ? NULL : memmem(fields.p, fields.len, line, strlen(line));
    if (at == NULL)
        return fields;
    size_t before = (size_t)(at - fields.p);
    size_t end = before + str_index(str_skip(fields, before), '\n') + 1;
    struct buf b;
    buf_init(&b, TEXT_MAX_BYTES);
    put(&b, str_sub(fields, 0, before));
    put(&b, str_skip(fields, end));
    buf_clear(out);
    put(out, buf_view(&b));
    buf_fini(&b);
    return buf_view(out);
}

/* Without what the gateway adds to every head. */
static void put_fields(struct buf *out, struct str fields)
{
    static const char *const added[] = {"X-Forwarded-For: 127.0.0.1\r\n",
                                        "X-Forwarded-Proto: http\r\n",
                                        "X-Forwarded-Host: ",
                                        "X-Forwarded-Port: ",
                                        "X-Real-IP: 127.0.0.1\r\n",
                                        "Forwarded: for=127.0.0.1;host=",
                                        "Date: now\r\n"};
    struct buf scratch;
    buf_init(&scratch, TEXT_MAX_BYTES);
    for (size_t i = 0; i < sizeof(added) / sizeof(*added); i++)
        fields = drop_line(fields, added[i], &scratch);
    put(out, fields);
    buf_fini(&scratch);
}

static void put_message(struct buf *out, const struct wire_message *m, enum wire_end end)
{
    put(out, m->start);
    put(out, STR("\n"));
    put_fields(out, m->fields);
    put(out, m->trailers);
    if (m->trailers.len > 0)
        put(out, STR("(trailers)\n"));
    put(out, end == WIRE_PARTIAL ? STR("(not whole)\n") : STR("(whole)\n"));
    put(out, buf_view(&m->body));
    if (end == WIRE_WHOLE)
        put(out, STR("\n"));
}

/* The number of the request, or of the one that could not be read. */
static bool is_to_head(const struct run *r, size_t number)
{
    const struct relay_request *q;
    if (number == 0)
        return str_starts(r->row->steps[0].bytes, STR("HEAD "));
    return number < codec_relay_requests(r->relay, &q) &&
           str_eq(q[number].head.method, STR("HEAD"));
}

/* Behind this head the bytes are no messages any more. */
static bool begins_tunnel(const struct run *r, const struct wire_message *m,
                          enum wire_kind kind)
{
    bool switches = false;
    for (size_t i = 0; i < r->row->status_count; i++)
        switches |= r->row->statuses[i] == 101;
    if (kind == WIRE_REQUEST)
        return switches && wire_field(m, "Upgrade").len > 0;
    return m->status == 101;
}

static void put_normal(const struct run *r, struct buf *out, struct str bytes,
                       enum wire_kind kind)
{
    for (size_t final = 0; bytes.len > 0;) {
        struct wire_message m;
        struct str all = bytes;
        bool is_bodyless = kind == WIRE_RESPONSE && is_to_head(r, final);
        enum wire_end end = wire_read(&bytes, is_bodyless ? WIRE_RESPONSE_TO_HEAD : kind, &m);
        final += m.status >= 200;
        bool is_tunnel = begins_tunnel(r, &m, kind);
        if (end == WIRE_BAD) {
            put(out, STR("(not canonical)\n"));
            put(out, all);
            bytes = STR_NONE;
        } else {
            put_message(out, &m, end);
        }
        wire_message_fini(&m);
        if (is_tunnel || end != WIRE_WHOLE) {
            put(out, bytes);
            return;
        }
    }
}

/* ---- what is compared ---- */

static void blame(struct run *r, const char *fault, struct str want, struct str got)
{
    if (r->fault != NULL)
        return;
    r->fault = fault;
    put(&r->shown, STR("    want: "));
    put(&r->shown, want);
    put(&r->shown, STR("\n    got:  "));
    put(&r->shown, got);
}

static void put_target_saw(struct run *r, struct buf *out)
{
    const struct relay_wire *wires;
    size_t count = codec_relay_wires(r->relay, &wires);
    for (size_t i = 0; i < count; i++)
        put_normal(r, out, buf_view(&wires[i].said), WIRE_REQUEST);
}

static void check_target(struct run *r, bool is_final)
{
    if (r->row->may_see_all)
        return;
    struct buf want, got;
    buf_init(&want, TEXT_MAX_BYTES);
    buf_init(&got, TEXT_MAX_BYTES);
    put_normal(r, &want, buf_view(&r->want_target), WIRE_REQUEST);
    put_target_saw(r, &got);
    bool is_same = str_eq(buf_view(&want), buf_view(&got));
    if (r->row->is_never_all)
        is_same = !is_final || str_starts(buf_view(&want), buf_view(&got));
    if (!is_same)
        blame(r, "what the target sees", buf_view(&want), buf_view(&got));
    buf_fini(&want);
    buf_fini(&got);
}

static void check_client(struct run *r, bool is_final)
{
    struct buf want, got;
    struct str heard = codec_relay_heard(r->relay);
    buf_init(&want, TEXT_MAX_BYTES);
    buf_init(&got, TEXT_MAX_BYTES);
    put_normal(r, &want, buf_view(&r->want_client), WIRE_RESPONSE);
    put_normal(r, &got, heard, WIRE_RESPONSE);
    bool is_same = str_eq(buf_view(&want), buf_view(&got));
    if (r->row->ends_in_page)
        is_same = str_starts(buf_view(&got), buf_view(&want)) &&
                  (!is_final || str_ends(heard, STR("page")));
    if (!is_same)
        blame(r, "what the client gets", buf_view(&want), buf_view(&got));
    buf_fini(&want);
    buf_fini(&got);
}

/* Every answer in turn, against the statuses of the row. */
static void check_statuses(struct run *r)
{
    struct str rest = codec_relay_heard(r->relay);
    struct str all = rest;
    size_t at = 0;
    enum wire_end end = WIRE_WHOLE;
    for (size_t final = 0; rest.len > 0 && end == WIRE_WHOLE && at < r->row->status_count;) {
        struct wire_message m;
        bool is_head = is_to_head(r, final);
        end = wire_read(&rest, is_head ? WIRE_RESPONSE_TO_HEAD : WIRE_RESPONSE, &m);
        struct str body = buf_view(&m.body);
        bool is_known = is_head || str_eq(body, STR("ok")) || str_eq(body, STR("page"));
        if (m.status != r->row->statuses[at++])
            blame(r, "a status", STR("that of the row"), all);
        if (!r->row->is_compared && m.status >= 200 && !is_known)
            blame(r, "a body", STR("ok, or a page"), all);
        final += m.status >= 200;
        wire_message_fini(&m);
        if (m.status == 101)
            rest = STR_NONE;
    }
    if (at != r->row->status_count || rest.len > 0)
        blame(r, "the number of answers", STR("as in the row"), all);
    if ((end == WIRE_PARTIAL) != (r->row->end == END_CUT) && end != WIRE_OPEN)
        blame(r, "a cut", r->row->end == END_CUT ? STR("cut") : STR("whole"), all);
}

/* The next request, on the client's connection. */
static void check_connection(struct run *r)
{
    static const struct str probe = STR_LIT("GET /probe HTTP/1.1\r\nHost: a.test\r\n\r\n");
    static const struct str reply =
        STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe");
    const struct relay_wire *wires;
    struct str kept = r->row->end == END_KEPT ? STR("kept") : STR("closed");
    size_t before = codec_relay_wires(r->relay, &wires);
    bool is_reused = before > 0 && wires[before - 1].state == RELAY_WIRE_OPEN;
    if (r->row->wire != WIRE_ANY && is_reused != (r->row->wire == WIRE_REUSED))
        blame(r, "the target's connection", STR("as in the row"), STR("the contrary"));
    codec_relay_ask(r->relay, probe);
    (void)codec_relay_reply(r->relay, reply);
    struct str heard = codec_relay_heard(r->relay);
    if (str_ends(heard, STR("\r\n\r\nprobe")) != (r->row->end == END_KEPT))
        blame(r, "the client's connection", kept, heard);
    if (codec_relay_is_closed(r->relay) == (r->row->end == END_KEPT))
        blame(r, "the client's connection", kept, STR("the contrary"));
}

/* ---- one run ---- */

/* The target answers what is whole, and nothing else. */
static void answer_all(struct run *r)
{
    static const struct str head = STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    while (!r->row->has_answers && codec_relay_waits_for_answer(r->relay)) {
        const struct relay_request *q;
        size_t count = codec_relay_requests(r->relay, &q);
        bool is_head = str_eq(q[count - 1].head.method, STR("HEAD"));
        (void)codec_relay_reply(r->relay, head);
        if (!is_head)
            (void)codec_relay_reply(r->relay, STR("ok"));
    }
}

static size_t wire_count(const struct run *r)
{
    const struct relay_wire *wires;
    return codec_relay_wires(r->relay, &wires);
}

/* wire: the target's connection, counted from 1; what is said on one that is over reaches no
 * other. */
static void say_piece(struct run *r, bool is_client, size_t wire, struct str bytes)
{
    if (is_client) {
        codec_relay_ask(r->relay, bytes);
        answer_all(r);
    } else if (wire_count(r) == wire) {
        (void)codec_relay_reply(r->relay, bytes);
    }
}

static void say(struct run *r, bool is_client, struct str bytes)
{
    size_t first = r->cut.at > r->said && r->cut.at - r->said < bytes.len ? r->cut.at - r->said
                                                                          : bytes.len;
    size_t step = r->cut.is_everywhere ? 1 : bytes.len;
    size_t wire = wire_count(r);
    r->said += bytes.len;
    if (r->cut.is_everywhere)
        first = 0;
    if (first > 0)
        say_piece(r, is_client, wire, str_sub(bytes, 0, first));
    for (size_t i = first; i < bytes.len; i += step)
        say_piece(r, is_client, wire, str_sub(bytes, i, step));
}

static void check_wire_end(struct run *r)
{
    const struct relay_wire *wires;
    size_t count = codec_relay_wires(r->relay, &wires);
    if (count == 0 || wires[count - 1].state == RELAY_WIRE_OPEN)
        blame(r, "the end towards the target", STR("ended"), STR("open"));
}

static void take_step(struct run *r, const struct case_step *s)
{
    switch (s->kind) {
    case CLIENT_SAYS:
        say(r, true, s->bytes);
        break;
    case TARGET_SAYS:
        say(r, false, s->bytes);
        break;
    case CLIENT_ENDS:
        codec_relay_ask_end(r->relay);
        answer_all(r);
        break;
    case TARGET_ENDS:
        (void)codec_relay_reply_end(r->relay);
        break;
    case TARGET_GOT:
        put(&r->want_target, s->bytes);
        check_target(r, false);
        break;
    case TARGET_ENDED:
        check_wire_end(r);
        break;
    case CLIENT_GOT:
        put(&r->want_client, s->bytes);
        check_client(r, false);
        break;
    case CLIENT_ENDED: /* half of a tunnel: codecs do not see it */
        break;
    }
}

/* True if it went as the row says; else *shown tells what did not. */
static bool run_row(const struct protocol_case *row, struct cut cut, struct buf *shown)
{
    struct run r = {.row = row, .cut = cut, .relay = codec_relay_new(HEAD_MAX_BYTES)};
    buf_init(&r.want_target, TEXT_MAX_BYTES);
    buf_init(&r.want_client, TEXT_MAX_BYTES);
    buf_init(&r.shown, TEXT_MAX_BYTES);
    for (size_t i = 0; i < row->step_count && r.fault == NULL; i++)
        take_step(&r, &row->steps[i]);
    check_target(&r, true);
    if (row->is_compared)
        check_client(&r, true);
    check_statuses(&r);
    check_connection(&r);
    if (r.fault != NULL) {
        put(shown, str_from(r.fault));
        put(shown, STR("\n"));
        put(shown, buf_view(&r.shown));
    }
    codec_relay_free(r.relay);
    buf_fini(&r.want_target);
    buf_fini(&r.want_client);
    buf_fini(&r.shown);
    return r.fault == NULL;
}

static size_t bytes_of(const struct protocol_case *row)
{
    size_t bytes = 0;
    for (size_t i = 0; i < row->step_count; i++) {
        if (row->steps[i].kind == CLIENT_SAYS || row->steps[i].kind == TARGET_SAYS)
            bytes += row->steps[i].bytes.len;
    }
    return bytes;
}

static bool try_cut(const struct protocol_case *row, struct cut cut, const char *how)
{
    struct buf shown;
    buf_init(&shown, TEXT_MAX_BYTES);
    bool is_good = run_row(row, cut, &shown);
    struct str text = str_sub(buf_view(&shown), 0, 2000);
    if (!is_good && cut.at != SIZE_MAX)
        print_error("@%.*s, %s %zu: %.*s\n", STR_ARG(row->id), how, cut.at, STR_ARG(text));
    else if (!is_good)
        print_error("@%.*s, %s: %.*s\n", STR_ARG(row->id), how, STR_ARG(text));
    buf_fini(&shown);
    return is_good;
}

static bool check_row(const struct protocol_case *row)
{
    size_t bytes = bytes_of(row);
    bool is_good = try_cut(row, (struct cut){.at = SIZE_MAX}, "as written");
    if (row->is_never_cut)
        return is_good;
    if (is_good && bytes <= SINGLE_MAX_BYTES)
        is_good =
            try_cut(row, (struct cut){.at = SIZE_MAX, .is_everywhere = true}, "byte by byte");
    for (size_t at = 1; is_good && bytes <= CUT_MAX_BYTES && at < bytes; at++)
        is_good = try_cut(row, (struct cut){.at = at}, "cut at");
    return is_good;
}

static void test_table(void **state)
{
    struct case_table table;
    size_t bad = 0;
    case_table_read(*state, &table);
    for (size_t i = 0; i < table.count; i++)
        bad += table.items[i].is_for_codecs && !check_row(&table.items[i]);
    print_message("%zu rows\n", table.count);
    case_table_free(&table);
    assert_int_equal(bad, 0);
}

static int is_table(const struct dirent *d)
{
    return str_ends(str_from(d->d_name), STR(".cases"));
}

int main(int argc, char **argv)
{
    static char paths[FILES_MAX][512];
    struct CMUnitTest tests[FILES_MAX];
    const char *folder = argc > 1 ? argv[1] : GW_PROTOCOL_CASES;
    struct dirent **names;
    int count = scandir(folder, &names, is_table, alphasort);
    if (count <= 0 || count > FILES_MAX)
        return 1;
    for (int i = 0; i < count; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, names[i]->d_name);
        tests[i] = (struct CMUnitTest){.name = strrchr(paths[i], '/') + 1,
                                       .test_func = test_table,
                                       .initial_state = paths[i]};
        free(names[i]);
    }
    free(names);
    return _cmocka_run_group_tests("protocol", tests, (size_t)count, NULL, NULL);
}
