/* body.h - one bounded request body.
 *
 * Purpose: collects what a client sends up to the route's limit; beyond it, or when the
 *          answer is an error anyway, it reads on and forgets, so that the client gets to
 *          see the answer.
 * Thread:  the one that serves the request.
 * Owns:    the bytes; body_fini wipes them, for they may hold a private key.
 * Limits:  limit_bytes given at init; ADMIN_DISCARD_MAX_BYTES more are read and forgotten.
 * Fails:   body_feed: ERR_BODY_LIMIT when the client sends too much to wait for;
 *          body_json: ERR_JSON, ERR_BODY_LIMIT, with words in ret_words. */
#pragma once

#include "admin/admin_request.h"

#include "gateway/base/buf.h"
#include "gateway/base/json.h"

struct body {
    struct {
        struct buf bytes;
        uint64_t discarded_bytes;
        bool is_unwanted;
    } priv;
};

void body_init(struct body *b, size_t limit_bytes);
void body_fini(struct body *b);

/* Another limit, once the route is known and before the first byte. */
void body_set_limit(struct body *b, size_t limit_bytes);

/* From now on everything is forgotten. */
void body_refuse(struct body *b);

/* An error means: close the connection. */
struct err body_feed(struct body *b, struct str bytes);

/* True if something was forgotten because it was too long. */
bool body_is_too_large(const struct body *b);

struct str body_view(const struct body *b);

/* ERR_WRONG_TYPE unless the head says JSON (or a merge patch, for PATCH). */
struct err body_check_type(const struct admin_request *rq);

/* New reference.  *ret_words (in the request's arena) says where the text is wrong. */
struct err body_json(const struct admin_request *rq, struct str *ret_words, json_t **ret_doc);
