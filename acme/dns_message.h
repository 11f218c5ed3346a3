/* dns_message.h - one answer of a name server (RFC 1035 4, RFC 8659 4.1), read strictly.
 *
 * Purpose: what pre-checks ask of DNS: addresses and CAA records of a name, behind whatever
 *          aliases the answer shows.  c-ares fetches the bytes; its own reader for CAA refuses
 *          legal records in the versions we build with.
 * Thread:  any; pure.
 * Owns:    what is read lives in the caller's arena.
 * Limits:  DNS_RECORDS_MAX records, DNS_ALIASES_MAX aliases in a row, names of 253 bytes.
 * Fails:   ERR_SYNTAX (no answer, cut, or malformed anywhere), ERR_LIMIT, ERR_MEMORY. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/ip.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_CAA = 257 };
enum dns_rcode { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 };

struct dns_caa {
    bool is_critical;
    struct str tag;   /* as written; never empty */
    struct str value; /* may be empty */
};

struct dns_answer {
    unsigned rcode;   /* enum dns_rcode, and others */
    struct str alias; /* the name that aliases led to; empty: there were none */
    /* Of that name, as far as the answer shows them: one of the lists, by the type. */
    unsigned char (*addresses)[IP_BYTES];
    size_t address_count;
    struct dns_caa *caas;
    size_t caa_count;
};

/* name: lower case, without a dot at its end. */
struct err dns_message_read(struct arena *a, struct str message, struct str name,
                            enum dns_type type, struct dns_answer *ret_answer);
