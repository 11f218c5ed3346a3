/* h1_parser.c - in the order bytes take: scan, start line, fields; then chunk-size lines.
 *
 * The scan leaves only CRLF, tabs and printable bytes, so what follows it need not look for the
 * end of its input: every loop below stops at the CR of the line at the latest. */
#include "gateway/http/h1_parser.h"

#include "gateway/http/http_syntax.h"

#include "gateway/base/limits.h"

#include <endian.h>

enum {
    SPARE_FIELDS = 16,    /* room for what the exchange will add, in the same allocation */
    SIZE_DIGITS_MAX = 15, /* of a chunk: always below 2^60 */
};

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* Bit 7 of each byte that is a control; bytes above the first such one may be marked in
 * error. */
static inline uint64_t controls(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t below_space = (word - ones * 0x20) & ~word;
    uint64_t delete = word ^ ones * 0x7f;
    delete = (delete - ones) & ~delete;
    return (below_space | delete) & ones * 0x80;
}

/* Index of the first control byte from `at` on, or end. */
static inline size_t find_control(const char *p, size_t at, size_t end)
{
    for (; at + 8 <= end; at += 8) {
        uint64_t hits = controls(load8(p + at));
        if (hits != 0)
            return at + (size_t)__builtin_ctzll(hits) / 8;
    }
    while (at < end && (unsigned char)p[at] >= 0x20 && p[at] != 0x7f)
        at++;
    return at;
}

/* How far the search may look before the block is too large. */
static size_t window_of(const struct h1_scan *scan, const struct h1_limits *limits)
{
    bool is_first_line = scan->lines == 0 && limits->first_line_max_bytes > 0;
    if (is_first_line && limits->first_line_max_bytes < limits->block_max_bytes)
        return limits->first_line_max_bytes;
    return limits->block_max_bytes;
}

static struct err pass_limit(const struct h1_scan *scan, const struct h1_limits *limits)
{
    bool is_first_line = scan->lines == 0 && limits->first_line_max_bytes > 0;
    return fail(is_first_line ? ERR_URI_TOO_LONG : ERR_HEAD_TOO_LARGE, 0);
}

struct err h1_parser_scan(struct h1_scan *scan, struct str bytes,
                          const struct h1_limits *limits, size_t *ret_len)
{
    const char *p = bytes.p;
    for (;;) {
        size_t window = window_of(scan, limits);
        size_t end = bytes.len < window ? bytes.len : window;
        bool is_line_start = scan->at == 0 || p[scan->at - 1] == '\n';
        /* RFC 9112 5.2: a folded line means one thing here and another at the next hop. */
        if (is_line_start && scan->at < end && (p[scan->at] == ' ' || p[scan->at] == '\t'))
            return fail(ERR_BAD_REQUEST, 0);
        size_t at = find_control(p, scan->at, end);
        while (at < end && p[at] == '\t')
            at = find_control(p, at + 1, end);
        bool is_empty = is_line_start && at == scan->at;
        /* A line's start must be seen again as such; anything else need not be seen again. */
        if (at >= end || (p[at] == '\r' && at + 1 >= end)) {
            scan->at = at;
            *ret_len = 0;
            return end == window ? pass_limit(scan, limits) : OK;
        }
        /* RFC 9112 2.2: neither a CR nor an LF alone ends a line. */
        if (p[at] != '\r' || p[at + 1] != '\n')
            return fail(ERR_BAD_REQUEST, 0);
        scan->at = at + 2;
        if (is_empty) {
            *ret_len = scan->at;
            return OK;
        }
        if (++scan->lines > HEAD_FIELDS_MAX + 1)
            return fail(ERR_HEAD_TOO_LARGE, 0);
    }
}

/* RFC 9112 2.3: "HTTP/" digit "." digit, in capitals. */
static struct err read_version(const char *p, enum http_version *ret_version)
{
    if (memcmp(p, "HTTP/1.1", 8) == 0) {
        *ret_version = HTTP_1_1;
        return OK;
    }
    if (memcmp(p, "HTTP/", 5) != 0 || !chr_is_digit(p[5]) || p[6] != '.' || !chr_is_digit(p[7]))
        return fail(ERR_BAD_REQUEST, 0);
    if (p[5] != '1' || p[7] != '0')
        return fail(ERR_BAD_VERSION, 0);
    *ret_version = HTTP_1_0;
    return OK;
}

static const char *skip_class(const char *p, unsigned class)
{
    while (http_syntax_is(*p, class))
        p++;
    return p;
}

struct err h1_parser_request_line(struct str block, struct h1_request_line *ret_line,
                                  struct str *ret_rest)
{
    static const size_t version_bytes = sizeof("HTTP/1.1\r\n") - 1;
    const char *end = block.p + block.len;
    const char *method_end = skip_class(block.p, HTTP_SYNTAX_TOKEN);
    if (method_end == block.p || *method_end != ' ')
        return fail(ERR_BAD_REQUEST, 0);
    const char *target = method_end + 1;
    const char *target_end = skip_class(target, HTTP_SYNTAX_TARGET);
    if (target_end == target || *target_end != ' ')
        return fail(ERR_BAD_REQUEST, 0);
    const char *version = target_end + 1;
    if ((size_t)(end - version) < version_bytes || version[8] != '\r')
        return fail(ERR_BAD_REQUEST, 0);
    TRY(read_version(version, &ret_line->version));
    ret_line->method = str_make(block.p, (size_t)(method_end - block.p));
    ret_line->target = str_make(target, (size_t)(target_end - target));
    *ret_rest = str_make(version + version_bytes, (size_t)(end - version) - version_bytes);
    return OK;
}

/* RFC 9112 4: the reason may be empty; the space before it is left out by many, harmlessly. */
struct err h1_parser_status_line(struct str block, struct h1_status_line *ret_line,
                                 struct str *ret_rest)
{
    static const size_t least_bytes = sizeof("HTTP/1.1 200\r\n") - 1;
    const char *p = block.p;
    if (block.len < least_bytes)
        return fail(ERR_BAD_REQUEST, 0);
    TRY(read_version(p, &ret_line->version));
    bool is_status = p[8] == ' ' && p[9] >= '1' && p[9] <= '9' && chr_is_digit(p[10]) &&
                     chr_is_digit(p[11]) && (p[12] == ' ' || p[12] == '\r');
    if (!is_status)
        return fail(ERR_BAD_REQUEST, 0);
    ret_line->status =
        (unsigned)(p[9] - '0') * 100 + (unsigned)(p[10] - '0') * 10 + (unsigned)(p[11] - '0');
    const char *cr = memchr(p + 12, '\r', block.len - 12);
    *ret_rest = str_skip(block, (size_t)(cr - p) + 2);
    return OK;
}

/* One line at p, which ends before end; returns the line behind it, or NULL. */
static const char *read_field(const char *p, const char *end, struct http_field *ret_field)
{
    /* RFC 9112 5.1: no space between name and colon; a name is not empty. */
    const char *name_end = skip_class(p, HTTP_SYNTAX_TOKEN);
    if (name_end == p || *name_end != ':')
        return NULL;
    ret_field->name = str_make(p, (size_t)(name_end - p));
    ret_field->id = http_field_id_of(ret_field->name);
    const char *value = name_end + 1;
    while (*value == ' ' || *value == '\t')
        value++;
    const char *cr = memchr(value, '\r', (size_t)(end - value));
    const char *value_end = cr;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
        value_end--;
    ret_field->value = str_make(value, (size_t)(value_end - value));
    return cr + 2;
}

struct err h1_parser_fields(struct str lines, size_t count, struct arena *a,
                            struct http_fields *ret_fields)
{
    struct http_fields f = {.room = count + SPARE_FIELDS};
    if (count > HEAD_FIELDS_MAX)
        return fail(ERR_HEAD_TOO_LARGE, 0);
    f.items = arena_array(a, struct http_field, f.room);
    if (f.items == NULL)
        return fail(ERR_MEMORY, 0);
    const char *p = lines.p;
    const char *end = lines.p + lines.len;
    for (; f.count < count; f.count++) {
        p = read_field(p, end, &f.items[f.count]);
        if (p == NULL)
            return fail(ERR_BAD_REQUEST, 0);
    }
    *ret_fields = f;
    return OK;
}

/* The byte after a quoted string that begins at p; NULL if it is not one. */
static const char *skip_quoted(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
        if (p >= end || !http_syntax_is(*p, HTTP_SYNTAX_VALUE))
            return NULL;
    }
    return NULL;
}

/* RFC 9112 7.1.1: *( ";" token [ "=" ( token / quoted-string ) ] ), here without white
 * space. */
static bool is_extensions(const char *p, const char *end)
{
    while (p < end) {
        size_t name = *p == ';' ? http_syntax_span(str_make(p + 1, (size_t)(end - p) - 1),
                                                   HTTP_SYNTAX_TOKEN)
                                : 0;
        if (name == 0)
            return false;
        p += 1 + name;
        if (p == end || *p != '=')
            continue;
        p++;
        if (p < end && *p == '"') {
            p = skip_quoted(p, end);
            if (p == NULL)
                return false;
            continue;
        }
        size_t value = http_syntax_span(str_make(p, (size_t)(end - p)), HTTP_SYNTAX_TOKEN);
        if (value == 0)
            return false;
        p += value;
    }
    return true;
}

struct err h1_parser_chunk_line(struct str bytes, size_t *ret_len, uint64_t *ret_size)
{
    size_t window = bytes.len < CHUNK_LINE_MAX_BYTES ? bytes.len : CHUNK_LINE_MAX_BYTES;
    const char *lf = window == 0 ? NULL : memchr(bytes.p, '\n', window);
    if (lf == NULL) {
        *ret_len = 0;
        return window == CHUNK_LINE_MAX_BYTES ? fail(ERR_BAD_FRAMING, 0) : OK;
    }
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits <= SIZE_DIGITS_MAX && chr_hex(bytes.p[digits]) >= 0; digits++)
        size = size << 4 | (uint64_t)chr_hex(bytes.p[digits]);
    if (digits == 0 || digits > SIZE_DIGITS_MAX)
        return fail(ERR_BAD_FRAMING, 0);
    if (lf[-1] != '\r' || !is_extensions(bytes.p + digits, lf - 1))
        return fail(ERR_BAD_FRAMING, 0);
    *ret_len = (size_t)(lf - bytes.p) + 1;
    *ret_size = size;
    return OK;
}
