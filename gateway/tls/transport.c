#include "gateway/tls/transport.h"

#include "gateway/base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    /* Sealed before the socket is asked to take it: eight full records leave in one write.
     * Their overhead is below 64 bytes each; a parting alert or key update fits, too. */
    SEAL_BYTES = 8 * 16384,
    SEALED_MAX_BYTES = SEAL_BYTES + 16 * 1024,
};

struct err scratch_init(struct scratch *s)
{
    char *tail;
    size_t room;
    buf_init(&s->out, SEALED_MAX_BYTES);
    s->plain = mem_resize(NULL, PLAIN_BYTES);
    s->sealed = mem_resize(NULL, SEALED_BYTES);
    if (s->plain == NULL || s->sealed == NULL ||
        failed(buf_reserve(&s->out, SEALED_MAX_BYTES, &tail, &room))) {
        scratch_fini(s);
        return fail(ERR_MEMORY, 0);
    }
    return OK;
}

void scratch_fini(struct scratch *s)
{
    mem_free(s->plain);
    mem_free(s->sealed);
    s->plain = s->sealed = NULL;
    buf_fini(&s->out);
}

/* ---- the BIO between OpenSSL and our memory ---- */

static int bio_read(BIO *bio, char *p, int len)
{
    struct transport *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->priv.received.len == 0) {
        if (t->priv.has_eof)
            return 0;
        BIO_set_retry_read(bio);
        return -1;
    }
    struct str part = str_sub(t->priv.received, 0, (size_t)len);
    memcpy(p, part.p, part.len);
    t->priv.received = str_skip(t->priv.received, part.len);
    return (int)part.len;
}

static int bio_write(BIO *bio, const char *p, int len)
{
    struct transport *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (failed(buf_append(&t->priv.scratch->out, str_make(p, (size_t)len))))
        return -1;
    return len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)num;
    (void)ptr;
    if (cmd == BIO_CTRL_EOF) {
        const struct transport *t = BIO_get_data(bio);
        return t->priv.has_eof && t->priv.received.len == 0;
    }
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static BIO_METHOD *method;

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");
    if (m == NULL)
        return;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    method = m;
}

static BIO *new_bio(struct transport *t)
{
    /* A constant table for the whole process, made once: not state. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_method);
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (bio != NULL) {
        BIO_set_data(bio, t);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- life ---- */

void transport_open(struct transport *t, int fd, struct scratch *scratch)
{
    *t = (struct transport){.priv = {.fd = fd, .scratch = scratch}};
    t->priv.may_read = t->priv.may_write = true;
    buf_init(&t->priv.unsent, SEALED_MAX_BYTES * 2);
    buf_init(&t->priv.held, SEALED_BYTES);
}

struct err transport_start_tls(struct transport *t, SSL *ssl)
{
    BIO *bio = new_bio(t);
    if (bio == NULL) {
        SSL_free(ssl);
        return fail(ERR_MEMORY, 0);
    }
    SSL_set_bio(ssl, bio, bio);
    t->priv.ssl = ssl;
    return OK;
}

bool transport_is_open(const struct transport *t)
{
    return t->priv.fd >= 0;
}

bool transport_is_tls(const struct transport *t)
{
    return t->priv.ssl != NULL;
}

SSL *transport_ssl(const struct transport *t)
{
    return t->priv.ssl;
}

int transport_fd(const struct transport *t)
{
    return t->priv.fd;
}

void transport_on_ready(struct transport *t, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        t->priv.may_read = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0)
        t->priv.is_read_closed = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        t->priv.may_write = true;
}

bool transport_may_read(const struct transport *t)
{
    return t->priv.may_read || t->priv.received.len > 0 || t->priv.is_ahead;
}

/* ---- the socket ---- */

bool transport_is_silent(const struct transport *t)
{
    char byte;
    return t->priv.received.len == 0 && !t->priv.is_ahead &&
           recv(t->priv.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static struct err socket_read(struct transport *t, char *p, size_t len, size_t *ret_len)
{
    if (!t->priv.may_read)
        return fail(ERR_AGAIN, 0);
    ssize_t n;
    do {
        n = recv(t->priv.fd, p, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        t->priv.may_read = false;
        return fail(ERR_AGAIN, 0);
    }
    if (n < 0)
        return fail(ERR_IO, errno);
    /* A short read has emptied the socket: the next byte or FIN makes a new edge. */
    if ((size_t)n < len && !t->priv.is_read_closed)
        t->priv.may_read = false;
    *ret_len = (size_t)n;
    return OK;
}

/* Both, as one run of bytes, from `at` on: what lies together of it. */
static struct str next_run(struct str first, struct str second, size_t at)
{
    return at < first.len ? str_skip(first, at) : str_skip(second, at - first.len);
}

static ssize_t send_both(int fd, struct str first, struct str second)
{
    if (second.len == 0)
        return send(fd, first.p, first.len, MSG_NOSIGNAL);
    /* sendmsg does not write to what iov_base points at. */
    struct iovec runs[] = {{(void *)(uintptr_t)first.p, first.len},
                           {(void *)(uintptr_t)second.p, second.len}};
    const struct msghdr message = {.msg_iov = runs, .msg_iovlen = ARRAY_LEN(runs)};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static struct err socket_write(struct transport *t, struct str first, struct str second,
                               size_t *ret_len)
{
    *ret_len = 0;
    while (*ret_len < first.len + second.len) {
        if (!t->priv.may_write)
            return fail(ERR_AGAIN, 0);
        bool is_in_first = *ret_len < first.len;
        ssize_t n = send_both(t->priv.fd, next_run(first, second, *ret_len),
                              is_in_first ? second : STR_NONE);
        if (n >= 0) {
            *ret_len += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            t->priv.may_write = false;
        } else if (errno != EINTR) {
            int error = errno;
            t->priv.may_read = true; /* what came before the end, and the end: no edge yet */
            return fail(ERR_IO, error);
        }
    }
    return OK;
}

/* First what waited, then what OpenSSL has just made; the rest waits. */
static struct err flush(struct transport *t)
{
    struct buf *made = &t->priv.scratch->out;
    struct buf *unsent = &t->priv.unsent;
    size_t waited = buf_len(unsent);
    size_t sent;
    t->priv.is_patient = false;
    t->priv.has_tail = false;
    struct err e = socket_write(t, buf_view(unsent), buf_view(made), &sent);
    size_t sent_waited = sent < waited ? sent : waited;
    buf_consume(unsent, sent_waited);
    buf_consume(made, sent - sent_waited);
    buf_release(unsent);
    if (err_is(e, ERR_AGAIN) && failed(buf_append(unsent, buf_view(made))))
        e = fail(ERR_MEMORY, 0);
    buf_clear(made);
    return e;
}

/* What OpenSSL has just made goes with the bytes that come next. */
static struct err hold_made(struct transport *t)
{
    struct buf *made = &t->priv.scratch->out;
    struct err e = buf_append(&t->priv.unsent, buf_view(made));
    buf_clear(made);
    return e;
}

/* ---- TLS ---- */

int32_t transport_tls_error(void)
{
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    return (int32_t)(code & 0x7fffffff);
}

/* One read(2) for OpenSSL. */
static struct err refill(struct transport *t)
{
    size_t got;
    buf_clear(&t->priv.held);
    TRY(socket_read(t, t->priv.scratch->sealed, SEALED_BYTES, &got));
    t->priv.received = str_make(t->priv.scratch->sealed, got);
    t->priv.has_eof = got == 0;
    return OK;
}

/* The scratch memory is another connection's in a moment: what OpenSSL has not read yet is
 * kept. */
static struct err hold_received(struct transport *t)
{
    struct buf *held = &t->priv.held;
    if (t->priv.received.len == 0) {
        buf_clear(held);
        buf_release(held);
    } else if (buf_len(held) == 0) {
        TRY(buf_append(held, t->priv.received));
        t->priv.received = buf_view(held);
    }
    return OK;
}

/* What a failed SSL_ call means for us. */
static struct err classify(struct transport *t, int result)
{
    switch (SSL_get_error(t->priv.ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return fail(ERR_AGAIN, 0);
    case SSL_ERROR_ZERO_RETURN:
        return OK;
    case SSL_ERROR_SYSCALL:
        return fail(ERR_IO, 0);
    default:
        /* OpenSSL 3 calls a missing close_notify an SSL error; for us it is a cut
         * connection. */
        if (t->priv.has_eof &&
            ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return fail(ERR_IO, 0);
        }
        return fail(ERR_CRYPTO, 0);
    }
}

/* The last message of a handshake over TLS 1.3 is one that the peer does not wait for: a
 * client's Finished goes with its first bytes, a server's ticket with the first answer. */
static struct err end_handshake(struct transport *t)
{
    if (SSL_version(t->priv.ssl) < TLS1_3_VERSION) {
        struct err e = flush(t);
        return err_is(e, ERR_AGAIN) ? OK : e;
    }
    TRY(hold_made(t));
    t->priv.is_patient = SSL_is_server(t->priv.ssl) == 1;
    t->priv.has_tail = true;
    return OK;
}

struct err transport_handshake(struct transport *t)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(t->priv.ssl);
        if (result == 1) {
            TRY(end_handshake(t));
            return hold_received(t);
        }
        struct err flushed = flush(t); /* alerts go out, too */
        struct err e = classify(t, result);
        if (!failed(e))
            return fail(ERR_IO, 0); /* a goodbye in the middle of a handshake */
        if (!err_is(e, ERR_AGAIN))
            return e;
        if (failed(flushed) && !err_is(flushed, ERR_AGAIN))
            return flushed;
        TRY(refill(t));
    }
}

static struct err tls_read(struct transport *t, char *p, size_t len, size_t *ret_len)
{
    bool is_refilled = false;
    size_t total = 0;
    t->priv.is_ahead = false;
    for (;;) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(t->priv.ssl, p + total, len - total, &got);
        total += got;
        if (result == 1 && total < len)
            continue;
        struct err e = result == 1 ? OK : classify(t, result);
        if (total > 0 || !failed(e)) {
            /* What ended the loop, an error or the end, comes again with the next call. */
            t->priv.is_ahead = total > 0 && !err_is(e, ERR_AGAIN);
            *ret_len = total;
            return OK;
        }
        if (!err_is(e, ERR_AGAIN) || is_refilled)
            return e;
        TRY(refill(t));
        is_refilled = true;
    }
}

/* As many records as one write is to carry. */
static struct err seal(struct transport *t, struct str first, struct str second, size_t *taken)
{
    size_t end = *taken + SEAL_BYTES;
    if (end > first.len + second.len)
        end = first.len + second.len;
    while (*taken < end) {
        struct str run = str_sub(next_run(first, second, *taken), 0, end - *taken);
        size_t sealed;
        ERR_clear_error();
        if (SSL_write_ex(t->priv.ssl, run.p, run.len, &sealed) != 1) {
            buf_clear(&t->priv.scratch->out);
            return fail(ERR_CRYPTO, 0);
        }
        *taken += sealed;
    }
    return OK;
}

/* What waits from before goes first, unless it is little and the socket may take it now: then
 * it goes with what follows. */
static struct err make_way(struct transport *t)
{
    enum { LITTLE_BYTES = 4096 };
    bool is_along = t->priv.may_write && buf_len(&t->priv.unsent) <= LITTLE_BYTES;
    return is_along ? OK : flush(t);
}

static struct err tls_write(struct transport *t, struct str first, struct str second,
                            size_t *ret_len)
{
    *ret_len = 0;
    TRY(make_way(t));
    do {
        TRY(seal(t, first, second, ret_len));
        TRY(flush(t));
    } while (*ret_len < first.len + second.len);
    return OK;
}

static void say_goodbye(struct transport *t)
{
    if (!SSL_is_init_finished(t->priv.ssl) ||
        (SSL_get_shutdown(t->priv.ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(t->priv.ssl);
}

/* ---- the interface ---- */

struct err transport_read(struct transport *t, char *p, size_t len, size_t *ret_len)
{
    if (t->priv.ssl == NULL)
        return socket_read(t, p, len, ret_len);
    struct err e = tls_read(t, p, len, ret_len);
    /* A read may have made records (key updates, alerts). */
    if (buf_len(&t->priv.scratch->out) > 0)
        (void)flush(t);
    TRY(hold_received(t));
    return e;
}

struct err transport_write(struct transport *t, struct str first, struct str second,
                           size_t *ret_len)
{
    if (t->priv.ssl != NULL)
        return tls_write(t, first, second, ret_len);
    return socket_write(t, first, second, ret_len);
}

struct err transport_write_last(struct transport *t, struct str bytes, size_t *ret_len)
{
    if (t->priv.ssl == NULL || bytes.len > SEAL_BYTES)
        return transport_write(t, bytes, STR_NONE, ret_len);
    *ret_len = 0;
    TRY(make_way(t));
    TRY(seal(t, bytes, STR_NONE, ret_len));
    say_goodbye(t);
    return flush(t);
}

bool transport_is_flushed(const struct transport *t)
{
    return buf_len(&t->priv.unsent) == 0 || t->priv.is_patient;
}

void transport_shutdown(struct transport *t)
{
    if (t->priv.ssl != NULL) {
        say_goodbye(t);
        (void)flush(t);
    }
    (void)shutdown(t->priv.fd, SHUT_WR);
}

static void free_all(struct transport *t)
{
    SSL_free(t->priv.ssl);
    t->priv.ssl = NULL;
    ERR_clear_error();
    buf_fini(&t->priv.unsent);
    buf_fini(&t->priv.held);
    (void)close(t->priv.fd);
    t->priv.fd = -1;
}

void transport_close(struct transport *t)
{
    if (t->priv.fd < 0)
        return;
    if (t->priv.ssl != NULL && (transport_is_flushed(t) || t->priv.has_tail)) {
        say_goodbye(t);
        (void)flush(t);
    }
    free_all(t);
}

void transport_cut(struct transport *t)
{
    if (t->priv.fd < 0)
        return;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(t->priv.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    free_all(t);
}
