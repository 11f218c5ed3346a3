/* h1_writer.c - heads, then bodies. A head is measured first, so that the buffer grows once and
 * the bytes are laid down without a further check. */
#include "gateway/http/h1_writer.h"

#include "gateway/http/http_reply.h"

#include "gateway/base/limits.h"

#include <assert.h>

enum {
    DECIMAL_MAX = 20, /* digits of a 64-bit number */
    HEX_MAX = 16,
};

static const struct str VERSION = STR_LIT("HTTP/1.1");
static const struct str CRLF = STR_LIT("\r\n");
static const struct str COLON = STR_LIT(": ");
static const struct str CHUNKED_LINE = STR_LIT("Transfer-Encoding: chunked\r\n");
static const struct str LENGTH_NAME = STR_LIT("Content-Length: ");
static const struct str LAST_CHUNK = STR_LIT("0\r\n");

static inline char *put(char *at, struct str s)
{
    if (s.len > 0)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

static char *put_decimal(char *at, uint64_t value)
{
    char digits[DECIMAL_MAX];
    size_t i = sizeof(digits);
    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(at, str_make(digits + i, sizeof(digits) - i));
}

static char *put_hex(char *at, uint64_t value)
{
    char digits[HEX_MAX];
    size_t i = sizeof(digits);
    do {
        digits[--i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    return put(at, str_make(digits + i, sizeof(digits) - i));
}

static inline char *put_field(char *at, struct str name, struct str value)
{
    at = put(at, name);
    at = put(at, COLON);
    at = put(at, value);
    return put(at, CRLF);
}

/* Passes over what the codec writes itself, so that no head ever has two framings. */
static char *put_fields(char *at, const struct http_fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct http_field *field = &f->items[i];
        if (!http_field_is_framing(field->id))
            at = put_field(at, field->name, field->value);
    }
    return at;
}

/* At least as many bytes as put_fields writes. */
static size_t fields_bytes(const struct http_fields *f)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->count; i++)
        bytes += f->items[i].name.len + COLON.len + f->items[i].value.len + CRLF.len;
    return bytes;
}

/* Everything behind the start line; Connection comes first, as it rules what follows. */
static char *put_rest(char *at, const struct http_head *head, const struct h1_plan *plan)
{
    if (plan->connection.len > 0)
        at = put_field(at, STR("Connection"), plan->connection);
    if (head->upgrade.len > 0)
        at = put_field(at, STR("Upgrade"), head->upgrade);
    at = put_fields(at, &head->fields);
    if (plan->framing == H1_FRAMING_CHUNKED)
        at = put(at, CHUNKED_LINE);
    if (plan->framing == H1_FRAMING_LENGTH) {
        at = put(at, LENGTH_NAME);
        at = put_decimal(at, plan->body_bytes);
        at = put(at, CRLF);
    }
    return put(at, CRLF);
}

/* At least as many bytes as put_rest writes. */
static size_t rest_bytes(const struct http_head *head, const struct h1_plan *plan)
{
    return sizeof("Connection: \r\nUpgrade: \r\n\r\n") + plan->connection.len +
           head->upgrade.len + fields_bytes(&head->fields) + CHUNKED_LINE.len + DECIMAL_MAX;
}

static void finish_head(struct h1_writer *w, const char *begin, const char *end,
                        const struct h1_plan *plan)
{
    buf_commit(w->out, (size_t)(end - begin));
    w->state = plan->next;
    w->left_bytes = plan->body_bytes;
}

struct err h1_writer_request(struct h1_writer *w, const struct http_head *head,
                             const struct h1_plan *plan)
{
    static const struct str host_name = STR_LIT("Host: ");
    char *begin;
    size_t room;
    size_t line_bytes = head->method.len + head->path.len + VERSION.len + host_name.len +
                        head->authority.len + sizeof("  \r\n\r\n");
    TRY(buf_reserve(w->out, line_bytes + rest_bytes(head, plan), &begin, &room));
    char *at = put(begin, head->method);
    *at++ = ' ';
    at = put(at, head->path);
    *at++ = ' ';
    at = put(at, VERSION);
    at = put(at, CRLF);
    at = put(at, host_name);
    at = put(at, head->authority);
    at = put(at, CRLF);
    at = put_rest(at, head, plan);
    finish_head(w, begin, at, plan);
    return OK;
}

struct err h1_writer_response(struct h1_writer *w, const struct http_head *head,
                              const struct h1_plan *plan)
{
    struct str reason = http_reason(head->status);
    char *begin;
    size_t room;
    size_t line_bytes = VERSION.len + reason.len + sizeof(" 200 \r\n");
    assert(head->status >= 100 && head->status <= 999);
    TRY(buf_reserve(w->out, line_bytes + rest_bytes(head, plan), &begin, &room));
    char *at = put(begin, VERSION);
    *at++ = ' ';
    at = put_decimal(at, head->status);
    *at++ = ' ';
    at = put(at, reason);
    at = put(at, CRLF);
    at = put_rest(at, head, plan);
    finish_head(w, begin, at, plan);
    return OK;
}

struct str h1_writer_connection(bool is_last, bool is_upgrade, bool says_keep)
{
    if (is_last)
        return is_upgrade ? STR("close, Upgrade") : STR("close");
    if (is_upgrade)
        return STR("Upgrade");
    return says_keep ? STR("keep-alive") : STR_NONE;
}

bool h1_writer_is_complete(const struct h1_writer *w)
{
    return w->state == H1_WRITER_DONE || w->state == H1_WRITER_NOTHING ||
           (w->state == H1_WRITER_LENGTH && w->left_bytes == 0);
}

static bool is_passed(const struct h1_writer *w, struct str bytes)
{
    return w->pass != NULL && bytes.len >= BODY_PASS_MIN_BYTES;
}

/* Bytes of a body, as they are. */
static struct err put_bytes(struct h1_writer *w, struct str bytes)
{
    if (is_passed(w, bytes))
        bytes = str_skip(bytes, w->pass(w->pass_arg, bytes));
    return buf_append(w->out, bytes);
}

static struct err write_chunk(struct h1_writer *w, struct str bytes)
{
    char *begin;
    size_t room;
    size_t kept_bytes = is_passed(w, bytes) ? 0 : bytes.len;
    TRY(buf_reserve(w->out, HEX_MAX + CRLF.len + kept_bytes + CRLF.len, &begin, &room));
    char *at = put_hex(begin, bytes.len);
    at = put(at, CRLF);
    buf_commit(w->out, (size_t)(at - begin));
    TRY(put_bytes(w, bytes));
    return buf_append(w->out, CRLF);
}

struct err h1_writer_body(struct h1_writer *w, struct str bytes)
{
    switch (w->state) {
    case H1_WRITER_LENGTH:
        if (bytes.len > w->left_bytes) {
            w->state = H1_WRITER_CUT;
            return fail(w->misfit, 0);
        }
        TRY(put_bytes(w, bytes));
        w->left_bytes -= bytes.len;
        return OK;
    case H1_WRITER_CHUNKED:
        /* An empty chunk would end the body. */
        return bytes.len > 0 ? write_chunk(w, bytes) : OK;
    case H1_WRITER_RAW:
        return put_bytes(w, bytes);
    case H1_WRITER_NOTHING:
        return OK;
    case H1_WRITER_HEAD:
    case H1_WRITER_DONE:
    case H1_WRITER_CUT:
        break;
    }
    return fail(ERR_CANCELLED, 0);
}

static struct err write_last_chunk(struct h1_writer *w, const struct http_fields *trailers)
{
    static const struct http_fields none = {0};
    char *begin;
    size_t room;
    if (trailers == NULL)
        trailers = &none;
    TRY(buf_reserve(w->out, LAST_CHUNK.len + fields_bytes(trailers) + CRLF.len, &begin, &room));
    char *at = put(begin, LAST_CHUNK);
    at = put_fields(at, trailers);
    at = put(at, CRLF);
    buf_commit(w->out, (size_t)(at - begin));
    return OK;
}

struct err h1_writer_end(struct h1_writer *w, const struct http_fields *trailers)
{
    switch (w->state) {
    case H1_WRITER_LENGTH:
        if (w->left_bytes > 0) {
            w->state = H1_WRITER_CUT;
            return fail(w->misfit, 0);
        }
        break;
    case H1_WRITER_CHUNKED:
        TRY(write_last_chunk(w, trailers));
        break;
    case H1_WRITER_RAW:
    case H1_WRITER_NOTHING:
        break;
    case H1_WRITER_HEAD:
    case H1_WRITER_DONE:
    case H1_WRITER_CUT:
        return fail(ERR_CANCELLED, 0);
    }
    w->state = H1_WRITER_DONE;
    return OK;
}
