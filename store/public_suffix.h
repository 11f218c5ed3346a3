/* public_suffix.h - where the names begin that people can register (publicsuffix.org).
 *
 * Purpose: public CAs certify only names below a public suffix, and count certificates by
 *          registered domain: "example.co.uk" of "a.example.co.uk".
 * Thread:  any; the list is built into libpsl.
 * Limits:  names of 253 bytes.
 * Owns:    nothing; results point into name.
 * Fails:   never: a name that is a suffix itself, or no name at all, is its own domain. */
#pragma once

#include "gateway/base/str.h"

/* How a name stands to the suffixes of IANA and the registries; those that companies keep for
 * their customers do not count. */
enum public_suffix {
    PUBLIC_SUFFIX_NONE,   /* its last label is no top-level domain: "nas.lan" */
    PUBLIC_SUFFIX_ITSELF, /* "co.uk": no CA certifies that */
    PUBLIC_SUFFIX_BELOW,
};
enum public_suffix public_suffix_judge(struct str name);

/* name: lower case, A-labels. */
struct str public_suffix_registered(struct str name);
