#include "admin/route_report.h"
#include "tests/support/asserts.h"

#include <stdlib.h>

static void assert_report(const struct route_live *live, const char *want)
{
    AUTO(json_decref) json_t *doc = route_report_to_json(live);
    char *text = json_dumps(doc, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, want);
    free(text);
}

static void what_came_is_told_in_numbers(void **state)
{
    (void)state;
    struct route_live *live = route_live_new();
    assert_report(live, "null");
    route_live_begin(live, 0);
    assert_report(live, "{\"requests\":0,\"open\":1,\"classes\":{},\"ended_by\":{},"
                        "\"in_bytes\":0,\"out_bytes\":0,\"p50_us\":null,\"p99_us\":null}");
    route_live_end(live, 0,
                   &(struct route_outcome){.class = ROUTE_CLASS_2XX,
                                           .ended_by = ENDED_BY_CLIENT,
                                           .in_bytes = 5,
                                           .out_bytes = 7,
                                           .total_us = 900});
    assert_report(live, "{\"requests\":1,\"open\":0,\"classes\":{\"2xx\":1},"
                        "\"ended_by\":{\"client\":1},\"in_bytes\":5,\"out_bytes\":7,"
                        "\"p50_us\":1000,\"p99_us\":1000}");
    route_live_unref(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_came_is_told_in_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
