/* snapshot_parts.h - what a snapshot is made of; for snapshot*.c and draft*.c alone.
 *
 * Purpose: tables by key, each a persistent map, so that a draft is a copy of this struct and
 *          shares everything with the snapshot it began as.
 * Thread:  as snapshot.h.
 * Owns:    one reference on each root and value. */
#pragma once

#include "store/pmap.h"
#include "store/snapshot.h"

/* What all snapshots of one process have in common. */
struct snapshot_base {
    atomic_uint refs;
    struct hash_key hash_key;
    const struct cert *stand_in;
};

/* Certificates that cover one name or wildcard; the one that lasts longest comes first. */
struct cert_list {
    atomic_uint refs;
    size_t count;
    const struct cert *certs[];
};

/* A set of names that routes want one managed certificate for. */
struct managed {
    atomic_uint refs;
    size_t user_count; /* enabled "auto" routes with exactly these names */
    size_t id_len;     /* 0: there is no certificate object yet */
    char id[];
};

struct challenge {
    atomic_uint refs;
    struct str key; /* host, '\n', token: the key in snapshot.challenges */
    struct str key_authorization;
    char bytes[];
};

/* The open challenges of one certificate's order. */
struct board {
    atomic_uint refs;
    size_t count;
    const struct challenge *challenges[];
};

struct snapshot {
    atomic_uint refs;
    uint64_t generation;
    const struct snapshot_base *base;
    const struct settings *settings;
    const struct acme_settings *acme;
    const struct alarm_settings *alarms;
    struct pmap routes;     /* id -> struct route */
    struct pmap checked;    /* id -> struct route: enabled, with active checks */
    struct pmap hosts;      /* pattern -> struct host_routes */
    struct pmap certs;      /* id -> struct cert */
    struct pmap cert_names; /* name of a leaf -> struct cert_list */
    struct pmap managed;    /* route.managed_names -> struct managed */
    struct pmap boards;     /* certificate id -> struct board */
    struct pmap challenges; /* struct challenge's key -> struct challenge */
    struct pmap tokens;     /* id -> struct token */
    struct pmap digests;    /* token digest -> struct token */
};

/* Where a challenge stands in snapshot.challenges. */
enum { CHALLENGE_KEY_MAX_BYTES = 1024 };
size_t snapshot_challenge_key(struct str host, struct str token,
                              char out[CHALLENGE_KEY_MAX_BYTES]);

/* "a\nb" for ["a", "b"], which must be sorted: the key in snapshot.managed. */
struct err snapshot_managed_key(struct arena *a, const struct str_list *names,
                                struct str *ret_key);

/* All values of a table in order of key, in the arena. */
struct snapshot_entry {
    struct str key;
    const void *value;
};
struct err snapshot_sorted(const struct pmap *map, struct arena *a,
                           const struct snapshot_entry **ret_entries);
