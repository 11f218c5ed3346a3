/* stand_in.h - the certificate that is served while there is none.
 *
 * Purpose: a handshake can end, and a person sees a warning instead of a broken connection.  It
 *          names nobody, is signed by itself, and lives in memory only.
 * Thread:  any.
 * Fails:   ERR_CRYPTO, ERR_MEMORY. */
#pragma once

#include "store/cert.h"

struct err stand_in_new(const struct cert **ret_cert);
