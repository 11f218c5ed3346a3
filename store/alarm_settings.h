/* alarm_settings.h - whom alarms are told to.
 *
 * Purpose: a webhook, a mail server, both or none; read, checked and printed like the other
 *          settings objects.
 * Thread:  immutable and counted; any thread while it holds a reference.
 * Owns:    its arena; the two secrets are wiped with it.
 * Limits:  ALARM_RECIPIENTS_MAX.
 * Fails:   building: ERR_INVALID with entries in inv, ERR_MEMORY. */
#pragma once

#include "store/model.h"

struct alarm_webhook {
    struct str url;      /* empty: there is none */
    struct str hmac_key; /* write-only on the outside, sealed at rest */
    struct str ca_bundle;
};

enum alarm_tls { ALARM_TLS_REQUIRED, ALARM_TLS_OFF };

struct alarm_email {
    struct str server; /* "smtp://HOST:PORT" or "smtps://HOST:PORT"; empty: there is none */
    int tls;           /* enum alarm_tls: STARTTLS with smtp:// */
    struct str user;
    struct str password; /* as hmac_key */
    struct str from;
    struct str_list to;
    struct str ca_bundle;
};

struct alarm_settings {
    atomic_uint refs;
    struct arena *arena;
    struct object object; /* id "alarms" */
    struct alarm_webhook webhook;
    struct alarm_email email;
};

extern const struct shape alarm_settings_shape[];

const struct alarm_settings *alarm_settings_ref(const struct alarm_settings *s);
void alarm_settings_unref(const struct alarm_settings *s);
json_t *alarm_settings_to_json(const struct alarm_settings *s);

/* Whom body tells: what is absent of kept's secrets stays while the webhook's address, or the
 * mail server and its user, stay the same; kept may be NULL.  object is zero. */
struct err alarm_settings_build(const json_t *body, const struct alarm_settings *kept,
                                struct json_path *path, struct invalid *inv,
                                struct alarm_settings **ret_settings);

static inline void alarm_settings_drop(struct alarm_settings *s)
{
    alarm_settings_unref(s);
}
AUTO_DEFINE(alarm_settings_drop, struct alarm_settings *)
