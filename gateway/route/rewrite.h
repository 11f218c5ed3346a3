/* rewrite.h - what the gateway changes in heads on their way.
 *
 * Purpose: the request head as the target gets it (Host, forwarded fields rebuilt, prefixes
 *          cut and put before, the route's own changes) and the response head as the client
 *          gets it.
 * Thread:  the worker's.
 * Owns:    results live in the arena; heads are changed in place, the fields of a request in
 *          a table of their own.
 * Fails:   ERR_MEMORY, ERR_HEAD_TOO_LARGE. */
#pragma once

#include "gateway/route/client_facts.h"

/* True for an OPTIONS that may go to no further hop: it is to be answered, not sent on. */
bool rewrite_ends_here(const struct http_head *request);

/* Turns a received request head into the one for target.  The received fields stay as they
 * are: another try begins with them again. */
struct err rewrite_request(struct arena *a, const struct route *route,
                           const struct target *target, const struct client_facts *facts,
                           struct http_head *head);

/* Turns a received response head (final or interim) into the one for the client. date: for
 * responses that came without one (RFC 9110 6.6.1). variables: NULL where the route has
 * none. */
struct err rewrite_response(struct arena *a, const struct route *route,
                            const struct variables *variables, struct str date,
                            struct http_head *head);

/* The route's own changes to an answer that is the route's and no target's. */
struct err rewrite_answer(struct arena *a, const struct route *route,
                          const struct variables *variables, struct http_head *head);
