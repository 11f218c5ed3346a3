#include "gateway/request_id.h"

#include "gateway/base/hash.h"

struct str request_id_make(struct arena *a)
{
    static _Thread_local struct hash_key key;
    static _Thread_local uint64_t count;
    if (count++ == 0)
        key = hash_key_random();
    uint64_t id = hash_str(&key, str_make(&count, sizeof(count)));
    return arena_fmt(a, "%016llx", (unsigned long long)id);
}
