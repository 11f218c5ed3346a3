/* acme_parts.h - the inside of the thread, for acme.c and scan.c alone.
 *
 * Purpose: acme.c owns the thread and the orders that run; scan.c looks at the certificates of
 *          each snapshot and begins orders.
 * Thread:  the ACME thread; is_stopping from any.
 * Owns:    as acme.h.
 * Fails:   never: what cannot be begun now comes up again. */
#pragma once

#include "acme/acme.h"
#include "acme/ari_watch.h"
#include "acme/order.h"

#include "gateway/base/list.h"
#include "gateway/base/map.h"

#include <pthread.h>
#include <stdatomic.h>

struct acme {
    struct store *store;
    struct acme_options options;
    struct fetch *own_fetch;
    int wake_fd;
    struct subscription *subscription;
    atomic_bool is_stopping;
    pthread_t thread;
    bool has_thread;

    /* of the thread: */
    const struct snapshot *snapshot;
    struct ca *ca;
    struct ari_watch ari_watch;
    struct list orders;
    struct map *orders_by_cert;
    size_t running_count; /* orders that are not parked */
    bool needs_scan;
    bool are_settings_new; /* the next scan lets failed certificates try again */
    int64_t scan_at;       /* the next certificate is due */
    uint64_t wake_ms;      /* the next order is due */
    uint64_t hold_seen_ms; /* end of the hold that the certificates show */
};

/* The next order, or the next certificate, is due then at the latest. */
void acme_wake_by(struct acme *a, uint64_t due_ms);
void acme_scan_by(struct acme *a, int64_t at);

/* The CA has just turned out to be unreachable: what is due now is put off, once.  What an
 * administrator asks for afterwards is tried all the same. */
bool acme_is_hold_new(const struct acme *a);

/* The order is the list's. */
void acme_add_order(struct acme *a, struct order *o);
void acme_remove_order(struct acme *a, struct order *o);
