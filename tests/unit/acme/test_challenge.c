#include "acme/challenge.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static void the_answer_is_token_dot_thumbprint(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    struct str answer;
    assert_false(
        failed(challenge_answer(a, STR("evaGxfADs6pSRb2LAv9IZ"), STR("nP1qzpXGy"), &answer)));
    assert_true(str_eq(answer, STR("evaGxfADs6pSRb2LAv9IZ.nP1qzpXGy")));
}

/* B26: a token becomes part of a path and of an answer. */
static void what_is_no_token_is_refused(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(1024, 4096);
    char huge[ACME_CHALLENGE_MAX_BYTES + 1];
    memset(huge, 'a', sizeof(huge));
    const struct str tokens[] = {
        STR(""),
        STR("../../etc/passwd"),
        STR("a/b"),
        STR("a b"),
        STR("a\nb"),
        STR("a\0b"),
        STR("<script>"),
        STR("a.b"),
        STR("a=="),
        STR("a+b"),
        STR("a%2fb"),
        STR("t\xc3\xb6ken"),
        str_make(huge, sizeof(huge)),
    };
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        struct str answer = STR_NONE;
        struct err e = challenge_answer(a, tokens[i], STR("x"), &answer);
        assert_true(err_is(e, ERR_ACME_PROTOCOL));
        assert_null(answer.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_token_dot_thumbprint),
        cmocka_unit_test(what_is_no_token_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
