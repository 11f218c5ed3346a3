/* condition_report.h - what was found out about an object, as JSON.
 *
 * Purpose: the member "served" of a certificate.
 * Thread:  any.
 * Fails:   NULL: out of memory. */
#pragma once

#include "store/store.h"

/* {"state", "checked_at", "detail"}; checked_at is null as long as nobody has looked at the
 * pair that is active now.  New reference. */
json_t *condition_report_served(struct conditions *c, const struct cert *cert);

/* Why it is not served as it should; in the arena, empty if it is. */
struct str condition_report_not_served(struct arena *a, struct conditions *c,
                                       const struct cert *cert);
