#include "gateway/access_log.h"

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

#include <stdio.h>

enum {
    ACCESS_TEXT_MAX_BYTES = 4096, /* of one text, escaped; the rest of it is cut off */
    ACCESS_TEXTS = 7,             /* client, method, host, path, route, target, request id */
    ACCESS_LINE_MAX_BYTES = ACCESS_TEXTS * (ACCESS_TEXT_MAX_BYTES + 8) + 1024,
};

static const struct str ended_names[] = {
    [ENDED_DONE] = STR_LIT("done"),
    [ENDED_BY_CLIENT] = STR_LIT("client"),
    [ENDED_BY_TARGET] = STR_LIT("target"),
    [ENDED_BY_GATEWAY] = STR_LIT("gateway"),
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

/* A line on the stack; the texts are bounded so that it always fits. */
struct line {
    char bytes[ACCESS_LINE_MAX_BYTES];
    size_t len;
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

/* Foreign bytes cannot break a line, a terminal or a JSON document. */
static void put_escaped(struct line *l, struct str s)
{
    size_t plain = 0, grown = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (i + grown >= ACCESS_TEXT_MAX_BYTES) {
            s.len = i;
            break;
        }
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        char text[8];
        put(l, str_sub(s, plain, i - plain));
        put(l, str_make(text, (size_t)snprintf(text, sizeof(text), "\\u%04x", c)));
        plain = i + 1;
        grown += 5;
    }
    put(l, str_skip(s, plain));
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

static void write_json(struct line *l, const char *time, const struct access_line *a)
{
    put_member(l, STR("{\"time\":"), str_from(time));
    put_member(l, STR(",\"client\":"), a->client);
    put_member(l, STR(",\"scheme\":"), a->is_tls ? STR("https") : STR("http"));
    put_member(l, STR(",\"method\":"), a->method);
    put_member(l, STR(",\"host\":"), a->host);
    put_member(l, STR(",\"path\":"), a->path);
    put_member(l, STR(",\"version\":"), str_from(a->version));
    put_number(l, STR(",\"status\":"), a->status);
    put_number(l, STR(",\"in_bytes\":"), a->in_bytes);
    put_number(l, STR(",\"out_bytes\":"), a->out_bytes);
    put_number(l, STR(",\"total_us\":"), a->total_us);
    if (a->tries > 0) {
        put_number(l, STR(",\"connect_us\":"), a->connect_us);
        put_number(l, STR(",\"first_byte_us\":"), a->first_byte_us);
        put_number(l, STR(",\"tries\":"), a->tries);
    }
    put_member(l, STR(",\"route\":"), a->route);
    put_member(l, STR(",\"target\":"), a->target);
    put_member(l, STR(",\"ended_by\":"), ended_names[a->ended_by]);
    if (failed(a->error))
        put_member(l, STR(",\"error\":"), str_from(a->error.kind->name));
    put_member(l, STR(",\"request_id\":"), a->request_id);
    put(l, STR("}\n"));
}

/* 17:52:00.123 192.0.2.1 GET https://cloud.example.org/x 200 1234 B 0.8 ms ->
 * http://127.0.0.1:80 */
static void write_human(struct line *l, const char *time, const struct access_line *a)
{
    char text[64];
    put(l, str_make(time + 11, 12));
    put(l, STR(" "));
    put_escaped(l, a->client);
    put(l, STR(" "));
    put_escaped(l, a->method.len > 0 ? a->method : STR("-"));
    put(l, a->is_tls ? STR(" https://") : STR(" http://"));
    put_escaped(l, a->host);
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
    if (failed(a->error)) {
        put(l, STR(" !"));
        put(l, str_from(a->error.kind->name));
    }
    put(l, STR("\n"));
}

void access_log_write(struct access_log *a, const struct access_line *line)
{
    char time[UNITS_TIME_MAX];
    struct line l;
    l.len = 0;
    units_format_time_ms(clock_now_ms(), time);
    if (a->format == ACCESS_JSON)
        write_json(&l, time, line);
    else
        write_human(&l, time, line);
    log_writer_put(a->writer, a->channel, str_make(l.bytes, l.len));
}
