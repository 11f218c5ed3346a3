/* h2_ping.c - questions that only a peer which has read everything before them answers. */
#include "gateway/http/h2_session.h"

enum { PING_BYTES = 8 };

bool h2_ping(struct h2 *h, enum h2_ping ping)
{
    const uint8_t text[PING_BYTES] = {(uint8_t)ping};
    if ((h->pings & ping) != 0 || nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, text) != 0)
        return false;
    h->pings |= ping;
    return true;
}

/* An answer to nothing is a glitch. */
void h2_on_pong(struct h2 *h, const uint8_t *text)
{
    unsigned ping = h->pings & text[0];
    h->pings &= ~ping;
    switch (ping) {
    case H2_PING_TRIP:
        h2_window_on_trip(h);
        return;
    case H2_PING_NOTICE: /* it has arrived (RFC 9113 6.8) */
        h2_submit_goaway(h);
        return;
    case H2_PING_ALIVE:
        return;
    default:
        h2_note_glitch(h);
        return;
    }
}
