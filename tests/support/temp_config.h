/* temp_config.h - the configuration changes that tests of the data path consist of.
 *
 * Purpose: each is one transaction on a temp_store, committed and published.
 * Thread:  the owner's.
 * Owns:    nothing.
 * Fails:   assertions: the store has tests of its own. */
#pragma once

#include "tests/support/fake_issuer.h"
#include "tests/support/temp_store.h"

/* Bodies are JSON with ' for ". */
void temp_config_route(struct temp_store *t, const char *id, const char *body);
void temp_config_settings(struct temp_store *t, const char *body);

/* Imports a new pair for names ("DNS:a.example,IP:127.0.0.1"), signed by ca, under id. */
void temp_config_cert(struct temp_store *t, const struct fake_issuer *ca, const char *id,
                      const char *names);

/* A live HTTP-01 challenge; the route's managed certificate must exist. */
void temp_config_challenge(struct temp_store *t, const char *cert_id, const char *host,
                           const char *token, const char *answer);
