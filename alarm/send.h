/* send.h - one message to one receiver, once.
 *
 * Purpose: libcurl, with every limit set: no redirect is followed, no proxy variable of the
 *          environment is heeded, certificates are verified, an answer is not read far.
 * Thread:  any; blocks for SEND_LIMIT_MS at most, or until *is_stopping.
 * Owns:    nothing.
 * Limits:  SEND_CONNECT_LIMIT_MS, SEND_LIMIT_MS, SEND_ANSWER_MAX_BYTES.
 * Fails:   never: what went wrong is the result. */
#pragma once

#include "store/alarm_settings.h"
#include "store/alarms.h"

#include <stdatomic.h>

enum send_outcome {
    SEND_DONE,
    SEND_LATER,   /* the way there or the receiver is in trouble */
    SEND_REFUSED, /* the receiver will not have this message */
};

struct send_result {
    enum send_outcome outcome;
    unsigned status; /* of HTTP or SMTP; 0: there was no answer */
    char words[256]; /* printable; what went wrong, or the status */
};

/* Nowhere to send to is SEND_REFUSED. */
struct send_result send_message(const struct alarm_settings *s, enum alarm_channel channel,
                                struct str json, const atomic_bool *is_stopping);

/* True if the settings name a receiver. */
bool send_is_wanted(const struct alarm_settings *s, enum alarm_channel channel);

/* What an answer means; exposed for its table of tests. */
enum send_outcome send_judge_http(unsigned status);
enum send_outcome send_judge_smtp(unsigned status);

/* How long to wait after so many attempts in a row that were of no use. */
uint64_t send_backoff_ms(unsigned failures);
