/* mem.h - the only door to the heap.
 *
 * Purpose: allocation that returns NULL when it fails and that tests can make fail.
 * Thread:  any.
 * Owns:    the caller frees with mem_free.
 * Fails:   NULL; callers answer with ERR_MEMORY. */
#pragma once

#include "gateway/base/auto.h"

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory for count objects of size bytes; NULL on overflow or when the heap is
 * exhausted. */
void *mem_alloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* Grows or shrinks to bytes; the old block stays valid when NULL is returned. */
void *mem_resize(void *p, size_t bytes) __attribute__((warn_unused_result));

/* A NUL-terminated copy of len bytes. */
char *mem_dup(const char *p, size_t len) __attribute__((malloc, warn_unused_result));

void mem_free(void *p);

/* After a great many blocks were freed by this thread: the heap's work on them that the next
 * allocations, of somebody who waits, would do. */
void mem_settle(void);

/* Memory of ours that nobody may touch for now: sanitized builds watch over it, others do
 * nothing. */
void mem_poison(void *p, size_t len);
void mem_unpoison(void *p, size_t len);

/* For tests: the nth allocation from now on fails, once; 0 disarms. */
void mem_fault_arm(unsigned nth);

/* For tests: how many allocations the armed fault is still away. */
unsigned mem_fault_left(void);

/* For tests: true if the armed fault has happened. */
bool mem_fault_fired(void);

#define mem_new(type) ((type *)mem_alloc(1, sizeof(type)))

AUTO_DEFINE(mem_free, void *)

/* AUTO(mem_free_chars) char *text = mem_dup(...). */
static inline void mem_free_chars(char *p)
{
    mem_free(p);
}
AUTO_DEFINE(mem_free_chars, char *)
