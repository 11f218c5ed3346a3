/* store.h - the only truth: objects in SQLite, and the snapshot made of them.
 *
 * Purpose: every change is a transaction: store_begin, tx_... calls, store_commit.  A commit
 *          validates nothing any more: the calls did; it makes the change durable (COMMIT
 *          with synchronous=FULL), publishes the snapshot the calls built, and returns when
 *          every worker serves it.  Anything else changes nothing, on disk or in memory.
 * Thread:  any control thread.  One writer at a time: store_begin takes the writer lock,
 *          which store_commit and store_rollback release.  Workers never call in here.
 * Owns:    the database (DIR/gatehouse.db), master.key, the lock on the data directory, the
 *          publisher.
 * Limits:  "store" in limits.h.
 * Fails:   ERR_DB... when SQLite does; ERR_INVALID with the reasons in inv; ERR_CONFLICT,
 *          ERR_NOT_FOUND. The database opens after kill -9 at any instant, with every
 *          acknowledged write. */
#pragma once

#include "store/condition.h"
#include "store/publisher.h"
#include "store/snapshot.h"

struct store;
struct tx;

/* Creates DIR (0700), DIR/gatehouse.db (0600) and DIR/master.key (0600) if absent, migrates,
 * builds the first snapshot and publishes it.  ERR_DB_FUTURE, ERR_KEY_MISSING,
 * ERR_KEY_WRONG, ERR_DATA_DIR, ERR_DATA_LOCKED (another process runs on it) come with words
 * in why (may be NULL).  On success why may hold notes for the log: rows of the database that
 * could not be used and were left out. */
struct err store_open(const char *data_dir, struct invalid *why, struct store **ret_store);

/* After every other thread has stopped using it, subscribers included.  Accepts NULL. */
void store_close(struct store *s);
AUTO_DEFINE(store_close, struct store *)

struct publisher *store_publisher(struct store *s);

/* What has been found out while running (condition.h). */
struct conditions *store_conditions(struct store *s);

/* The current snapshot with a reference for the caller. */
const struct snapshot *store_snapshot(struct store *s);

/* ---- transactions ---- */

struct err store_begin(struct store *s, struct tx **ret_tx);

/* *tx becomes NULL in either case.  A failed commit has changed nothing.  A transaction in
 * which a call failed for another reason than its input cannot be committed: this returns that
 * error. OK also if a worker did not take the snapshot in time; that is logged. */
struct err store_commit(struct tx **tx);

/* Accepts NULL. */
void store_rollback(struct tx *tx);
AUTO_DEFINE(store_rollback, struct tx *)

/* The state including what this transaction has changed so far; borrowed until its next
 * change. */
const struct snapshot *tx_view(const struct tx *tx);

/* ---- routes ---- */

/* Creates or replaces.  id empty: taken from body's "id", else made from the first host.
 * body may carry id (must agree), revision, created_at, updated_at (ignored).  ERR_INVALID,
 * or ERR_CONFLICT (with the other route named in inv) if another enabled route claims the
 * same host and path.  An "auto" route brings its managed certificate object (pending) with
 * it.  A body that says what is stored already changes nothing, not even the revision.
 * *ret_route is borrowed from tx_view. */
struct err tx_route_put(struct tx *tx, struct str id, const json_t *body, struct invalid *inv,
                        const struct route **ret_route);
/* ERR_NOT_FOUND; ERR_CONFLICT if settings.unknown_host names it. */
struct err tx_route_delete(struct tx *tx, struct str id, struct invalid *inv);

/* ---- settings ---- */

struct err tx_settings_put(struct tx *tx, const json_t *body, struct invalid *inv);
/* An absent eab.hmac keeps the stored one while eab.kid stays the same. */
struct err tx_acme_settings_put(struct tx *tx, const json_t *body, struct invalid *inv);

/* Absent secrets: see alarm_settings.h. */
struct err tx_alarm_settings_put(struct tx *tx, const json_t *body, struct invalid *inv);

/* ---- whole configuration ---- */

/* {"settings","acme","alarms","routes","streams","certificates"}; new reference.  Without
 * keys and secrets. */
json_t *snapshot_config_to_json(const struct snapshot *s);
/* Replaces settings, acme, alarms and routes by those of the document: each part as a whole,
 * and only those that are there.  certificates are accepted as exported but never change
 * anything: they carry no keys. */
struct err tx_config_replace(struct tx *tx, const json_t *doc, struct invalid *inv);

/* ---- certificates ---- */

/* body: {"id"?, "chain_pem", "key_pem"}.  With an id that exists (imported): replaces the
 * pair; ERR_CONFLICT if that one is automatic.  *ret_cert is borrowed from tx_view. */
struct err tx_cert_import(struct tx *tx, struct str id, const json_t *body, struct invalid *inv,
                          const struct cert **ret_cert);
/* ERR_CONFLICT if a route names it or an enabled auto route needs it. */
struct err tx_cert_delete(struct tx *tx, struct str id, struct invalid *inv);

/* State as the ACME thread sees it.  Views are copied. */
struct cert_progress {
    enum cert_state state;
    struct cert_next next;
    struct str last_error; /* JSON text; empty clears it */
    uint32_t failures;
};
struct err tx_cert_progress(struct tx *tx, struct str id, const struct cert_progress *progress);

/* What the CA said about when to replace the active pair, and what is planned after it. */
struct err tx_cert_renewal(struct tx *tx, struct str id, const struct cert_renewal *renewal,
                           const struct cert_next *next);

/* Installs a new pair: it becomes the active one, the previous pair is kept in the database for
 * rollback; state becomes active, failures and last_error are cleared.  key_der: PKCS#8,
 * unencrypted; it is sealed here.  ERR_CERT_PARSE, ERR_CERT_KEY, ERR_CERT_MISMATCH: the pair
 * cannot be used, and nothing has changed. */
struct err tx_cert_install(struct tx *tx, struct str id, struct str chain_pem,
                           struct str key_der, const struct cert_origin *origin,
                           const struct cert_next *next);

/* ---- tokens ---- */

/* *ret_secret: "gh_..." shown once; the store keeps its SHA-256.  expires_at 0: never.
 * ERR_INVALID: an empty, too long (256 bytes) or unprintable name, or no scope; ERR_LIMIT:
 * TOKENS_MAX.  *ret_token is borrowed from tx_view. */
struct err tx_token_create(struct tx *tx, struct str name, unsigned scopes, int64_t expires_at,
                           const struct token **ret_token, struct secret *ret_secret);

/* As above under an id of the caller's choice; of a token that exists it changes name, scopes
 * and expires_at of wanted, keeps the secret, and leaves *ret_secret alone.  ERR_INVALID also:
 * an id that is no slug. */
struct err tx_token_put(struct tx *tx, struct str id, const struct token *wanted,
                        const struct token **ret_token, struct secret *ret_secret);
struct err tx_token_delete(struct tx *tx, struct str id);
