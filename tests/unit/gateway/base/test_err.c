#include "tests/support/asserts.h"

#include "gateway/base/err.h"

/* Each row of err_kinds.def again, by its ERR_ name: does not compile if err_names.h lacks
 * one. */
/* clang-format off */
static const struct {
    const char *name;
    const struct err_kind *by_name;
} rows[] = {
#define ERR_KIND(id, name_, status, level, text) {(name_), ERR_##id},
#include "gateway/base/err_kinds.def"
#undef ERR_KIND
};
/* clang-format on */

static void every_name_means_its_own_row(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(rows), ERR_ID_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row(rows[i].name, rows[i].by_name == &err_kinds[i]);
        assert_string_equal(err_kinds[i].name, rows[i].name);
    }
}

static bool is_snake_case(const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        if (!(*p >= 'a' && *p <= 'z') && *p != '_')
            return false;
    }
    return name[0] != '\0';
}

static void every_row_is_fit_to_be_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ERR_ID_COUNT; i++) {
        const struct err_kind *k = &err_kinds[i];
        assert_row(k->name, is_snake_case(k->name));
        assert_row(k->name, k->status == 0 || (k->status >= 400 && k->status < 600));
        assert_row(k->name, k->level <= LOG_LEVEL_DEBUG);
        struct str text = str_from(k->text);
        assert_row(k->name, text.len > 0 && !str_ends(text, STR(".")));
        for (size_t other = 0; other < i; other++)
            assert_row(k->name, !str_eq(str_from(err_kinds[other].name), str_from(k->name)));
    }
}

static int steps;

static struct err step(struct err e)
{
    steps++;
    return e;
}

static struct err three_steps(struct err second)
{
    TRY(step(OK));
    TRY(step(second));
    return step(OK);
}

static void try_stops_at_the_first_failure_and_hands_it_on(void **state)
{
    (void)state;
    steps = 0;
    assert_ok(three_steps(OK));
    assert_int_equal(steps, 3);
    steps = 0;
    struct err e = three_steps(fail(ERR_IO, 13));
    assert_err(e, ERR_IO);
    assert_int_equal(e.detail, 13);
    assert_int_equal(steps, 2);
}

static void success_is_of_no_kind(void **state)
{
    (void)state;
    assert_false(failed(OK));
    assert_false(err_is(OK, ERR_MEMORY));
    assert_true(err_is(fail(ERR_MEMORY, 0), ERR_MEMORY));
    assert_string_equal(err_name(OK), "ok");
    assert_string_equal(err_name(fail(ERR_BAD_FRAMING, 0)), "bad_framing");
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_means_its_own_row),
        cmocka_unit_test(every_row_is_fit_to_be_shown),
        cmocka_unit_test(try_stops_at_the_first_failure_and_hands_it_on),
        cmocka_unit_test(success_is_of_no_kind),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
