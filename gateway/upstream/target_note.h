/* target_note.h - what requests and probes meet at a target, noted for people.
 *
 * Purpose: the last failure with its time, the last answer, and how many of each: status and
 *          metrics read them.  What they mean for the target's fitness is health.h's.
 * Thread:  any worker; relaxed atomics in the target's live cell.
 * Owns:    nothing.
 * Fails:   never. */
#pragma once

#include "store/model.h"

/* A request came to no answer. */
void target_note_failure(const struct target *t, struct err e);

/* The head of an answer came. */
void target_note_answer(const struct target *t, int64_t now_at);

/* e: what a health check came to.  Failed ones are counted apart: no request met them. */
void target_note_probe(const struct target *t, struct err e, int64_t now_at);
