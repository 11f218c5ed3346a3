/* ticket_keys.h - the keys of session tickets (RFC 5077, RFC 8446 4.6.1), and their rotation.
 *
 * Purpose: a session made by one worker resumes at another, and across changes of
 *          certificates and settings; a stolen key opens tickets of one day, not of a year.
 *          New tickets are sealed with the current key; those of the one before it are still
 *          accepted, and answered with a fresh one; any other means a full handshake.
 * Thread:  any; nobody waits for anybody.  ticket_keys_free when nobody uses them any more.
 * Owns:    its keys: random, never stored, wiped when their time is over.
 * Limits:  a key is current for TICKET_KEY_MS, and accepted for as long again.
 * Fails:   ERR_MEMORY, ERR_CRYPTO.  Without entropy a key stays current, and is tried to be
 *          replaced at the next use; handshakes need entropy as well. */
#pragma once

#include "gateway/base/err.h"

#include <openssl/ssl.h>

struct ticket_keys;

struct err ticket_keys_new(struct ticket_keys **ret_keys);
/* Harmless on NULL. */
void ticket_keys_free(struct ticket_keys *keys);

/* Makes ctx seal and open its tickets with them; takes ctx's application data. */
struct err ticket_keys_attach(struct ticket_keys *keys, SSL_CTX *ctx);

/* Replaces the current key if its time is over.  Each use does so too: this is for gateways
 * at rest, so that no key outlives its time in memory. */
void ticket_keys_turn(struct ticket_keys *keys);
