/* fake_ca.h - an ACME server of one account, without a network.
 *
 * Purpose: the CA's side of RFC 8555 behind a fake transport: it checks nonces, signed
 *          addresses and key identifiers, validates by asking a function of the test for the
 *          answer, signs real certificates, and misbehaves as told.
 * Thread:  answers in the thread that sends; set behaviour before, read counters after.
 * Owns:    its arena and issuer.
 * Limits:  FAKE_CA_ORDERS_MAX orders of FAKE_CA_NAMES_MAX names. */
#pragma once

#include "tests/support/fake_fetch.h"
#include "tests/support/fake_issuer.h"

enum { FAKE_CA_ORDERS_MAX = 64, FAKE_CA_NAMES_MAX = 8, FAKE_CA_NONCES_MAX = 4096 };

#define FAKE_CA_DIRECTORY "https://ca.test/dir"

/* What the challenge answer for host and token is; empty: nothing there. */
typedef struct str fake_ca_look_fn(void *arg, struct arena *a, struct str host,
                                   struct str token);

struct fake_authz {
    struct str name;
    const char *status;           /* "pending", "valid", "invalid", ... */
    const char *challenge_status; /* as above, or "processing" */
    unsigned looks;               /* further looks until it is decided */
    struct str token;
};

struct fake_order {
    const char *status;
    size_t authz_count;
    struct fake_authz authzs[FAKE_CA_NAMES_MAX];
    unsigned looks;
    struct str chain_pem;
};

struct fake_ca {
    struct fake_fetch fetch; /* &ca.fetch.fetch is the transport */

    /* behaviour: */
    fake_ca_look_fn *look; /* NULL: every answer is found right */
    void *look_arg;
    int64_t lifetime_s;
    bool has_terms;
    bool needs_eab;
    bool is_closed;            /* the account */
    bool are_names_known;      /* authorizations are valid from the start */
    unsigned bad_nonces;       /* signed requests to refuse */
    unsigned looks_to_valid;   /* reads of an authorization before it is decided */
    unsigned looks_to_issue;   /* reads of an order before the certificate is there */
    const char *refused_name;  /* fails validation */
    const char *order_problem; /* answer to newOrder: type without the prefix; NULL: none */
    unsigned order_status;
    const char *order_words; /* its detail; NULL: some */
    const char *retry_after; /* in every answer */
    const char *token;       /* in place of a good one */
    const char *chain_pem;   /* in place of the certificate */
    bool has_renewal_info;
    int64_t window_start_at, window_end_at; /* of every certificate */
    const char *renewal_info;               /* in place of a good answer, with status 200 */
    unsigned renewal_status;                /* ... or an error; 0: none */
    unsigned replaces_status; /* refuses orders that replace something; 0: takes them */
    const char *replaces_type;
    const char *challenge_type;

    /* what it has seen: */
    unsigned directories, new_accounts, accounts_made, new_orders, challenges, finalizes,
        downloads;
    unsigned renewal_infos;
    struct str last_replaces;
    unsigned contact_updates;
    struct str last_contact; /* JSON of the last newAccount or update */
    struct str last_profile;
    bool had_eab;

    struct arena *arena;
    struct fake_issuer issuer;
    bool has_account;
    struct str thumbprint;
    size_t order_count;
    struct fake_order orders[FAKE_CA_ORDERS_MAX];
    bool is_fresh[FAKE_CA_NONCES_MAX]; /* nonce n was given and not used yet */
    unsigned nonce_count;
};

void fake_ca_init(struct fake_ca *ca);
void fake_ca_fini(struct fake_ca *ca);

/* The CA has lost everything: accounts and orders. */
void fake_ca_forget(struct fake_ca *ca);
