/* checkpointer.h - moves the write-ahead log into the database while nobody waits.
 *
 * Purpose: a commit appends to the log and is done.  When the log has grown long, a thread
 *          copies it into the database file, so that the next commit begins it anew and it
 *          stays short.  No change pays for the pages of a thousand others.
 * Thread:  checkpointer_wake by any; the thread takes the writer lock only for the few pages
 *          that were written while it copied the rest.
 * Owns:    the thread, and a connection of its own.
 * Fails:   ERR_IO, and as db_open.  A copy that fails is tried again at the next call: the log
 *          grows meanwhile, and nothing is lost. */
#pragma once

#include "gateway/base/auto.h"
#include "gateway/base/err.h"

struct checkpointer;
struct store;

/* path: of the database that s has open.  s must outlive it. */
struct err checkpointer_new(struct store *s, const char *path,
                            struct checkpointer **ret_checkpointer);

/* After a copy that is due or under way.  Not with the writer lock held.  Accepts NULL. */
void checkpointer_free(struct checkpointer *c);

/* The log is long.  Does not wait. */
void checkpointer_wake(struct checkpointer *c);
