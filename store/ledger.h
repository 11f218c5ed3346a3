/* ledger.h - what a CA has been asked for lately, beside what it allows.
 *
 * Purpose: orders, certificates and failed validations are noted when they happen and survive
 *          restarts, so that an order can be held back before the CA has to refuse it, and
 *          people see how much is left.
 * Thread:  tx_ledger_...: inside the transaction; store_ledger_read: any control thread that
 *          has no transaction open.
 * Owns:    what is read lives in the caller's arena.
 * Limits:  rows older than the longest window are forgotten with each new one.
 * Fails:   ERR_DB..., ERR_MEMORY.
 *
 * Windows slide: never more than the most in any of them, which is a little stricter than the
 * CA's leaky buckets.  Events of a clock that was ahead do not count. */
#pragma once

#include "store/store.h"

enum ledger_limit {
#define LEDGER_LIMIT(id, name, most, reserve, window_s, words) LEDGER_##id,
#include "store/ledger_limits.def"
#undef LEDGER_LIMIT
    LEDGER_LIMIT_COUNT
};

struct ledger_limit_row {
    const char *name;
    uint32_t most;
    uint32_t reserve;
    int64_t window_s;
    const char *words;
};
extern const struct ledger_limit_row ledger_limits[LEDGER_LIMIT_COUNT];

/* One limit as far as it concerns somebody. */
struct ledger_use {
    enum ledger_limit limit;
    struct str subject; /* the name or domain; empty: the account, or the set of names */
    uint32_t used;      /* in the window that ends now */
    uint32_t most;
    int64_t free_at; /* when we may again; 0: now */
};

/* Who is asked about. */
struct ledger_query {
    const struct acme_settings *settings;
    const struct str_list *names;
    int64_t now_at;
};

/* The limits that a certificate for these names meets: those of all CAs, and Let's Encrypt's if
 * the settings say that they hold here. */
struct err store_ledger_read(struct store *s, struct arena *a, const struct ledger_query *q,
                             struct ledger_use **ret_uses, size_t *ret_count);
struct err tx_ledger_read(struct tx *tx, struct arena *a, const struct ledger_query *q,
                          struct ledger_use **ret_uses, size_t *ret_count);

/* It happened: at the CA with this directory.  An order is noted without names; a failed
 * validation of each name; a certificate for the set, and if is_first for the domains, too. */
struct err tx_ledger_order(struct tx *tx, struct str directory);
struct err tx_ledger_failure(struct tx *tx, struct str directory, struct str name);
struct err tx_ledger_certificate(struct tx *tx, struct str directory,
                                 const struct str_list *names, bool is_first);

/* New reference: {"limit", "subject", "used", "most", "window", "free_at", "words"}. */
json_t *ledger_use_to_json(const struct ledger_use *u);
