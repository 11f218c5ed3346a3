/* account.h - our account at a CA (RFC 8555 7.3).
 *
 * Purpose: one account per directory and external binding.  Its key is stored before the CA
 *          hears of it, its address right after: whatever is lost in between, the key finds the
 *          account again.
 * Thread:  the ACME thread.
 * Owns:    the key, wiped with the account.
 * Fails:   as client.h and store.h, with words in why; ERR_ACME_SETTINGS when these do not
 *          suffice; ERR_ACME_PROBLEM of class "human" when the CA has closed the account: no
 *          new one is made behind the administrator's back. */
#pragma once

#include "acme/client.h"
#include "store/store_orders.h"

struct account;

struct account_options {
    struct store *store;                  /* borrowed */
    struct client *client;                /* borrowed */
    const struct acme_settings *settings; /* borrowed */
    bool is_contact_changed;              /* the CA has other contacts than the settings */
};

/* Loads the account, or makes a key and stores it.  No network. */
struct err account_open(const struct account_options *o, struct account **ret_account,
                        struct problem *why);
void account_free(struct account *acc);
AUTO_DEFINE(account_free, struct account *)

/* Registers it, finds it again or updates it at the CA, where that is still to be done.  The
 * words in why live in the arena. */
struct err account_ensure(struct account *acc, struct arena *a, struct problem *why);

/* The CA says it does not know the account: the next account_ensure registers again. */
struct err account_forget(struct account *acc);

/* Borrowed; the url is empty until registered. */
EVP_PKEY *account_key(const struct account *acc);
struct str account_url(const struct account *acc);
struct str account_thumbprint(const struct account *acc);
