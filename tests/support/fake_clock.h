/* fake_clock.h - both clocks stand still until a test moves them.
 *
 * Purpose: tests of waits and dates that take no time.
 * Thread:  fake_clock_use before other threads start; the rest from any.
 * Owns:    nothing. */
#pragma once

#include "gateway/base/clock.h"

#include <stdatomic.h>
#include <stdint.h>

struct fake_clock {
    atomic_int_fast64_t now_ms;
    atomic_uint_fast64_t mono_ms;
    struct clock_source source;
};

/* Starts at now_at and replaces the system's clocks; fake_clock_restore brings them back. */
void fake_clock_use(struct fake_clock *c, int64_t now_at);
void fake_clock_restore(void);

/* Both clocks. */
void fake_clock_advance(struct fake_clock *c, uint64_t ms);
