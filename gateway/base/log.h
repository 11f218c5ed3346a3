/* log.h - structured log lines.
 *
 * Purpose: one event, one line, one call: a constant snake_case event name and typed
 *          key-values. People on a terminal get aligned text, everything else gets JSON
 *          lines.
 * Thread:  any, after log_setup; the sink must accept calls from several threads.
 * Owns:    nothing; a line is built on the stack of the caller.
 * Limits:  LOG_LINE_MAX_BYTES per line, longer ones are cut and marked; repeats of one event
 *          above LOG_BURST_MAX per LOG_BURST_MS and thread are counted, not written
 *          ("suppressed").
 * Fails:   never; a sink that cannot take a line counts METRIC_LOG_LINES_LOST.
 *
 * Only the owner of an event logs it (conn, exchange, order, API handler, main); libraries
 * return. */
#pragma once

#include "gateway/base/str.h"

enum log_format {
    LOG_FORMAT_HUMAN,
    LOG_FORMAT_COLOUR, /* human, with ANSI colours */
    LOG_FORMAT_JSON,
};

/* line ends in '\n'. */
typedef void log_sink_fn(void *arg, enum log_level level, struct str line);

struct log_options {
    enum log_format format;
    enum log_level level; /* lines above it are not built */
    log_sink_fn *sink;
    void *arg;
};

/* Before other threads start; without it lines go nowhere. */
void log_setup(const struct log_options *o);

bool log_is_on(enum log_level level);

/* "error", "warn", "info", "debug". */
bool log_level_parse(struct str name, enum log_level *ret_level);

enum log_kv_type { LOG_KV_STR, LOG_KV_U64, LOG_KV_I64, LOG_KV_BOOL };

struct log_kv {
    const char *key;
    enum log_kv_type type;
    union {
        struct str str;
        uint64_t u64;
        int64_t i64;
        bool flag;
    } value;
};

#define KV_STR(k, v)  ((struct log_kv){.key = (k), .type = LOG_KV_STR, .value.str = (v)})
#define KV_CSTR(k, v) KV_STR(k, str_from(v))
#define KV_U64(k, v)  ((struct log_kv){.key = (k), .type = LOG_KV_U64, .value.u64 = (v)})
#define KV_I64(k, v)  ((struct log_kv){.key = (k), .type = LOG_KV_I64, .value.i64 = (v)})
#define KV_BOOL(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_BOOL, .value.flag = (v)})

/* kvs[0] is a placeholder that is skipped, so that an event without values is legal C. */
void log_event(enum log_level level, const char *event, const struct log_kv *kvs, size_t count);

#define LOG_KVS(...) ((const struct log_kv[]){{.key = NULL}, ##__VA_ARGS__})
#define log_at(level, event, ...)                                                              \
    log_event((level), (event), LOG_KVS(__VA_ARGS__),                                          \
              sizeof(LOG_KVS(__VA_ARGS__)) / sizeof(struct log_kv))
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

/* With the level of the error's row and its name, text and detail appended. */
#define log_err(e, event, ...)                                                                 \
    log_at((e).kind->level, event, ##__VA_ARGS__, KV_CSTR("error", (e).kind->name),            \
           KV_CSTR("reason", (e).kind->text), KV_I64("detail", (e).detail))
