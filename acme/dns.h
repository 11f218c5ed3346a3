/* dns.h - questions to DNS for pre-checks, answered while the caller waits.
 *
 * Purpose: what a CA will see of a name, as far as our resolver sees the same: addresses and
 *          CAA records, aliases followed.  /etc/hosts plays no part, for no CA reads ours.
 * Thread:  a control-side one, which it blocks; never a worker.
 * Owns:    a c-ares channel for the length of the call; answers live in the caller's arena.
 * Limits:  DNS_ASK_LIMIT_MS for all questions together, DNS_ASKED_MAX of them under way at
 *          once; aliases as in dns_message.h.
 * Fails:   ERR_CANCELLED, ERR_MEMORY; ERR_IO: there is no resolver to ask.  Whatever a name
 *          server does is an outcome, not a failure. */
#pragma once

#include "acme/dns_message.h"

#include <stdatomic.h>

enum dns_outcome {
    DNS_FOUND,   /* there are records of the type */
    DNS_NONE,    /* the name has none */
    DNS_NO_NAME, /* there is no such name */
    DNS_BROKEN,  /* SERVFAIL, REFUSED and the like: often a fault in DNSSEC */
    DNS_SILENT,  /* no answer in time */
    DNS_GARBLED, /* an answer that makes no sense */
};

/* "SERVFAIL or the like", ...: for people. */
const char *dns_outcome_words(enum dns_outcome o);

/* True if the outcome says what the name has, or that it has nothing. */
static inline bool dns_is_told(enum dns_outcome o)
{
    return o == DNS_FOUND || o == DNS_NONE || o == DNS_NO_NAME;
}

struct dns_question {
    struct str name; /* lower case, NUL-terminated */
    enum dns_type type;
    /* filled in: */
    enum dns_outcome outcome;
    struct dns_answer answer; /* of DNS_FOUND and DNS_NONE */
};

struct dns_options {
    struct str resolver; /* "192.0.2.1:53", "[2001:db8::1]:53"; empty: the system's */
    const atomic_bool *is_cancelled; /* may be NULL */
};

struct err dns_ask(const struct dns_options *o, struct arena *a, struct dns_question *questions,
                   size_t count);
