/* asserts.h - cmocka's assertions for our own values: errors and views.
 *
 * Purpose: a failed assertion names the error it got, or shows both texts; the _row forms
 *          also name the row of a table.
 * Thread:  any thread of a test for the values; only the main one may fail.
 * Owns:    nothing. */
#pragma once

#include "tests/support/unit.h"

#include "gateway/base/mem.h"
#include "gateway/base/str.h"

static inline void asserts_check_kind(struct err got, const struct err_kind *want,
                                      const char *row, const char *file, int line)
{
    if (got.kind == want)
        return;
    print_error("%s: got %s (detail %d), want %s\n", row, err_name(got), (int)got.detail,
                want == NULL ? "ok" : want->name);
    _fail(file, line);
}

static inline void asserts_check_str(struct str got, struct str want, const char *row,
                                     const char *file, int line)
{
    if (str_eq(got, want))
        return;
    print_error("%s:\n  got  \"%.*s\"\n  want \"%.*s\"\n", row, STR_ARG(got), STR_ARG(want));
    _fail(file, line);
}

static inline void asserts_check_u64(uint64_t got, uint64_t want, const char *row,
                                     const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s: got %llu, want %llu\n", row, (unsigned long long)got,
                (unsigned long long)want);
    _fail(file, line);
}

static inline void asserts_check_that(bool holds, const char *what, const char *row,
                                      const char *file, int line)
{
    if (holds)
        return;
    print_error("%s: not so: %s\n", row, what);
    _fail(file, line);
}

#define assert_ok(e)          asserts_check_kind((e), NULL, #e, __FILE__, __LINE__)
#define assert_err(e, kind)   asserts_check_kind((e), (kind), #e, __FILE__, __LINE__)
#define assert_str(got, want) asserts_check_str((got), str_from(want), #got, __FILE__, __LINE__)

/* In a loop over a table: row is its name; kind NULL means success. */
#define assert_row_err(row, e, kind) asserts_check_kind((e), (kind), (row), __FILE__, __LINE__)
#define assert_row_str(row, got, want)                                                         \
    asserts_check_str((got), str_from(want), (row), __FILE__, __LINE__)
#define assert_row_u64(row, got, want)                                                         \
    asserts_check_u64((got), (want), (row), __FILE__, __LINE__)
#define assert_row(row, holds) asserts_check_that((holds), #holds, (row), __FILE__, __LINE__)

/* Runs the block with the first allocation failing, then the second, and so on, until one run
 * needs fewer allocations than that; the block sees mem_fault_fired(). */
#define for_each_fault(n)                                                                      \
    for (unsigned n = 1, n##_more = 1; n##_more != 0 ? (mem_fault_arm(n), true) : false;       \
         n##_more = mem_fault_fired(), mem_fault_arm(0), n++)
