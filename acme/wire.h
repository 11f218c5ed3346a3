/* wire.h - the JSON of ACME (RFC 8555 7.1) as values.
 *
 * Purpose: what the CA's documents say, checked: every address is https, every member of the
 *          type it must have, every list bounded.  And the documents we send.
 * Thread:  any; pure.
 * Owns:    what is read lives in the caller's arena; what is written is appended to the
 *          caller's buf.
 * Limits:  "acme" in limits.h.
 * Fails:   reading: ERR_ACME_PROTOCOL (the CA's answer makes no sense), ERR_MEMORY.
 *          writing: ERR_MEMORY. */
#pragma once

#include "acme/problem.h"
#include "store/model.h"

/* Of orders, authorizations, challenges and accounts alike. */
enum wire_status {
    WIRE_PENDING,
    WIRE_READY,
    WIRE_PROCESSING,
    WIRE_VALID,
    WIRE_INVALID,
    WIRE_OVER, /* deactivated, expired, revoked, and words we do not know */
};

const char *wire_status_name(enum wire_status s);

/* https, plausible characters, ACME_URL_MAX_BYTES. */
bool wire_is_url(struct str url);

struct wire_directory {
    struct str new_nonce;
    struct str new_account;
    struct str new_order;
    struct str renewal_info; /* empty: not offered */
    struct str terms;        /* address of the terms of service; empty: none */
    bool needs_eab;
    struct str_list profiles; /* their names */
    struct str_list issuers;  /* names that CAA records list it under */
};
struct err wire_read_directory(struct arena *a, struct str body, struct wire_directory *ret);

/* The status of an account, an authorization or a challenge. */
struct err wire_read_status(struct str body, enum wire_status *ret);

struct wire_order {
    enum wire_status status;
    struct str_list authorizations; /* addresses */
    struct str finalize;
    struct str certificate; /* empty unless valid */
    int64_t expires_at;     /* 0: not said */
    struct problem error;   /* all empty: none */
};
struct err wire_read_order(struct arena *a, struct str body, struct wire_order *ret);

struct wire_authz {
    struct str name; /* lower case */
    enum wire_status status;
    /* of the http-01 challenge: */
    struct str challenge_url; /* empty: not offered */
    struct str token;
    enum wire_status challenge_status;
    struct problem error; /* of the challenge that failed; all empty: none */
};
struct err wire_read_authz(struct arena *a, struct str body, struct wire_authz *ret);

/* RFC 9773 4.2: a window that begins before it ends. */
struct wire_renewal_info {
    int64_t start_at;
    int64_t end_at;
    struct str explanation; /* address of a page for people; empty: none */
};
struct err wire_read_renewal_info(struct arena *a, struct str body,
                                  struct wire_renewal_info *ret);

/* RFC 8555 7.3.  eab: the binding as JSON text, empty: none. */
struct wire_new_account {
    const struct str_list *contact;
    bool only_existing;
    bool agrees_to_terms;
    struct str eab;
};
struct err wire_write_new_account(const struct wire_new_account *account, struct buf *out);
struct err wire_write_contact(const struct str_list *contact, struct buf *out);

struct wire_new_order {
    const struct str_list *names;
    struct str profile;  /* empty: the CA's default */
    struct str replaces; /* name of a certificate as in RFC 9773 4.1; empty: none */
};
struct err wire_write_new_order(const struct wire_new_order *order, struct buf *out);
struct err wire_write_finalize(struct str csr_der, struct buf *out);
