/* seal.h - encryption of secrets at rest (AES-256-GCM).
 *
 * Purpose: private keys and HMAC secrets leave the process only sealed.  The key is
 *          master.key in the data directory: 32 random bytes, created 0600 whatever the
 *          umask.
 * Thread:  one owner: the store, under its writer lock.
 * Owns:    the master key, wiped on free.
 * Fails:   ERR_KEY_MISSING, ERR_KEY_WRONG (authentication failed), ERR_IO, ERR_CRYPTO.
 *
 * Sealed form: version byte 1, key id (8 bytes, of SHA-256 of the key), nonce (12 random
 * bytes), ciphertext, tag (16).  The context (what is sealed, e.g. "certificate/cloud") is
 * authenticated, so that a sealed value cannot be moved to another row. */
#pragma once

#include "gateway/base/buf.h"
#include "gateway/base/secret.h"

struct seal;

enum { SEAL_KEY_ID_BYTES = 8, SEAL_KEY_ID_AT = 1 };

/* may_create: make the key if the file is absent; otherwise absence is ERR_KEY_MISSING. */
struct err seal_open(int data_dir_fd, bool may_create, struct seal **ret_seal);
void seal_free(struct seal *s);

/* Appends the sealed form to out. */
struct err seal_close(const struct seal *s, struct str context, struct str plain,
                      struct buf *out);
struct err seal_unseal(const struct seal *s, struct str context, struct str sealed,
                       struct secret *ret_plain);

/* 32 bytes that follow from the master key and the purpose and do not tell it (HMAC-SHA256): a
 * key that survives restarts without being stored. */
struct err seal_derive(const struct seal *s, struct str purpose, struct secret *ret_key);

/* Which master key this is: the bytes at SEAL_KEY_ID_AT of everything it has sealed. */
struct str seal_key_id(const struct seal *s);
