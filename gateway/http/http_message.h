/* http_message.h - requests and responses without regard to the version that carries them.
 *
 * Purpose: the model (RFC 9110) that codecs produce and consume and that routing, rewriting
 *          and the access log look at.  Nothing here says "chunked" or "frame".
 * Thread:  values of one worker.
 * Owns:    nothing; all views live in the arena of the exchange. */
#pragma once

#include "gateway/http/http_fields.h"

enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 };

/* How much body follows a head. */
enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,  /* body_bytes of it */
    HTTP_BODY_UNKNOWN, /* until the end is said: chunked, END_STREAM, or close */
};

struct http_head {
    enum http_version version; /* as received; ignored when sending */

    /* request */
    struct str method;
    struct str authority;  /* Host or :authority as received, e.g. "a.example:8443" */
    struct str host;       /* of authority: lower case, no port, no brackets, no trailing dot */
    struct str path;       /* with query, byte for byte, begins with '/'; or "*" for OPTIONS */
    bool expects_continue; /* Expect: 100-continue (RFC 9110 10.1.1) */

    /* response */
    unsigned status; /* 0 in a request */

    struct http_fields fields; /* received: complete; to send: end-to-end fields only */
    enum http_body body;
    uint64_t body_bytes;
    /* Protocols of Upgrade, when Connection names it (RFC 9110 7.8).  Requests: only without
     * a body, and never other versions of HTTP. Responses: 101 and 426 only. */
    struct str upgrade;
};

static inline bool http_is_interim(const struct http_head *h)
{
    return h->status >= 100 && h->status < 200 && h->status != 101;
}
