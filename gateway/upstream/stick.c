#include "gateway/upstream/stick.h"

#include "gateway/http/http_cookie.h"

#include <openssl/crypto.h>

/* In constant time: answers must not tell how much of a guess was right. */
static bool is_same(struct str a, struct str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.p, b.p, a.len) == 0;
}

static const struct target *find_value(const struct upstream *u, struct str value)
{
    for (size_t i = 0; i < u->targets_list.count; i++) {
        const struct target *t = &upstream_targets(u)[i];
        if (is_same(t->sticky_value, value))
            return t;
    }
    return NULL;
}

/* Of several cookies of the name, set under longer and shorter paths, any that is ours. */
const struct target *stick_find(const struct route *route, const struct http_head *request)
{
    struct http_cookie c = {.name = STR_NONE};
    const struct target *t = NULL;
    while (t == NULL && http_cookie_next(&request->fields, &c)) {
        if (str_eq(c.name, route->upstream.sticky.cookie))
            t = find_value(&route->upstream, c.value);
    }
    return t;
}

struct err stick_hide(struct arena *a, const struct route *route, struct http_head *head)
{
    return http_cookie_remove(&head->fields, a, route->upstream.sticky.cookie);
}

struct err stick_set(struct arena *a, const struct route *route,
                     const struct http_head *request, const struct target *target,
                     bool is_https, struct http_head *answer)
{
    struct str cookie = target->sticky_cookie;
    if (stick_find(route, request) == target)
        return OK;
    if (!is_https)
        cookie.len -= sizeof(STICKY_SECURE) - 1;
    return http_fields_add_id(&answer->fields, a, HTTP_FIELD_SET_COOKIE, cookie);
}
