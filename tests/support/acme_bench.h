/* acme_bench.h - a store, a fake CA and a clock, wired for tests of the order machine.
 *
 * Purpose: what tests of accounts, orders and the ACME thread start from: ACME settings that
 *          name the fake CA, which looks for challenge answers in the snapshot, as workers
 *          would serve them.
 * Thread:  the owner's.
 * Owns:    everything in it.
 * Fails:   assertions. */
#pragma once

#include "acme/ca.h"
#include "tests/support/fake_ca.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_store.h"

#define ACME_BENCH_NOW_AT 1790000000

struct acme_bench {
    struct temp_store store;
    struct fake_ca ca;
    struct fake_clock clock;
};

/* has_clock: stop the clocks; without it time is real. */
void acme_bench_init(struct acme_bench *b, bool has_clock);
void acme_bench_fini(struct acme_bench *b);

/* Members of the ACME settings, beside the directory: "'tos_agreed': true". */
void acme_bench_set(struct acme_bench *b, const char *members);

/* A route for hosts ("'a.example', 'b.example'") with certificate auto. */
void acme_bench_add_route(struct acme_bench *b, const char *id, const char *hosts);

/* The CA as the settings say; the caller frees it. */
struct ca *acme_bench_open_ca(struct acme_bench *b);

/* The certificate, from the newest snapshot, with a reference. */
const struct cert *acme_bench_cert(struct acme_bench *b, const char *id);

/* True if an answer for the host is being served. */
bool acme_bench_serves_challenge(struct acme_bench *b, const char *host);

/* Asserts what a certificate shows. */
struct acme_bench_view {
    enum cert_state state;
    const char *what;
    const char *why;        /* part of it; NULL: anything */
    const char *last_error; /* part of it; NULL: none */
    uint32_t failures;
};
void acme_bench_expect(struct acme_bench *b, const char *id,
                       const struct acme_bench_view *want);
