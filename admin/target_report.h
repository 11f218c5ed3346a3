/* target_report.h - what is known about a target while running, in words.
 *
 * Purpose: status and metrics say the same about a target: up, down or not asked yet, and
 *          why.
 * Thread:  any; reads the atomics of struct target_live once.
 * Owns:    text lives in the caller's arena or is constant.
 * Fails:   out of memory leaves words out. */
#pragma once

#include "store/model.h"

enum target_state { TARGET_UNKNOWN, TARGET_UP, TARGET_DOWN };

struct target_report {
    enum target_state state;
    const struct err_kind *error; /* of the last failure; NULL: none yet */
    int32_t error_detail;
    int64_t error_at;
    int64_t ok_at;
    uint64_t requests;
    uint64_t failures;
    uint64_t retries;
    int32_t connections;
    int64_t stale_at; /* its name no longer resolves; 0: it does */
};

struct target_report target_report_read(const struct target *t);

/* "up", "down", "unknown". */
const char *target_report_state_name(enum target_state state);

/* What the error's detail means ("Connection refused", "self-signed certificate"); may be
 * empty. */
struct str target_report_words(struct arena *a, const struct target_report *r);

/* {"error", "text", "words", "at"}, or JSON null if nothing failed yet; new reference. */
json_t *target_report_error_to_json(struct arena *a, const struct target_report *r);
