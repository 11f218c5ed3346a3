/* target_note.h - what requests and probes meet at a target, noted for people.
 *
 * Purpose: the last failure with its time, the last answer, how many of each, and whether the
 *          one came after the other: status and metrics read them.  What they mean for the
 *          target's fitness is health.h's.
 * Thread:  any worker; relaxed atomics in the target's live cell.
 * Owns:    nothing.
 * Fails:   never. */
#pragma once

#include "store/model.h"

/* A request came to no answer. */
void target_note_failure(const struct target *t, struct err e);

/* An answer broke off behind its head. */
void target_note_cut(const struct target *t, struct err e);

/* The head of an answer came. */
void target_note_answer(const struct target *t, int64_t now_at);

/* The answer was good to its end, or as long as the client wanted it. */
void target_note_end(const struct target *t);

/* e: what a health check came to.  Failed ones are counted apart: no request met them. */
void target_note_probe(const struct target *t, struct err e, int64_t now_at);
