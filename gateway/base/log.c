/* log.c - in call order: log_event -> is_suppressed -> write_human | write_json -> sink. */
#include "gateway/base/log.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/units.h"

#include <stdarg.h>
#include <stdio.h>

static struct log_options options = {.level = LOG_LEVEL_INFO};

static const struct {
    const char *name;
    const char *label;
    const char *colour;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "ERROR", "\033[31m"},
    [LOG_LEVEL_WARN] = {"warn", "WARN ", "\033[33m"},
    [LOG_LEVEL_INFO] = {"info", "INFO ", "\033[32m"},
    [LOG_LEVEL_DEBUG] = {"debug", "DEBUG", "\033[2m"},
};

/* A line under construction; what does not fit is dropped and the line marked. */
struct line {
    char bytes[LOG_LINE_MAX_BYTES];
    size_t len;
    bool is_cut;
};

void log_setup(const struct log_options *o)
{
    options = *o;
}

bool log_is_on(enum log_level level)
{
    return options.sink != NULL && level <= options.level;
}

bool log_level_parse(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq(name, str_from(levels[i].name))) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* How often one event was written lately, by this thread. */
struct burst {
    const char *event;
    uint64_t since_ms;
    uint32_t written;
    uint32_t suppressed;
};

/* True: do not write. Otherwise *ret_missed says how many lines went unwritten before this one.
 * Events are compared by address: names are constants. A collision forgets the older event. */
static bool is_suppressed(const char *event, uint32_t *ret_missed)
{
    static _Thread_local struct burst bursts[LOG_BURST_EVENTS];
    struct burst *b = &bursts[((uintptr_t)event >> 3) % LOG_BURST_EVENTS];
    uint64_t now_ms = clock_mono_ms();
    *ret_missed = 0;
    if (b->event != event || now_ms - b->since_ms > LOG_BURST_MS) {
        if (b->event == event)
            *ret_missed = b->suppressed;
        *b = (struct burst){.event = event, .since_ms = now_ms};
    }
    if (b->written >= LOG_BURST_MAX) {
        b->suppressed++;
        return true;
    }
    b->written++;
    return false;
}

static void put(struct line *l, struct str s)
{
    /* Room is kept for the mark and the end of the line. */
    size_t room = sizeof(l->bytes) - l->len - 64;
    if (s.len > room) {
        s.len = room;
        l->is_cut = true;
    }
    if (s.len > 0)
        memcpy(l->bytes + l->len, s.p, s.len);
    l->len += s.len;
}

static void put_fmt(struct line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put_fmt(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0)
        put(l, str_make(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1));
}

/* Length of the well-formed UTF-8 sequence at the head of s, 0 if there is none (RFC 3629 4).
 * The C1 controls, which some terminals obey in UTF-8 too, count as malformed. */
static size_t utf8_len(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t len = c < 0x80                ? 1
                 : c >= 0xc2 && c < 0xe0 ? 2
                 : (c & 0xf0) == 0xe0    ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;
    if (len == 0 || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
    }
    unsigned char second = len > 1 ? (unsigned char)s.p[1] : 0;
    bool is_refused = (c == 0xc2 && second < 0xa0) || /* C1 */
                      (c == 0xe0 && second < 0xa0) ||
                      (c == 0xf0 && second < 0x90) ||  /* overlong */
                      (c == 0xed && second >= 0xa0) || /* surrogates */
                      (c == 0xf4 && second >= 0x90);   /* beyond U+10FFFF */
    return is_refused ? 0 : len;
}

/* What came from outside cannot break a line or a terminal: control bytes and broken UTF-8 are
 * written as escapes, in both formats. */
static void put_quoted(struct line *l, struct str s)
{
    put(l, STR("\""));
    while (s.len > 0 && !l->is_cut) {
        size_t n = utf8_len(s);
        unsigned char c = (unsigned char)s.p[0];
        if (n == 0 || c < 0x20 || c == 0x7f) {
            put_fmt(l, "\\u%04x", c);
            n = 1;
        } else {
            if (c == '"' || c == '\\')
                put(l, STR("\\"));
            put(l, str_sub(s, 0, n));
        }
        s = str_skip(s, n);
    }
    put(l, STR("\""));
}

static void put_value(struct line *l, const struct log_kv *kv)
{
    switch (kv->type) {
    case LOG_KV_STR:
        put_quoted(l, kv->value.str);
        return;
    case LOG_KV_U64:
        put_fmt(l, "%llu", (unsigned long long)kv->value.u64);
        return;
    case LOG_KV_I64:
        put_fmt(l, "%lld", (long long)kv->value.i64);
        return;
    case LOG_KV_BOOL:
        put(l, kv->value.flag ? STR("true") : STR("false"));
        return;
    }
}

static void write_json(struct line *l, enum log_level level, const char *event,
                       const struct log_kv *kvs, size_t count)
{
    char time[UNITS_TIME_MAX];
    units_format_time_ms(clock_now_ms(), time);
    put_fmt(l, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", time, levels[level].name);
    put_quoted(l, str_from(event));
    for (size_t i = 0; i < count && !l->is_cut; i++) {
        size_t before = l->len;
        put(l, STR(","));
        put_quoted(l, str_from(kvs[i].key));
        put(l, STR(":"));
        put_value(l, &kvs[i]);
        if (l->is_cut)
            l->len = before; /* half a value would not be JSON */
    }
    if (l->is_cut)
        l->len += (size_t)snprintf(l->bytes + l->len, 32, ",\"cut\":true");
    l->len += (size_t)snprintf(l->bytes + l->len, 8, "}\n");
}

static void write_human(struct line *l, enum log_level level, const char *event,
                        const struct log_kv *kvs, size_t count)
{
    bool is_colour = options.format == LOG_FORMAT_COLOUR;
    char time[UNITS_TIME_MAX];
    units_format_time_ms(clock_now_ms(), time);
    /* The date stands in every line of a journal already: 12:34:56.789 is enough for people. */
    put_fmt(l, "%.12s %s%s%s ", time + 11, is_colour ? levels[level].colour : "",
            levels[level].label, is_colour ? "\033[0m" : "");
    put(l, str_from(event));
    for (size_t i = 0; i < count; i++) {
        put(l, STR(" "));
        put(l, str_from(kvs[i].key));
        put(l, STR("="));
        put_value(l, &kvs[i]);
    }
    l->len += (size_t)snprintf(l->bytes + l->len, 8, "%s\n", l->is_cut ? "..." : "");
}

void log_event(enum log_level level, const char *event, const struct log_kv *kvs, size_t count)
{
    uint32_t missed;
    if (!log_is_on(level) || is_suppressed(event, &missed))
        return;
    if (missed > 0)
        log_event(level, "repeats_suppressed",
                  LOG_KVS(KV_CSTR("of", event), KV_U64("count", missed)), 3);
    struct line l = {.len = 0};
    if (options.format == LOG_FORMAT_JSON)
        write_json(&l, level, event, kvs + 1, count - 1);
    else
        write_human(&l, level, event, kvs + 1, count - 1);
    options.sink(options.arg, level, str_make(l.bytes, l.len));
}
