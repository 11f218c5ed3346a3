/* websocket.h - the fields by which HTTP/1.1 proves that both sides mean WebSocket, and which
 * HTTP/2 does without (RFC 6455 4, RFC 8441 5): made where one becomes the other.
 *
 * Thread:  any.
 * Owns:    nothing; values live in the arena.
 * Fails:   ERR_MEMORY, ERR_CRYPTO. */
#pragma once

#include "gateway/http/http_message.h"

#include "gateway/base/arena.h"

/* Sec-WebSocket-Key, for a target that asks for it. */
struct err websocket_add_key(struct arena *a, struct http_head *request);

/* Sec-WebSocket-Accept, for a client that has sent this key. */
struct err websocket_add_accept(struct arena *a, struct http_head *response, struct str key);
