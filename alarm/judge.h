/* judge.h - is something wrong that people should know?  Pure policy.
 *
 * Purpose: from a certificate, what was found out about it, and the clock: which alarms are on.
 *          Everything about time is relative to the lifetime: 20 seconds or 398 days.
 * Thread:  any; pure.
 * Owns:    words live in the caller's arena, or are constant.
 * Fails:   ERR_MEMORY; dates beyond reason overflow nothing. */
#pragma once

#include "store/alarms.h"

enum judge_state {
    JUDGE_OFF,
    JUDGE_ON,
    JUDGE_KEEP, /* cannot tell from here: as it was */
};

struct judge_verdict {
    enum judge_state state;
    struct str level; /* of kinds that have steps; else empty */
    struct str words;
};

/* Kinds below ALARM_CLOCK_SKEW are about one certificate. */
enum { JUDGE_CERT_KINDS = ALARM_CLOCK_SKEW };

struct judge_question {
    const struct cert *cert;
    bool is_used;            /* by an enabled route, or otherwise */
    struct condition served; /* what is known of it */
    int64_t now_at;
};

/* ret_verdicts: by kind. */
struct err judge_cert(const struct judge_question *q, struct arena *a,
                      struct judge_verdict ret_verdicts[JUDGE_CERT_KINDS]);

/* Of a condition of the whole gateway. */
struct judge_verdict judge_condition(const struct condition *c);

/* "critical" or "warning". */
const char *judge_severity(enum alarm_kind kind, struct str level);

/* ---- the end of a certificate ---- */

enum judge_step {
    JUDGE_FAR,
    JUDGE_THIRD, /* of the life is left */
    JUDGE_TENTH,
    JUDGE_THREE_DAYS, /* these two only where they come after the others */
    JUDGE_ONE_DAY,
    JUDGE_EXPIRED,
    JUDGE_STEP_COUNT
};

struct judge_life {
    int64_t not_before_at;
    int64_t not_after_at;
    int64_t renew_at; /* it is renewed by itself then, and has not failed; 0: it is not */
};

/* How near it is.  A third of the life is no news while its renewal is as planned. */
enum judge_step judge_step(const struct judge_life *life, int64_t now_at);

/* When the next step is taken if nothing changes; INT64_MAX: never. */
int64_t judge_next_step_at(const struct judge_life *life, int64_t now_at);

/* "", "third", "tenth", "three_days", "one_day", "expired". */
const char *judge_step_name(enum judge_step step);

/* What judge_cert asks the two about. */
struct judge_life judge_life_of(const struct cert *c);
