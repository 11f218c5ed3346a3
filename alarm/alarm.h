/* alarm.h - tells people when something is wrong with their certificates, and when it is over.
 *
 * Purpose: one thread that looks at each snapshot, at what was found out (store/condition.h)
 *          and at the clock, asks judge.h, and compares with what people were told: each
 *          change is a line in the log, and a message to the webhook and the mail server of
 *          the settings.
 * Thread:  alarm_start, alarm_stop, alarm_free: the thread that composes the process; the
 *          rest from any.
 * Owns:    its thread, and the courier's.
 * Limits:  one look per ALARM_SCAN_MS; messages: courier.h.
 * Fails:   alarm_start: ERR_MEMORY, ERR_IO. */
#pragma once

#include "store/store.h"

#include "gateway/base/buf.h"

struct alarm;

/* gateway: what this machine is called in messages; outlives the rest. */
struct err alarm_start(struct store *s, struct str gateway, struct alarm **ret_alarm);

/* Ends the threads, and tests that are under way; the functions below still answer.  Accepts
 * NULL. */
void alarm_stop(struct alarm *a);

/* Accepts NULL. */
void alarm_free(struct alarm *a);

/* What is wrong now: an array of alarm_row_to_json; new reference, NULL when out of memory. */
json_t *alarm_list(struct alarm *a);

/* Sends a test to each receiver, now and once: [{"channel", "ok", "detail"}]; empty if there is
 * no receiver.  Blocks for SEND_LIMIT_MS per receiver at most. */
json_t *alarm_test(struct alarm *a);

/* gatehouse_alarms{kind="..."} in the Prometheus text format. */
void alarm_metrics(struct alarm *a, struct buf *out);
