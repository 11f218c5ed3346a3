/* share.h - whose a connection to a shared port is: a stream's, or HTTP's.
 *
 * Purpose: streams that listen where HTTP is served take their share of the connections.
 *          What a client says first decides, before anybody has answered: the name in its
 *          ClientHello, then the protocols offered there, else the kind of its first bytes;
 *          once TLS is terminated here, the kind of the first bytes inside.  The rest is
 *          HTTP's.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Limits:  those of client_hello.h and first_bytes.h; time is the caller's.
 * Fails:   ERR_AGAIN while more must be seen, ERR_CLIENT_HELLO.
 *
 * Names restrict: a share with names takes nothing else.  A better match wins: exact name,
 * then wildcard, then any; then who was told by protocol.  A route beats shares that name the
 * host less exactly than itself, unless the protocol told: who offers stun.turn does not mean
 * HTTP. */
#pragma once

#include "gateway/stream/client_hello.h"
#include "gateway/stream/first_bytes.h"

struct share {
    const struct str *names; /* lower case: exact, "*.example.org" or "*" */
    size_t name_count;
    const struct str *protocols; /* of ALPN; for clients that offer some */
    size_t protocol_count;
    /* For clients that offer none: of what the stream gets, which is inside TLS if it is
     * terminated here.  FIRST_BYTES_MORE: they do not matter. */
    enum first_bytes first_bytes;
    bool is_terminated; /* TLS ends here, not at the stream's target */
};

/* How exactly something names a host. */
enum share_rank {
    SHARE_RANK_NONE, /* it does not */
    SHARE_RANK_UNNAMED,
    SHARE_RANK_ANY,
    SHARE_RANK_WILDCARD,
    SHARE_RANK_EXACT,
};

/* For a host name, in lower case, without a dot at its end: how exactly a route names it. */
typedef enum share_rank share_route_fn(void *arg, struct str host);

struct share_set {
    const struct share *items;
    size_t count;
    share_route_fn *rank_route;
    void *arg;
};

/* bytes: all that has come so far.  *ret_share NULL: HTTP's. */
struct err share_choose(const struct share_set *set, struct str bytes,
                        char room[CLIENT_HELLO_MAX_BYTES], const struct share **ret_share);

/* After TLS was terminated for HTTP, without ALPN: sni as the client sent it, bytes what came
 * inside. */
struct err share_choose_inside(const struct share_set *set, struct str sni, struct str bytes,
                               const struct share **ret_share);

/* For one whose client says nothing, as clients of SSH may: it waits for the other side. */
const struct share *share_choose_silent(const struct share_set *set);
