/* problem.h - what went wrong, in the CA's words or in ours.
 *
 * Purpose: the problem document of an answer (RFC 9457, RFC 8555 6.7) as a value; which class
 *          it belongs to, because that decides when to try again; and the JSON that a
 *          certificate shows as its last error.
 * Thread:  any; values.
 * Owns:    texts live in the caller's arena.
 * Limits:  ACME_WORDS_MAX_BYTES per text, ACME_SUBPROBLEMS_MAX.
 * Fails:   reading never: an answer without usable words gets some. */
#pragma once

#include "acme/fetch.h"
#include "store/shape.h"

#include "gateway/base/json.h"

struct problem {
    const struct err_kind *kind; /* of our own problems; NULL: the CA's */
    struct str type;             /* a URN; empty: the CA gave none */
    struct str title;
    struct str detail;
    struct str instance;    /* often a page for people */
    struct str subproblems; /* JSON array, one entry per name; empty: none */
    unsigned status;        /* HTTP status; 0: not an answer of the CA */
    uint64_t wait_ms;       /* from Retry-After; 0: not said */
    const char *class;      /* of problem_class_name; NULL: not judged */
};

/* When it makes sense to try again. */
enum problem_class {
    PROBLEM_SOON,       /* the CA or the way to it is in trouble */
    PROBLEM_WAIT,       /* the CA said: not before */
    PROBLEM_VALIDATION, /* a name could not be validated: DNS or reachability, may heal */
    PROBLEM_INPUT,      /* what we ask for is refused; asking again changes nothing */
    PROBLEM_HUMAN,      /* somebody must do something at the CA or in the settings */
};

const char *problem_class_name(enum problem_class c);

/* From an answer with an error status. */
void problem_read(struct arena *a, const struct fetch_reply *reply,
                  struct problem *ret_problem);

/* From a problem object inside another answer, e.g. the "error" of a challenge; doc may be
 * NULL. */
void problem_from_json(struct arena *a, const json_t *doc, struct problem *ret_problem);

/* Several names failed: the first problem, with one subproblem for each name. */
struct named_problem {
    struct str name;
    struct problem problem;
};
void problem_gather(struct arena *a, const struct named_problem *items, size_t count,
                    struct problem *ret_problem);

/* Our own words; the title is the sentence of the error. */
void problem_set(struct problem *p, struct err e, struct str detail);

/* True for urn:ietf:params:acme:error:<name>. */
bool problem_is(const struct problem *p, const char *name);

/* The error that an answer with this problem becomes. */
struct err problem_err(const struct problem *p);

enum problem_class problem_classify(struct err e, const struct problem *p);

/* Of a rate limit: true if it is about these names, false if the whole account has to wait. */
bool problem_is_about(const struct problem *p, const struct str_list *names);

/* As JSON text with "at" (when) and "url" (where, may be empty); empty when out of memory. */
struct str problem_to_text(struct arena *a, const struct problem *p, int64_t at,
                           struct str url);

/* text without its end, where that is too long; never cuts a character in two. */
struct str problem_cut(struct str text, size_t max_bytes);
