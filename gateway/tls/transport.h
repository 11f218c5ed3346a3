/* transport.h - one non-blocking byte connection, plain or TLS.
 *
 * Purpose: the rest of the gateway reads and writes plain bytes and does not know whether
 *          TLS is in between.  OpenSSL never touches the socket: a BIO of ours works on
 *          memory, so that one large read feeds many records and many records leave in one
 *          write.
 * Thread:  the worker's.
 * Owns:    the descriptor and the SSL object; transport_close gives both back.
 * Limits:  what TLS has made but the socket has not taken: SEAL_BYTES of records.
 *          An idle transport owns no buffers; reads and writes borrow the worker's scratch
 *          memory.
 * Fails:   ERR_AGAIN: wait for the next readiness; ERR_IO (detail errno, 0: cut without a
 *          goodbye); ERR_CRYPTO: TLS failed (transport_tls_error tells how); ERR_MEMORY. */
#pragma once

#include "gateway/base/buf.h"

#include <openssl/ssl.h>

/* Memory shared by all connections of a worker, used within one call only. */
struct scratch {
    char *plain;    /* PLAIN_BYTES, for the caller of transport_read */
    char *sealed;   /* SEALED_BYTES, TLS records just received */
    struct buf out; /* TLS records about to be sent */
};

enum {
    SEALED_BYTES = 64 * 1024,
    PLAIN_BYTES = SEALED_BYTES + 32 * 1024, /* ... and a record OpenSSL already held */
};

struct err scratch_init(struct scratch *s);
void scratch_fini(struct scratch *s);

struct transport {
    struct {
        int fd;   /* -1: closed */
        SSL *ssl; /* NULL: plain */
        struct scratch *scratch;
        struct str received; /* not yet read by OpenSSL: in scratch->sealed or in held */
        struct buf held;     /* what was left of it at the end of a call */
        struct buf unsent;   /* records that the socket did not take */
        bool may_read;       /* edges: false after EAGAIN until the next event */
        bool may_write;
        bool is_read_closed; /* the peer has sent its FIN */
        bool has_eof;        /* FIN seen by the BIO */
        bool is_ahead;       /* OpenSSL holds more: bytes, the end, or an error */
        bool is_patient;     /* unsent is a session ticket that waits for company */
        bool has_tail;       /* unsent is the end of a handshake and nothing else */
    } priv;
};

/* Takes over fd (non-blocking). */
void transport_open(struct transport *t, int fd, struct scratch *scratch);

/* Takes over ssl, whose connect or accept state is set. */
struct err transport_start_tls(struct transport *t, SSL *ssl);

bool transport_is_open(const struct transport *t);
bool transport_is_tls(const struct transport *t);
SSL *transport_ssl(const struct transport *t); /* borrowed; NULL if plain */
int transport_fd(const struct transport *t);

/* Sends close_notify if that costs no waiting, closes, frees. Harmless if closed. */
void transport_close(struct transport *t);

/* Closes so that the peer sees a cut, not an end: no close_notify, and RST instead of FIN. */
void transport_cut(struct transport *t);

/* What epoll said. */
void transport_on_ready(struct transport *t, uint32_t events);
/* True if transport_read may give something without a new event. */
bool transport_may_read(const struct transport *t);

/* True while nothing has come that was not read, be it the end; asks the kernel. */
bool transport_is_silent(const struct transport *t);

/* ERR_AGAIN until done; OK once.  The peer may still wait for our last message, which goes with
 * the next transport_write, be it an empty one. */
struct err transport_handshake(struct transport *t);

/* Up to len bytes.  *ret_len 0 with OK: the peer ended properly (FIN; with TLS: close_notify).
 * One call makes at most one read(2). */
struct err transport_read(struct transport *t, char *p, size_t len, size_t *ret_len);

/* Takes as much as fits, first's bytes and then second's, in one write(2) if they are not too
 * many; ERR_AGAIN with *ret_len set when the socket is full. */
struct err transport_write(struct transport *t, struct str first, struct str second,
                           size_t *ret_len);

/* Like transport_write, and behind the last byte, in the same write if it fits, TLS's goodbye:
 * nothing is written after bytes but transport_shutdown. */
struct err transport_write_last(struct transport *t, struct str bytes, size_t *ret_len);

/* True when nothing waits inside (all that transport_write took is with the kernel), but for
 * a session ticket, which may go with the next bytes. */
bool transport_is_flushed(const struct transport *t);

/* After everything is flushed: our direction ends (close_notify, FIN). */
void transport_shutdown(struct transport *t);

/* The reason behind ERR_CRYPTO: the low 31 bits of OpenSSL's code; 0 if unknown. Clears the
 * queue. */
int32_t transport_tls_error(void);
