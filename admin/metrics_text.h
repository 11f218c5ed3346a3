/* metrics_text.h - the Prometheus text format (version 0.0.4), one line at a time.
 *
 * Purpose: families with help and type, samples with labels; whatever a label says cannot end
 *          its line.
 * Thread:  any.
 * Owns:    nothing; text goes to the caller's buffer.
 * Fails:   what buf_append says. */
#pragma once

#include "gateway/base/buf.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Samples of one family follow each other, behind this. */
struct err metrics_text_family(struct buf *out, const char *name, const char *type,
                               const char *help);

struct metrics_label {
    const char *name; /* NULL ends a list */
    struct str value;
};

/* suffix: "_bucket", "_sum", "_count" of a histogram, else "". labels may be NULL. */
struct metrics_series {
    const char *name;
    const char *suffix;
    const struct metrics_label *labels;
};

struct err metrics_text_integer(struct buf *out, const struct metrics_series *s, int64_t value);

/* Microseconds, written as seconds. */
struct err metrics_text_seconds(struct buf *out, const struct metrics_series *s, uint64_t us);

/* "0.0005" */
enum { METRICS_SECONDS_MAX = 32 };
struct str metrics_text_from_us(uint64_t us, char out[METRICS_SECONDS_MAX]);
