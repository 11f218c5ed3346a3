/* stun.h - what a STUN message begins with (RFC 8489 5).
 *
 * Purpose: tells STUN, and so TURN, from all else that may share a port with it.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Limits:  the first STUN_TELL_BYTES tell.
 * Fails:   never.
 *
 * Bytes of TURN's channels (0x40 to 0x4f) do not count: no conversation begins with one, and
 * they are letters of HTTP. */
#pragma once

#include "gateway/base/str.h"

enum { STUN_TELL_BYTES = 8 };

enum stun_look {
    STUN_LOOK_NO,
    STUN_LOOK_MORE, /* so far it looks like one */
    STUN_LOOK_YES,
};

/* bytes: of a datagram, or all that has come of a connection. */
enum stun_look stun_look(struct str bytes);
