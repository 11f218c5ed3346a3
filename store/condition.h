/* condition.h - what parts of the process have found out, and no object says.
 *
 * Purpose: "this certificate is served", "the clock is wrong": whoever finds out puts it here,
 *          and whoever shows it or tells people reads it here.  Nothing of it survives the
 *          process: it is found out again.
 * Thread:  any; one mutex inside, held for a look-up and a copy.
 * Owns:    copies of all texts.  What is read lives in the caller's arena.
 * Limits:  CONDITION_WORDS_MAX bytes of words; one entry per kind and subject, and subjects are
 *          certificates, of which the store has so many.
 * Fails:   conditions_new, conditions_get: ERR_MEMORY.  What cannot be kept for want of
 *          memory is as if it had not been found out. */
#pragma once

#include "gateway/base/arena.h"

enum condition_kind {
    CONDITION_SERVED, /* subject: a certificate; it is what handshakes get */
    CONDITION_CLOCK,  /* the clock is right */
    CONDITION_CA,     /* the first CA is the one in use */
    CONDITION_KIND_COUNT
};

enum condition_state { CONDITION_UNKNOWN, CONDITION_GOOD, CONDITION_BAD };

struct condition {
    enum condition_kind kind;
    enum condition_state state;
    struct str subject; /* empty: the whole gateway */
    struct str about;   /* fingerprint of the pair that was looked at, or empty */
    struct str words;   /* for people, if it is not good */
    int64_t at;         /* when it was found out */
};

struct conditions;

struct err conditions_new(struct conditions **ret_conditions);
void conditions_free(struct conditions *c);

/* Replaces what was known of that kind and subject. */
void conditions_put(struct conditions *c, const struct condition *found);

/* Never mind any more. */
void conditions_drop(struct conditions *c, enum condition_kind kind, struct str subject);

/* state is CONDITION_UNKNOWN and at is 0 if nothing was found out. */
struct err conditions_get(struct conditions *c, enum condition_kind kind, struct str subject,
                          struct arena *a, struct condition *ret_condition);

/* The subjects of a kind, in no order. */
struct err conditions_subjects(struct conditions *c, enum condition_kind kind, struct arena *a,
                               struct str **ret_subjects, size_t *ret_count);

/* This eventfd is written to whenever a state or its words change; -1: none any more. */
void conditions_watch(struct conditions *c, int wake_fd);

/* "good", "bad", "unknown". */
const char *condition_state_name(enum condition_state s);
