/* alarms.h - what is wrong as far as people were told, and what they are still to be told.
 *
 * Purpose: an alarm is told once per change of its state, over restarts: so its state is
 *          stored, in one transaction with the messages that tell of it.
 * Thread:  tx_alarm_...: inside the transaction; store_alarm...: any control thread that has no
 *          transaction open.
 * Owns:    what is read lives in the caller's arena.
 * Limits:  ALARM_MESSAGES_MAX per channel; beyond it the oldest is lost.
 * Fails:   ERR_DB..., ERR_MEMORY.
 *
 * Nothing here is part of a snapshot: no commit of these calls alone publishes one. */
#pragma once

#include "store/store.h"

enum alarm_kind {
#define ALARM(id, name, title) ALARM_##id,
#include "store/alarm_kinds.def"
#undef ALARM
    ALARM_KIND_COUNT
};

struct alarm_kind_row {
    const char *name;
    const char *title; /* a sentence without a full stop */
};
extern const struct alarm_kind_row alarm_kinds[ALARM_KIND_COUNT];

struct alarm_row {
    enum alarm_kind kind;
    struct str subject; /* a certificate's id; empty: the whole gateway */
    struct str level;   /* how bad, for kinds that have steps */
    struct str names;   /* of the certificate, one per line */
    struct str words;
    int64_t since_at;
    int64_t changed_at; /* of the level */
};

/* By kind, then subject.  Rows of kinds that this version does not know are left out. */
struct err store_alarms_load(struct store *s, struct arena *a, struct alarm_row **ret_rows,
                             size_t *ret_count);

/* Puts the row in place of the one with its kind and subject. */
struct err tx_alarm_put(struct tx *tx, const struct alarm_row *row);
struct err tx_alarm_remove(struct tx *tx, enum alarm_kind kind, struct str subject);

/* {"kind", "title", "level", "certificate", "names", "detail", "since", "changed"}; new
 * reference, NULL when out of memory. */
json_t *alarm_row_to_json(const struct alarm_row *row);

/* ---- messages ---- */

enum alarm_channel { ALARM_WEBHOOK, ALARM_EMAIL, ALARM_CHANNEL_COUNT };
const char *alarm_channel_name(enum alarm_channel c);

struct alarm_message {
    int64_t id; /* 0: there is none */
    struct str body;
    int64_t created_at;
    uint32_t attempts;
};

/* *ret_lost: how many older ones had to go. */
struct err tx_alarm_message_add(struct tx *tx, enum alarm_channel channel, struct str body,
                                unsigned *ret_lost);
struct err tx_alarm_message_remove(struct tx *tx, int64_t id);
/* One more attempt was of no use. */
struct err tx_alarm_message_tried(struct tx *tx, int64_t id);

/* The oldest of a channel; id 0 if there is none. */
struct err store_alarm_message_first(struct store *s, struct arena *a,
                                     enum alarm_channel channel,
                                     struct alarm_message *ret_message);
