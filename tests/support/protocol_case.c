#include "tests/support/protocol_case.h"

#include "tests/support/unit.h"

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

#include <assert.h>
#include <stdio.h>

enum {
    ARENA_MAX_BYTES = 64 << 20,
    FILE_MAX_BYTES = 4 << 20,
    CASES_MAX = 1000,
    BYTES_MAX = 4 << 20, /* of one line, once its escapes are spelled out */
};

struct reading {
    const char *path;
    unsigned line;
    struct case_table *table;
    struct protocol_case *row;
};

static void complain(const struct reading *r, const char *what)
{
    fail_msg("%s:%u: %s", r->path, r->line, what);
}

/* ---- bytes ---- */

static void put(struct buf *b, struct str bytes)
{
    struct err e = buf_append(b, bytes);
    assert(!failed(e));
}

static void unescape(const struct reading *r, struct str text, struct buf *out);

/* "{100*ab}" behind the backslash; returns how long that is. */
static size_t put_repeated(const struct reading *r, struct str text, struct buf *out)
{
    struct str number, rest, unit, tail;
    uint64_t count = 0;
    if (!str_split(str_skip(text, 1), '*', &number, &rest) ||
        !str_split(rest, '}', &unit, &tail) || failed(str_to_u64(number, BYTES_MAX, &count)))
        complain(r, "not \\{number*text}");
    for (uint64_t i = 0; i < count; i++)
        unescape(r, unit, out);
    return text.len - tail.len;
}

/* One escape, text begins behind the backslash. */
static size_t put_escape(const struct reading *r, struct str text, struct buf *out)
{
    static const char from[] = "rnt0s\\", to[] = "\r\n\t\0 \\";
    const char *known = text.len > 0 ? strchr(from, text.p[0]) : NULL;
    if (text.len > 0 && text.p[0] == '{')
        return put_repeated(r, text, out);
    if (known != NULL) {
        put(out, str_make(&to[known - from], 1));
        return 1;
    }
    if (text.len < 3 || text.p[0] != 'x' || chr_hex(text.p[1]) < 0 || chr_hex(text.p[2]) < 0)
        complain(r, "an unknown escape");
    char byte = (char)(chr_hex(text.p[1]) << 4 | chr_hex(text.p[2]));
    put(out, str_make(&byte, 1));
    return 3;
}

static void unescape(const struct reading *r, struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\\')
            i += put_escape(r, str_skip(text, i + 1), out);
        else
            put(out, str_sub(text, i, 1));
    }
}

/* ---- lines ---- */

static struct case_step *add_step(struct reading *r, enum case_step_kind kind)
{
    if (r->row->step_count == CASE_STEPS_MAX)
        complain(r, "too many steps");
    struct case_step *s = &r->row->steps[r->row->step_count++];
    *s = (struct case_step){.kind = kind};
    return s;
}

/* The text of a line: goes on in the step before if that is of the same kind. */
static void add_bytes(struct reading *r, enum case_step_kind kind, struct str text,
                      bool has_crlf)
{
    struct protocol_case *row = r->row;
    struct case_step *s = row->step_count > 0 ? &row->steps[row->step_count - 1] : NULL;
    struct buf b;
    buf_init(&b, BYTES_MAX);
    if (s == NULL || s->kind != kind)
        s = add_step(r, kind);
    put(&b, s->bytes);
    unescape(r, text, &b);
    if (has_crlf)
        put(&b, STR("\r\n"));
    s->bytes = arena_dup(r->table->arena, buf_view(&b));
    assert(s->bytes.p != NULL);
    buf_fini(&b);
}

static void read_mark(struct reading *r, char speaker, char mark)
{
    struct protocol_case *row = r->row;
    switch (speaker << 8 | mark) {
    case '>' << 8 | '.':
        (void)add_step(r, CLIENT_SAYS);
        break;
    case '>' << 8 | '!':
        (void)add_step(r, CLIENT_ENDS);
        break;
    case '<' << 8 | '.':
        (void)add_step(r, TARGET_SAYS);
        break;
    case '<' << 8 | '!':
        row->has_answers = true;
        (void)add_step(r, TARGET_ENDS);
        break;
    case ']' << 8 | '!':
        (void)add_step(r, TARGET_ENDED);
        break;
    case ']' << 8 | '*':
        row->may_see_all = true;
        break;
    case ']' << 8 | '~':
        row->is_never_all = true;
        break;
    case '}' << 8 | '!':
        (void)add_step(r, CLIENT_ENDED);
        break;
    case '}' << 8 | '*':
        row->ends_in_page = true;
        break;
    default:
        complain(r, "an unknown mark");
    }
}

/* One of the lines that begin with > ] < } */
static void read_step(struct reading *r, enum case_step_kind kind, struct str line)
{
    char mark = line.len > 1 ? line.p[1] : ' ';
    r->row->has_answers |= kind == TARGET_SAYS;
    r->row->is_compared |= kind == CLIENT_GOT;
    if (mark == ' ' || mark == '|')
        add_bytes(r, kind, str_skip(line, mark == '|' ? 3 : 2), mark == ' ');
    else
        read_mark(r, line.p[0], mark);
}

/* "id 9112 6.3", perhaps with "binary" or "codecs" behind it. */
static void read_title(struct reading *r, struct str text)
{
    struct str id, rest, item;
    if (r->table->count == CASES_MAX)
        complain(r, "too many rows");
    if (!str_split(text, ' ', &id, &rest) || !chr_is_digit(rest.p[0]))
        complain(r, "a row needs a name and a section");
    for (size_t i = 0; i < r->table->count; i++) {
        if (str_eq(r->table->items[i].id, id))
            complain(r, "two rows of one name");
    }
    r->row = &r->table->items[r->table->count++];
    *r->row = (struct protocol_case){.id = id, .is_for_codecs = true};
    while (str_next(&rest, ' ', &item)) {
        if (str_eq(item, STR("binary")))
            r->row->is_for_codecs = false;
        if (str_eq(item, STR("whole")))
            r->row->is_never_cut = true;
    }
}

static void read_outcome(struct reading *r, struct str text)
{
    static const char *const ends[] = {
        [END_KEPT] = "kept", [END_CLOSED] = "closed", [END_CUT] = "cut"};
    static const char *const wires[] = {[WIRE_REUSED] = "reused", [WIRE_DROPPED] = "dropped"};
    struct protocol_case *row = r->row;
    struct str word;
    uint64_t status;
    size_t known = 0;
    while (str_next(&text, ' ', &word)) {
        size_t before = known;
        if (row->status_count < CASE_STATUSES_MAX && !failed(str_to_u64(word, 999, &status)))
            row->statuses[row->status_count++] = (unsigned)status;
        else
            known++;
        for (unsigned i = 0; i < 3 && known > before; i++) {
            if (str_eq(word, str_from(ends[i]))) {
                row->end = i;
                before = known;
            }
            if (i > 0 && str_eq(word, str_from(wires[i]))) {
                row->wire = i;
                before = known;
            }
        }
        if (known > before)
            complain(r, "an unknown outcome");
    }
    if (known == 0)
        complain(r, "what became of the connection?");
}

/* A row without a request has the plainest. */
static void complete(struct reading *r)
{
    static const struct str plain = STR_LIT("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    struct protocol_case *row = r->row;
    for (size_t i = 0; i < row->step_count; i++) {
        if (row->steps[i].kind == CLIENT_SAYS)
            return;
    }
    (void)add_step(r, CLIENT_SAYS);
    memmove(row->steps + 1, row->steps, (row->step_count - 1) * sizeof(*row->steps));
    row->steps[0] = (struct case_step){.kind = CLIENT_SAYS, .bytes = plain};
    row->may_see_all = true;
}

static void read_line(struct reading *r, struct str line)
{
    static const struct {
        char mark;
        enum case_step_kind kind;
    } speakers[] = {
        {'>', CLIENT_SAYS}, {']', TARGET_GOT}, {'<', TARGET_SAYS}, {'}', CLIENT_GOT}};
    if (line.len == 0 || line.p[0] == '#')
        return;
    if (line.p[0] == '@') {
        if (r->row != NULL)
            complain(r, "the row before has no outcome");
        read_title(r, str_skip(line, 1));
        return;
    }
    if (r->row == NULL)
        complain(r, "a line outside rows");
    if (line.p[0] == '=') {
        read_outcome(r, str_skip(line, 2));
        complete(r);
        r->row = NULL;
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        if (line.p[0] == speakers[i].mark) {
            read_step(r, speakers[i].kind, line);
            return;
        }
    }
    complain(r, "a line nobody says");
}

/* ---- the file ---- */

static struct str load(const struct reading *r)
{
    FILE *file = fopen(r->path, "rb");
    char *text = arena_bytes(r->table->arena, FILE_MAX_BYTES);
    if (file == NULL || text == NULL)
        complain(r, "cannot be read");
    size_t len = file == NULL ? 0 : fread(text, 1, FILE_MAX_BYTES, file);
    if (file != NULL)
        (void)fclose(file);
    return str_make(text, len);
}

void case_table_read(const char *path, struct case_table *ret_table)
{
    struct reading r = {.path = path, .table = ret_table};
    struct str line;
    *ret_table = (struct case_table){.arena = arena_new(4096, ARENA_MAX_BYTES)};
    assert(ret_table->arena != NULL);
    ret_table->items = arena_array(ret_table->arena, struct protocol_case, CASES_MAX);
    assert(ret_table->items != NULL);
    struct str rest = load(&r);
    while (str_next(&rest, '\n', &line)) {
        r.line++;
        read_line(&r, line);
    }
    if (r.row != NULL)
        complain(&r, "the last row has no outcome");
}

void case_table_free(struct case_table *t)
{
    arena_free(t->arena);
}
