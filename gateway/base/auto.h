/* auto.h - scope-bound ownership and the few compiler helpers every file may use.
 *
 * Purpose: AUTO(f) on a local frees it with f when the scope ends; TAKE(p) moves the pointer
 *          out (the local becomes NULL, so nothing is freed). AUTO_DEFINE(f, type) makes f
 *          usable with AUTO; f must accept NULL.
 * Limits:  AUTO is for pointers; a NULL pointer is never passed to f. */
#pragma once

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define AUTO(free_fn) __attribute__((cleanup(auto_##free_fn)))

#define AUTO_DEFINE(free_fn, type)                                                             \
    static inline void auto_##free_fn(type *p)                                                 \
    {                                                                                          \
        if (*p != NULL)                                                                        \
            free_fn(*p);                                                                       \
    }

#define TAKE(p)                                                                                \
    __extension__({                                                                            \
        __typeof__(p) taken_ = (p);                                                            \
        (p) = NULL;                                                                            \
        taken_;                                                                                \
    })

/* On a struct: every function returning it must have its result looked at; a (void) cast is the
 * only way to ignore it.  GCC honours the C2x spelling, clang 14 the GNU one. */
#if defined(__clang__)
#define MUST_USE_TYPE __attribute__((warn_unused_result))
#else
#define MUST_USE_TYPE [[nodiscard]]
#endif

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
