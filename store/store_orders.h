/* store_orders.h - ACME accounts, orders and challenges at rest.
 *
 * Purpose: each step of an order is on disk before the next network step, so that a restart
 *          resumes at a row.  Challenge tokens saved here are served by all workers once the
 *          commit returns.
 * Thread:  as store.h: inside a transaction, or (the _load functions) any control thread that
 *          has no transaction open: they take the writer lock.
 * Owns:    rows are copied into the caller's arena; keys come back unsealed in secrets the
 *          caller finishes.
 * Fails:   ERR_DB..., ERR_NOT_FOUND, ERR_KEY_WRONG. */
#pragma once

#include "store/store.h"

/* One account per (directory URL, EAB key id). */
struct account_row {
    struct str directory;
    struct str eab_kid; /* empty: none */
    struct str url;     /* the CA's Location ("kid"); empty: not registered yet */
    struct str status;  /* "", "valid", "deactivated" */
    struct secret
        key_der; /* PKCS#8; sealed at rest; in: borrowed, out: the caller's to finish */
};

struct err store_account_load(struct store *s, struct arena *a, struct str directory,
                              struct str eab_kid, struct account_row *ret_row);
struct err tx_account_put(struct tx *tx, const struct account_row *row);

/* One authorization of an order. */
struct authz_row {
    struct str name;
    struct str url;
    struct str challenge_url; /* http-01; empty until read */
    struct str token;         /* with key_authorization: served while the order is stored */
    struct str key_authorization;
    struct str state; /* the CA's word: "pending", "valid", ... */
};

/* At most one order per certificate. */
struct order_row {
    struct str cert_id;
    struct str directory;
    struct str eab_kid;
    struct str state; /* name of a row of acme/order_states.def */
    struct str_list names;
    struct str url;
    struct str finalize_url;
    struct str certificate_url;
    struct str csr_der;
    struct secret key_der; /* sealed at rest; empty until made */
    struct str chain_pem;  /* downloaded, not yet installed */
    bool is_exempt;        /* the CA does not count it against its limits */
    int64_t expires_at;    /* 0: unknown */
    int64_t created_at;
    struct authz_row *authzs;
    size_t authz_count;
};

/* All orders, for resuming.  The caller calls order_row_fini on each (wipes the key). */
struct err store_orders_load(struct store *s, struct arena *a, struct order_row **ret_rows,
                             size_t *ret_count);
void order_row_fini(struct order_row *row);

/* Inserts or replaces the order and its authorizations; tokens appear on the board with the
 * commit. */
struct err tx_order_put(struct tx *tx, const struct order_row *row);

/* Removes the order, its authorizations and its tokens; OK also if there is none. */
struct err tx_order_delete(struct tx *tx, struct str cert_id);
