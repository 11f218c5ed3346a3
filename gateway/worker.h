/* worker.h - one data-path thread and what its parts share.
 *
 * Purpose: a loop, the worker's own listeners, the pinned snapshot, pools and contexts.
 *          Everything a connection needs hangs off here; nothing in here is shared with
 *          another worker.
 * Thread:  the worker's own, but for worker_start, worker_stop and the ports at the end.
 * Owns:    all it points at, but for log and options, which outlive it.
 * Limits:  CONNS_PER_WORKER_MAX, and a share of the descriptors of the process: each client
 *          may need another one for its target, and FDS_RESERVED are not theirs.
 * Fails:   worker_start: ERR_IO, ERR_MEMORY, ERR_CRYPTO. */
#pragma once

#include "gateway/http/h2_shared.h"
#include "gateway/listener.h"
#include "gateway/loop.h"
#include "gateway/tls/tls_client.h"
#include "gateway/tls/tls_server.h"
#include "gateway/tls/transport.h"
#include "gateway/worker_bells.h"
#include "store/publisher.h"

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/units.h"

#include <pthread.h>
#include <stdatomic.h>

struct access_log;
struct balancer;
struct resolver;
struct prober;
struct slot_queue;
struct target_pool;
struct tls_sessions;

/* A snapshot in use: exchanges that began with it count themselves without atomics. */
struct pin {
    const struct snapshot *snapshot;
    uint32_t users; /* exchanges, plus one while it is the newest */
};

struct worker_options {
    struct publisher *publisher;
    struct ticket_keys *ticket_keys; /* shared by all workers */
    struct listener_set *listeners;  /* sockets, opened before; ours are taken over */
    unsigned index;                  /* which of each listener's sockets is ours */
    struct access_log *access_log;
    struct worker_bells *bells; /* shared by all workers; NULL: there is only one */
    const char
        *resolver; /* DNS servers "IP:PORT,..." for names of targets; NULL: the system's */
};

struct worker {
    struct worker_options options;
    struct loop *loop;
    struct scratch scratch;
    struct arena_pool arenas; /* of exchanges that are over */
    struct buf_pool bufs;     /* for what waits to be sent */
    struct h2_shared http2;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct tls_sessions *tls_sessions; /* with targets */
    struct resolver *resolver;
    struct target_pool *pool;
    struct balancer *balancer;
    struct slot_queue *slots;
    struct prober *prober;
    struct pin *pin;                 /* of the newest snapshot */
    const struct snapshot *snapshot; /* the same, for TLS */
    struct list conns;               /* open client connections */
    struct list intakes;             /* ... that must say a PROXY header first */
    size_t conn_count;               /* both */
    size_t conns_max;
    uint64_t refused_ms; /* when a connection was last refused because of conns_max */
    bool is_draining;    /* no new connections; each ends with its exchange */
    struct {
        int64_t second;
        char text[UNITS_HTTP_DATE_MAX];
    } date; /* worker_date */
    struct {
        struct subscription *subscription;
        struct listener **listeners;
        size_t listener_count;
        uint64_t settings_revision; /* whose listeners have been looked for */
        struct timer drain_timer;
        struct timer ticket_timer; /* the ticket keys' time may be over */
        atomic_bool must_drain;    /* set by worker_drain, seen in a turn */
        pthread_t thread;
    } priv;
};

struct err worker_start(const struct worker_options *o, struct worker **ret_worker);

/* Any thread: stop accepting, let exchanges finish within settings.drain_timeout. */
void worker_drain(struct worker *w);

/* Waits for the thread to end, then frees. */
void worker_join(struct worker *w);

/* For the time of one exchange. */
struct pin *worker_pin(struct worker *w);
void worker_unpin(struct worker *w, struct pin *pin);

/* HTTP date of this second. */
struct str worker_date(struct worker *w);

/* A connection has ended: a draining worker may be done. */
void worker_conn_ended(struct worker *w);
