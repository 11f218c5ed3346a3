/* Targets: json_read merge_patch shape_read shape_write json_diff
 *
 * The input is the body of a PATCH: it is merged into a route as it is shown, and the
 * result read as a route.  What was read once must be read again after it was shown. */
#include "admin/json_diff.h"
#include "admin/merge_patch.h"
#include "admin/token_request.h"
#include "store/model.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char shown[] =
    "{\"hosts\":[\"a.example\"],\"path\":\"/\",\"enabled\":true,\"certificate\":\"auto\","
    "\"request_headers\":{\"set\":{\"X-A\":\"b\"},\"add\":{},\"remove\":[]},"
    "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:80\",\"weight\":1}],"
    "\"tls\":{\"verify\":\"system\",\"ca\":null,\"pin_sha256\":[]},\"retries\":2}}";

/* Reads doc as a route; a refusal must say why. */
static bool read_route(json_t *doc, struct arena *a, struct route *ret_route)
{
    struct json_path path = {.len = 0};
    struct invalid inv;
    invalid_init(&inv);
    struct err e = shape_read(route_shape, doc, a, &path, &inv, ret_route);
    assert(!failed(e) || !err_is(e, ERR_INVALID) || !invalid_is_empty(&inv));
    invalid_fini(&inv);
    return !failed(e);
}

static void patch_route(json_t *patch, struct arena *a)
{
    struct route first = {.path = STR_NONE};
    struct route second = {.path = STR_NONE};
    AUTO(json_decref) json_t *before = NULL;
    assert(!failed(json_read(str_from(shown), &before)));
    AUTO(json_decref) json_t *merged = merge_patch(before, patch);
    assert(merged != NULL);
    AUTO(json_decref) json_t *changes = json_diff(before, merged);
    assert(changes != NULL && json_array_size(changes) <= JSON_DIFF_MAX + 1);
    if (!read_route(merged, a, &first))
        return;
    AUTO(json_decref) json_t *canonical = shape_write(route_shape, &first);
    assert(canonical != NULL);
    bool is_stable = read_route(canonical, a, &second);
    assert(is_stable);
    AUTO(json_decref) json_t *again = shape_write(route_shape, &second);
    assert(json_equal(canonical, again));
}

static void read_token(json_t *doc, struct arena *a)
{
    struct token_request request;
    struct invalid inv;
    invalid_init(&inv);
    struct err e = token_request_read(doc, a, &inv, &request);
    assert(failed(e) || request.scopes != 0);
    invalid_fini(&inv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 16 * 1024 * 1024);
    AUTO(json_decref) json_t *doc = NULL;
    assert(a != NULL);
    if (failed(json_read(str_make(data, size), &doc)))
        return 0;
    patch_route(doc, a);
    read_token(doc, a);
    return 0;
}
