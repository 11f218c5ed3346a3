/* ids.h - slugs: made from names, unique among their kind.
 *
 * Purpose: objects that were created without an id get one that a person can guess:
 *          "cloud.example.org", "wildcard.example.org", "cloud.example.org-api".
 * Owns:    results live in the caller's arena.
 * Limits:  ID_MAX_BYTES.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "store/pmap.h"

#include "gateway/base/arena.h"

/* text: anything; never empty afterwards.  Runs of what an id cannot hold become one hyphen;
 * hyphens stay, for "xn--" has two. */
struct err ids_from_text(struct arena *a, struct str text, struct str *ret_id);

/* host as a route stores it; path may be empty. */
struct err ids_from_host(struct arena *a, struct str host, struct str path, struct str *ret_id);

/* id, or id with "-2", "-3", ... if it is a key of taken or a word such as "auto". */
struct err ids_make_unique(struct arena *a, struct str id, const struct pmap *taken,
                           struct str *ret_id);
