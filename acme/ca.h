/* ca.h - one CA as we use it: its settings, the way to it, and our account there.
 *
 * Purpose: what the order machine talks to.  A change of the ACME settings makes a new one.
 * Thread:  the ACME thread.
 * Owns:    a reference on the settings, the client, the account.
 * Fails:   as client.h and account.h; ERR_ACME_TOS while the terms of service are not agreed
 *          to. */
#pragma once

#include "acme/account.h"

struct ca;

struct ca_options {
    struct store *store; /* borrowed */
    struct fetch *fetch; /* borrowed */
    const struct acme_settings *settings;
    const struct acme_settings *previous; /* in force before in this process; NULL: none */
};
struct err ca_new(const struct ca_options *o, struct ca **ret_ca);
void ca_free(struct ca *ca);
AUTO_DEFINE(ca_free, struct ca *)

const struct acme_settings *ca_settings(const struct ca *ca);
struct str ca_thumbprint(const struct ca *ca);

/* Reads the directory, checks the terms, has an account.  Cheap when all that is done. */
struct err ca_prepare(struct ca *ca, struct arena *a,
                      const struct wire_directory **ret_directory, struct problem *why);

struct ca_request {
    struct str url;
    struct str payload; /* empty: POST-as-GET */
    struct str accept;  /* empty: anything */
};

/* Signed with our account, after ca_prepare. */
struct err ca_send(struct ca *ca, struct arena *a, const struct ca_request *request,
                   struct fetch_reply *ret_reply, struct problem *why);

/* Our address at the CA, as far as it is known here; empty: it is not. */
struct str ca_account(struct ca *ca);

/* What the CA says about renewing the certificate with that name (RFC 9773 4.1); needs no
 * account.  ERR_UNAVAILABLE: this CA says nothing about any. */
struct err ca_renewal_info(struct ca *ca, struct arena *a, struct str cert_id,
                           struct fetch_reply *ret_reply, struct problem *why);

/* The CA does not know our account: the next ca_prepare registers it again. */
struct err ca_forget_account(struct ca *ca);

/* What the administrator must do before this CA can be used; empty: nothing that we know of. */
struct str ca_blocked_by(const struct ca *ca);

/* A CA that cannot be reached is to be left alone for ACME_HOLD_MS; an answer ends that.  The
 * owner of the certificates sees to it. */
void ca_hold(struct ca *ca, uint64_t now_ms);
void ca_release(struct ca *ca);
uint64_t ca_held_until_ms(const struct ca *ca); /* 0: not held */

/* The CA wants no new orders before that, whosoever asks for them. */
void ca_limit(struct ca *ca, uint64_t until_ms);
uint64_t ca_limited_until_ms(const struct ca *ca); /* 0: not limited */
