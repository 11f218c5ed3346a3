/* csr.h - certificate signing requests (RFC 2986).
 *
 * Purpose: a request for a list of names: subject alternative names only, an empty subject.  A
 *          common name holds 64 characters and CAs no longer need one, so there is none to get
 *          wrong.
 * Thread:  any; pure.
 * Owns:    appends DER to the caller's buf.
 * Fails:   ERR_CRYPTO, ERR_MEMORY. */
#pragma once

#include "store/model.h"

#include "gateway/base/buf.h"

#include <openssl/evp.h>

struct err csr_build(EVP_PKEY *key, const struct str_list *names, struct buf *out);
