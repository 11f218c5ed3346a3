/* crash.h - named places where a test lets the process die.
 *
 * Purpose: resuming after kill -9 is tested at every step of an order.  "sent-<state>": the
 *          step is done at the CA and not yet stored; "saved-<state>": the state is stored, its
 *          step not begun.
 * Thread:  the ACME thread.
 * Limits:  only in builds with sanitizers (GW_CRASH_POINTS); otherwise nothing happens. */
#pragma once

#ifdef GW_CRASH_POINTS
#include <signal.h>
#include <stdio.h>
#include <string.h>

static inline void crash_point(const char *crash_at, const char *when, const char *state)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s-%s", when, state);
    if (crash_at != NULL && strcmp(crash_at, name) == 0)
        (void)raise(SIGKILL);
}
#else
static inline void crash_point(const char *crash_at, const char *when, const char *state)
{
    (void)crash_at;
    (void)when;
    (void)state;
}
#endif
