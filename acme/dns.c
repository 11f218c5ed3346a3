/* dns.c - dns_ask -> open_channel -> ask, on_answer, ask again for an alias ... -> wait. */
#include "acme/dns.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <ares.h>
#include <poll.h>

enum {
    SOCKETS_MAX = 32,
    QUERY_TIMEOUT_MS = 1200,
    QUERY_TRIES = 2,
    SLICE_MS = 100, /* how late a cancellation is seen at most */
};

struct inquiry;

/* One question while it is under way. */
struct pending {
    struct inquiry *inquiry;
    struct dns_question *question;
    struct str name; /* asked for now: the name itself, or what its aliases led to */
    unsigned hops;
};

struct inquiry {
    const struct dns_options *options;
    struct arena *arena;
    ares_channel channel;
    struct pollfd sockets[SOCKETS_MAX];
    size_t socket_count;
    size_t open_count;
    struct err err;
};

const char *dns_outcome_words(enum dns_outcome o)
{
    switch (o) {
    case DNS_FOUND:
        return "found";
    case DNS_NONE:
        return "no such record";
    case DNS_NO_NAME:
        return "no such name (NXDOMAIN)";
    case DNS_BROKEN:
        return "the name server refuses or fails (SERVFAIL)";
    case DNS_SILENT:
        return "no name server answers";
    case DNS_GARBLED:
        return "the answer makes no sense";
    }
    return "";
}

/* ---- sockets ---- */

/* A socket beyond our slots only times out. */
static void on_socket_state(void *arg, ares_socket_t fd, int wants_read, int wants_write)
{
    struct inquiry *q = arg;
    size_t i = 0;
    while (i < q->socket_count && q->sockets[i].fd != fd)
        i++;
    if (!wants_read && !wants_write) {
        if (i < q->socket_count)
            q->sockets[i] = q->sockets[--q->socket_count];
        return;
    }
    if (i == q->socket_count) {
        if (i == SOCKETS_MAX)
            return;
        q->socket_count++;
    }
    q->sockets[i] = (struct pollfd){
        .fd = fd, .events = (short)((wants_read ? POLLIN : 0) | (wants_write ? POLLOUT : 0))};
}

/* c-ares opens and closes sockets while it works on them, so it gets a copy of the list. */
static void work_on(struct inquiry *q, int wait_ms)
{
    struct pollfd ready[SOCKETS_MAX];
    size_t count = q->socket_count;
    memcpy(ready, q->sockets, count * sizeof(ready[0]));
    int got = poll(ready, (nfds_t)count, wait_ms);
    for (size_t i = 0; got > 0 && i < count; i++) {
        short events = ready[i].revents;
        bool is_readable = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
        bool is_writable = (events & POLLOUT) != 0;
        if (is_readable || is_writable)
            ares_process_fd(q->channel, is_readable ? ready[i].fd : ARES_SOCKET_BAD,
                            is_writable ? ready[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what timed out */
}

/* ---- answers ---- */

static enum dns_outcome outcome_of(unsigned rcode, const struct dns_question *q)
{
    if (rcode == DNS_NXDOMAIN)
        return DNS_NO_NAME;
    if (rcode != DNS_NOERROR)
        return DNS_BROKEN;
    return q->answer.address_count + q->answer.caa_count > 0 ? DNS_FOUND : DNS_NONE;
}

static void ask(struct pending *p);

/* True if the answer names an alias and leaves it to us to go there. */
static bool goes_on(struct pending *p)
{
    struct str next = p->question->answer.alias;
    if (p->question->outcome != DNS_NONE || next.len == 0 || str_eq(next, p->name) ||
        ++p->hops > DNS_ALIASES_MAX)
        return false;
    p->name = next;
    return true;
}

static void take_answer(struct pending *p, struct str message)
{
    struct inquiry *inquiry = p->inquiry;
    struct dns_question *q = p->question;
    struct str before = q->answer.alias;
    struct err e = dns_message_read(inquiry->arena, message, p->name, q->type, &q->answer);
    if (err_is(e, ERR_MEMORY))
        inquiry->err = e;
    q->outcome = failed(e) ? DNS_GARBLED : outcome_of(q->answer.rcode, q);
    if (!failed(e) && goes_on(p))
        ask(p);
    else if (!failed(e) && q->answer.alias.len == 0)
        q->answer.alias = before;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct pending *p = arg;
    (void)timeouts;
    p->inquiry->open_count--;
    if (message != NULL && len > 0) {
        take_answer(p, str_make(message, (size_t)len));
        return;
    }
    switch (status) {
    case ARES_ENOTFOUND:
        p->question->outcome = DNS_NO_NAME;
        return;
    case ARES_ENODATA:
        p->question->outcome = DNS_NONE;
        return;
    case ARES_EBADRESP:
    case ARES_EFORMERR:
    case ARES_EBADNAME:
        p->question->outcome = DNS_GARBLED;
        return;
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP:
    case ARES_EREFUSED:
        p->question->outcome = DNS_BROKEN;
        return;
    default:
        p->question->outcome = DNS_SILENT;
        return;
    }
}

/* May be answered at once. */
static void ask(struct pending *p)
{
    p->inquiry->open_count++;
    ares_query(p->inquiry->channel, p->name.p, 1 /* IN */, (int)p->question->type, on_answer,
               p);
}

/* ---- the call ---- */

/* Answers with an error are wanted as they are: "SERVFAIL" and "nobody is there" have different
 * cures. */
static struct err open_channel(struct inquiry *q, struct ares_options *o)
{
    *o = (struct ares_options){.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOALIASES,
                               .timeout = QUERY_TIMEOUT_MS,
                               .tries = QUERY_TRIES,
                               .sock_state_cb = on_socket_state,
                               .sock_state_cb_data = q};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&q->channel, o, mask);
    if (status != ARES_SUCCESS)
        return fail(status == ARES_ENOMEM ? ERR_MEMORY : ERR_IO, status);
    if (q->options->resolver.len == 0)
        return OK;
    struct str servers = arena_dup(q->arena, q->options->resolver);
    status =
        servers.p == NULL ? ARES_ENOMEM : ares_set_servers_ports_csv(q->channel, servers.p);
    if (status == ARES_SUCCESS)
        return OK;
    ares_destroy(q->channel);
    return fail(status == ARES_ENOMEM ? ERR_MEMORY : ERR_IO, status);
}

static bool is_cancelled(const struct inquiry *q)
{
    return q->options->is_cancelled != NULL && atomic_load(q->options->is_cancelled);
}

/* Until all are answered; what is open at the end stays DNS_SILENT. */
static struct err ask_all(struct inquiry *q, struct pending *pending, size_t count)
{
    uint64_t end_ms = clock_mono_ms() + DNS_ASK_LIMIT_MS;
    size_t next = 0;
    while (next < count || q->open_count > 0) {
        while (next < count && q->open_count < DNS_ASKED_MAX)
            ask(&pending[next++]);
        if (is_cancelled(q))
            return fail(ERR_CANCELLED, 0);
        if (failed(q->err) || clock_mono_ms() >= end_ms)
            return q->err;
        if (q->open_count > 0)
            work_on(q, SLICE_MS);
    }
    return q->err;
}

struct err dns_ask(const struct dns_options *o, struct arena *a, struct dns_question *questions,
                   size_t count)
{
    struct inquiry q = {.options = o, .arena = a, .err = OK};
    struct ares_options options;
    struct pending *pending = arena_array(a, struct pending, count + 1);
    if (pending == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++) {
        questions[i].outcome = DNS_SILENT;
        questions[i].answer = (struct dns_answer){.rcode = 0};
        pending[i] = (struct pending){
            .inquiry = &q, .question = &questions[i], .name = questions[i].name};
    }
    TRY(open_channel(&q, &options));
    struct err e = ask_all(&q, pending, count);
    ares_destroy(q.channel); /* what is still open is told so */
    return e;
}
