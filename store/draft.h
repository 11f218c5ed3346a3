/* draft.h - a snapshot under construction.
 *
 * Purpose: a transaction changes a draft step by step; all indexes follow.  A finished draft is
 *          the next snapshot.
 * Thread:  the writer's.
 * Owns:    what a snapshot owns; the draft takes references on what it is given.
 * Fails:   ERR_MEMORY, ERR_LIMIT.  A draft that failed in the middle of a change is to be
 *          thrown away: its indexes may disagree. */
#pragma once

#include "store/snapshot_parts.h"

static inline void draft_free(struct snapshot *d)
{
    snapshot_unref(d);
}
AUTO_DEFINE(draft_free, struct snapshot *)

/* Empty, with standard settings still missing. */
struct err draft_new_empty(struct snapshot **ret_draft);

/* Everything as in s, with the next generation. */
struct err draft_new(const struct snapshot *s, struct snapshot **ret_draft);

void draft_set_settings(struct snapshot *d, const struct settings *s);
void draft_set_acme(struct snapshot *d, const struct acme_settings *s);
void draft_set_alarms(struct snapshot *d, const struct alarm_settings *s);

/* ---- routes ---- */

/* Another enabled route than r's id that claims one of r's hosts with r's path; NULL if there
 * is none.  *ret_host: which host, as an index into r->hosts. */
const struct route *draft_find_conflict(const struct snapshot *d, const struct route *r,
                                        size_t *ret_host);

/* Adds r, in place of the route of the same id if there is one. */
struct err draft_put_route(struct snapshot *d, const struct route *r);
struct err draft_remove_route(struct snapshot *d, struct str id);

/* ---- certificates ---- */

struct err draft_put_cert(struct snapshot *d, const struct cert *c);
/* With its challenges. */
struct err draft_remove_cert(struct snapshot *d, struct str id);

/* Changes the number of routes that want a certificate for these names. */
struct err draft_count_user(struct snapshot *d, struct str names, int change);

/* NULL: nobody wants one, and there is none. */
const struct managed *draft_find_managed(const struct snapshot *d, struct str names);

/* ---- challenges ---- */

struct draft_challenge {
    struct str host;
    struct str token;
    struct str key_authorization;
};

/* Replaces the challenges of a certificate; ERR_LIMIT beyond CHALLENGES_MAX in all. */
struct err draft_put_board(struct snapshot *d, struct str cert_id,
                           const struct draft_challenge *list, size_t count);

/* ---- tokens ---- */

struct err draft_put_token(struct snapshot *d, const struct token *t);
struct err draft_remove_token(struct snapshot *d, const struct token *t);
