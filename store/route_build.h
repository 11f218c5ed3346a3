/* route_build.h - JSON to struct route, with every rule that needs nothing but the route
 * itself.
 *
 * Purpose: fields by route_shape, then what holds between fields; targets (but for sticky.h),
 *          pins and trust are ready to use afterwards.  What needs other objects (conflicts,
 *          certificates by id) is store_routes.c's.
 * Thread:  the store, under its writer lock; fuzzers.
 * Fails:   ERR_INVALID with entries in inv, ERR_MEMORY. */
#pragma once

#include "store/model.h"
#include "store/trust.h"

struct route_origin {
    struct trust *trust;          /* of the system */
    const struct route *previous; /* revision whose live cells carry on; NULL: none */
};

/* The members that printing adds and reading ignores. */
#define MODEL_OBJECT_FIELDS "id", "revision", "created_at", "updated_at"

/* body without the members that every object carries; new reference; NULL when out of memory.
 * */
json_t *route_build_strip(const json_t *body);

/* object is zero: the caller names it, and then calls sticky_build.  One reference. */
struct err route_build(const struct route_origin *origin, const json_t *body,
                       struct json_path *path, struct invalid *inv, struct route **ret_route);
