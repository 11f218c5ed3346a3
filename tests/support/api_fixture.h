/* api_fixture.h - the admin API on a temporary store, without sockets.
 *
 * Purpose: tests of resources and of the command line drive dispatch, handlers and store
 *          for real.
 * Thread:  one.
 * Owns:    the data directory, removed by api_fixture_close; struct api_answer is the
 *          caller's to finish. */
#pragma once

#include "admin/api.h"
#include "admin/cli_client.h"
#include "tests/support/temp_store.h"

struct api_fixture {
    struct temp_store temp;
    struct api api;
    bool is_tcp;       /* ask as if over TCP: a token is needed */
    const char *token; /* sent with each request if not NULL */
    bool is_ready;
};

void api_fixture_open(struct api_fixture *f);
void api_fixture_close(struct api_fixture *f);

struct api_answer {
    unsigned status;
    json_t *doc; /* NULL if the body is no JSON */
    struct arena *arena;
    struct admin_reply reply;
};

void api_answer_fini(struct api_answer *a);

/* A field of the answer; empty if absent. */
struct str api_answer_field(const struct api_answer *a, const char *name);

/* True if the problem document complains about that field. */
bool api_answer_complains(const struct api_answer *a, const char *field);

/* target: path and query. body: JSON text or NULL. fields: name, value, ..., NULL, or
 * NULL. */
struct api_answer api_fixture_ask(struct api_fixture *f, const char *method, const char *target,
                                  const char *body, const char *const *fields);

/* As above; asserts the status and forgets the answer. */
void api_fixture_expect(struct api_fixture *f, unsigned status, const char *method,
                        const char *target, const char *body);

/* The same, as the command line's transport; arg is the fixture. */
cli_transport_fn api_fixture_transport;

/* A route's JSON with one target, no certificate; static storage. */
const char *api_fixture_route(const char *host);
