/* fetch.h - one HTTPS request to a CA, and its answer.
 *
 * Purpose: the transport as a small function table, so that tests put a scripted CA in its
 *          place. fetch_new gives the real one, on libcurl.
 * Thread:  the ACME thread; fetch_cancel from any.
 * Owns:    answers live in the caller's arena.
 * Limits:  ACME_CONNECT_LIMIT_MS, ACME_REQUEST_LIMIT_MS, ACME_BODY_MAX_BYTES,
 *          ACME_HEAD_MAX_BYTES; https only, TLS 1.2 or newer, certificates always verified;
 *          only a GET follows redirects, ACME_REDIRECTS_MAX of them.
 * Fails:   ERR_ACME_NETWORK (detail: CURLcode; words in the answer), ERR_CANCELLED, ERR_MEMORY.
 *          An HTTP error status is an answer, not a failure.
 *
 * A POST always gets a connection of its own and HTTP/1.1: on a reused one libcurl may send the
 * same signed request twice, and a nonce must never be used again (RFC 8555 6.5).  The price is
 * a TLS handshake per request, about ten for a certificate.
 * Proxy variables of the environment are ignored: a daemon's surroundings are not its settings.
 * */
#pragma once

#include "gateway/base/arena.h"

enum fetch_method { FETCH_GET, FETCH_HEAD, FETCH_POST };

struct fetch_request {
    enum fetch_method method;
    struct str url;
    struct str body;      /* POST: sent as application/jose+json */
    struct str accept;    /* empty: anything */
    struct str ca_bundle; /* PEM; empty: the system's */
    bool is_ipv4_only;
};

/* Fields are empty when absent.  The last one of a name counts. */
struct fetch_reply {
    unsigned status;
    struct str content_type;
    struct str location;
    struct str nonce;
    struct str retry_after;
    struct str date;
    struct str body;
    struct str words; /* after a failure: what went wrong, for people */
};

struct fetch;

struct fetch_ops {
    struct err (*send)(struct fetch *f, struct arena *a, const struct fetch_request *q,
                       struct fetch_reply *ret_reply);
    struct err (*pause)(struct fetch *f, uint64_t ms);
    void (*cancel)(struct fetch *f);
    void (*free)(struct fetch *f);
};

/* First member of every transport. */
struct fetch {
    const struct fetch_ops *ops;
};

/* user_agent: "name/version"; CAs refuse requests without one. */
struct err fetch_new(const char *user_agent, struct fetch **ret_fetch);

static inline void fetch_free(struct fetch *f)
{
    if (f != NULL)
        f->ops->free(f);
}
AUTO_DEFINE(fetch_free, struct fetch *)

/* *ret_reply is filled in either case. */
static inline struct err fetch_send(struct fetch *f, struct arena *a,
                                    const struct fetch_request *q,
                                    struct fetch_reply *ret_reply)
{
    return f->ops->send(f, a, q, ret_reply);
}

/* Waits; ERR_CANCELLED when cut short. */
static inline struct err fetch_pause(struct fetch *f, uint64_t ms)
{
    return f->ops->pause(f, ms);
}

/* Ends what is under way at once, and everything after it. */
static inline void fetch_cancel(struct fetch *f)
{
    f->ops->cancel(f);
}
