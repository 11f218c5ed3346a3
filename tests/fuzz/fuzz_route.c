/* Targets: json_read shape_read route_build host_name_check_host target_url_parse
 *          shape_write */
#include "store/route_build.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted prints as JSON that is accepted again and prints the same. */
static void check_circle(const struct route_origin *origin, const struct route *r)
{
    struct json_path path = {.len = 0};
    struct invalid inv;
    struct route *again = NULL;
    invalid_init(&inv);
    json_t *first = shape_write(route_shape, r);
    if (first == NULL || failed(route_build(origin, first, &path, &inv, &again)))
        abort();
    json_t *second = shape_write(route_shape, again);
    if (!json_equal(first, second) || !str_eq(r->managed_names, again->managed_names))
        abort();
    json_decref(first);
    json_decref(second);
    route_unref(again);
    invalid_fini(&inv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust trust = {.system = NULL};
    struct route_origin origin = {.trust = &trust};
    struct json_path path = {.len = 0};
    struct invalid inv;
    struct route *r = NULL;
    json_t *body = NULL;
    if (failed(json_read(str_make(data, size), &body)))
        return 0;
    invalid_init(&inv);
    if (!failed(route_build(&origin, body, &path, &inv, &r)))
        check_circle(&origin, r);
    else if (inv.count == 0)
        abort(); /* refused without a word */
    json_t *words = invalid_to_json(&inv);
    if (words == NULL)
        abort();
    json_decref(words);
    json_decref(body);
    route_unref(r);
    invalid_fini(&inv);
    trust_fini(&trust);
    return 0;
}
