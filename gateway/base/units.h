/* units.h - durations, sizes and times as people and protocols write them.
 *
 * Purpose: "250ms" "30s" "5m" "1h" "90d"; "64KiB" "10GiB" "unlimited"; RFC 3339; HTTP dates
 *          (RFC 9110 5.6.7).
 * Thread:  any.
 * Fails:   parsers: ERR_SYNTAX, nothing written.  Formatters never fail. */
#pragma once

#include "gateway/base/str.h"

enum {
    UNITS_TIME_MAX = 32,      /* "2026-11-23T17:52:00.123Z", any year, and the terminator */
    UNITS_HTTP_DATE_MAX = 32, /* "Mon, 23 Nov 2026 17:52:00 GMT" and the terminator */
    UNITS_QUANTITY_MAX = 32,  /* a duration or a size and the terminator */
};

#define UNITS_UNLIMITED UINT64_MAX

/* A whole number and a unit: ms, s, m, h, d.  At most 10 years. */
struct err units_parse_duration(struct str s, uint64_t *ret_ms);

/* The largest unit that divides it: 3600000 -> "1h". */
void units_format_duration(uint64_t ms, char out[UNITS_QUANTITY_MAX]);

/* A whole number and B, KiB, MiB, GiB, TiB; or "unlimited" -> UNITS_UNLIMITED. */
struct err units_parse_size(struct str s, uint64_t *ret_bytes);
void units_format_size(uint64_t bytes, char out[UNITS_QUANTITY_MAX]);

/* RFC 3339 in UTC: seconds, or with milliseconds. */
void units_format_time(int64_t at, char out[UNITS_TIME_MAX]);
void units_format_time_ms(int64_t ms, char out[UNITS_TIME_MAX]);

/* RFC 3339 with any offset; fractions are dropped. */
struct err units_parse_time(struct str s, int64_t *ret_at);

/* IMF-fixdate; parsing also accepts the two obsolete forms. */
void units_format_http_date(int64_t at, char out[UNITS_HTTP_DATE_MAX]);
struct err units_parse_http_date(struct str s, int64_t *ret_at);
