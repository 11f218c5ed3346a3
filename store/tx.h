/* tx.h - the inside of the store and of a transaction; for store*.c alone.
 *
 * Purpose: a transaction is an open SQL transaction and a draft that are changed together.
 * Thread:  whoever holds the writer lock, from store_begin to store_commit or store_rollback.
 * Fails:   a call that fails for any other reason than its input (ERR_INVALID, ERR_CONFLICT,
 *          ERR_NOT_FOUND, found out before anything changed) breaks the transaction: SQL and
 *          draft may disagree, so that it can only be rolled back. */
#pragma once

#include "store/db.h"
#include "store/draft.h"
#include "store/seal.h"
#include "store/store.h"
#include "store/trust.h"

#include <pthread.h>

struct checkpointer;

struct store {
    int dir_fd; /* carries the lock */
    struct db *db;
    struct checkpointer *checkpointer;
    struct seal *seal;
    struct secret sticky_key; /* what sticky cookies are signed with */
    struct publisher *publisher;
    struct conditions *conditions;
    struct trust trust;
    pthread_mutex_t writer;
    bool has_writer; /* the mutex is there */
};

struct tx {
    struct store *store;
    struct snapshot *draft;
    bool is_changed;
    struct err broken; /* of the first call that failed half-way */
    int64_t now_at;    /* one time for all that changes together */
};

/* The writer lock by itself, for reading rows. */
void store_lock(struct store *s);
void store_unlock(struct store *s);

/* Takes note of how a call ended, and passes it on. */
struct err tx_end_call(struct tx *tx, struct err e);

/* Marks what is about to change. */
void tx_touch(struct tx *tx);

/* Revision and times of the next state of an object; old NULL: of its first. */
struct err tx_next_object(const struct tx *tx, struct arena *a, struct str id,
                          const struct object *old, struct object *ret_object);

/* body as compact JSON text in out. */
struct err tx_body(const struct shape *shape, const void *from, struct buf *out);

/* The _load functions fill the draft of a store that is being opened.  Rows that cannot be used
 * are left out or replaced, and noted in why; only ERR_DB... and ERR_MEMORY end the start. */

/* ---- store_routes.c ---- */

/* The parts of tx_route_put, which a whole configuration takes in another order.  taken: ids
 * that a route without one must not get. */
struct err store_routes_build(struct tx *tx, struct json_path *path, struct str id,
                              const json_t *body, const struct pmap *taken, struct invalid *inv,
                              struct route **ret_route);
struct err store_routes_save(struct tx *tx, struct json_path *path, struct route *r,
                             struct invalid *inv);
bool store_routes_is_same(const struct route *a, const struct route *b);
struct err store_routes_load(struct store *s, struct snapshot *draft, struct invalid *why);

/* ---- store_settings.c ---- */

struct err store_settings_put(struct tx *tx, struct json_path *path, const json_t *body,
                              struct invalid *inv);
struct err store_settings_put_acme(struct tx *tx, struct json_path *path, const json_t *body,
                                   struct invalid *inv);

/* sealed: DB_NONE without secrets. */
struct err store_settings_write_row(struct tx *tx, const struct object *o, struct str body,
                                    struct db_value sealed);

/* Standard settings, where there are none yet. */
struct err store_settings_add_standard(struct tx *tx);
struct err store_settings_load(struct store *s, struct snapshot *draft, struct invalid *why);

/* ---- store_alarm_settings.c ---- */

struct err store_alarm_settings_put(struct tx *tx, struct json_path *path, const json_t *body,
                                    struct invalid *inv);
struct err store_alarm_settings_load(struct store *s, struct snapshot *draft,
                                     struct invalid *why);

/* ---- store_managed.c ---- */

/* Sees to it that there is a certificate object for these names, and that it is on its way. */
struct err store_managed_want(struct tx *tx, const struct route *r);

/* Puts the certificate for these names to rest, or removes it, if no route wants it any more.
 * */
struct err store_managed_retire(struct tx *tx, struct str names);

/* An order may end after the last route has gone: nothing is planned for what nobody uses. */
struct err store_managed_plan_unused(struct tx *tx, struct cert *c);

/* ---- store_certs.c ---- */

/* The row without its pair, and the draft. */
struct err store_certs_save(struct tx *tx, const struct cert *c);
struct err store_certs_remove(struct tx *tx, struct str id);
/* What a certificate's key is sealed for; .p is NULL if there was no room. */
struct str store_certs_key_context(struct arena *a, struct str cert_id, struct str fingerprint);
struct err store_certs_load(struct store *s, struct snapshot *draft, struct invalid *why);

/* ---- store_access.c ---- */

struct err store_access_load(struct store *s, struct snapshot *draft);

/* ---- store_orders.c ---- */

/* Puts the tokens of stored orders on the draft's board. */
struct err store_orders_load_boards(struct store *s, struct snapshot *draft);
