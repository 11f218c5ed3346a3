#include "acme/retry_after.h"

#include "gateway/base/units.h"

/* A century: what is beyond is not a wait but an accident or an attack. */
#define SECONDS_MAX (100ull * 366 * 86400)

static struct err read_seconds(struct str field, int64_t now_at, uint64_t *ret_seconds)
{
    if (field.len > 0 && chr_is_digit(field.p[0]))
        return str_to_u64(field, SECONDS_MAX, ret_seconds);

    int64_t at;
    TRY(units_parse_http_date(field, &at));
    if (at < now_at || at - now_at > (int64_t)SECONDS_MAX)
        return fail(ERR_SYNTAX, 0);
    *ret_seconds = (uint64_t)(at - now_at);
    return OK;
}

uint64_t retry_after_ms(struct str field, int64_t now_at,
                        const struct retry_after_bounds *bounds)
{
    uint64_t seconds;
    if (failed(read_seconds(str_trim(field), now_at, &seconds)))
        return bounds->standard_ms;
    uint64_t wait_ms = seconds * 1000;
    if (wait_ms < bounds->min_ms)
        return bounds->min_ms;
    return wait_ms > bounds->max_ms ? bounds->max_ms : wait_ms;
}
