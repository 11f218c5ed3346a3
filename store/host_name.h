/* host_name.h - names and addresses as routes and targets spell them, in one normal form.
 *
 * Purpose: lower case, international names as A-labels (UTS-46, non-transitional), addresses as
 *          inet_ntop writes them and without brackets: what is compared is equal byte by byte.
 * Thread:  any.
 * Owns:    results live in the caller's arena.
 * Limits:  253 bytes, labels of 63 (RFC 1035 2.3.4).
 * Fails:   with words for the person who typed the name. */
#pragma once

#include "gateway/base/arena.h"

enum { HOST_NAME_MAX_BYTES = 253, HOST_LABEL_MAX_BYTES = 63 };

enum host_kind { HOST_NAME, HOST_WILDCARD, HOST_ANY, HOST_IPV4, HOST_IPV6 };

/* Replaces *host by its normal form, or says what is wrong with it; NULL: nothing is.
 * A shape_check_fn.  check_host also takes "*" and one leading "*." label. */
const char *host_name_check_host(struct arena *a, struct str *host);
const char *host_name_check_target(struct arena *a, struct str *host);

/* Of a normal form. */
enum host_kind host_name_kind(struct str host);

/* True if HTTP-01 can prove control of it, as far as its form goes: a name, no pattern, no
 * address, no underscore (CA/Browser Forum baseline requirements 7.1.2.7.12). */
bool host_name_is_provable(struct str host);

bool host_name_has_underscore(struct str host);

/* A-labels as people read them; the same view if nothing differs; .p is NULL if there was no
 * room. */
struct str host_name_to_unicode(struct arena *a, struct str host);
