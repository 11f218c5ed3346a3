#include "gateway/listener.h"

#include "gateway/base/ip.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum { REST_MS = 100 }; /* accepting pauses this long when descriptors or memory have run out */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_len(const union socket_address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

/* ---- addresses ---- */

static bool read_host(struct str host, uint16_t port, union socket_address *ret_address)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool is_v6 = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
    if (is_v6)
        host = str_sub(host, 1, host.len - 2);
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.p, host.len);
    *ret_address =
        (union socket_address){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    /* Without brackets "::1:80" could be read in two ways. */
    if (!is_v6)
        return inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1;
    *ret_address =
        (union socket_address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    return inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1;
}

/* One or two addresses: ":80" means every address of both families. */
static struct err parse(struct str text, union socket_address ret_addresses[2],
                        size_t *ret_count)
{
    size_t colon = text.len;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || failed(str_to_u64(str_skip(text, colon), 65535, &port)))
        return fail(ERR_USAGE, 0);
    struct str host = str_sub(text, 0, colon - 1);
    *ret_count = 1;
    if (host.len > 0)
        return read_host(host, (uint16_t)port, &ret_addresses[0]) ? OK : fail(ERR_USAGE, 0);
    (void)read_host(STR("0.0.0.0"), (uint16_t)port, &ret_addresses[0]);
    (void)read_host(STR("[::]"), (uint16_t)port, &ret_addresses[1]);
    *ret_count = 2;
    return OK;
}

static uint16_t port_of(const union socket_address *a)
{
    return ntohs(a->v4.sin_port); /* at the same place in v6 */
}

static void copy_address(const union socket_address *a, unsigned char ret_address[16])
{
    if (a->any.sa_family == AF_INET6)
        memcpy(ret_address, &a->v6.sin6_addr, IP_BYTES);
    else
        ip_map(&a->v4.sin_addr, ret_address);
}

static void print(const union socket_address *a, char out[64])
{
    char host[INET6_ADDRSTRLEN];
    if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, 64, "[%s]:%u", host, (unsigned)ntohs(a->v6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
        (void)snprintf(out, 64, "%s:%u", host, (unsigned)ntohs(a->v4.sin_port));
    }
}

/* ---- opening ---- */

/* Accepted sockets inherit these from the listening one (tcp(7)): no call per connection.
 * Keep-alive probes find clients that vanished while they wait for a slow answer. */
static void set_options(int fd)
{
    int on = 1, idle_s = 30, interval_s = 15, count = 4;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static struct err listen_on(const union socket_address *a, bool is_shared, int *ret_fd)
{
    int on = 1;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(ERR_IO, errno);
    bool is_ready =
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        (a->any.sa_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, &a->any, address_len(a)) == 0 && listen(fd, LISTEN_BACKLOG) == 0;
    if (!is_ready) {
        struct err e = fail(ERR_IO, errno);
        (void)close(fd);
        return e;
    }
    set_options(fd);
    *ret_fd = fd;
    return OK;
}

/* The port the kernel chose, when 0 was asked for. */
static void read_back(int fd, union socket_address *a)
{
    socklen_t len = sizeof(*a);
    (void)getsockname(fd, &a->any, &len);
}

struct err listener_open_one(struct str text, int *ret_fd, char ret_at[64])
{
    union socket_address addresses[2];
    size_t count;
    (void)snprintf(ret_at, 64, "%.*s", STR_ARG(str_sub(text, 0, 63)));
    TRY(parse(text, addresses, &count));
    TRY(listen_on(&addresses[0], false, ret_fd));
    read_back(*ret_fd, &addresses[0]);
    print(&addresses[0], ret_at);
    return OK;
}

struct err listener_set_new(unsigned worker_count, struct listener_set **ret_set)
{
    enum { SET_MAX_BYTES = 1024 * 1024 };
    struct arena *a = arena_new(1024, SET_MAX_BYTES);
    struct listener_set *s = a == NULL ? NULL : arena_one(a, struct listener_set);
    if (s == NULL) {
        arena_free(a);
        return fail(ERR_MEMORY, 0);
    }
    s->arena = a;
    s->worker_count = worker_count;
    *ret_set = s;
    return OK;
}

/* Another process on the same port would share our traffic unnoticed: bind once without
 * SO_REUSEPORT. */
static struct err check_free(const union socket_address *a)
{
    int fd;
    TRY(listen_on(a, false, &fd));
    (void)close(fd);
    return OK;
}

static struct err add_address(struct listener_set *set, enum listener_kind kind,
                              union socket_address *a)
{
    if (port_of(a) != 0)
        TRY(check_free(a));
    struct listener_address *items =
        arena_array(set->arena, struct listener_address, set->count + 1);
    int *fds = arena_array(set->arena, int, set->worker_count);
    if (items == NULL || fds == NULL)
        return fail(ERR_MEMORY, 0);
    if (set->count > 0)
        memcpy(items, set->items, set->count * sizeof(*items));
    struct listener_address *it = &items[set->count];
    it->kind = kind;
    it->fds = fds;
    for (unsigned i = 0; i < set->worker_count; i++) {
        struct err e = listen_on(a, true, &fds[i]);
        if (failed(e)) {
            while (i > 0)
                (void)close(fds[--i]);
            return e;
        }
        read_back(fds[i], a);
    }
    print(a, it->text);
    copy_address(a, it->address);
    it->port = port_of(a);
    set->items = items;
    set->count++;
    return OK;
}

struct err listener_set_open(struct listener_set *set, enum listener_kind kind, struct str text,
                             char ret_at[64])
{
    union socket_address addresses[2];
    size_t count;
    (void)snprintf(ret_at, 64, "%.*s", STR_ARG(str_sub(text, 0, 63)));
    TRY(parse(text, addresses, &count));
    for (size_t i = 0; i < count; i++) {
        print(&addresses[i], ret_at);
        struct err e = add_address(set, kind, &addresses[i]);
        /* A machine without IPv6 still serves ":443" over IPv4. */
        bool is_optional =
            count == 2 && i == 1 && (e.detail == EAFNOSUPPORT || e.detail == EADDRNOTAVAIL);
        if (failed(e) && !is_optional)
            return e;
    }
    return OK;
}

void listener_set_free(struct listener_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        for (unsigned k = 0; k < set->worker_count; k++) {
            if (set->items[i].fds[k] >= 0)
                (void)close(set->items[i].fds[k]);
        }
    }
    arena_free(set->arena);
}

/* ---- accepting ---- */

struct listener {
    struct loop *loop;
    struct watch watch;
    struct timer rest;
    uint64_t rested_ms; /* when accepting last had to rest */
    struct deferred reaper;
    int fd;
    const struct listener_address *at;
    listener_accept_fn *on_accept;
    void *arg;
};

void peer_set(struct peer *p, const unsigned char address[16], uint16_t port)
{
    memcpy(p->address, address, sizeof(p->address));
    p->port = port;
    ip_print(address, ip_is_mapped(address), p->text);
}

static void read_peer(const union socket_address *a, struct peer *ret_peer)
{
    unsigned char address[16];
    copy_address(a, address);
    peer_set(ret_peer, address, port_of(a));
}

void listener_read_local(int fd, struct peer *ret_local)
{
    union socket_address at = {.any = {.sa_family = AF_INET}};
    socklen_t len = sizeof(at);
    (void)getsockname(fd, &at.any, &len);
    read_peer(&at, ret_local);
}

static bool is_wildcard(const unsigned char address[16])
{
    static const unsigned char zeros[16];
    size_t begin = ip_is_mapped(address) ? IP_V4_AT : 0;
    return memcmp(address + begin, zeros, 16 - begin) == 0;
}

/* Whether the listener takes what this machine sends from `from` to `to`. */
static bool takes(const struct listener_address *at, const struct peer *to,
                  const struct peer *from)
{
    if (at->port != to->port || ip_is_mapped(at->address) != ip_is_mapped(to->address))
        return false;
    if (!is_wildcard(at->address))
        return memcmp(at->address, to->address, 16) == 0;
    bool is_loopback = ip_is_mapped(to->address) && to->address[IP_V4_AT] == IN_LOOPBACKNET;
    return is_loopback || memcmp(from->address, to->address, 16) == 0;
}

bool listener_set_has_peer(const struct listener_set *set, int fd)
{
    union socket_address at = {.any = {.sa_family = AF_INET}};
    socklen_t len = sizeof(at);
    struct peer to, from;
    if (getpeername(fd, &at.any, &len) != 0)
        return false;
    read_peer(&at, &to);
    listener_read_local(fd, &from);
    for (size_t i = 0; i < set->count; i++) {
        if (takes(&set->items[i], &to, &from))
            return true;
    }
    return false;
}

static void on_rested(struct timer *t)
{
    struct listener *l = container_of(t, struct listener, rest);
    if (failed(loop_watch(l->loop, &l->watch, l->fd, EPOLLIN)))
        loop_timer_set(l->loop, t, REST_MS);
}

/* Descriptors or memory have run out: what waits is accepted when there are some again. */
static void rest(struct listener *l, int error)
{
    uint64_t now_ms = loop_now_ms(l->loop);
    if (l->rested_ms == 0 || now_ms - l->rested_ms > SHORTAGE_QUIET_MS)
        log_warn("accepting_rests", KV_CSTR("reason", strerrordesc_np(error)));
    l->rested_ms = now_ms;
    loop_unwatch(l->loop, &l->watch);
    loop_timer_set(l->loop, &l->rest, REST_MS);
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct listener *l = container_of(w, struct listener, watch);
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH_MAX; i++) {
        union socket_address from;
        socklen_t len = sizeof(from);
        int fd = accept4(l->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct peer peer;
            read_peer(&from, &peer);
            l->on_accept(l->arg, l->at, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(l, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* anything else is one client's trouble: it has gone already */
    }
}

struct err listener_start(struct loop *loop, struct listener_address *address, unsigned index,
                          listener_accept_fn *on_accept, void *arg,
                          struct listener **ret_listener)
{
    struct listener *l = mem_new(struct listener);
    if (l == NULL)
        return fail(ERR_MEMORY, 0);
    *l = (struct listener){.loop = loop,
                           .watch = {.on_ready = on_ready, .fd = -1},
                           .rest = {.on_fire = on_rested},
                           .fd = address->fds[index],
                           .at = address,
                           .on_accept = on_accept,
                           .arg = arg};
    struct err e = loop_watch(loop, &l->watch, l->fd, EPOLLIN);
    if (failed(e)) {
        mem_free(l);
        return e;
    }
    address->fds[index] = -1;
    *ret_listener = l;
    return OK;
}

static void on_reap(struct deferred *d)
{
    mem_free(container_of(d, struct listener, reaper));
}

void listener_stop(struct listener *l)
{
    if (l == NULL)
        return;
    loop_unwatch(l->loop, &l->watch);
    loop_timer_stop(l->loop, &l->rest);
    (void)close(l->fd);
    /* The loop may have fetched a client's event for it in this turn. */
    l->reaper.on_run = on_reap;
    loop_defer(l->loop, &l->reaper);
}
