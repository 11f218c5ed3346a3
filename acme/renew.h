/* renew.h - when: pure policy.
 *
 * Purpose: the moment a certificate is renewed, and the moment a failed attempt is repeated.
 *          The CA's word (renewal information, RFC 9773) goes first; without it a part of the
 *          lifetime; and however late either is, not later than a last moment that leaves room
 *          for failures.  Everything is relative to the lifetime: 20 seconds or 398 days.
 * Thread:  any; pure.  Randomness is a parameter.
 * Fails:   never; dates beyond reason are clamped, nothing overflows. */
#pragma once

#include "acme/problem.h"
#include "store/cert.h"

/* A number that is the same for the same certificate: a restart does not move its renewal. */
uint64_t renew_seed(struct str cert_id, struct str fingerprint);

/* What a certificate has of time.  One that was old when we got it has less of it. */
struct renew_life {
    int64_t not_before_at;
    int64_t not_after_at;
    int64_t got_at; /* 0: as soon as it began */
};

/* Without the CA's word: two thirds of the life, half of it if that is under 10 days, give or
 * take 2 % by seed; from a certificate that was old when we got it at least a third of what was
 * left. */
int64_t renew_backstop_at(const struct renew_life *life, uint64_t seed);

/* The last moment, whatever else is said: a twentieth of what we had of the life is left, or
 * five looks at the clock, where these are not most of it. */
int64_t renew_emergency_at(const struct renew_life *life);

enum renew_reason {
    RENEW_TWO_THIRDS,
    RENEW_HALF,
    RENEW_ASKED,     /* the CA says when */
    RENEW_EMERGENCY, /* all the others are too late */
};

struct renew_plan {
    int64_t at;
    enum renew_reason reason;
};

/* window: what the CA says; start_at 0: nothing.  A window in the past means now, but not at
 * once again and again: a CA that says so of each new certificate is asked once an hour. */
struct renew_plan renew_plan(const struct renew_life *life, const struct cert_renewal *window,
                             uint64_t seed);

/* "two thirds of its lifetime have passed then", ... */
const char *renew_words(enum renew_reason reason);

struct renew_failure {
    enum problem_class class;
    uint32_t failures; /* in a row, this one included */
    uint64_t wait_ms;  /* what the CA asked for; 0: nothing */
    int64_t life_s;    /* of the certificate in service; 0: there is none */
};

/* 1, 10, 100 minutes, then 24 hours, each give or take 20 % by random, and where something can
 * come of it at most a twentieth of the lifetime.  A CA in trouble is asked every 100 minutes
 * for as long as it takes; what cannot succeed by itself, once a day; and never sooner than the
 * CA said.  Names that could not be validated for a month are tried once a week. */
int64_t renew_retry_at(const struct renew_failure *failure, int64_t now_at, uint64_t random);

/* The longest that renew_retry_at ever waits: a plan further off was made by another clock. */
#define RENEW_RETRY_MAX_S (9ll * 86400)

/* After so many failed validations in a row, a month for most, the names probably lead
 * elsewhere for good: then once a week. */
#define RENEW_GIVEN_UP 32
