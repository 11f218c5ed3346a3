/* exchange_end.c - who ended an exchange before it was done, and where it was then. */
#include "gateway/exchange_state.h"

enum { ANY = -1 };

/* The first row that fits tells. */
static const struct {
    enum step step;
    int inbound; /* enum flow, or ANY */
    int outbound;
    enum ended_in in;
} endings[] = {
    {STEP_HEAD, ANY, ANY, ENDED_IN_HEAD},
    {STEP_JUDGE, ANY, ANY, ENDED_IN_CHOOSE},
    {STEP_PICK, ANY, ANY, ENDED_IN_CHOOSE},
    {STEP_QUEUE, ANY, ANY, ENDED_IN_QUEUE},
    {STEP_CONNECT, ANY, ANY, ENDED_IN_CONNECT},
    {STEP_SEND, ANY, ANY, ENDED_IN_REQUEST},
    {STEP_RELAY, FLOW_BODY, FLOW_HEAD, ENDED_IN_REQUEST},
    {STEP_RELAY, FLOW_DONE, FLOW_HEAD, ENDED_IN_WAIT},
    {STEP_RELAY, ANY, ANY, ENDED_IN_ANSWER},
    {STEP_ANSWER, ANY, ANY, ENDED_IN_ANSWER},
    {STEP_END, ANY, ANY, ENDED_IN_ANSWER},
};

static bool fits(int wanted, enum flow flow)
{
    return wanted == ANY || wanted == (int)flow;
}

static enum ended_in find_row(const struct exchange *x)
{
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (endings[i].step == x->step && fits(endings[i].inbound, x->inbound) &&
            fits(endings[i].outbound, x->outbound))
            return endings[i].in;
    }
    return ENDED_IN_CHOOSE; /* a step without a row: each has one for any flows */
}

/* Getting a connection has parts of its own. */
static enum ended_in stage_of(const struct target_call *call)
{
    static const enum ended_in stages[] = {
        [TARGET_RESOLVING] = ENDED_IN_RESOLVE,
        [TARGET_CONNECTING] = ENDED_IN_CONNECT,
        [TARGET_HANDSHAKE] = ENDED_IN_TLS,
    };
    return stages[target_call_stage(call)];
}

enum ended_in exchange_where(const struct exchange *x)
{
    bool is_between_targets = x->step == STEP_PICK || x->step == STEP_CONNECT;
    if (x->is_tunnel)
        return ENDED_IN_TUNNEL;
    if (x->step == STEP_CONNECT)
        return stage_of(&x->call);
    if (x->step == STEP_RELAY && x->awaits_continue && x->outbound == FLOW_HEAD)
        return ENDED_IN_WAIT;
    /* No target is left, or none may be tried: what counts is where the last one failed. */
    if (is_between_targets && failed(x->error))
        return x->failed_in;
    return find_row(x);
}

/* Whose doing it is: what the client sent or did not send, what the target did, or a rule or
 * limit of ours. */
static enum ended_by blame(struct err e)
{
    switch (e.kind->status) {
    case 0:
        return err_is(e, ERR_CLIENT_GONE) ? ENDED_BY_CLIENT : ENDED_BY_GATEWAY;
    case 400:
    case 408:
    case 414:
    case 431:
    case 501:
        return ENDED_BY_CLIENT;
    case 502:
    case 504:
        return ENDED_BY_TARGET;
    case 503:
        if (err_is(e, ERR_QUEUE_LEFT))
            return ENDED_BY_CLIENT;
        return err_is(e, ERR_NO_TARGET) || err_is(e, ERR_TARGETS_DOWN) ? ENDED_BY_TARGET
                                                                       : ENDED_BY_GATEWAY;
    default:
        return ENDED_BY_GATEWAY;
    }
}

void exchange_note_end(struct exchange *x, struct err e)
{
    if (x->ended_by != ENDED_DONE)
        return;
    x->ended_in = exchange_where(x);
    x->ended_by = blame(e);
    x->error = e;
}
