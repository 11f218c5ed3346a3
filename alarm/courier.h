/* courier.h - delivers what people are to be told.
 *
 * Purpose: takes the stored messages of each channel in their order and sends them, again and
 *          again while the receiver is in trouble; so a receiver that is down delays nothing
 *          but its own messages.
 * Thread:  one of its own; courier_start, courier_stop: the thread that owns it; courier_wake:
 *          any.
 * Owns:    the thread.
 * Limits:  SEND_BACKOFF_MIN_MS to SEND_BACKOFF_MAX_MS between attempts; a message that is
 *          refused ALARM_REFUSALS_MAX times or older than ALARM_MESSAGE_MAX_S is dropped, and
 *          logged.
 * Fails:   courier_start: ERR_MEMORY, ERR_IO.
 *
 * Who is killed between sending and noting it sends again: receivers know by the "id". */
#pragma once

#include "store/store.h"

struct courier;

struct err courier_start(struct store *s, struct courier **ret_courier);

/* There are new messages, or other settings. */
void courier_wake(struct courier *c);

/* Breaks off what is under way.  Accepts NULL. */
void courier_stop(struct courier *c);
