/* ari_watch.h - asks the CA when certificates in service should be renewed (RFC 9773).
 *
 * Purpose: collects the certificates whose CA is to be asked again, asks about them in a row,
 *          and stores the answers with the renewals that follow from them, in one transaction.
 * Thread:  the ACME thread.
 * Owns:    references on the certificates that wait.
 * Limits:  ACME_ARI_BATCH_MAX; after a CA that could not be reached nothing for ACME_HOLD_MS.
 * Fails:   never towards its caller: what is not known is asked for again later. */
#pragma once

#include "acme/ca.h"

#include "gateway/base/limits.h"

struct ari_watch {
    struct {
        const struct cert *certs[ACME_ARI_BATCH_MAX];
        size_t count;
        uint64_t quiet_until_ms;
    } priv;
};

void ari_watch_init(struct ari_watch *w);
void ari_watch_fini(struct ari_watch *w);

/* When the CA with these settings is to be asked about c; INT64_MAX: not at all. */
int64_t ari_watch_due_at(const struct cert *c, const struct acme_settings *settings,
                         int64_t now_at);

/* c is due.  Returns when it comes up again: in the next call of ari_watch_run, or later. */
int64_t ari_watch_add(struct ari_watch *w, const struct cert *c, int64_t now_at);

void ari_watch_run(struct ari_watch *w, struct store *s, struct ca *ca);
