/* proxy_intake.h - client connections that must begin with a PROXY header.
 *
 * Purpose: takes the header off a fresh connection, so that what follows is as if the client it
 *          names had connected by itself: conn.c, TLS and the rest know nothing of it.
 * Thread:  the worker's.
 * Owns:    the descriptor until the header is whole; then conn_accept takes it over.
 * Limits:  HANDSHAKE_LIMIT_MS for the header; connections in waiting count as the worker's.
 * Fails:   without a good header the connection is closed, with one log line.
 *
 * Bytes are looked at where the kernel keeps them and read no further than the header goes. */
#pragma once

#include "gateway/worker.h"

/* True if a connection from peer to the listener must begin with a header: both stand in the
 * settings. */
bool proxy_intake_is_due(const struct worker *w, const struct listener_address *at,
                         const struct peer *peer);

/* Takes over fd. */
void proxy_intake_accept(struct worker *w, const struct listener_address *at, int fd,
                         const struct peer *peer);

/* The worker is draining: who has not even said a header has not begun. */
void proxy_intake_drop_all(struct worker *w);
