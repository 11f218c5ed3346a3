/* status_set.h - a set of HTTP status codes, as a person writes it: "2xx,3xx", "200-299,404".
 *
 * Purpose: which answers of a target a health check counts as good; read once, asked with one
 *          look.
 * Thread:  any.
 * Owns:    nothing: a value.
 * Limits:  codes from 100 to 599 (RFC 9110 15). */
#pragma once

#include "gateway/base/str.h"

#include <stdint.h>

enum { STATUS_SET_MIN = 100, STATUS_SET_MAX = 599 };

struct status_set {
    uint64_t bits[(STATUS_SET_MAX - STATUS_SET_MIN) / 64 + 1];
};

/* A comma-separated list of codes, classes and ranges; says what is wrong with it, or NULL. */
const char *status_set_parse(struct str text, struct status_set *ret_set);

static inline bool status_set_has(const struct status_set *s, unsigned status)
{
    unsigned at = status - STATUS_SET_MIN;
    return status >= STATUS_SET_MIN && status <= STATUS_SET_MAX &&
           (s->bits[at / 64] >> (at % 64) & 1) != 0;
}
