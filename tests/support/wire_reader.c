#include "tests/support/wire_reader.h"

#include <assert.h>

enum { BODY_MAX_BYTES = 64 << 20, SIZE_DIGITS_MAX = 15 };

static enum wire_end bad(struct wire_message *m, const char *fault)
{
    m->fault = fault;
    return WIRE_BAD;
}

/* A line up to its CRLF, which is taken too; false: it is not complete. */
static bool take_line(struct str *rest, struct str *ret_line)
{
    for (size_t i = 0; i + 1 < rest->len; i++) {
        if (rest->p[i] != '\r' || rest->p[i + 1] != '\n')
            continue;
        *ret_line = str_sub(*rest, 0, i);
        *rest = str_skip(*rest, i + 2);
        return true;
    }
    return false;
}

static bool is_text(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!chr_is_alpha(s.p[i]) && !chr_is_digit(s.p[i]) &&
            (s.p[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s.p[i]) == NULL))
            return false;
    }
    return s.len > 0;
}

/* "Name: value", in no other spelling. */
static bool is_field(struct str line)
{
    struct str name, value;
    if (!str_split(line, ':', &name, &value) || !is_token(name) || !is_text(value))
        return false;
    if (value.len == 0 || value.p[0] != ' ')
        return false;
    value = str_skip(value, 1);
    return str_trim(value).len == value.len;
}

/* Lines up to the empty one. */
static enum wire_end take_fields(struct str *rest, struct wire_message *m,
                                 struct str *ret_fields)
{
    const char *begin = rest->p;
    struct str line;
    while (take_line(rest, &line)) {
        *ret_fields = str_make(begin, (size_t)(line.p - begin));
        if (line.len == 0)
            return WIRE_WHOLE;
        if (!is_field(line))
            return bad(m, "a field in another spelling");
    }
    return WIRE_PARTIAL;
}

static size_t count_field(const struct wire_message *m, const char *name, struct str *ret_value)
{
    struct str rest = m->fields;
    struct str line, found, value;
    size_t count = 0;
    while (take_line(&rest, &line)) {
        if (!str_split(line, ':', &found, &value) || !str_eq_nocase(found, str_from(name)))
            continue;
        *ret_value = str_skip(value, 1);
        count++;
    }
    return count;
}

struct str wire_field(const struct wire_message *m, const char *name)
{
    struct str value = STR_NONE;
    return count_field(m, name, &value) == 1 ? value : STR_NONE;
}

/* METHOD SP target SP HTTP/1.1 */
static enum wire_end check_request_line(struct wire_message *m)
{
    struct str method, rest, target, version;
    bool has_parts =
        str_split(m->start, ' ', &method, &rest) && str_split(rest, ' ', &target, &version);
    if (!has_parts || !is_token(method) || target.len == 0 || !is_text(target) ||
        str_index(target, '\t') < target.len || !str_eq(version, STR("HTTP/1.1")))
        return bad(m, "the request line");
    if (target.p[0] != '/' && !str_eq(target, STR("*")))
        return bad(m, "the request target");
    if (wire_field(m, "Host").len == 0)
        return bad(m, "not one Host");
    return WIRE_WHOLE;
}

/* HTTP/1.1 SP 3 digits SP reason */
static enum wire_end check_status_line(struct wire_message *m)
{
    uint64_t status;
    bool has_parts = str_starts(m->start, STR("HTTP/1.1 ")) && m->start.len >= 13 &&
                     m->start.p[12] == ' ' && is_text(m->start);
    if (!has_parts || failed(str_to_u64(str_sub(m->start, 9, 3), 999, &status)) || status < 100)
        return bad(m, "the status line");
    m->status = (unsigned)status;
    return WIRE_WHOLE;
}

static enum wire_end take_bytes(struct str *rest, uint64_t len, struct wire_message *m)
{
    struct str bytes = str_sub(*rest, 0, len < rest->len ? (size_t)len : rest->len);
    struct err e = buf_append(&m->body, bytes);
    assert(!failed(e));
    *rest = str_skip(*rest, bytes.len);
    return bytes.len == len ? WIRE_WHOLE : WIRE_PARTIAL;
}

/* Lower case, no leading zero, no extension. */
static enum wire_end read_size(struct str line, struct wire_message *m, uint64_t *ret_size)
{
    uint64_t size = 0;
    if (line.len == 0 || line.len > SIZE_DIGITS_MAX || (line.len > 1 && line.p[0] == '0'))
        return bad(m, "a chunk size in another spelling");
    for (size_t i = 0; i < line.len; i++) {
        if (chr_hex(line.p[i]) < 0 || chr_lower(line.p[i]) != line.p[i])
            return bad(m, "a chunk size in another spelling");
        size = size << 4 | (uint64_t)chr_hex(line.p[i]);
    }
    *ret_size = size;
    return WIRE_WHOLE;
}

static enum wire_end take_chunks(struct str *rest, struct wire_message *m)
{
    struct str line;
    while (take_line(rest, &line)) {
        uint64_t size;
        enum wire_end end = read_size(line, m, &size);
        if (end == WIRE_WHOLE && size == 0)
            return take_fields(rest, m, &m->trailers);
        if (end == WIRE_WHOLE)
            end = take_bytes(rest, size, m);
        if (end != WIRE_WHOLE)
            return end;
        if (rest->len < 2)
            return WIRE_PARTIAL;
        if (!take_line(rest, &line) || line.len > 0)
            return bad(m, "no CRLF behind a chunk");
    }
    return WIRE_PARTIAL;
}

/* The one framing of the head. *ret_length: UINT64_MAX for chunks. */
static enum wire_end read_framing(struct wire_message *m, size_t *ret_count,
                                  uint64_t *ret_length)
{
    struct str length = STR_NONE, coding = STR_NONE;
    size_t lengths = count_field(m, "Content-Length", &length);
    size_t codings = count_field(m, "Transfer-Encoding", &coding);
    *ret_count = lengths + codings;
    *ret_length = 0;
    if (*ret_count > 1)
        return bad(m, "two framings");
    if (codings == 1) {
        *ret_length = UINT64_MAX;
        return str_eq(coding, STR("chunked")) ? WIRE_WHOLE : bad(m, "another coding");
    }
    if (lengths == 0)
        return WIRE_WHOLE;
    if ((length.len > 1 && length.p[0] == '0') ||
        failed(str_to_u64(length, INT64_MAX, ret_length)))
        return bad(m, "a length in another spelling");
    return WIRE_WHOLE;
}

static enum wire_end take_body(struct str *rest, enum wire_kind kind, struct wire_message *m)
{
    size_t framings;
    uint64_t length;
    bool is_interim = kind != WIRE_REQUEST && m->status < 200;
    enum wire_end end = read_framing(m, &framings, &length);
    if (end != WIRE_WHOLE)
        return end;
    if ((is_interim || m->status == 204) && framings > 0)
        return bad(m, "a framing where no body can be");
    if (kind == WIRE_RESPONSE_TO_HEAD || is_interim || m->status == 204 || m->status == 304)
        return WIRE_WHOLE;
    m->has_body = length > 0;
    if (length == UINT64_MAX)
        return take_chunks(rest, m);
    if (framings > 0 || kind == WIRE_REQUEST)
        return take_bytes(rest, length, m);
    (void)take_bytes(rest, rest->len, m);
    return WIRE_OPEN;
}

enum wire_end wire_read(struct str *rest, enum wire_kind kind, struct wire_message *m)
{
    *m = (struct wire_message){.fault = NULL};
    buf_init(&m->body, BODY_MAX_BYTES);
    if (!take_line(rest, &m->start))
        return WIRE_PARTIAL;
    enum wire_end end = take_fields(rest, m, &m->fields);
    if (end == WIRE_WHOLE)
        end = kind == WIRE_REQUEST ? check_request_line(m) : check_status_line(m);
    return end == WIRE_WHOLE ? take_body(rest, kind, m) : end;
}

void wire_message_fini(struct wire_message *m)
{
    buf_fini(&m->body);
}
