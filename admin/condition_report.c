#include "admin/condition_report.h"

#include "gateway/base/units.h"

/* What is known of the pair that is active now. */
static struct err read_served(struct conditions *c, const struct cert *cert, struct arena *a,
                              struct condition *ret_known)
{
    TRY(conditions_get(c, CONDITION_SERVED, cert->object.id, a, ret_known));
    if (!str_eq(ret_known->about, cert->facts.fingerprint_sha256))
        *ret_known = (struct condition){.kind = CONDITION_SERVED};
    return OK;
}

json_t *condition_report_served(struct conditions *c, const struct cert *cert)
{
    AUTO(arena_free) struct arena *a = arena_new(2048, 8192);
    struct condition known;
    char at[UNITS_TIME_MAX];
    if (a == NULL || failed(read_served(c, cert, a, &known)))
        return NULL;
    units_format_time(known.at, at);
    return json_pack("{s:s, s:o, s:o}", "state", condition_state_name(known.state),
                     "checked_at", known.at == 0 ? json_null() : json_string(at), "detail",
                     str_is_empty(known.words) ? json_null() : json_from_str(known.words));
}

struct str condition_report_not_served(struct arena *a, struct conditions *c,
                                       const struct cert *cert)
{
    struct condition known;
    if (failed(read_served(c, cert, a, &known)) || known.state != CONDITION_BAD)
        return STR_NONE;
    return known.words;
}
