#include "tests/support/fake_clock.h"

#include <stddef.h>

static uint64_t read_mono_us(void *arg)
{
    struct fake_clock *c = arg;
    return atomic_load(&c->mono_ms) * 1000;
}

static int64_t read_now_ms(void *arg)
{
    struct fake_clock *c = arg;
    return atomic_load(&c->now_ms);
}

void fake_clock_use(struct fake_clock *c, int64_t now_at)
{
    atomic_init(&c->now_ms, now_at * 1000);
    atomic_init(&c->mono_ms, 1000000);
    c->source = (struct clock_source){.mono_us = read_mono_us, .now_ms = read_now_ms, .arg = c};
    clock_replace(&c->source);
}

void fake_clock_restore(void)
{
    clock_replace(NULL);
}

void fake_clock_advance(struct fake_clock *c, uint64_t ms)
{
    atomic_fetch_add(&c->now_ms, (int64_t)ms);
    atomic_fetch_add(&c->mono_ms, ms);
}
