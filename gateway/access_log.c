#include "gateway/access_log.h"

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

#include <stdio.h>

enum {
    ACCESS_TEXT_MAX_BYTES = 4096, /* of one text, escaped; the rest of it is cut off */
    ACCESS_TEXTS = 7, /* client, method, host, path, route, target, request id; not in the same
                       * form: referer, user agent */
    ACCESS_LINE_MAX_BYTES = ACCESS_TEXTS * (ACCESS_TEXT_MAX_BYTES + 8) + 1024,
};

static const struct str by_words[] = {
    [ENDED_DONE] = STR_LIT(""),
    [ENDED_BY_CLIENT] = STR_LIT("client"),
    [ENDED_BY_TARGET] = STR_LIT("target"),
    [ENDED_BY_GATEWAY] = STR_LIT("gateway"),
};

static const struct str in_words[] = {
#define ENDED_IN(id, word, meaning) [ENDED_IN_##id] = STR_LIT(word),
#include "gateway/ended_in.def"
#undef ENDED_IN
};

struct access_log {
    struct log_writer *writer;
    int channel;
    enum access_format format;
};

struct access_log *access_log_new(struct log_writer *writer, int channel,
                                  enum access_format format)
{
    struct access_log *a = mem_new(struct access_log);
    if (a != NULL)
        *a = (struct access_log){.writer = writer, .channel = channel, .format = format};
    return a;
}

void access_log_free(struct access_log *a)
{
    mem_free(a);
}

bool access_log_is_on(const struct access_log *a)
{
    return a->writer != NULL;
}

bool access_log_has_fields(const struct access_log *a)
{
    return access_log_is_on(a) && a->format == ACCESS_COMBINED;
}

/* A line on the stack; the texts are bounded so that it always fits. */
struct line {
    struct str escape; /* what stands before the two digits of an escaped byte */
    size_t len;
    char bytes[ACCESS_LINE_MAX_BYTES];
};

static void put(struct line *l, struct str s)
{
    if (s.len > sizeof(l->bytes) - l->len)
        s.len = sizeof(l->bytes) - l->len;
    if (s.len > 0)
        memcpy(l->bytes + l->len, s.p, s.len);
    l->len += s.len;
}

static void put_u64(struct line *l, uint64_t value)
{
    char text[24];
    put(l, str_make(text,
                    (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)value)));
}

/* Foreign bytes cannot break a line, a terminal or a document: what is not plain ASCII, and
 * what quotes or escapes, is written as two digits. */
static void put_escaped(struct line *l, struct str s)
{
    static const char digits[] = "0123456789abcdef";
    size_t plain = 0, grown = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (i + grown >= ACCESS_TEXT_MAX_BYTES) {
            s.len = i;
            break;
        }
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        put(l, str_sub(s, plain, i - plain));
        put(l, l->escape);
        put(l, str_make(&digits[c >> 4], 1));
        put(l, str_make(&digits[c & 15], 1));
        plain = i + 1;
        grown += l->escape.len + 1;
    }
    put(l, str_skip(s, plain));
}

/* The text, or a dash in place of one that is empty. */
static void put_or_dash(struct line *l, struct str s)
{
    put_escaped(l, s.len > 0 ? s : STR("-"));
}

static void put_member(struct line *l, struct str name, struct str value)
{
    if (value.len == 0)
        return;
    put(l, name);
    put(l, STR("\""));
    put_escaped(l, value);
    put(l, STR("\""));
}

static void put_number(struct line *l, struct str name, uint64_t value)
{
    put(l, name);
    put_u64(l, value);
}

static void write_json_timings(struct line *l, const struct access_line *a)
{
    put_number(l, STR(",\"total_us\":"), a->total_us);
    if (!a->is_asked && a->wait_us == 0)
        return;
    put_number(l, STR(",\"wait_us\":"), a->wait_us);
    if (!a->is_asked)
        return;
    put_number(l, STR(",\"connect_us\":"), a->connect_us);
    if (a->first_byte_us > 0)
        put_number(l, STR(",\"first_byte_us\":"), a->first_byte_us);
    put_number(l, STR(",\"retries\":"), a->retries);
}

static void write_json(struct line *l, const char *time, const struct access_line *a)
{
    put_member(l, STR("{\"time\":"), str_from(time));
    put_member(l, STR(",\"client\":"), a->client);
    put_member(l, STR(",\"scheme\":"), a->is_https ? STR("https") : STR("http"));
    put_member(l, STR(",\"tls\":"), str_from(a->tls));
    put_member(l, STR(",\"method\":"), a->method);
    put_member(l, STR(",\"host\":"), a->host);
    put_member(l, STR(",\"path\":"), a->path);
    put_member(l, STR(",\"version\":"), str_from(a->version));
    put_number(l, STR(",\"status\":"), a->status);
    put_number(l, STR(",\"in_bytes\":"), a->in_bytes);
    put_number(l, STR(",\"out_bytes\":"), a->out_bytes);
    write_json_timings(l, a);
    put_member(l, STR(",\"route\":"), a->route);
    put_member(l, STR(",\"target\":"), a->target);
    if (a->ended_by != ENDED_DONE) {
        put_member(l, STR(",\"ended_by\":"), by_words[a->ended_by]);
        put_member(l, STR(",\"ended_in\":"), in_words[a->ended_in]);
    }
    if (failed(a->error))
        put_member(l, STR(",\"error\":"), str_from(a->error.kind->name));
    put_member(l, STR(",\"request_id\":"), a->request_id);
    put(l, STR("}\n"));
}

static void put_ending(struct line *l, const struct access_line *a)
{
    if (a->ended_by == ENDED_DONE)
        return;
    put(l, STR(" !"));
    put(l, failed(a->error) ? str_from(a->error.kind->name) : STR("ended"));
    put(l, STR(" by "));
    put(l, by_words[a->ended_by]);
    put(l, STR(" in "));
    put(l, in_words[a->ended_in]);
}

/* 17:52:00.123 192.0.2.1 GET https://cloud.example.org/x 200 1234 B 0.8 ms ->
 * http://127.0.0.1:80 !target_reset by target in answer */
static void write_human(struct line *l, const char *time, const struct access_line *a)
{
    char text[64];
    put(l, str_make(time + 11, 12));
    put(l, STR(" "));
    put_escaped(l, a->client);
    put(l, STR(" "));
    put_or_dash(l, a->method);
    put(l, a->is_https ? STR(" https") : STR(" http"));
    if (a->method.len > 0)
        put(l, STR("://"));
    put_escaped(l, a->host);
    if (a->path.len > 0 && a->path.p[0] != '/') /* "*", or one that was refused */
        put(l, STR(" "));
    put_escaped(l, a->path);
    put(l, STR(" "));
    put_u64(l, a->status);
    put(l, STR(" "));
    put_u64(l, a->out_bytes);
    put(l, str_make(text, (size_t)snprintf(text, sizeof(text), " B %.1f ms",
                                           (double)a->total_us / 1000.0)));
    if (a->target.len > 0) {
        put(l, STR(" -> "));
        put_escaped(l, a->target);
    }
    put_ending(l, a);
    put(l, STR("\n"));
}

/* [23/Nov/2026:17:52:00 +0000], in UTC whatever the machine's zone is. */
static void put_clf_time(struct line *l)
{
    char date[UNITS_HTTP_DATE_MAX]; /* Mon, 23 Nov 2026 17:52:00 GMT */
    char text[64];
    units_format_http_date(clock_now_at(), date);
    put(l, str_make(text, (size_t)snprintf(text, sizeof(text), "[%.2s/%.3s/%.4s:%.8s +0000]",
                                           date + 5, date + 8, date + 12, date + 17)));
}

/* The number that analysers expect: of the answer, 499 where the client left before one, as
 * nginx has it, 000 where the gateway sent none. */
static void put_clf_status(struct line *l, const struct access_line *a)
{
    if (a->status != 0)
        put_u64(l, a->status);
    else
        put(l, a->ended_by == ENDED_BY_CLIENT ? STR("499") : STR("000"));
}

/* 192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] "GET /x HTTP/1.1" 200 1234 "-" "curl/8.5" */
static void write_combined(struct line *l, const struct access_line *a)
{
    put_or_dash(l, a->client);
    put(l, STR(" - - "));
    put_clf_time(l);
    put(l, STR(" \""));
    if (a->method.len == 0) {
        put(l, STR("-"));
    } else {
        put_escaped(l, a->method);
        put(l, STR(" "));
        put_or_dash(l, a->path);
        put(l, STR(" HTTP/"));
        put(l, str_from(a->version));
    }
    put(l, STR("\" "));
    put_clf_status(l, a);
    put(l, STR(" "));
    put_u64(l, a->out_bytes);
    put(l, STR(" \""));
    put_or_dash(l, a->referer);
    put(l, STR("\" \""));
    put_or_dash(l, a->user_agent);
    put(l, STR("\"\n"));
}

void access_log_write(struct access_log *a, const struct access_line *line)
{
    char time[UNITS_TIME_MAX];
    struct line l;
    l.len = 0;
    l.escape = a->format == ACCESS_COMBINED ? STR("\\x") : STR("\\u00");
    units_format_time_ms(clock_now_ms(), time);
    switch (a->format) {
    case ACCESS_HUMAN:
        write_human(&l, time, line);
        break;
    case ACCESS_JSON:
        write_json(&l, time, line);
        break;
    case ACCESS_COMBINED:
        write_combined(&l, line);
        break;
    }
    log_writer_put(a->writer, a->channel, str_make(l.bytes, l.len));
}
