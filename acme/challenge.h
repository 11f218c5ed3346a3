/* challenge.h - http-01 (RFC 8555 8.3): token in, answer out.
 *
 * Purpose: the one thing that is published for the CA to find under
 *          /.well-known/acme-challenge/<token>.
 * Thread:  any; pure.
 * Limits:  ACME_CHALLENGE_MAX_BYTES.
 * Fails:   ERR_ACME_PROTOCOL for a token that is none: it becomes part of a path and of an
 *          answer, so only the base64url alphabet is let in; ERR_MEMORY. */
#pragma once

#include "gateway/base/arena.h"

/* token "." thumbprint of the account key. */
struct err challenge_answer(struct arena *a, struct str token, struct str thumbprint,
                            struct str *ret_answer);
