#include "gateway/base/units.h"

#include <stdio.h>
#include <time.h>

struct unit {
    struct str name;
    uint64_t factor;
};

/* Largest first: formatting takes the first that divides the value. */
static const struct unit duration_units[] = {
    {STR_LIT("d"), 86400000}, {STR_LIT("h"), 3600000}, {STR_LIT("m"), 60000},
    {STR_LIT("s"), 1000},     {STR_LIT("ms"), 1},
};
static const struct unit size_units[] = {
    {STR_LIT("TiB"), 1ull << 40},
    {STR_LIT("GiB"), 1ull << 30},
    {STR_LIT("MiB"), 1ull << 20},
    {STR_LIT("KiB"), 1ull << 10},
    {STR_LIT("B"), 1},
};

static const uint64_t duration_max_ms = 10ull * 365 * 86400000;
static const uint64_t size_max_bytes = 1ull << 60;

static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static struct err parse_quantity(struct str s, const struct unit *units, size_t count,
                                 uint64_t max, uint64_t *ret_value)
{
    size_t digits = 0;
    while (digits < s.len && chr_is_digit(s.p[digits]))
        digits++;
    struct str name = str_skip(s, digits);
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(name, units[i].name))
            continue;
        uint64_t number;
        TRY(str_to_u64(str_sub(s, 0, digits), max / units[i].factor, &number));
        *ret_value = number * units[i].factor;
        return OK;
    }
    return fail(ERR_SYNTAX, 0);
}

static void format_quantity(uint64_t value, const struct unit *units, size_t count,
                            char out[UNITS_QUANTITY_MAX])
{
    size_t i = 0;
    while (i < count - 1 && (value == 0 || value % units[i].factor != 0))
        i++;
    (void)snprintf(out, UNITS_QUANTITY_MAX, "%llu%s",
                   (unsigned long long)(value / units[i].factor), units[i].name.p);
}

struct err units_parse_duration(struct str s, uint64_t *ret_ms)
{
    return parse_quantity(s, duration_units, ARRAY_LEN(duration_units), duration_max_ms,
                          ret_ms);
}

void units_format_duration(uint64_t ms, char out[UNITS_QUANTITY_MAX])
{
    if (ms == 0)
        (void)snprintf(out, UNITS_QUANTITY_MAX, "0s");
    else
        format_quantity(ms, duration_units, ARRAY_LEN(duration_units), out);
}

struct err units_parse_size(struct str s, uint64_t *ret_bytes)
{
    if (str_eq(s, STR("unlimited"))) {
        *ret_bytes = UNITS_UNLIMITED;
        return OK;
    }
    return parse_quantity(s, size_units, ARRAY_LEN(size_units), size_max_bytes, ret_bytes);
}

void units_format_size(uint64_t bytes, char out[UNITS_QUANTITY_MAX])
{
    if (bytes == UNITS_UNLIMITED)
        (void)snprintf(out, UNITS_QUANTITY_MAX, "unlimited");
    else
        format_quantity(bytes, size_units, ARRAY_LEN(size_units), out);
}

/* Years outside 0..9999 cannot be written in RFC 3339; they are shown as the nearest that
 * can. */
static void split_time(int64_t at, struct tm *ret_tm)
{
    const int64_t first_at = -62167219200, last_at = 253402300799;
    time_t t = (time_t)(at < first_at ? first_at : at > last_at ? last_at : at);
    (void)gmtime_r(&t, ret_tm);
}

void units_format_time(int64_t at, char out[UNITS_TIME_MAX])
{
    struct tm tm;
    split_time(at, &tm);
    (void)strftime(out, UNITS_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void units_format_time_ms(int64_t ms, char out[UNITS_TIME_MAX])
{
    struct tm tm;
    int64_t seconds = ms / 1000 - (ms % 1000 < 0); /* rounded down, before 1970 too */
    split_time(seconds, &tm);
    size_t len = strftime(out, UNITS_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + len, UNITS_TIME_MAX - len, ".%03dZ", (int)(ms - seconds * 1000));
}

void units_format_http_date(int64_t at, char out[UNITS_HTTP_DATE_MAX])
{
    struct tm tm;
    split_time(at, &tm);
    /* strftime's names depend on the locale, the protocol's do not. */
    size_t len = (size_t)snprintf(out, UNITS_HTTP_DATE_MAX, "%s, ", weekdays[tm.tm_wday]);
    len += strftime(out + len, UNITS_HTTP_DATE_MAX - len, "%d ", &tm);
    len += (size_t)snprintf(out + len, UNITS_HTTP_DATE_MAX - len, "%s ", months[tm.tm_mon]);
    (void)strftime(out + len, UNITS_HTTP_DATE_MAX - len, "%Y %H:%M:%S GMT", &tm);
}

/* Reads the date through a picture: each letter stands for the next character of its field,
 * 'N' for a month's name, '_' for a digit or a blank; everything else for itself. */
struct fields {
    int year, month, day, hour, minute, second;
    char month_name[4];
};

static bool add_digit(int *field, char c)
{
    if (!chr_is_digit(c))
        return false;
    *field = *field * 10 + (c - '0');
    return true;
}

static bool match_one(char picture, char c, struct fields *f)
{
    switch (picture) {
    case 'Y':
        return add_digit(&f->year, c);
    case 'M':
        return add_digit(&f->month, c);
    case 'D':
        return add_digit(&f->day, c);
    case '_':
        return c == ' ' || add_digit(&f->day, c);
    case 'h':
        return add_digit(&f->hour, c);
    case 'm':
        return add_digit(&f->minute, c);
    case 's':
        return add_digit(&f->second, c);
    case 'N':
        f->month_name[strlen(f->month_name)] = c;
        return true;
    case 'T':
        return c == 'T' || c == 't' || c == ' ';
    default:
        return picture == c;
    }
}

static bool match(struct str s, struct str picture, struct fields *f)
{
    *f = (struct fields){.year = 0};
    if (s.len < picture.len)
        return false;
    for (size_t i = 0; i < picture.len; i++) {
        if (!match_one(picture.p[i], s.p[i], f))
            return false;
    }
    for (size_t i = 0; f->month_name[0] != '\0' && i < ARRAY_LEN(months); i++) {
        if (str_eq(str_from(f->month_name), str_from(months[i])))
            f->month = (int)i + 1;
    }
    return true;
}

static struct err fields_to_time(const struct fields *f, int64_t *ret_at)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = f->year % 4 == 0 && (f->year % 100 != 0 || f->year % 400 == 0);
    if (f->month < 1 || f->month > 12 || f->day < 1 ||
        f->day > days[f->month - 1] + (f->month == 2 && is_leap) || f->hour > 23 ||
        f->minute > 59 || f->second > 60)
        return fail(ERR_SYNTAX, 0);
    struct tm tm = {.tm_year = f->year - 1900,
                    .tm_mon = f->month - 1,
                    .tm_mday = f->day,
                    .tm_hour = f->hour,
                    .tm_min = f->minute,
                    .tm_sec = f->second};
    *ret_at = (int64_t)timegm(&tm);
    return OK;
}

/* "Z", "+hh:mm" or "-hh:mm". */
static struct err parse_offset(struct str s, int64_t *ret_seconds)
{
    if (str_eq_nocase(s, STR("z"))) {
        *ret_seconds = 0;
        return OK;
    }
    struct fields f;
    if (s.len != 6 || (s.p[0] != '+' && s.p[0] != '-') ||
        !match(str_skip(s, 1), STR("hh:mm"), &f) || f.hour > 23 || f.minute > 59)
        return fail(ERR_SYNTAX, 0);
    int64_t seconds = (int64_t)f.hour * 3600 + (int64_t)f.minute * 60;
    *ret_seconds = s.p[0] == '-' ? -seconds : seconds;
    return OK;
}

struct err units_parse_time(struct str s, int64_t *ret_at)
{
    static const struct str picture = STR_LIT("YYYY-MM-DDThh:mm:ss");
    struct fields f;
    if (!match(s, picture, &f))
        return fail(ERR_SYNTAX, 0);
    struct str rest = str_skip(s, picture.len);
    if (str_starts(rest, STR("."))) {
        size_t digits = 1;
        while (digits < rest.len && chr_is_digit(rest.p[digits]))
            digits++;
        if (digits == 1)
            return fail(ERR_SYNTAX, 0);
        rest = str_skip(rest, digits);
    }
    int64_t offset, at;
    TRY(parse_offset(rest, &offset));
    TRY(fields_to_time(&f, &at));
    *ret_at = at - offset;
    return OK;
}

struct err units_parse_http_date(struct str s, int64_t *ret_at)
{
    struct str day, rest;
    struct fields f;
    if (str_split(s, ',', &day, &rest)) {
        rest = str_trim(rest);
        if (!str_ends(rest, STR(" GMT")))
            return fail(ERR_SYNTAX, 0);
        rest.len -= 4;
        if (rest.len == 20 && match(rest, STR("DD NNN YYYY hh:mm:ss"), &f))
            return fields_to_time(&f, ret_at);
        if (rest.len == 18 && match(rest, STR("DD-NNN-YY hh:mm:ss"), &f)) {
            /* RFC 9110 5.6.7: a two-digit year is the past unless that is over 50 years ago. */
            f.year += f.year < 70 ? 2000 : 1900;
            return fields_to_time(&f, ret_at);
        }
        return fail(ERR_SYNTAX, 0);
    }
    if (s.len != 24 || !match(str_skip(s, 4), STR("NNN _D hh:mm:ss YYYY"), &f))
        return fail(ERR_SYNTAX, 0);
    return fields_to_time(&f, ret_at);
}
