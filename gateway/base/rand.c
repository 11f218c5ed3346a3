#include "gateway/base/rand.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

void rand_fill(void *p, size_t len)
{
    char *at = p;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        assert(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

uint64_t rand_u64(void)
{
    uint64_t value;
    rand_fill(&value, sizeof(value));
    return value;
}
