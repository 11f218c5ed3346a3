/* api_resource.h - what routes, certificates, tokens and the two settings objects have in
 * common.
 *
 * Purpose: show, create, replace, patch and delete with entity tags, preconditions, one
 *          transaction per write, and the audit line; a resource only says how to find
 *          itself in a snapshot and how to put itself into a transaction.
 * Thread:  any.
 * Owns:    nothing.
 * Fails:   ERR_NOT_FOUND, ERR_CONFLICT, ERR_PRECONDITION, ERR_INVALID, and those of the
 *          store. */
#pragma once

#include "admin/api.h"

struct api_resource {
    const char *noun; /* "route": for sentences */
    const char *path; /* of the collection; of the object itself for settings */

    /* 0: there is none. */
    uint64_t (*revision)(const struct snapshot *s, struct str id);

    /* The object as the outside sees it; new reference.  It is there. */
    struct err (*show)(const struct snapshot *s, struct str id, json_t **ret_doc);

    /* Creates or replaces.  id empty: the store chooses.  *ret_id lives as long as the
     * state of the transaction.  NULL: this resource is not written this way. */
    struct err (*put)(struct api_call *call, struct tx *tx, struct str id, const json_t *doc,
                      struct str *ret_id);
    struct err (*remove)(struct api_call *call, struct tx *tx, struct str id);
};

struct err api_resource_show(struct api_call *call, const struct api_resource *r,
                             struct str id);
struct err api_resource_create(struct api_call *call, const struct api_resource *r);
struct err api_resource_put(struct api_call *call, const struct api_resource *r, struct str id);
struct err api_resource_patch(struct api_call *call, const struct api_resource *r,
                              struct str id);
struct err api_resource_delete(struct api_call *call, const struct api_resource *r,
                               struct str id);

/* If-Match and If-None-Match against what the transaction sees; revision 0: there is none. */
struct err api_resource_check(struct api_call *call, const struct api_resource *r,
                              uint64_t revision);

/* ERR_NOT_FOUND with a sentence in call->detail. */
struct err api_resource_missing(struct api_call *call, const struct api_resource *r,
                                struct str id);

/* Answers with the object as the transaction has it, commits, and logs the change. */
struct err api_resource_finish(struct api_call *call, const struct api_resource *r,
                               struct tx **tx, struct str id, unsigned status);
