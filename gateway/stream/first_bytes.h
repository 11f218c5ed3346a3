/* first_bytes.h - which protocol a connection speaks, by what its client says first.
 *
 * Purpose: tells apart those that can share a port and in which the client speaks first.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Limits:  FIRST_BYTES_MAX bytes always tell.
 * Fails:   never.
 *
 * It is a guess about the protocol and no check of it: who gets the connection reads the same
 * bytes again, and strictly.  More bytes never change an answer other than MORE. */
#pragma once

#include "gateway/base/str.h"

enum { FIRST_BYTES_MAX = 33 };

enum first_bytes {
    FIRST_BYTES_MORE, /* it may still be one of those below */
    FIRST_BYTES_TLS,  /* a handshake record (RFC 8446 5.1) */
    FIRST_BYTES_SSH,  /* a version line (RFC 4253 4.2) */
    FIRST_BYTES_STUN, /* RFC 8489; see stun.h */
    FIRST_BYTES_HTTP, /* a method in capitals, and a space: HTTP/2's preface too */
    FIRST_BYTES_UNKNOWN,
};

/* bytes: all that has come so far. */
enum first_bytes first_bytes_tell(struct str bytes);
