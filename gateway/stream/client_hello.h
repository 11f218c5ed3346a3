/* client_hello.h - the first message of a TLS connection, read without answering it.
 *
 * Purpose: the name asked for (SNI, RFC 6066 3) and the protocols offered (ALPN, RFC 7301), so
 *          that somebody can decide who is to do the handshake.  Nothing is taken off the
 *          bytes: whoever gets the connection reads them again.
 * Thread:  any; pure.
 * Owns:    nothing; results are views of the bytes given, or of the room given for a message
 *          that came in several records.
 * Limits:  CLIENT_HELLO_MAX_BYTES of bytes, record headers included.
 * Fails:   ERR_AGAIN while it may still become a good one; ERR_NOT_TLS: these are no TLS
 *          records; ERR_CLIENT_HELLO: they are, but no ClientHello that we would guess about
 *          (RFC 8446 4.1.2, 5.1).  What came first decides: more bytes never change a result
 *          other than ERR_AGAIN.
 *
 * Extensions not looked for are passed over: GREASE (RFC 8701), key shares of any size, an
 * encrypted inner hello (whose outer name is the one we see). */
#pragma once

#include "gateway/base/limits.h"
#include "gateway/base/str.h"

struct client_hello {
    struct str sni;  /* as sent, visible ASCII; empty: none */
    struct str alpn; /* as on the wire, each name behind its length; empty: none offered */
};

/* bytes: all that has come so far, from the connection's first on. */
struct err client_hello_read(struct str bytes, char room[CLIENT_HELLO_MAX_BYTES],
                             struct client_hello *ret_hello);

/* The next name of *rest, which begins as hello.alpn and advances; false at the end. */
bool client_hello_next_protocol(struct str *rest, struct str *ret_protocol);

bool client_hello_offers(const struct client_hello *hello, struct str protocol);
