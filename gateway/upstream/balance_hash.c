#include "gateway/upstream/balance_hash.h"

#include "gateway/base/hash.h"

#include <math.h>

uint64_t balance_hash_key(struct str text)
{
    static const struct hash_key fixed = {.k0 = 0, .k1 = 0};
    return hash_str(&fixed, text);
}

/* The finalizer of splitmix64: each bit of the input changes half of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

double balance_hash_score(uint64_t key, uint64_t place, uint32_t weight)
{
    /* Evenly spread over the open interval from 0 to 1. */
    double spread = ((double)(mix(key ^ place) >> 11) + 0.5) * 0x1p-53;
    return weight / -log(spread);
}
