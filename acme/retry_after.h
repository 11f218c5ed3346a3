/* retry_after.h - the Retry-After field of an answer (RFC 9110 10.2.3).
 *
 * Purpose: seconds or an HTTP date, from a server that may send anything, become a wait that is
 *          safe to obey.
 * Thread:  any; pure.
 * Fails:   never: absent, negative, overflowing, garbled and past values mean standard_ms. */
#pragma once

#include "gateway/base/str.h"

struct retry_after_bounds {
    uint64_t standard_ms; /* when the field is of no use */
    uint64_t min_ms;
    uint64_t max_ms;
};

uint64_t retry_after_ms(struct str field, int64_t now_at,
                        const struct retry_after_bounds *bounds);
