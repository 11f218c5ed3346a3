/* order_steps.h - the steps of an order: one function per state, one look at one resource each.
 *
 * Purpose: what order.c drives.  A step talks to the CA (or makes a key), puts what it learned
 *          into the row and names the next state.  It never saves: order.c does, before the
 *          next step. INSTALL is the exception, because there saving is the step.
 * Thread:  the ACME thread.
 * Fails:   with words in o->why.  ERR_ACME_GONE: the order is dead at the CA; ERR_ACME_INVALID:
 *          a name could not be validated; ERR_AGAIN: polled for as long as the state allows;
 *          and as ca.h. */
#pragma once

#include "acme/ca.h"

#include "gateway/base/list.h"

enum order_state {
#define ORDER_STATE(id, step, limit_s, restart, next, words) ORDER_##id,
#include "acme/order_states.def"
#undef ORDER_STATE
    ORDER_STATE_COUNT
};

enum step {
    STEP_NEXT, /* go on with o->state */
    STEP_WAIT, /* go on with o->state at o->due_ms */
    STEP_END,  /* the certificate is in service */
};

/* Owned by order.c. */
struct order {
    struct list_node link;
    struct store *store;
    const char *crash_at;
    const atomic_bool *is_stopping; /* of the thread; may be NULL */
    struct arena *arena;            /* what row points into */
    struct order_row row;
    struct str label; /* the names in one text, for logs */
    enum order_state state;
    bool is_renewal;
    bool is_unsaved;     /* row differs from the database */
    bool is_parked;      /* rests until the certificate's next.at */
    bool was_resumed;    /* it was begun by an earlier process */
    bool is_failure_due; /* the next save counts a failure */
    bool has_registered_again;
    bool is_replacing_refused; /* the CA does not take our word for what is replaced */
    unsigned restarts;
    unsigned turns;          /* changes of state since it was parked */
    unsigned polls;          /* of this state */
    uint64_t due_ms;         /* not before */
    uint64_t phase_since_ms; /* when this state began */

    /* of one step: */
    struct ca *ca;
    struct arena *scratch;
    struct problem why;
    struct str_list failed_names; /* that the CA could not validate, not yet noted */
    bool is_count_due;            /* a new order, not yet noted */
};

typedef struct err order_step_fn(struct order *o, enum step *ret_step);

struct order_state_row {
    const char *name;
    order_step_fn *run;
    uint64_t limit_ms;
    enum order_state restart;
    const char *next; /* ids of the states that follow */
    const char *words;
};
extern const struct order_state_row order_states[ORDER_STATE_COUNT];
