/* balance_hash.h - the same key: the same target.
 *
 * Purpose: weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindler
 *          and Schomaker 2005): each target scores with a hash of key and target, the highest
 *          serves.  A target that comes or goes moves its own share of the keys and no other,
 *          and the order of the targets plays no part.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Limits:  one logarithm per target.
 * Fails:   never. */
#pragma once

#include "gateway/base/str.h"

/* The same in every process. */
uint64_t balance_hash_key(struct str text);

/* place: target.hash; weight: above 0. */
double balance_hash_score(uint64_t key, uint64_t place, uint32_t weight);
