/* forwarded.h - the Forwarded field (RFC 7239) as a list of what each proxy says.
 *
 * Purpose: one element per proxy, in the order they stand in.
 * Thread:  any; pure.
 * Owns:    nothing; views of the fields.
 * Limits:  FORWARDED_ELEMENTS_MAX; of a longer list the right-most are kept.
 * Fails:   a malformed list is none: a part of it could be read in two ways. */
#pragma once

#include "gateway/http/http_fields.h"

#include "gateway/base/limits.h"

struct forwarded_element {
    struct str client; /* for=: node without quotes; empty: not said */
    struct str host;
    struct str proto;
};

/* Returns how many elements there are, over all lines; 0: none, or malformed. */
size_t forwarded_read(const struct http_fields *f,
                      struct forwarded_element ret_elements[FORWARDED_ELEMENTS_MAX]);
