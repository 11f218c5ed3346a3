/* unit.h - cmocka and the headers it wants to see first, in their order.
 *
 * Purpose: the one include of every unit test that no formatter may reorder. */
#pragma once

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

/* cmocka calls a macro of its own fail(), which would swallow ours of gateway/base/err.h. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))
