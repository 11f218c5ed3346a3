/* err.h - the one error type.
 *
 * Purpose: a function that can fail returns struct err: two words, zero means success.  The
 *          kind points at a row of err_kinds.def, which holds the HTTP status, the log level
 *          and the sentence once for proxy answers, API problems and logs alike.  detail
 *          carries errno, a library's code, or 0; its meaning belongs to the kind.
 * Thread:  values; any thread.
 * Fails:   ignoring a result is a compile-time warning; cast to (void) where that is meant. */
#pragma once

#include "gateway/base/auto.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

struct err_kind {
    const char *name;     /* snake_case, used in logs, metrics and status */
    const char *text;     /* one sentence without a full stop */
    uint16_t status;      /* HTTP status it becomes, 0: never becomes an answer */
    enum log_level level; /* level of the line that reports it */
};

enum err_id {
#define ERR_KIND(id, name, status, level, text) ERR_ID_##id,
#include "gateway/base/err_kinds.def"
#undef ERR_KIND
    ERR_ID_COUNT
};

extern const struct err_kind err_kinds[ERR_ID_COUNT];

/* ERR_MEMORY, ERR_BAD_REQUEST, ...: constants usable as `e.kind == ERR_MEMORY`. */
#define ERR_ROW(id) (&err_kinds[ERR_ID_##id])

struct MUST_USE_TYPE err {
    const struct err_kind *kind;
    int32_t detail;
};

#define OK ((struct err){.kind = NULL, .detail = 0})

static inline struct err fail(const struct err_kind *kind, int32_t detail)
{
    return (struct err){.kind = kind, .detail = detail};
}

static inline bool failed(struct err e)
{
    return e.kind != NULL;
}

/* True if the error is of this kind; false for success. */
static inline bool err_is(struct err e, const struct err_kind *kind)
{
    return e.kind == kind;
}

/* The row's name; "ok" for success. */
const char *err_name(struct err e);

/* Propagates a failure to the caller.  The only macro in the tree that hides control flow. */
#define TRY(expr)                                                                              \
    do {                                                                                       \
        struct err try_e_ = (expr);                                                            \
        if (failed(try_e_))                                                                    \
            return try_e_;                                                                     \
    } while (0)

_Static_assert(sizeof(struct err) == 16, "struct err is returned in two registers");

#include "gateway/base/err_names.h"
