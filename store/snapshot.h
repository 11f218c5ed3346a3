/* snapshot.h - frozen configuration: everything a worker needs to serve, in one immutable
 * value.
 *
 * Purpose: workers route, pick certificates and answer ACME challenges from a snapshot
 *          alone; API reads and the ACME thread look at the same value.  A new snapshot
 *          shares what did not change with its predecessor (store/pmap.h).
 * Thread:  immutable; any thread while it holds a reference.  Counted atomically: a worker
 *          holds one reference per snapshot it still uses, not one per exchange.
 * Owns:    references on routes, certificates, settings, tokens and open challenges.
 * Fails:   look-ups never fail; what is absent is NULL or empty. */
#pragma once

#include "store/alarm_settings.h"
#include "store/cert.h"
#include "store/model.h"

struct snapshot;

const struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s);
AUTO_DEFINE(snapshot_unref, const struct snapshot *)

/* True if nobody holds a reference but the caller. */
bool snapshot_is_sole(const struct snapshot *s);

/* Grows by one with each published change; 1 is what was found at start-up. */
uint64_t snapshot_generation(const struct snapshot *s);

const struct settings *snapshot_settings(const struct snapshot *s);
const struct acme_settings *snapshot_acme(const struct snapshot *s);
const struct alarm_settings *snapshot_alarms(const struct snapshot *s);

/* ---- routes ---- */

const struct route *snapshot_route_find(const struct snapshot *s, struct str id);

/* The enabled routes that claim one host pattern, longest path first. */
struct host_routes {
    atomic_uint refs;
    size_t count;
    const struct route *routes[];
};

/* host: exact pattern as stored: "a.example.org", "*.example.org" or "*". */
const struct host_routes *snapshot_host_find(const struct snapshot *s, struct str host);

/* The three patterns that may claim a name, best first; returns how many were written. */
size_t snapshot_host_patterns(struct str host, char wildcard[256], struct str ret_patterns[3]);

/* True if some enabled route claims the name, by whichever pattern. */
bool snapshot_is_known_host(const struct snapshot *s, struct str host);

size_t snapshot_route_count(const struct snapshot *s);

/* All routes in order of id; the array is in the arena, the routes live with the snapshot. */
struct err snapshot_routes(const struct snapshot *s, struct arena *a,
                           const struct route *const **ret_routes, size_t *ret_count);

/* The enabled routes whose targets are to be checked, as far as they are not the same in both,
 * in no order.  old may be NULL: all of s.  before or after is NULL if the route is not among
 * them there.  Costs what has changed. */
typedef void snapshot_checked_fn(void *arg, const struct route *before,
                                 const struct route *after);
void snapshot_diff_checked(const struct snapshot *old, const struct snapshot *s,
                           snapshot_checked_fn *fn, void *arg);

/* ---- certificates ---- */

const struct cert *snapshot_cert_find(const struct snapshot *s, struct str id);

/* The certificate to serve for a name: what the route that claims the name says ("auto": the
 * managed one for it, else any active one that covers it); for a name no route claims, any that
 * covers it.  NULL: none with key material, or the route says "none". */
const struct cert *snapshot_cert_for_host(const struct snapshot *s, struct str host);

/* Self-signed, made at start-up, names nobody: served until a real certificate is there. */
const struct cert *snapshot_stand_in(const struct snapshot *s);

size_t snapshot_cert_count(const struct snapshot *s);

/* All certificates in order of id (without the stand-in). */
struct err snapshot_certs(const struct snapshot *s, struct arena *a,
                          const struct cert *const **ret_certs, size_t *ret_count);

/* The managed certificate that an "auto" route needs: id, or empty if it needs none (no name
 * that HTTP-01 can prove). */
struct str snapshot_managed_cert_id(const struct snapshot *s, const struct route *r);

/* Which routes use which certificate, for listings: route ids by certificate id. */
struct cert_users;
struct err cert_users_new(const struct snapshot *s, struct cert_users **ret_users);
void cert_users_free(struct cert_users *u);
AUTO_DEFINE(cert_users_free, struct cert_users *)

/* Array of route ids; new reference; empty array if none. */
json_t *cert_users_of(const struct cert_users *u, struct str cert_id);
size_t cert_users_count(const struct cert_users *u, struct str cert_id);

/* ---- challenges (the board) ---- */

/* The key authorization to answer GET /.well-known/acme-challenge/<token> with on this host
 * (lower case, without port); empty: not ours. */
struct str snapshot_challenge_find(const struct snapshot *s, struct str host, struct str token);

/* ---- tokens ---- */

const struct token *snapshot_token_find(const struct snapshot *s, struct str id);
const struct token *snapshot_token_by_digest(const struct snapshot *s,
                                             const unsigned char digest[32]);
struct err snapshot_tokens(const struct snapshot *s, struct arena *a,
                           const struct token *const **ret_tokens, size_t *ret_count);
