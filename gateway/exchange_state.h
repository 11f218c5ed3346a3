/* exchange_state.h - what the files of the exchange share; nobody else includes it.
 *
 * Purpose: exchange.c tells the story; exchange_queue.c finds a target, or waits for one;
 *          exchange_answer.c answers without a target; exchange_target.c hears the target and
 *          the clock; exchange_end.c says where it ended; exchange_report.c what came of it.
 * Thread:  the worker's.
 * Owns:    as exchange.h says. */
#pragma once

#include "gateway/access_log.h"
#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/leg.h"
#include "gateway/route/rewrite.h"
#include "gateway/upstream/slot_queue.h"
#include "gateway/upstream/target_conn.h"

enum step {
#define EXCHANGE_STEP(id, fn, text) STEP_##id,
#include "gateway/exchange_steps.def"
#undef EXCHANGE_STEP
    STEP_COUNT
};

/* One direction of the exchange. */
enum flow { FLOW_HEAD, FLOW_BODY, FLOW_DONE };

struct exchange {
    struct worker *worker;
    struct conn *conn;     /* NULL: the client is gone */
    struct list_node node; /* in the list of conn */
    struct arena *arena;
    struct pin *pin;
    struct leg client_leg; /* while conn is set */
    enum step step;
    struct timer timer;
    struct deferred work;

    struct http_head request;     /* as received */
    struct http_head request_out; /* as the target tried last gets it */
    struct client_facts facts;
    const struct http_fields *trailers; /* of the request; in the arena */
    enum flow inbound;                  /* client -> target */
    bool awaits_continue; /* the client holds its body back until the target speaks */
    uint64_t in_bytes;
    struct buf early;    /* body bytes not yet sent, or kept because they may be repeated */
    bool is_early_whole; /* early holds all body bytes so far */

    const struct route *route;
    const struct target *target;
    struct target_call call;
    struct leg target_leg;     /* from STEP_SEND on, while call has a connection */
    const struct target *slot; /* of it, where upstream.max_connections counts */
    struct slot_waiter waiter; /* STEP_QUEUE */
    uint64_t tried;            /* targets that have failed */
    bool is_asked;             /* a target was chosen, and could be sent what it gets */
    unsigned retries;          /* because a target before had failed */
    bool is_repeated;          /* a kept-alive connection was dead: no other is trusted */

    enum flow outbound; /* target -> client; BODY once the final head went to the client */
    uint64_t out_bytes;
    unsigned status;
    bool is_tunnel;
    struct http_head answer; /* STEP_ANSWER: our own, with its body */
    struct str answer_body;
    struct err error;
    enum ended_by ended_by;
    enum ended_in ended_in;
    enum ended_in failed_in; /* where the target tried last failed */

    const char *tls; /* version on the client's connection; NULL: plain */
    uint64_t start_us;
    uint64_t queued_us; /* when it began to wait for a slot */
    uint64_t waited_us; /* until a target could be asked */
    uint64_t connected_us;
    uint64_t first_byte_us;
    uint64_t asked_ms;  /* when it was the target's turn */
    uint64_t active_ms; /* when a byte of it last moved, in either direction */
    struct str request_id;
};

/* ---- exchange.c ---- */

/* Runs steps until one waits. */
void exchange_run(struct exchange *x);

/* Ends it in the deferred phase, when neither codec is on the stack. */
void exchange_finish_soon(struct exchange *x);

/* Ends it if both directions are over. */
void exchange_check_done(struct exchange *x);

/* A byte has moved. */
static inline void exchange_note_activity(struct exchange *x)
{
    x->active_ms = loop_now_ms(x->worker->loop);
}

/* True if nothing that happens now changes what the client gets. */
bool exchange_is_over(const struct exchange *x);

/* ---- exchange_queue.c ---- */

/* ERR_AGAIN: it waits until exchange_on_turn. */
struct err exchange_choose_target(struct exchange *x, const struct target **ret_target);
void exchange_on_turn(struct slot_waiter *w);

/* Both harmless if there is nothing to leave, or to give. */
void exchange_leave_queue(struct exchange *x);
void exchange_give_slot(struct exchange *x);

/* ---- exchange_answer.c ---- */

/* Answers in the deferred phase: in the codec's feed it would start the next request. */
void exchange_answer(struct exchange *x, const struct http_head *head, struct str body);
void exchange_answer_challenge(struct exchange *x, struct str body);
void exchange_answer_redirect(struct exchange *x, struct str location);

/* An OPTIONS that may go no further. */
void exchange_answer_last_hop(struct exchange *x);

/* With the redirect or the fixed answer of the route. */
void exchange_answer_route(struct exchange *x);

/* Writes the answer that exchange_answer was given. */
struct err exchange_send_answer(struct exchange *x);

/* Answers with an error page if no answer has begun, else leaves the answer visibly
 * incomplete. */
void exchange_give_up(struct exchange *x, struct err e);

/* ---- exchange_target.c ---- */

extern const struct target_user exchange_target_user;

/* The answer was good to its end, or as long as the client wanted it. */
void exchange_note_good(const struct exchange *x);

/* Its method may be sent twice (RFC 9110 9.2.2). */
bool exchange_is_idempotent(const struct exchange *x);

void exchange_arm_timer(struct exchange *x);
void exchange_on_timer(struct timer *t);

/* ---- exchange_end.c ---- */

/* Where it is now. */
enum ended_in exchange_where(const struct exchange *x);

/* It ends before it is done, for this reason; called before the step changes.  Only the first
 * reason counts. */
void exchange_note_end(struct exchange *x, struct err e);

/* ---- exchange_report.c ---- */

struct str exchange_request_id(struct exchange *x);

/* Metrics and the access line, once, at the end. */
void exchange_report(struct exchange *x);

/* The reason stands in the log; the client gets a status and an id to ask about. */
void exchange_report_failure(struct exchange *x);
