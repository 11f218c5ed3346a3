/* clock.h - the time, replaceable in tests.
 *
 * Purpose: monotonic milliseconds for waits and deadlines, wall-clock seconds for what
 *          people and certificates see.  Never mix the two: names end in _ms or _at.
 * Thread:  any.  clock_replace is for tests, before other threads start. */
#pragma once

#include <stdint.h>

/* Milliseconds since an arbitrary point; never jumps, goes on during suspend. */
uint64_t clock_mono_ms(void);

/* Microseconds of the same clock: for measuring. */
uint64_t clock_mono_us(void);

/* Seconds since 1970-01-01T00:00:00Z. */
int64_t clock_now_at(void);

/* Milliseconds since 1970-01-01T00:00:00Z: for log lines only. */
int64_t clock_now_ms(void);

struct clock_source {
    uint64_t (*mono_us)(void *arg);
    int64_t (*now_ms)(void *arg);
    void *arg;
};

/* NULL restores the system's clocks. */
void clock_replace(const struct clock_source *source);
