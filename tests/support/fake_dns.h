/* fake_dns.h - answers to c-ares queries that a test makes up.
 *
 * Purpose: look-ups without a network.  Definitions in a program come before those of a
 *          shared library, so that linking this file replaces the functions of c-ares that
 *          ask and free; while it is not in use they pass everything on to the library.
 * Thread:  the test's.
 * Owns:    answers until c-ares' user frees them.
 * Fails:   assertions. */
#pragma once

#include <ares.h>

/* From now on queries stay open until fake_dns_answer. */
void fake_dns_use(void);
void fake_dns_restore(void);

/* Queries are answered inside the call that asks; a negative status: they stay open again.
 * addresses: "192.0.2.1/60 2001:db8::1/30", each with its TTL; for ARES_SUCCESS only. */
void fake_dns_at_once(int status, const char *addresses);

/* How many queries there were; one for both families of a name counts once. */
unsigned fake_dns_asked(void);

/* The name of the oldest open query. */
const char *fake_dns_oldest(void);

/* Answers the oldest open query: each family gets its addresses, or ARES_ENODATA. */
void fake_dns_answer(int status, const char *addresses);

/* Answers a half of it, AF_INET or AF_INET6; the other one stays open. */
void fake_dns_answer_half(int family, int status, const char *addresses);

/* The TTL of an alias that all answers from now on come with; 0: of none. */
void fake_dns_alias(int ttl);
