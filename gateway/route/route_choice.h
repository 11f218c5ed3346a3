/* route_choice.h - which route a request takes: a pure function of (snapshot, host, path).
 *
 * Purpose: exact host beats wildcard beats "*"; then the longest path prefix on a segment
 *          boundary.
 * Thread:  any; nothing is kept.
 * Owns:    the route is borrowed from the snapshot.
 * Fails:   NULL: no route. */
#pragma once

#include "store/snapshot.h"

#include "gateway/base/arena.h"

/* host: lower case, no port. path: normalised (route_normal_path), without query. */
const struct route *route_choose(const struct snapshot *s, struct str host, struct str path);

/* True if path lies under prefix: "/a" matches "/a" and "/a/b", not "/ab". */
bool route_path_matches(struct str prefix, struct str path);

/* The path of a request target as routes see it: without query, escapes of unreserved
 * characters decoded, dot segments resolved, runs of '/' folded (RFC 3986 6.2.2).  Only for
 * matching: what is forwarded stays byte for byte, unless a prefix changes under it.
 * .p NULL: no memory. */
struct str route_normal_path(struct arena *a, struct str request_target);

/* True if a segment is "." or "..", escaped or not: the path may lead out of where it seems to
 * begin. */
bool route_path_has_dots(struct str request_target);
