/* relay.h - body bytes from one link to another, with back-pressure.
 *
 * Purpose: what is read on one side goes to the other side's codec; when too much waits
 *          there, reading here stops until enough has been sent.
 * Thread:  the worker's.
 * Owns:    nothing.
 * Limits:  RELAY_HIGH_BYTES queued, plus one read.
 * Fails:   what codec_send_body says. */
#pragma once

#include "gateway/link.h"

#include "gateway/base/limits.h"

static inline struct err relay_body(struct link *from, struct link *to, uint32_t to_id,
                                    struct str bytes)
{
    TRY(codec_send_body(to->codec, to_id, bytes));
    link_flush_soon(to);
    if (link_queued(to) >= RELAY_HIGH_BYTES)
        link_pause(from);
    return OK;
}

/* `to` has sent something. */
static inline void relay_on_sent(struct link *from, struct link *to)
{
    if (link_queued(to) < RELAY_HIGH_BYTES / 2)
        link_resume(from);
}
