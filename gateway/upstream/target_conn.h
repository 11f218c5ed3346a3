/* target_conn.h - connections to targets, from name look-up to keep-alive, and calls on them.
 *
 * Purpose: resolves, connects, brings up and checks TLS, then carries calls: one exchange each,
 *          one after another over HTTP/1.1, side by side over HTTP/2.
 * Thread:  the worker's.
 * Owns:    its link, a reference on its route (which holds the target and the trust store).
 *          A call is its user's, and stays where it is while it has a connection.
 * Limits:  timeouts.connect covers everything up to on_ready; an idle one lives
 *          POOL_IDLE_MS in target_pool.h's pool.
 * Fails:   through on_failed, once, never from inside a target_call_ function; the call is over
 *          then.  Over HTTP/1.1 so is the connection.  What that says about the target is the
 *          user's to note. */
#pragma once

#include "gateway/leg.h"
#include "gateway/proxy_protocol.h"
#include "gateway/worker.h"
#include "store/model.h"

struct target_conn;

enum target_conn_need {
    TARGET_CONN_ANY,   /* its end may come while it is used */
    TARGET_CONN_LIVE,  /* a kept-alive one is looked at first: its end has not come */
    TARGET_CONN_FRESH, /* no kept-alive one: the last was dead */
    TARGET_CONN_HTTP1, /* one of its own: an upgrade takes it over (RFC 9110 7.8) */
};

enum target_stage { TARGET_RESOLVING, TARGET_CONNECTING, TARGET_HANDSHAKE };

/* Zeroed: none. */
struct target_call {
    struct target_conn *conn; /* NULL: none, or over */
    struct {
        struct list_node node;
        const struct target_user *user;
        void *arg;
        uint32_t id; /* the codec's, once opened */
        enum target_conn_need need;
        bool is_waiting; /* for on_ready */
        bool is_reused;
        enum target_stage stage; /* where it failed */
    } priv;
};

/* The exchange's side. arg is what target_call_begin was given.  on_head, on_body and on_end
 * come from inside the reading of the connection and may call anything but
 * target_call_end. */
struct target_user {
    void (*on_ready)(void *arg);
    void (*on_failed)(void *arg, struct err e);
    void (*on_sent)(void *arg);
    struct err (*on_head)(void *arg, struct http_head *head);
    struct err (*on_body)(void *arg, struct str bytes);
    struct err (*on_end)(void *arg, const struct http_fields *trailers);
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

/* On a connection that is there (target_call_is_ready), or on a new one: on_ready is called
 * when it is. */
struct err target_call_begin(struct worker *w, const struct target_conn_options *o,
                             struct target_call *ret_call);

bool target_call_is_ready(const struct target_call *call);

/* True if its connection has carried an exchange before: the target may have closed it just
 * now. */
bool target_call_is_reused(const struct target_call *call);

/* True if its other end is a listener of this gateway. */
bool target_call_leads_home(const struct target_call *call);

/* How far it has got, or had got when it failed: still known inside on_failed. */
enum target_stage target_call_stage(const struct target_call *call);

/* When it is ready: its part of the connection, to send a head on.  What codec_open says. */
struct err target_call_open(struct target_call *call, struct arena *a, struct leg *ret_leg);

/* The exchange is over.  The connection is kept alive if the codec says it may be, else closed;
 * closed also if it began with a PROXY header, which named one client. */
void target_call_end(struct target_call *call);

/* The exchange gives up: of HTTP/1.1 the connection is closed. Harmless if there is none. */
void target_call_abandon(struct target_call *call);
