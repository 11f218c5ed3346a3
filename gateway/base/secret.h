/* secret.h - bytes that are wiped, compared in constant time, and never printed.
 *
 * Purpose: keys, tokens, HMAC secrets.  No KV_ macro of log.h and no JSON writer accepts the
 *          type; the only way to the bytes is secret_bytes(), which is easy to grep for.
 * Thread:  the owner's.
 * Owns:    its heap copy; secret_fini wipes and frees it.
 * Fails:   ERR_MEMORY; nothing is kept then. */
#pragma once

#include "gateway/base/str.h"

struct secret {
    struct {
        unsigned char *p;
        size_t len;
    } priv;
};

/* Copies; the caller wipes its own source if that was not meant to stay. */
struct err secret_init(struct secret *s, struct str bytes);

/* Harmless on a zeroed or already finished secret. */
void secret_fini(struct secret *s);

/* The bytes, until secret_fini. */
struct str secret_bytes(const struct secret *s);

bool secret_is_empty(const struct secret *s);

/* Time depends on the lengths only. */
bool secret_eq(const struct secret *s, struct str bytes);

/* Overwrites memory in a way the compiler may not remove. */
void secret_wipe(void *p, size_t len);
