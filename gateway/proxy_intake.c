/* proxy_intake.c - look -> (wait -> look)... -> hand over, or refuse. */
#include "gateway/proxy_intake.h"

#include "gateway/conn.h"
#include "gateway/proxy_protocol.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct intake {
    struct worker *worker;
    struct list_node node; /* in worker->intakes */
    struct watch watch;    /* its fd is the client's */
    struct timer timer;
    struct deferred reaper;
    const struct listener_address *at;
    struct peer peer;
};

bool proxy_intake_is_due(const struct worker *w, const struct listener_address *at,
                         const struct peer *peer)
{
    const struct settings *s = snapshot_settings(w->snapshot);
    return s->proxy_protocol.count > 0 && settings_expects_proxy(s, str_from(at->text)) &&
           settings_is_trusted_proxy(s, peer->address);
}

/* ---- the header ---- */

static ssize_t receive(int fd, char *p, size_t len, int flags)
{
    ssize_t n;
    do {
        n = recv(fd, p, len, flags);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Takes the header off, once it is whole.  ERR_AGAIN; ERR_PROXY_HEADER; ERR_CLIENT_GONE: the
 * connection ended without a word, as those of health checks do. */
static struct err take_header(int fd, struct proxy_header *ret_header)
{
    char bytes[PROXY_HEADER_MAX_BYTES];
    ssize_t n = receive(fd, bytes, sizeof(bytes), MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return fail(ERR_AGAIN, 0);
    if (n <= 0)
        return fail(ERR_CLIENT_GONE, 0);
    size_t len;
    TRY(proxy_protocol_read(str_make(bytes, (size_t)n), ret_header, &len));
    return receive(fd, bytes, len, 0) == (ssize_t)len ? OK : fail(ERR_CLIENT_GONE, 0);
}

/* Who the header says the client is, and where it went. */
static void hand_over(struct worker *w, const struct listener_address *at, int fd,
                      const struct peer *peer, const struct proxy_header *h)
{
    if (!h->has_addresses || h->is_datagram) {
        conn_accept(w, at->kind, fd, peer, NULL);
        return;
    }
    struct peer client;
    peer_set(&client, h->source.address, h->source.port);
    conn_accept(w, at->kind, fd, &client, &h->destination);
}

static void refuse(const struct listener_address *at, const struct peer *peer, struct err e)
{
    metric_add(METRIC_CONNECTIONS_TOTAL, 1);
    metric_add(METRIC_CONNECTIONS_REFUSED, 1);
    log_err(e, "proxy_header_refused", KV_CSTR("peer", peer->text),
            KV_CSTR("listener", at->text));
}

/* ---- waiting for it ---- */

static void on_reap(struct deferred *d)
{
    struct intake *i = container_of(d, struct intake, reaper);
    struct worker *w = i->worker;
    mem_free(i);
    worker_conn_ended(w);
}

/* Lets go of the descriptor, and of its own memory when nobody looks any more. */
static int release(struct intake *i)
{
    int fd = i->watch.fd;
    loop_unwatch(i->worker->loop, &i->watch);
    loop_timer_stop(i->worker->loop, &i->timer);
    list_remove(&i->node);
    i->worker->conn_count--;
    i->reaper.on_run = on_reap;
    loop_defer(i->worker->loop, &i->reaper);
    return fd;
}

static void drop(struct intake *i, struct err e)
{
    refuse(i->at, &i->peer, e);
    (void)close(release(i));
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct intake *i = container_of(w, struct intake, watch);
    struct proxy_header h;
    struct err e = take_header(w->fd, &h);
    bool has_ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (err_is(e, ERR_AGAIN) && !has_ended)
        return;
    if (err_is(e, ERR_AGAIN))
        e = fail(ERR_PROXY_HEADER, 0); /* what is there is all there will be */
    if (failed(e))
        drop(i, e);
    else
        hand_over(i->worker, i->at, release(i), &i->peer, &h);
}

static void on_timer(struct timer *t)
{
    drop(container_of(t, struct intake, timer), fail(ERR_PROXY_TIMEOUT, 0));
}

static struct err wait_for_header(struct worker *w, const struct listener_address *at, int fd,
                                  const struct peer *peer)
{
    if (w->conn_count >= w->conns_max)
        return fail(ERR_LIMIT, 0);
    struct intake *i = mem_new(struct intake);
    if (i == NULL)
        return fail(ERR_MEMORY, 0);
    *i = (struct intake){.worker = w, .at = at, .peer = *peer};
    i->watch = (struct watch){.on_ready = on_ready, .fd = -1};
    i->timer.on_fire = on_timer;
    struct err e = loop_watch(w->loop, &i->watch, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
    if (failed(e)) {
        mem_free(i);
        return e;
    }
    loop_timer_set(w->loop, &i->timer, HANDSHAKE_LIMIT_MS);
    list_push_back(&w->intakes, &i->node);
    w->conn_count++;
    return OK;
}

void proxy_intake_accept(struct worker *w, const struct listener_address *at, int fd,
                         const struct peer *peer)
{
    struct proxy_header h;
    struct err e = take_header(fd, &h);
    if (!failed(e)) {
        hand_over(w, at, fd, peer, &h);
        return;
    }
    if (err_is(e, ERR_AGAIN))
        e = wait_for_header(w, at, fd, peer);
    if (failed(e)) {
        refuse(at, peer, e);
        (void)close(fd);
    }
}

void proxy_intake_drop_all(struct worker *w)
{
    while (!list_is_empty(&w->intakes))
        drop(container_of(list_first(&w->intakes), struct intake, node),
             fail(ERR_CANCELLED, 0));
}
