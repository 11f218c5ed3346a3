/* client.h - signed requests to one CA (RFC 8555 6).
 *
 * Purpose: the directory, nonces, signatures and the repeat after badNonce: everything above
 *          speaks of resources only.  This is the one place that sends a request again.
 * Thread:  the ACME thread.
 * Owns:    the cached directory and unused nonces; answers, and the words in why, live in the
 *          caller's arena.
 * Limits:  ACME_NONCE_TRIES_MAX, ACME_DIRECTORY_MAX_MS.
 * Fails:   ERR_ACME_NETWORK, ERR_ACME_PROTOCOL; for an answer with an error status what
 *          problem_err says; ERR_CANCELLED, ERR_MEMORY.  why is filled in for each. */
#pragma once

#include "acme/fetch.h"
#include "acme/wire.h"
#include "store/condition.h"

#include <openssl/evp.h>

struct client;

struct client_options {
    struct fetch *fetch;  /* borrowed */
    struct str directory; /* address */
    struct str ca_bundle;
    bool is_ipv4_only;
    struct conditions *conditions; /* told whether the clocks agree; NULL: nobody is */
};
struct err client_new(const struct client_options *o, struct client **ret_client);
void client_free(struct client *c);
AUTO_DEFINE(client_free, struct client *)

/* Read again when it is old.  Valid until the next call of this function. */
struct err client_directory(struct client *c, struct arena *a,
                            const struct wire_directory **ret, struct problem *why);

struct client_post {
    struct str url;
    EVP_PKEY *key;
    struct str kid;     /* empty: the public key goes along (newAccount) */
    struct str payload; /* empty: POST-as-GET */
    struct str accept;  /* empty: anything */
};

/* Without signature and account: what anybody may read. */
struct err client_get(struct client *c, struct arena *a, struct str url,
                      struct fetch_reply *ret_reply, struct problem *why);

/* OK: a 2xx answer.  After a failure *ret_reply holds the answer too, if there was one. */
struct err client_send(struct client *c, struct arena *a, const struct client_post *post,
                       struct fetch_reply *ret_reply, struct problem *why);
