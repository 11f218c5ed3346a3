/* order.h - one certificate on its way through the CA.
 *
 * Purpose: drives the steps of order_states.def and stores the order after each of them, before
 *          the next: after kill -9 at any instant another process goes on where this one was.
 *          What happens is shown in the certificate: state, next action, last error.
 * Thread:  the ACME thread.
 * Owns:    its row, with the new private key until that is in service.
 * Limits:  ACME_ORDER_MAX_BYTES, ACME_TURNS_MAX, ACME_RESTARTS_MAX.
 * Fails:   never towards its caller: a failure becomes the certificate's last error, with the
 *          moment of the next attempt. */
#pragma once

#include "acme/ca.h"

#include "gateway/base/list.h"

struct order;

struct order_options {
    struct store *store;            /* borrowed */
    const char *crash_at;           /* see crash.h; NULL: nowhere */
    const atomic_bool *is_stopping; /* ends what blocks; may be NULL */
};

/* A new order for a certificate; nothing is stored or sent yet. */
struct err order_new(const struct order_options *o, const struct cert *cert,
                     const struct acme_settings *settings, struct order **ret_order);

/* Goes on with a stored one; the key moves out of row. */
struct err order_resume(const struct order_options *o, struct order_row *row,
                        struct order **ret_order);

/* Forgets it in memory only. */
void order_free(struct order *o);
AUTO_DEFINE(order_free, struct order *)

/* Forgets it in the database as well: nobody wants the certificate any more. */
struct err order_drop(struct order *o);

enum order_outcome {
    ORDER_RUNS,   /* call order_run again at order_due_ms */
    ORDER_PARKED, /* call it again when the certificate's next action is due */
    ORDER_OVER,   /* done, or given up: free it */
};
enum order_outcome order_run(struct order *o, struct ca *ca);

/* Not before until_ms. */
void order_delay(struct order *o, uint64_t until_ms);

struct str order_cert_id(const struct order *o);
uint64_t order_due_ms(const struct order *o);
bool order_is_parked(const struct order *o);

/* False while nothing of it is stored. */
bool order_is_begun(const struct order *o);

/* False if the order is for other names or another CA than are wanted now. */
bool order_fits(const struct order *o, const struct cert *cert,
                const struct acme_settings *settings);

/* The link of the list the order is in, and back. */
struct list_node *order_link(struct order *o);
struct order *order_of_link(struct list_node *n);
