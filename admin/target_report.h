/* target_report.h - what is known about a target while running, in words.
 *
 * Purpose: status and metrics say the same about a target: whether it serves, and why not.
 * Thread:  any; reads the atomics of struct target_live once.
 * Owns:    text lives in the caller's arena or is constant.
 * Fails:   out of memory leaves words out. */
#pragma once

#include "store/model.h"

enum target_state {
    TARGET_UNKNOWN, /* not asked yet */
    TARGET_UP,
    TARGET_FAILING, /* the last attempt failed; there are others, or health checks, and it is
                     * still in use */
    TARGET_DOWN,    /* the last attempt failed and it is the only one, or its probes fail */
    TARGET_EJECTED, /* left out for a time, after failures in a row */
    TARGET_TRIAL,   /* ... which is over: the next request or probe decides */
};

struct target_report {
    enum target_state state;
    bool is_probed;               /* DOWN: by its probes */
    const struct err_kind *error; /* of the last failure; NULL: none yet */
    int32_t error_detail;
    int64_t error_at;
    int64_t ok_at;
    int64_t ejected_until;    /* wall clock, as are these; 0: not EJECTED, or a probe ends it */
    int64_t slow_start_until; /* 0: it has its whole share */
    int64_t stale_at;         /* its name does not resolve since; 0: it does */
    uint64_t requests;
    uint64_t failures;       /* of requests */
    uint64_t probe_failures; /* of health checks */
    uint64_t retries;
    uint64_t ejections;
    int32_t connections;
    int32_t active; /* requests under way */
};

/* t: one of u's. */
struct target_report target_report_read(const struct upstream *u, const struct target *t);

/* True if requests go there: unknown, up, failing and on trial. */
bool target_report_serves(const struct target_report *r);

/* "up", "down", "ejected", ... */
const char *target_report_state_name(enum target_state state);

/* What the error's detail means ("Connection refused", "self-signed certificate"); may be
 * empty. */
struct str target_report_words(struct arena *a, const struct target_report *r);

/* Why it does not serve as it should, in a sentence that begins with url; empty if it does. */
struct str target_report_reason(struct arena *a, const struct target_report *r, struct str url);

/* {"error", "text", "words", "at"}, or JSON null if nothing failed yet; new reference. */
json_t *target_report_error_to_json(struct arena *a, const struct target_report *r);
