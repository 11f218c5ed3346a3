/* metrics.h - process-wide counters.
 *
 * Purpose: each thread counts in its own block, without sharing a cache line; readers sum.
 * Thread:  metric_add from any; metric_read from any.
 * Owns:    static blocks for METRICS_THREADS_MAX threads; threads beyond that share the last
 *          one.
 * Fails:   never. */
#pragma once

#include <stdint.h>

enum metric {
#define METRIC(id, name, type, help) METRIC_##id,
#include "gateway/base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metric_row {
    const char *name; /* Prometheus name */
    const char *type; /* "counter" or "gauge" */
    const char *help;
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* n may be negative for a gauge. */
void metric_add(enum metric m, int64_t n);

int64_t metric_read(enum metric m);
