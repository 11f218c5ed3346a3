/* admin_request.h - one API request as handlers see it.
 *
 * Purpose: keeps libmicrohttpd out of everything but admin.c: dispatch, guard and auth
 *          read this value, and unit tests fill it in by hand.
 * Thread:  the one that serves the request.
 * Owns:    nothing; views live as long as the connection's request or the arena.
 * Limits:  ADMIN_FIELDS_MAX fields and as many query parameters. */
#pragma once

#include "gateway/base/arena.h"

struct admin_field {
    struct str name;
    struct str value;
};

/* Where a request comes from. */
struct admin_source {
    bool is_unix;              /* by DIR/admin.sock: whoever can open it owns the data */
    unsigned char address[16]; /* IPv4 as v4-mapped IPv6; zero for a unix socket */
};

enum { ADMIN_REQUEST_ID_BYTES = 17 };

struct admin_request {
    struct arena *arena;
    struct str method;
    struct str path; /* as sent, still percent-encoded, without the query */
    const struct admin_field *fields;
    size_t field_count;
    const struct admin_field *query; /* percent-decoded */
    size_t query_count;
    struct admin_source source;
    struct str body;                 /* complete once the handler runs */
    char id[ADMIN_REQUEST_ID_BYTES]; /* terminated; echoed in X-Request-Id */
};

/* The first field of that name (any case), or NULL. */
const struct admin_field *admin_request_field(const struct admin_request *rq, const char *name);

/* How many fields have that name. */
size_t admin_request_count(const struct admin_request *rq, const char *name);

/* A query parameter's value, or NULL. */
const struct admin_field *admin_request_query(const struct admin_request *rq, const char *name);

/* True if the head announces a body. */
bool admin_request_has_body(const struct admin_request *rq);

/* Replaces *text by what its %XX stand for, in the arena; ERR_BAD_REQUEST for a bad
 * escape. */
struct err admin_request_decode(struct arena *a, struct str *text);
