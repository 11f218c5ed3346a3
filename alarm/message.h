/* message.h - what a message says: as JSON for programs, as a mail for people.
 *
 * Purpose: one event is one JSON document, stored until it is delivered; the mail is made of
 *          it.
 * Thread:  any; pure.
 * Owns:    results live in the caller's arena.
 * Limits:  ALARM_TEXT_MAX_BYTES.
 * Fails:   ERR_MEMORY, ERR_LIMIT; message_mail also ERR_JSON, ERR_JSON_FIELD.
 *
 * Nothing that came from elsewhere (a CA's words, a name) can add a header to the mail or a
 * command to the SMTP dialogue: headers hold printable ASCII alone, the text is base64. */
#pragma once

#include "store/alarm_settings.h"
#include "store/alarms.h"

#include "gateway/base/buf.h"

enum message_event { MESSAGE_RAISED, MESSAGE_RESOLVED, MESSAGE_TEST };

struct message {
    enum message_event event;
    const struct alarm_row *row; /* of a test: NULL */
    struct str gateway;          /* the name of this machine */
    int64_t at;
};

/* As JSON, with an id of its own, by which receivers know repetitions. */
struct err message_json(const struct message *m, struct arena *a, struct str *ret_json);

/* The whole mail, header and text, with CRLF. */
struct err message_mail(struct str json, const struct alarm_email *to, struct arena *a,
                        struct str *ret_mail);

/* "sha256=" and the HMAC of body in hexadecimal. */
enum { MESSAGE_SIGNATURE_MAX = 72 };
struct err message_sign(struct str key, struct str body, char ret_text[MESSAGE_SIGNATURE_MAX]);
