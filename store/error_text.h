/* error_text.h - an error's detail in words, for logs and status.
 *
 * Purpose: "connection refused", "self-signed certificate", "wrong version number": what
 *          errno, X.509 and TLS codes in struct err mean.
 * Thread:  any.
 * Owns:    the text lives in the arena.
 * Fails:   an empty text when there is nothing to add, or no memory. */
#pragma once

#include "gateway/base/arena.h"

struct str error_text(struct err e, struct arena *a);
