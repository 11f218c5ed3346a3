#include "admin/metrics_text.h"

#include <stdio.h>

struct err metrics_text_family(struct buf *out, const char *name, const char *type,
                               const char *help)
{
    return buf_append_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and line feed are escaped; other bytes stand for themselves. */
static struct err put_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        if (c == '\n')
            TRY(buf_append(out, STR("\\n")));
        else if (c == '"' || c == '\\')
            TRY(buf_append_fmt(out, "\\%c", c));
        else
            TRY(buf_append(out, str_make(&c, 1)));
    }
    return OK;
}

static struct err put_series(struct buf *out, const struct metrics_series *s)
{
    const struct metrics_label *l = s->labels;
    TRY(buf_append_fmt(out, "%s%s", s->name, s->suffix));
    if (l == NULL || l->name == NULL)
        return OK;
    for (const char *before = "{"; l->name != NULL; l++, before = ",") {
        TRY(buf_append_fmt(out, "%s%s=\"", before, l->name));
        TRY(put_value(out, l->value));
        TRY(buf_append(out, STR("\"")));
    }
    return buf_append(out, STR("}"));
}

struct err metrics_text_integer(struct buf *out, const struct metrics_series *s, int64_t value)
{
    TRY(put_series(out, s));
    return buf_append_fmt(out, " %lld\n", (long long)value);
}

struct str metrics_text_from_us(uint64_t us, char out[METRICS_SECONDS_MAX])
{
    unsigned long long s = us / 1000000, rest = us % 1000000;
    size_t len = (size_t)snprintf(out, METRICS_SECONDS_MAX, "%llu.%06llu", s, rest);
    while (out[len - 1] == '0')
        len--;
    return str_make(out, out[len - 1] == '.' ? len - 1 : len);
}

struct err metrics_text_seconds(struct buf *out, const struct metrics_series *s, uint64_t us)
{
    char text[METRICS_SECONDS_MAX];
    struct str seconds = metrics_text_from_us(us, text);
    TRY(put_series(out, s));
    return buf_append_fmt(out, " %.*s\n", STR_ARG(seconds));
}
