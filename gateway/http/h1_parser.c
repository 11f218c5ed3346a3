/* h1_parser.c - in the order bytes take: scan, start line, fields; then chunk-size lines.
 *
 * The scan leaves only CRLF, tabs and printable bytes, so what follows it need not look for the
 * end of its input: every loop below stops at the CR of the line at the latest. */
#include "gateway/http/h1_parser.h"

#include "gateway/http/http_syntax.h"

#include "gateway/base/limits.h"

#include <endian.h>

enum {
    SIZE_DIGITS_MAX = 15, /* of a chunk: always below 2^60 */
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* Index of the first byte that is marked with 0xff; at least one is. */
static inline size_t first_marked(const uint64_t marks[2])
{
    if (marks[0] != 0)
        return (size_t)__builtin_ctzll(le64toh(marks[0])) / 8;
    return 8 + (size_t)__builtin_ctzll(le64toh(marks[1])) / 8;
}

static inline bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Index of the first control byte from `at` on, or end. */
static inline size_t find_control(const char *p, size_t at, size_t end)
{
    for (; at + sizeof(bytes16) <= end; at += sizeof(bytes16)) {
        bytes16 bytes;
        uint64_t marks[2];
        memcpy(&bytes, p + at, sizeof(bytes));
        bytes = (bytes16)(bytes < 0x20) | (bytes16)(bytes == 0x7f);
        memcpy(marks, &bytes, sizeof(marks));
        if ((marks[0] | marks[1]) != 0)
            return at + first_marked(marks);
    }
    while (at < end && !is_control(p[at]))
        at++;
    return at;
}

/* How far the search may look before the block, or its first line, is too large. */
static size_t window_of(const struct h1_scan *scan, const struct h1_limits *limits)
{
    bool is_first_line = scan->lines == 0 && limits->first_line_max_bytes > 0;
    if (is_first_line && limits->first_line_max_bytes < limits->block_max_bytes)
        return limits->first_line_max_bytes;
    return limits->block_max_bytes;
}

/* The bytes end in the middle of a line. */
static struct err wait_for_more(const struct h1_scan *scan, const struct h1_limits *limits,
                                struct str bytes)
{
    if (bytes.len < window_of(scan, limits))
        return OK;
    bool is_first_line = scan->lines == 0 && limits->first_line_max_bytes > 0;
    return fail(is_first_line ? ERR_URI_TOO_LONG : ERR_HEAD_TOO_LARGE, 0);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_line_start(const char *p, size_t at)
{
    return at == 0 || p[at - 1] == '\n';
}

/* Goes on in a line at `at`; *ret_at: the CR of its CRLF, or where to go on with more bytes. */
static struct err scan_line(const char *p, size_t at, size_t end, size_t *ret_at)
{
    /* RFC 9112 5.2: a folded line means one thing here and another at the next hop. */
    if (at < end && (p[at] == ' ' || p[at] == '\t') && is_line_start(p, at))
        return fail(ERR_BAD_REQUEST, 0);
    at = find_control(p, at, end);
    while (at < end && p[at] == '\t')
        at = find_control(p, at + 1, end);
    *ret_at = at;
    /* RFC 9112 2.2: neither a CR nor an LF alone ends a line. */
    if (at < end && (p[at] != '\r' || (at + 1 < end && p[at + 1] != '\n')))
        return fail(ERR_BAD_REQUEST, 0);
    return OK;
}

struct err h1_parser_scan(struct h1_scan *scan, struct str bytes,
                          const struct h1_limits *limits, size_t *ret_len)
{
    size_t end = smaller(bytes.len, window_of(scan, limits));
    for (;;) {
        size_t at = scan->at;
        struct err e = scan_line(bytes.p, scan->at, end, &at);
        if (failed(e)) {
            scan->at = at;
            return e;
        }
        if (at + 1 >= end) {
            scan->at = at;
            *ret_len = 0;
            return wait_for_more(scan, limits, bytes);
        }
        bool is_empty = at == scan->at && is_line_start(bytes.p, at);
        scan->at = at + 2;
        if (is_empty) {
            *ret_len = scan->at;
            return OK;
        }
        if (++scan->lines == 1)
            end = smaller(bytes.len, window_of(scan, limits));
        if (scan->lines > HEAD_FIELDS_MAX + 1)
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
    ret_line->method = str_make(block.p, (size_t)(method_end - block.p));
    const char *target = method_end + 1;
    const char *target_end = skip_class(target, HTTP_SYNTAX_TARGET);
    ret_line->target = str_make(target, (size_t)(target_end - target));
    if (target_end == target || *target_end != ' ')
        return fail(ERR_BAD_REQUEST, 0);
    const char *version = target_end + 1;
    if ((size_t)(end - version) < version_bytes || version[8] != '\r')
        return fail(ERR_BAD_REQUEST, 0);
    TRY(read_version(version, &ret_line->version));
    *ret_rest = str_make(version + version_bytes, (size_t)(end - version) - version_bytes);
    return OK;
}

bool h1_parser_may_be_status(struct str bytes)
{
    static const char form[] = "HTTP/0.0 000"; /* 0: any digit */
    for (size_t i = 0; i < bytes.len && i < sizeof(form) - 1; i++) {
        if (form[i] == '0' ? !chr_is_digit(bytes.p[i]) : bytes.p[i] != form[i])
            return false;
    }
    return true;
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

/* The first colon from p on, or end. */
static inline const char *find_colon(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        word = le64toh(word) ^ ones * ':';
        word = (word - ones) & ~word & ones * 0x80;
        if (word != 0)
            return p + __builtin_ctzll(word) / 8;
    }
    while (p < end && *p != ':')
        p++;
    return p;
}

/* One line at p, which ends before end; returns the line behind it, or NULL. */
static const char *read_field(const char *p, const char *end, struct http_field *ret_field)
{
    const char *colon = find_colon(p, end);
    if (colon == end)
        return NULL;
    ret_field->name = str_make(p, (size_t)(colon - p));
    ret_field->id = http_field_id_of(ret_field->name);
    /* RFC 9112 5.1: no space between name and colon; a name is not empty. Known names are
     * tokens; a colon of a later line makes a name with a CR in it, which is none. */
    if (ret_field->id == HTTP_FIELD_OTHER && !http_syntax_is_token(ret_field->name))
        return NULL;
    const char *value = colon + 1;
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
    struct http_fields f = {.room = count + HTTP_FIELDS_SPARE};
    if (count > HEAD_FIELDS_MAX)
        return fail(ERR_HEAD_TOO_LARGE, 0);
    f.items = arena_table(a, struct http_field, f.room);
    if (f.items == NULL)
        return fail(ERR_MEMORY, 0);
    const char *p = lines.p;
    const char *end = lines.p + lines.len;
    while (p != NULL && f.count < count) {
        p = read_field(p, end, &f.items[f.count]);
        f.count += p != NULL;
    }
    *ret_fields = f;
    return p == NULL ? fail(ERR_BAD_REQUEST, 0) : OK;
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
