#include "gateway/base/mem.h"

#include <sanitizer/asan_interface.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Test-only countdown; 0 means disarmed, so the product pays one relaxed load per
 * allocation. */
static atomic_uint fault_countdown;
static atomic_bool fault_fired;

static bool is_faulted(void)
{
    unsigned left = atomic_load_explicit(&fault_countdown, memory_order_relaxed);
    if (left == 0)
        return false;
    if (atomic_fetch_sub(&fault_countdown, 1) != 1)
        return false;
    atomic_store(&fault_fired, true);
    return true;
}

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || is_faulted())
        return NULL;
    return calloc(1, bytes);
}

void *mem_resize(void *p, size_t bytes)
{
    if (is_faulted())
        return NULL;
    return realloc(p, bytes > 0 ? bytes : 1);
}

char *mem_dup(const char *p, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = mem_alloc(len + 1, 1);
    if (copy != NULL && len > 0)
        memcpy(copy, p, len);
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

/* glibc keeps freed blocks in one list, and sorts them when a block is allocated that none of
 * them is made for: up to 10,000 each time, which takes 5 ms. */
void mem_settle(void)
{
    enum { TIMES = 64, BYTES = 64 * 1024 };
    void *volatile block; /* else the compiler sees that nobody needs it */
    for (unsigned i = 0; i < TIMES; i++) {
        block = malloc(BYTES);
        free(block);
    }
}

void mem_poison(void *p, size_t len)
{
    (void)p;
    (void)len;
    ASAN_POISON_MEMORY_REGION(p, len);
}

void mem_unpoison(void *p, size_t len)
{
    (void)p;
    (void)len;
    ASAN_UNPOISON_MEMORY_REGION(p, len);
}

void mem_fault_arm(unsigned nth)
{
    atomic_store(&fault_fired, false);
    atomic_store(&fault_countdown, nth);
}

unsigned mem_fault_left(void)
{
    return atomic_load(&fault_countdown);
}

bool mem_fault_fired(void)
{
    return atomic_load(&fault_fired);
}
