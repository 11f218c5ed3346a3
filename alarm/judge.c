#include "alarm/judge.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/units.h"

#define DAY_S 86400

/* ---- the end of a certificate ---- */

const char *judge_step_name(enum judge_step step)
{
    static const char *const names[JUDGE_STEP_COUNT] = {
        [JUDGE_FAR] = "",
        [JUDGE_THIRD] = "third",
        [JUDGE_TENTH] = "tenth",
        [JUDGE_THREE_DAYS] = "three_days",
        [JUDGE_ONE_DAY] = "one_day",
        [JUDGE_EXPIRED] = "expired",
    };
    return names[step];
}

/* 0 for what ends before it begins; 300 years for what is longer. */
static int64_t length(const struct judge_life *life)
{
    int64_t s;
    if (__builtin_sub_overflow(life->not_after_at, life->not_before_at, &s))
        return life->not_after_at > 0 ? 300ll * 366 * DAY_S : 0;
    return s < 0 ? 0 : s;
}

/* So much is left when the step is taken; -1: there is no such step in this life. */
static int64_t left_at(const struct judge_life *life, enum judge_step step)
{
    int64_t whole_s = length(life);
    int64_t days = step == JUDGE_THREE_DAYS ? 3 : 1;
    if (step == JUDGE_THIRD)
        return whole_s / 3;
    if (step == JUDGE_TENTH)
        return whole_s / 10;
    if (step == JUDGE_EXPIRED)
        return 0;
    return days * DAY_S < whole_s / 10 ? days * DAY_S : -1;
}

/* When a step is taken; INT64_MAX: never. */
static int64_t step_at(const struct judge_life *life, enum judge_step step)
{
    int64_t left_s = left_at(life, step), at;
    if (left_s < 0)
        return INT64_MAX;
    if (__builtin_sub_overflow(life->not_after_at, left_s, &at))
        return INT64_MIN;
    /* The usual renewal comes about then; it gets a moment before anybody is told. */
    int64_t grace_s = length(life) / 100 > ALARM_GRACE_S ? length(life) / 100 : ALARM_GRACE_S;
    if (step == JUDGE_THIRD && life->renew_at > 0 && at < INT64_MAX - grace_s &&
        life->renew_at < INT64_MAX - grace_s && at < life->renew_at + grace_s)
        at = life->renew_at + grace_s;
    return at;
}

enum judge_step judge_step(const struct judge_life *life, int64_t now_at)
{
    for (int step = JUDGE_EXPIRED; step > JUDGE_FAR; step--) {
        if (step_at(life, (enum judge_step)step) <= now_at)
            return (enum judge_step)step;
    }
    return JUDGE_FAR;
}

int64_t judge_next_step_at(const struct judge_life *life, int64_t now_at)
{
    int64_t next_at = INT64_MAX;
    for (int step = JUDGE_THIRD; step <= JUDGE_EXPIRED; step++) {
        int64_t at = step_at(life, (enum judge_step)step);
        if (at > now_at && at < next_at)
            next_at = at;
    }
    return next_at;
}

struct judge_life judge_life_of(const struct cert *c)
{
    bool is_planned = c->source == CERT_ACME && c->failures == 0 && c->last_error.len == 0 &&
                      str_eq(c->next.what, STR("renew"));
    return (struct judge_life){.not_before_at = c->facts.not_before_at,
                               .not_after_at = c->facts.not_after_at,
                               .renew_at = is_planned ? c->next.at : 0};
}

static struct err judge_end(const struct judge_question *q, struct arena *a,
                            struct judge_verdict *ret)
{
    struct judge_life life = judge_life_of(q->cert);
    enum judge_step step = judge_step(&life, q->now_at);
    char end[UNITS_TIME_MAX];
    if (step == JUDGE_FAR)
        return OK;
    units_format_time(life.not_after_at, end);
    const char *what = q->cert->source == CERT_ACME ? "its renewal has not succeeded"
                                                    : "it was imported: import its successor";
    ret->state = JUDGE_ON;
    ret->level = str_from(judge_step_name(step));
    ret->words = arena_fmt(
        a, step == JUDGE_EXPIRED ? "it has ended at %s; %s" : "it ends at %s; %s", end, what);
    return ret->words.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- failures ---- */

/* True for classes that mostly pass without anybody's help. */
static bool is_passing(struct str class)
{
    return str_eq(class, STR("soon")) || str_eq(class, STR("wait"));
}

/* True if the end is so near that a failure that may pass is worth a word. */
static bool is_pressing(const struct judge_question *q)
{
    struct judge_life life = judge_life_of(q->cert);
    return q->cert->has_material && judge_step(&life, q->now_at) >= JUDGE_TENTH;
}

static struct err judge_failure(const struct judge_question *q, struct arena *a,
                                struct judge_verdict *ret)
{
    AUTO(json_decref) json_t *problem = NULL;
    struct str class = STR_NONE, detail = STR_NONE, title = STR_NONE;
    const struct cert *c = q->cert;
    if (c->source != CERT_ACME || c->last_error.len == 0)
        return OK;
    struct err e = json_read(c->last_error, &problem);
    if (err_is(e, ERR_MEMORY))
        return e;
    if (!failed(e)) {
        (void)json_want_str(problem, "class", &class);
        (void)json_want_str(problem, "detail", &detail);
        (void)json_want_str(problem, "title", &title);
    }
    if (is_passing(class) && c->failures < ALARM_PASSING_FAILURES && !is_pressing(q))
        return OK;
    *ret = (struct judge_verdict){.state = JUDGE_ON,
                                  .words = arena_dup(a, detail.len > 0 ? detail : title)};
    return ret->words.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- what the CA and handshakes say ---- */

/* A CA that withdraws a certificate has it renewed in a window that is past when it says so.
 * The window of a renewal that failed is past, too, but late in the life (RFC 9773 4.2; Let's
 * Encrypt's begin at two thirds, or a half). */
static struct err judge_revocation(const struct judge_question *q, struct arena *a,
                                   struct judge_verdict *ret)
{
    const struct cert *c = q->cert;
    struct judge_life life = judge_life_of(c);
    int64_t half_s = length(&life) * 45 / 100;
    bool is_past = c->renewal.end_at > 0 && c->renewal.end_at <= q->now_at;
    bool is_early = c->renewal.end_at < c->facts.not_before_at + half_s;
    bool is_explained = c->renewal.explanation.len > 0;
    if (!is_past || !(is_early || is_explained))
        return OK;
    *ret = (struct judge_verdict){
        .state = JUDGE_ON,
        .words = arena_fmt(a, "the CA wants it replaced at once%s%.*s",
                           is_explained ? "; see " : "", STR_ARG(c->renewal.explanation))};
    return ret->words.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct judge_verdict judge_served(const struct judge_question *q)
{
    bool is_this = str_eq(q->served.about, q->cert->facts.fingerprint_sha256);
    if (!is_this || q->served.state == CONDITION_UNKNOWN)
        return (struct judge_verdict){.state = JUDGE_KEEP};
    return judge_condition(&q->served);
}

struct judge_verdict judge_condition(const struct condition *c)
{
    static const enum judge_state states[] = {[CONDITION_UNKNOWN] = JUDGE_KEEP,
                                              [CONDITION_GOOD] = JUDGE_OFF,
                                              [CONDITION_BAD] = JUDGE_ON};
    return (struct judge_verdict){.state = states[c->state], .words = c->words};
}

struct err judge_cert(const struct judge_question *q, struct arena *a,
                      struct judge_verdict ret_verdicts[JUDGE_CERT_KINDS])
{
    for (int i = 0; i < JUDGE_CERT_KINDS; i++)
        ret_verdicts[i] = (struct judge_verdict){.state = JUDGE_OFF};
    if (!q->is_used)
        return OK;
    TRY(judge_failure(q, a, &ret_verdicts[ALARM_FAILED]));
    if (!q->cert->has_material)
        return OK;
    TRY(judge_end(q, a, &ret_verdicts[ALARM_EXPIRING]));
    TRY(judge_revocation(q, a, &ret_verdicts[ALARM_REVOKED]));
    ret_verdicts[ALARM_NOT_SERVED] = judge_served(q);
    return OK;
}

const char *judge_severity(enum alarm_kind kind, struct str level)
{
    bool is_far = kind == ALARM_EXPIRING && str_eq(level, STR("third"));
    bool is_mild =
        kind == ALARM_FAILED || kind == ALARM_CLOCK_SKEW || kind == ALARM_CA_FAILOVER;
    return is_far || is_mild ? "warning" : "critical";
}
