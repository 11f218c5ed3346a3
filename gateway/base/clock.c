#include "gateway/base/clock.h"

#include <stddef.h>
#include <time.h>

static const struct clock_source *replaced;

static int64_t read_clock(clockid_t id, int64_t units_per_second)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return ts.tv_sec * units_per_second + ts.tv_nsec / (1000000000 / units_per_second);
}

uint64_t clock_mono_us(void)
{
    if (replaced != NULL)
        return replaced->mono_us(replaced->arg);
    return (uint64_t)read_clock(CLOCK_BOOTTIME, 1000000);
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_now_ms(void)
{
    if (replaced != NULL)
        return replaced->now_ms(replaced->arg);
    return read_clock(CLOCK_REALTIME, 1000);
}

int64_t clock_now_at(void)
{
    return clock_now_ms() / 1000;
}

void clock_replace(const struct clock_source *source)
{
    replaced = source;
}
