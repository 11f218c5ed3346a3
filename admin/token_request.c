#include "admin/token_request.h"

#include "gateway/base/clock.h"
#include "gateway/base/units.h"

static const struct {
    struct str name;
    enum token_scope scope;
} scopes[] = {
    {STR_LIT("read"), SCOPE_READ},
    {STR_LIT("write"), SCOPE_WRITE},
    {STR_LIT("admin"), SCOPE_ADMIN},
};

static unsigned find_scope(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (str_eq(name, scopes[i].name))
            return scopes[i].scope;
    }
    return 0;
}

static const char *check_scope(struct arena *a, struct str *value)
{
    (void)a;
    return find_scope(*value) == 0 ? "must be \"read\", \"write\" or \"admin\"" : NULL;
}

static const char *check_name(struct arena *a, struct str *value)
{
    (void)a;
    for (size_t i = 0; i < value->len; i++) {
        if ((unsigned char)value->p[i] < 0x20 || value->p[i] == 0x7f)
            return "must not hold control characters";
    }
    return str_is_empty(str_trim(*value)) ? "must say what the token is for" : NULL;
}

static const char *check_expires(struct arena *a, struct str *value)
{
    (void)a;
    int64_t at;
    if (failed(units_parse_time(*value, &at)))
        return "must be a time as in RFC 3339, for example \"2030-01-31T00:00:00Z\"";
    return at <= clock_now_at() ? "lies in the past" : NULL;
}

const struct shape token_request_shape[] = {
    {.name = "name",
     .kind = SHAPE_STR,
     .offset = offsetof(struct token_request, name),
     .is_required = true,
     .check = check_name,
     .max = 100,
     .doc = "What the token is for; shown in lists."},
    {.name = "scopes",
     .kind = SHAPE_STRS,
     .offset = offsetof(struct token_request, scope_names),
     .standard = "[\"read\"]",
     .check = check_scope,
     .min = 1,
     .max = ARRAY_LEN(scopes),
     .doc = "What it may do: read, write (implies read), admin (implies both)."},
    {.name = "expires_at",
     .kind = SHAPE_STR,
     .offset = offsetof(struct token_request, expires),
     .is_nullable = true,
     .check = check_expires,
     .doc = "RFC 3339; null: it does not expire."},
    {.name = NULL},
};

struct err token_request_read(const json_t *doc, struct arena *a, struct invalid *inv,
                              struct token_request *ret_request)
{
    struct json_path path = {.len = 0};
    struct token_request request = {.scopes = 0};
    TRY(shape_read(token_request_shape, doc, a, &path, inv, &request));
    for (size_t i = 0; i < request.scope_names.count; i++)
        request.scopes |= find_scope(request.scope_names.items[i]);
    if (!str_is_empty(request.expires))
        TRY(units_parse_time(request.expires, &request.expires_at));
    *ret_request = request;
    return OK;
}
