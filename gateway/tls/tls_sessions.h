/* tls_sessions.h - TLS sessions with targets, so that a further connection costs no full
 * handshake (RFC 8446 2.2, RFC 5077).
 *
 * Purpose: the newest session of each target, used again only while all stands as it was when
 *          the target was verified: the same revision of the route, which holds the trust
 *          settings, and the same client certificate.
 * Thread:  one per worker.
 * Owns:    sessions, and a reference on the route of each.
 * Limits:  TLS_SESSIONS_MAX, the one used longest ago goes first; TLS_SESSION_MAX_MS from the
 *          last full handshake, so that a target is verified anew now and then.
 * Fails:   never: without a session the handshake is a full one. */
#pragma once

#include "store/snapshot.h"

#include <openssl/ssl.h>

struct tls_sessions;

struct err tls_sessions_new(struct tls_sessions **ret_sessions);
void tls_sessions_free(struct tls_sessions *s);

/* Before the handshake, with the client certificate set: offers what there is. */
void tls_sessions_offer(struct tls_sessions *s, const struct route *route,
                        const struct target *target, SSL *ssl);

/* After a good exchange: with TLS 1.3 tickets come behind the handshake. */
void tls_sessions_keep(struct tls_sessions *s, const struct route *route,
                       const struct target *target, const SSL *ssl);

/* The handshake failed: the next one offers nothing. */
void tls_sessions_drop(struct tls_sessions *s, const struct target *target);

/* Forgets what edits have made useless, among the TLS_SWEEP_MAX used longest ago. */
void tls_sessions_sweep(struct tls_sessions *s, const struct snapshot *newest);
