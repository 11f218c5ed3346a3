/* wire_reader.h - reads the HTTP/1.1 that we write, by a grammar that knows one spelling only.
 *
 * Purpose: an oracle. It shares no code with gateway/http, and what it accepts could not be
 *          read in two ways by anybody: one space behind each colon, no white space at an
 *          end, one framing or none, plain chunk sizes, CRLF.
 * Thread:  the test's.
 * Owns:    the body of a message; everything else are views of the bytes given.
 * Fails:   WIRE_BAD, with a word why. */
#pragma once

#include "gateway/base/buf.h"

enum wire_kind { WIRE_REQUEST, WIRE_RESPONSE, WIRE_RESPONSE_TO_HEAD };

enum wire_end {
    WIRE_WHOLE,
    WIRE_PARTIAL, /* more would have to come */
    WIRE_OPEN,    /* a response whose body ends with the connection */
    WIRE_BAD,
};

struct wire_message {
    struct str start;  /* the first line */
    struct str fields; /* whole lines */
    struct str trailers;
    unsigned status; /* of a response */
    bool has_body;   /* by its head: a length above 0, or chunks */
    struct buf body;
    const char *fault; /* WIRE_BAD */
};

/* The next message of *rest, which moves behind what was read. */
enum wire_end wire_read(struct str *rest, enum wire_kind kind, struct wire_message *m);
void wire_message_fini(struct wire_message *m);

/* The value of a field that stands there once; an empty view otherwise. */
struct str wire_field(const struct wire_message *m, const char *name);
