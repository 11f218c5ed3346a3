#include "store/error_text.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <openssl/x509_vfy.h>

static void details_are_put_into_words(void **state)
{
    (void)state;
    /* clang-format off */
    const struct {
        const char *name;
        struct err e;
        const char *want; /* part of the text; NULL: nothing to say */
    } rows[] = {
        {"errno", fail(ERR_TARGET_CONNECT, ECONNREFUSED), "onnection refused"},
        {"no such errno", fail(ERR_IO, 99999), "99999"},
        {"verification", fail(ERR_TARGET_VERIFY, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT),
         "self-signed certificate"},
        {"another name", fail(ERR_TARGET_NAME, X509_V_ERR_HOSTNAME_MISMATCH), "mismatch"},
        {"TLS that says nothing", fail(ERR_TARGET_TLS, 0), "cut off"},
        {"no errno", fail(ERR_IO, 0), NULL},
        {"a kind whose detail is no code", fail(ERR_JSON, 7), NULL},
        {"success", OK, NULL},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_free) struct arena *a = arena_new(512, 4096);
        struct str got = error_text(rows[i].e, a);
        if (rows[i].want == NULL ? !str_is_empty(got)
                                 : got.len == 0 || strstr(got.p, rows[i].want) == NULL)
            fail_msg("%s: \"%.*s\"", rows[i].name, STR_ARG(got));
    }
}

static void without_memory_there_is_no_text(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4, 4);
    assert_true(str_is_empty(error_text(fail(ERR_IO, ENOENT), a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(details_are_put_into_words),
        cmocka_unit_test(without_memory_there_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
