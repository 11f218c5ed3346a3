/* Targets: public_origin_restore
 *
 * The first byte chooses the route and the field, the rest is its value.  It must hold:
 *   nothing is in the result that was not in the value, but what we say of ourselves;
 *   what has been restored once stays as it is;
 *   a reference to another host stays one to it, and none becomes one. */
#include "gateway/route/public_origin.h"

#include <stdlib.h>

enum { ARENA_MAX_BYTES = 1 << 20, VALUE_MAX_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str fields[] = {STR_LIT("Location"), STR_LIT("Refresh"),
                                    STR_LIT("Set-Cookie"), STR_LIT("Content-Location")};
static const struct target targets[] = {
    {.scheme = TARGET_HTTP,
     .host_kind = TARGET_HOST_IPV4,
     .host = STR_LIT("10.0.0.5"),
     .port = 81},
    {.scheme = TARGET_HTTPS,
     .host_kind = TARGET_HOST_NAME,
     .host = STR_LIT("app"),
     .port = 443},
    {.scheme = TARGET_HTTP,
     .host_kind = TARGET_HOST_IPV6,
     .host = STR_LIT("fd00::1"),
     .port = 80},
    {.scheme = TARGET_HTTP, .host_kind = TARGET_HOST_UNIX, .host = STR_LIT("/run/app.sock")}};

static struct str restore(struct arena *a, unsigned choice, struct str value)
{
    struct route route = {.path = choice & 16 ? STR("/pub") : STR("/"),
                          .strip_prefix = (choice & 16) != 0,
                          .add_prefix = choice & 32 ? STR("/in") : STR("")};
    struct client_facts facts = {.host = choice & 64 ? STR("a.example") : STR(""),
                                 .is_https = (choice & 128) != 0};
    struct public_origin o = {.route = &route,
                              .target = &targets[choice >> 2 & 3],
                              .sent_host = STR("inner.lan"),
                              .facts = &facts};
    struct http_fields f = {0};
    if (failed(http_fields_add(&f, a, fields[choice & 3], value)) ||
        failed(public_origin_restore(a, &o, &f)) || f.count != 1)
        abort();
    return f.items[0].value;
}

static bool is_elsewhere(struct str s)
{
    return s.len > 1 && (s.p[0] == '/' || s.p[0] == '\\') && (s.p[1] == '/' || s.p[1] == '\\');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > VALUE_MAX_BYTES)
        return 0;
    struct arena *a = arena_new(4096, ARENA_MAX_BYTES);
    if (a == NULL)
        abort();
    struct str value = str_make(data + 1, size - 1);
    struct str once = restore(a, data[0], value);
    struct str twice = restore(a, data[0], once);
    if (!str_eq(once, twice))
        abort();
    if (!str_eq(once, value) && (data[0] & 3) % 3 == 0 && is_elsewhere(once))
        abort();
    for (size_t i = 0; i < once.len; i++) {
        bool is_ours = once.p[i] >= 0x20 && once.p[i] < 0x7f;
        if (!is_ours && memchr(value.p, once.p[i], value.len) == NULL)
            abort();
    }
    arena_free(a);
    return 0;
}
