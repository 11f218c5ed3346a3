/* exchange_queue.c - which target is asked, and the wait where all of them are full. */
#include "gateway/exchange_state.h"
#include "gateway/upstream/balance.h"

/* ERR_AGAIN: every target that would do has its most. */
static struct err pick(const struct exchange *x, uint32_t max, const struct target **ret_target)
{
    const struct balance_request q = {.client = x->facts.address,
                                      .head = &x->request,
                                      .tried = x->tried,
                                      .max_connections = max,
                                      .now_ms = loop_now_ms(x->worker->loop)};
    struct err e = balancer_pick(x->worker->balancer, x->route, &q, ret_target);
    return failed(e) && !err_is(e, ERR_AGAIN) && failed(x->error) ? x->error : e;
}

/* As it is now: who waits when an edit raises the limit, or takes it away, is helped by it. */
static uint32_t max_connections(const struct exchange *x)
{
    const struct route *r = x->route;
    if (x->pin->snapshot != x->worker->snapshot)
        r = snapshot_route_find(x->worker->snapshot, r->object.id);
    return r == NULL ? x->route->upstream.max_connections : r->upstream.max_connections;
}

static struct err pick_with_slot(struct exchange *x, const struct target **ret_target)
{
    uint32_t max = max_connections(x);
    const struct target *t;
    do {
        TRY(pick(x, max, &t));
    } while (!slot_take(t, max)); /* another worker was faster */
    x->slot = t;
    *ret_target = t;
    return OK;
}

static struct err wait_in_line(struct exchange *x)
{
    TRY(slot_queue_wait(x->worker->slots, x->route, &x->waiter));
    x->queued_us = loop_now_us(x->worker->loop);
    loop_timer_set(x->worker->loop, &x->timer, x->route->upstream.queue.timeout_ms);
    return fail(ERR_AGAIN, 0);
}

struct err exchange_choose_target(struct exchange *x, const struct target **ret_target)
{
    const struct upstream *u = &x->route->upstream;
    if (u->max_connections == 0)
        return pick(x, 0, ret_target);
    exchange_give_slot(x); /* of a target that has failed */
    struct err e = fail(ERR_AGAIN, 0);
    bool has_waited = x->waiter.line != NULL;
    if (has_waited || !slot_queue_has_waiters(u))
        e = pick_with_slot(x, ret_target);
    if (err_is(e, ERR_AGAIN))
        return has_waited ? e : wait_in_line(x);
    exchange_leave_queue(x);
    return e;
}

void exchange_on_turn(struct slot_waiter *w)
{
    struct exchange *x = container_of(w, struct exchange, waiter);
    x->step = STEP_PICK;
    exchange_run(x);
}

void exchange_leave_queue(struct exchange *x)
{
    if (x->waiter.line == NULL)
        return;
    slot_queue_leave(x->worker->slots, &x->waiter);
    loop_timer_stop(x->worker->loop, &x->timer);
    x->waited_us += loop_now_us(x->worker->loop) - x->queued_us;
}

void exchange_give_slot(struct exchange *x)
{
    const struct target *t = TAKE(x->slot);
    if (t != NULL)
        slot_give(x->worker->slots, &x->route->upstream, t);
}
