#include "store/status_set.h"
#include "tests/support/asserts.h"

#include <stdio.h>

static const struct {
    const char *text;
    const unsigned in[6], out[6];
} good[] = {
    {"2xx,3xx", {200, 204, 299, 300, 399}, {199, 400, 404, 100}},
    {"200-299,404", {200, 250, 299, 404}, {300, 403, 405, 199}},
    {"200", {200}, {199, 201}},
    {"1xx,5XX", {100, 199, 500, 599}, {200, 499}},
    {" 200 - 204 , 301 ", {200, 204, 301}, {205, 300, 302}},
    {"100-599", {100, 163, 164, 227, 228, 599}, {99, 600, 0}},
    {"404-404", {404}, {403, 405}},
};

static void what_is_written_is_what_it_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct status_set s;
        const char *words = status_set_parse(str_from(good[i].text), &s);
        if (words != NULL)
            fail_msg("%s: %s", good[i].text, words);
        for (size_t k = 0; k < ARRAY_LEN(good[i].in) && good[i].in[k] != 0; k++) {
            if (!status_set_has(&s, good[i].in[k]))
                fail_msg("%s lacks %u", good[i].text, good[i].in[k]);
        }
        for (size_t k = 0; k < ARRAY_LEN(good[i].out) && good[i].out[k] != 0; k++) {
            if (status_set_has(&s, good[i].out[k]))
                fail_msg("%s has %u", good[i].text, good[i].out[k]);
        }
        assert_false(status_set_has(&s, 0));
        assert_false(status_set_has(&s, 4000000000u));
    }
}

static const char *const bad[] = {
    "",     ",",    "200,",    ",200",    "ok",      "20",       "2000",
    "600",  "099",  "6xx",     "0xx",     "2x",      "2xxx",     "x2x",
    "200-", "-200", "300-200", "200-600", "200-2xx", "200--300", "200-250-300",
    "+200", "2 00", "200;300", "200 300", "2xx\n",   "0x1",      "200,,300",
};

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct status_set s;
        if (status_set_parse(str_from(bad[i]), &s) == NULL)
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_it_has),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
