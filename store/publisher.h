/* publisher.h - hands each new snapshot to every subscriber.
 *
 * Purpose: control never calls into a worker: it leaves the newest snapshot in the
 *          subscriber's mailbox and wakes it through an eventfd.  publisher_publish returns
 *          when every awaited subscriber has acknowledged.
 * Thread:  publish, subscribe, unsubscribe: control threads, one mutex inside.
 *          subscription_take and subscription_acknowledge: the subscriber's own thread; they
 *          take no lock and never block.
 * Owns:    one reference on the current snapshot, one per full mailbox, and one per former
 *          snapshot that is still in use: so the last reference goes, and the memory with it,
 *          on a control thread and never on a worker.
 * Limits:  publisher_publish waits PUBLISH_WAIT_MS at most.
 * Fails:   publish: ERR_AGAIN if a subscriber did not acknowledge in time (the snapshot is
 *          published all the same; detail: how many lag). */
#pragma once

#include "store/snapshot.h"

struct publisher;
struct subscription;

struct err publisher_new(struct publisher **ret_publisher);
void publisher_free(struct publisher *p);

/* The newest snapshot, with a reference for the caller; NULL before the first publication. */
const struct snapshot *publisher_current(struct publisher *p);

/* wake_fd: an eventfd of the subscriber, written to at each publication.  is_awaited:
 * publications wait for its acknowledgement (workers: yes; the ACME thread: no).  The
 * mailbox starts full with the current snapshot, if there is one. */
struct err publisher_subscribe(struct publisher *p, int wake_fd, bool is_awaited,
                               struct subscription **ret_subscription);
void publisher_unsubscribe(struct publisher *p, struct subscription *s);

/* The newest snapshot not yet taken, its reference moves to the caller; NULL if there is
 * none. */
const struct snapshot *subscription_take(struct subscription *s);

/* What was taken last now serves all new work of this subscriber. */
void subscription_acknowledge(struct subscription *s, const struct snapshot *taken);

/* Frees former snapshots that nobody uses any more. Each publication does so at its end; what
 * an exchange held then goes with the next one, or here. */
void publisher_sweep(struct publisher *p);

/* Takes over the caller's reference. */
struct err publisher_publish(struct publisher *p, const struct snapshot *s);
