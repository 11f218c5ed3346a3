/* route_report.h - what has come to a route since the process began, in numbers.
 *
 * Purpose: the member "traffic" of a route in the status document.
 * Thread:  any.
 * Owns:    nothing; the result is a new reference.
 * Fails:   NULL when out of memory. */
#pragma once

#include "store/route_live.h"

#include "gateway/base/json.h"

/* {"requests", "open", "classes", "ended_by", "in_bytes", "out_bytes", "p50_us", "p99_us"};
 * JSON null while no request has come. */
json_t *route_report_to_json(const struct route_live *live);
