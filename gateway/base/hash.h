/* hash.h - keyed hash of short strings (SipHash-1-3).
 *
 * Purpose: tables whose keys come from outside stay flat: without the key nobody can construct
 *          collisions (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
 * Thread:  any. */
#pragma once

#include "gateway/base/str.h"

struct hash_key {
    uint64_t k0;
    uint64_t k1;
};

struct hash_key hash_key_random(void);
uint64_t hash_str(const struct hash_key *key, struct str s);
