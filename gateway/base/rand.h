/* rand.h - unpredictable bytes from the kernel.
 *
 * Purpose: seeds, identifiers, tokens.  Key material comes from OpenSSL, not from here.
 * Thread:  any.
 * Fails:   never: getrandom(2) cannot fail once the machine has booted; asserts otherwise. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void rand_fill(void *p, size_t len);
uint64_t rand_u64(void);
