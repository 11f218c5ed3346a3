/* caa.h - may this CA issue for this name?  (RFC 8659, RFC 8657)
 *
 * Purpose: judges the CAA records found on the way from a name up to the top, as CAs do: the
 *          first name that has some decides.
 * Thread:  any; pure.
 * Owns:    words live in the caller's arena.
 * Fails:   never: what cannot be told is CAA_UNKNOWN, and so is want of memory. */
#pragma once

#include "acme/dns.h"
#include "store/shape.h"

enum caa_verdict {
    CAA_ALLOWED,
    CAA_FORBIDDEN,
    CAA_UNKNOWN, /* a name server fails on the way up, or we do not know enough of the CA */
};

/* What DNS says of the name, and of each name above it, nearest first. */
struct caa_level {
    struct str name;
    enum dns_outcome outcome;
    const struct dns_caa *records;
    size_t count;
};

struct caa_request {
    struct str_list issuers; /* the names under which the CA is listed: meta.caaIdentities of
                              * its directory; none: it does not say */
    struct str method;       /* "http-01" */
    struct str account_url;  /* empty: there is none yet */
    bool is_wildcard;
};

struct caa_judgement {
    enum caa_verdict verdict;
    struct str name;  /* whose records decided, or could not be read; empty: there are none */
    struct str words; /* one sentence without a full stop */
};

void caa_judge(struct arena *a, const struct caa_level *levels, size_t count,
               const struct caa_request *request, struct caa_judgement *ret_judgement);

/* The name one label further up; empty: that was the top. */
struct str caa_parent(struct str name);
