/* fake_fetch.h - a transport whose answers a test makes up.
 *
 * Purpose: stands in for acme/fetch.c: each request goes to a function of the test.  Pauses are
 *          only added up.
 * Thread:  fake_fetch_fn runs in the thread that sends.
 * Owns:    nothing; the struct is the test's. */
#pragma once

#include "acme/fetch.h"

#include "gateway/base/json.h"

#include <stdatomic.h>

/* *ret_reply is zeroed; texts must live as long as a. */
typedef struct err fake_fetch_fn(void *arg, struct arena *a, const struct fetch_request *q,
                                 struct fetch_reply *ret_reply);

struct fake_fetch {
    struct fetch fetch;
    fake_fetch_fn *answer;
    void *arg;
    unsigned sent_count;
    unsigned fail_at;   /* the nth request gets no answer at all; 0: none */
    bool loses_answers; /* ... and fail_at loses the answer instead of the request */
    uint64_t paused_ms;
    atomic_bool is_cancelled;
};

void fake_fetch_init(struct fake_fetch *f, fake_fetch_fn *answer, void *arg);

/* The parts of a signed request. */
struct fake_jws {
    json_t *header;
    struct str payload;
    struct str signature; /* raw bytes */
    struct str input;     /* what was signed */
};

/* Asserts that body is a flattened JWS.  The caller drops header. */
void fake_jws_read(struct arena *a, struct str body, struct fake_jws *ret_jws);
