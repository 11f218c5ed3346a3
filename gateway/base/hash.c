#include "gateway/base/hash.h"

#include "gateway/base/rand.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void mix(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static void absorb(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s);
    s->v0 ^= word;
}

struct hash_key hash_key_random(void)
{
    struct hash_key key = {.k0 = rand_u64(), .k1 = rand_u64()};
    return key;
}

uint64_t hash_str(const struct hash_key *key, struct str s)
{
    struct sip sip = {
        .v0 = key->k0 ^ 0x736f6d6570736575u,
        .v1 = key->k1 ^ 0x646f72616e646f6du,
        .v2 = key->k0 ^ 0x6c7967656e657261u,
        .v3 = key->k1 ^ 0x7465646279746573u,
    };
    size_t at = 0;
    uint64_t word;
    for (; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.p + at, sizeof(word));
        absorb(&sip, word);
    }
    word = (uint64_t)s.len << 56;
    for (size_t i = 0; at + i < s.len; i++)
        word |= (uint64_t)(unsigned char)s.p[at + i] << (8 * i);
    absorb(&sip, word);
    sip.v2 ^= 0xff;
    mix(&sip);
    mix(&sip);
    mix(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}
