/* admin_reply.h - answers of the API: JSON, problem documents, entity tags.
 *
 * Purpose: a handler fills one of these; admin.c sends it.  Errors are problem documents
 *          (RFC 9457): type, title, status, detail, request_id and, for invalid input,
 *          errors.
 * Thread:  the one that serves the request.
 * Owns:    the body; admin_reply_fini frees it.  Field values are borrowed (arena or
 *          constant).
 * Limits:  ADMIN_REPLY_MAX_BYTES of body, ADMIN_REPLY_FIELDS_MAX extra fields.
 * Fails:   ERR_MEMORY, ERR_LIMIT; admin_reply_problem always leaves an answer to send. */
#pragma once

#include "store/invalid.h"

#include "gateway/base/buf.h"
#include "gateway/base/json.h"

enum { ADMIN_REPLY_FIELDS_MAX = 8 };

struct admin_reply_field {
    const char *name;
    struct str value; /* NUL-terminated */
};

struct admin_reply {
    unsigned status;
    const char *content_type; /* NULL: no body */
    struct buf body;
    struct admin_reply_field fields[ADMIN_REPLY_FIELDS_MAX];
    size_t field_count;
};

void admin_reply_init(struct admin_reply *r);
void admin_reply_fini(struct admin_reply *r);

/* Forgets body and fields of an answer that turned out differently. */
void admin_reply_clear(struct admin_reply *r);

/* value.p must be NUL-terminated and outlive the reply; NULL is ERR_MEMORY. */
struct err admin_reply_field(struct admin_reply *r, const char *name, struct str value);

/* An answer without a body. */
void admin_reply_empty(struct admin_reply *r, unsigned status);

/* doc NULL is ERR_MEMORY, so that constructors can be passed in directly; it is borrowed. */
struct err admin_reply_json(struct admin_reply *r, unsigned status, const json_t *doc);
struct err admin_reply_text(struct admin_reply *r, unsigned status, const char *content_type,
                            struct str text);

/* {"items": [...]}, one item at a time so that a long list exists only as text.
 * admin_reply_item takes over the reference; NULL is ERR_MEMORY. */
struct err admin_reply_items_begin(struct admin_reply *r);
struct err admin_reply_item(struct admin_reply *r, json_t *item);
struct err admin_reply_items_end(struct admin_reply *r);

/* The entity tag of a revision: "\"7\""; .p is NULL when out of memory. */
struct str admin_reply_etag(struct arena *a, uint64_t revision);

/* What a problem document says beyond the row of the error's kind. */
struct problem {
    struct str detail;         /* empty: what inv says, else the sentence of the kind */
    const struct invalid *inv; /* may be NULL or empty */
    struct str request_id;
};

/* Status, type and title come from the error's row. */
void admin_reply_problem(struct admin_reply *r, struct err e, const struct problem *p);
