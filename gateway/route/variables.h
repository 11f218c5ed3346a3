/* variables.h - what the variables of a route's templates stand for in one request.
 *
 * Purpose: values are gathered once, and only those that the route asks for; then each
 *          template is a row of copies.  Whatever comes from the client is a valid part of a
 *          field value: the codec has refused the rest, and a TLS name that is no host name is
 *          left empty.
 * Thread:  the worker's.
 * Owns:    results live in the arena.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/route/client_facts.h"

#include <openssl/ssl.h>

struct variables {
    struct str values[TEMPLATE_VARIABLE_COUNT];
};

struct variables_source {
    const struct route *route;
    const struct http_head *request; /* as received */
    const struct client_facts *facts;
    struct str request_id;
    const SSL *ssl; /* NULL: without TLS */
    struct str sni; /* lower case; empty: none */
};

/* Of those in route->variables. */
struct err variables_gather(struct arena *a, const struct variables_source *from,
                            const struct variables **ret_variables);

/* v may be NULL for a template without variables. */
struct err variables_expand(struct arena *a, const struct template *t,
                            const struct variables *v, struct str *ret_text);

/* The value of Location: expanded, escaped where a URI must be (RFC 3986 2), and never another
 * host for a client that asks for "//evil.example". */
struct err variables_expand_location(struct arena *a, const struct template *to,
                                     const struct variables *v, struct str *ret_location);
