/* renew.h - when: pure policy.
 *
 * Purpose: the moment a certificate is renewed, and the moment a failed attempt is repeated.
 * Thread:  any; pure.  Randomness is a parameter.
 * Fails:   never; dates beyond reason are clamped, nothing overflows. */
#pragma once

#include "acme/problem.h"

/* A number that is the same for the same certificate: a restart does not move its renewal. */
uint64_t renew_seed(struct str cert_id, struct str fingerprint);

/* Two thirds of the life, half of it if that is under 10 days, give or take 2 % by seed; from a
 * certificate that is old when we get it at least a third of what is left. */
int64_t renew_at(int64_t not_before_at, int64_t not_after_at, int64_t now_at, uint64_t seed);

/* "two thirds of its lifetime have passed then", or a half. */
const char *renew_why(int64_t not_before_at, int64_t not_after_at);

struct renew_failure {
    enum problem_class class;
    uint32_t failures; /* in a row, this one included */
    uint64_t wait_ms;  /* what the CA asked for; 0: nothing */
};

/* 1, 10, 100 minutes, then 24 hours, each give or take 20 % by random.  A CA in trouble is
 * asked every 100 minutes for as long as it takes; what cannot succeed by itself, once a day;
 * and never sooner than the CA said. */
int64_t renew_retry_at(const struct renew_failure *failure, int64_t now_at, uint64_t random);
