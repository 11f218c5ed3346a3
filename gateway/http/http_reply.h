/* http_reply.h - the body and head of answers the gateway gives itself.
 *
 * Purpose: small error pages, HTML or JSON by Accept, with a request id and nothing of the
 *          inside.
 * Thread:  the worker's.
 * Owns:    results live in the arena.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/http/http_message.h"

/* Reason phrase of a status (RFC 9110 15), "Unknown" otherwise. */
struct str http_reason(unsigned status);

/* Fills head (status, fields, framing) and *ret_body for an error status.  request may be
 * NULL (the head was unreadable): HTML.  JSON is problem+json (RFC 9457) when Accept prefers
 * it. */
struct err http_reply_error(struct arena *a, unsigned status, const struct http_head *request,
                            struct str request_id, struct http_head *ret_head,
                            struct str *ret_body);

/* A redirect with a Location, without a body. */
struct err http_reply_redirect(struct arena *a, unsigned status, struct str location,
                               struct http_head *ret_head);
