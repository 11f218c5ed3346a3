/* auth.h - who is asking, and what may they do.
 *
 * Purpose: over TCP a bearer token (RFC 6750), looked up by its SHA-256; over the unix socket
 *          nothing: whoever can open it owns the data directory.  Failed attempts are
 *          counted per source; a source with too many is told to wait instead of being
 *          answered 401.  A valid token is always let in: tokens hold 256 random bits and
 *          cannot be guessed, and somebody behind the same address must not be able to
 *          lock others out.
 * Thread:  any; the table of sources is locked inside.
 * Owns:    the table of sources.
 * Limits:  AUTH_SOURCES_MAX sources remembered, AUTH_FAILURES_MAX per AUTH_WINDOW_MS and
 *          source; an IPv6 source is a /64.
 * Fails:   auth_check: ERR_UNAUTHORIZED, ERR_TOO_MANY (detail: seconds to wait). */
#pragma once

#include "admin/admin_request.h"
#include "store/snapshot.h"

struct auth;

struct err auth_new(struct auth **ret_auth);
void auth_free(struct auth *a);
AUTO_DEFINE(auth_free, struct auth *)

struct caller {
    unsigned scopes; /* set of enum token_scope */
    struct str name; /* token id in the request's arena, or "unix": for the audit line */
};

struct err auth_check(struct auth *a, const struct snapshot *s, const struct admin_request *rq,
                      struct caller *ret_caller);

/* ADMIN implies WRITE implies READ. */
bool auth_allows(unsigned scopes, enum token_scope need);

/* "read", "write", "admin". */
const char *auth_scope_name(enum token_scope scope);
