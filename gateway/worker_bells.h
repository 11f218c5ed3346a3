/* worker_bells.h - how one worker makes another take a turn.
 *
 * Purpose: each worker hangs up the descriptor that wakes its loop; any other may ring it.
 * Thread:  any; the process makes it before the workers and frees it after them, so that a bell
 *          outlives whoever rings.
 * Owns:    copies of the descriptors.
 * Fails:   worker_bells_hang: ERR_IO.  Ringing for a worker that is not there does nothing. */
#pragma once

#include "gateway/base/err.h"

struct worker_bells;

enum { WORKER_BELLS_MAX = 64 };

/* NULL: out of memory. */
struct worker_bells *worker_bells_new(void);
void worker_bells_free(struct worker_bells *b);

/* bells may be NULL: a worker alone has nobody to ring for. */
struct err worker_bells_hang(struct worker_bells *b, unsigned index, int wake_fd);
void worker_bells_ring(struct worker_bells *b, unsigned index);
