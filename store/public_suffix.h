/* public_suffix.h - which part of a name somebody has registered (publicsuffix.org).
 *
 * Purpose: CAs count certificates by registered domain: "example.co.uk" of "a.example.co.uk".
 * Thread:  any; the list is built into libpsl.
 * Owns:    nothing; results point into name.
 * Fails:   never: a name that is a suffix itself, or no name at all, is its own domain. */
#pragma once

#include "gateway/base/str.h"

/* name: lower case, A-labels. */
struct str public_suffix_registered(struct str name);
