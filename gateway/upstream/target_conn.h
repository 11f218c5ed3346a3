/* target_conn.h - one connection to a target, from name look-up to keep-alive.
 *
 * Purpose: resolves, connects, brings up and checks TLS, then carries exchanges one after
 *          another.
 * Thread:  the worker's.
 * Owns:    its link, a reference on its route (which holds the target and the trust store).
 * Limits:  timeouts.connect covers everything up to on_ready; an idle one lives
 *          POOL_IDLE_MS in target_pool.h's pool.
 * Fails:   through on_failed, once, never from inside a target_conn_ function; the
 *          connection is closed and its memory given back by itself then.  What that says about
 *          the target is the user's to note. */
#pragma once

#include "gateway/link.h"
#include "gateway/proxy_protocol.h"
#include "gateway/worker.h"
#include "store/model.h"

struct target_conn;

/* The exchange's side. arg is what target_conn_get was given.  on_head, on_body and on_end
 * come from inside the reading of the connection and may call anything but
 * target_conn_release. */
struct target_user {
    void (*on_ready)(void *arg);
    void (*on_failed)(void *arg, struct err e);
    void (*on_sent)(void *arg);
    struct err (*on_head)(void *arg, struct http_head *head);
    struct err (*on_body)(void *arg, struct str bytes);
    struct err (*on_end)(void *arg, const struct http_fields *trailers);
};

enum target_conn_need {
    TARGET_CONN_ANY,   /* its end may come while it is used */
    TARGET_CONN_LIVE,  /* a kept-alive one is looked at first: its end has not come */
    TARGET_CONN_FRESH, /* no kept-alive one: the last was dead */
};

struct target_conn_options {
    const struct route *route;
    const struct target *target; /* one of route's */
    const struct target_user *user;
    void *arg;
    enum target_conn_need need;
    const struct proxy_header *client; /* whose request it is, where upstream.proxy_protocol
                                        * tells the target; NULL: the gateway's own */
};

/* A connection for a new exchange: a kept-alive one (target_conn_is_ready) or a new one,
 * which calls on_ready when it is. */
struct err target_conn_get(struct worker *w, const struct target_conn_options *o,
                           struct target_conn **ret_conn);

bool target_conn_is_ready(const struct target_conn *c);

/* True if it has carried an exchange before: the target may have closed it just now. */
bool target_conn_is_reused(const struct target_conn *c);

/* True if its other end is a listener of this gateway. */
bool target_conn_leads_home(const struct target_conn *c);

/* How far it has got, or had got when it failed: still known inside on_failed. */
enum target_stage { TARGET_RESOLVING, TARGET_CONNECTING, TARGET_HANDSHAKE };
enum target_stage target_conn_stage(const struct target_conn *c);

struct link *target_conn_link(struct target_conn *c);

/* The exchange is over.  Kept alive if the codec says it may be, else closed; closed also if it
 * began with a PROXY header, which named one client. */
void target_conn_release(struct target_conn *c);

/* The exchange gives up: closed. Harmless after on_failed if the pointer was dropped there. */
void target_conn_abandon(struct target_conn *c);
