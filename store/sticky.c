#include "store/sticky.h"

#include "gateway/base/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* 128 bits are beyond guessing; half the digest keeps the cookie short. */
enum { VALUE_BYTES = 16, VALUE_MAX_CHARS = 32 };

/* No part before a '=' can hold one, so different parts are different texts. */
static struct err digest(const struct route *r, struct str key, struct str url,
                         unsigned char ret[EVP_MAX_MD_SIZE])
{
    struct str text = arena_fmt(r->arena, "%.*s=%.*s=%.*s", STR_ARG(r->object.id),
                                STR_ARG(r->upstream.sticky.cookie), STR_ARG(url));
    unsigned len;
    if (text.p == NULL)
        return fail(ERR_MEMORY, 0);
    return HMAC(EVP_sha256(), key.p == NULL ? "" : key.p, (int)key.len,
                (const unsigned char *)text.p, text.len, ret, &len) == NULL
               ? fail(ERR_CRYPTO, 0)
               : OK;
}

static struct err print_value(struct arena *a, struct str bytes, struct str *ret_value)
{
    struct buf text;
    buf_init(&text, VALUE_MAX_CHARS);
    struct err e = text_base64url(&text, bytes);
    if (!failed(e)) {
        *ret_value = arena_dup(a, buf_view(&text));
        e = ret_value->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&text);
    return e;
}

/* A ';' would end the attribute: the folder above its segment is sent instead. */
static struct str cookie_path(struct str path)
{
    size_t len = str_index(path, ';');
    while (len < path.len && len > 0 && path.p[len - 1] != '/')
        len--;
    return str_sub(path, 0, len);
}

static struct str print_cookie(const struct route *route, struct str value)
{
    const struct upstream_sticky *s = &route->upstream.sticky;
    struct str path = cookie_path(route->path), age = STR("");
    if (s->max_age_ms > 0)
        age = arena_fmt(route->arena, "; Max-Age=%llu",
                        (unsigned long long)(s->max_age_ms / 1000));
    if (age.p == NULL)
        return STR_NONE;
    return arena_fmt(route->arena,
                     "%.*s=%.*s; Path=%.*s%.*s; HttpOnly; SameSite=Lax" STICKY_SECURE,
                     STR_ARG(s->cookie), STR_ARG(value), STR_ARG(path), STR_ARG(age));
}

static struct err build_target(const struct route *route, struct str key, struct target *target)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    TRY(digest(route, key, target->url, bytes));
    TRY(print_value(route->arena, str_make(bytes, VALUE_BYTES), &target->sticky_value));
    target->sticky_cookie = print_cookie(route, target->sticky_value);
    return target->sticky_cookie.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err sticky_build(struct route *route, struct str key)
{
    const struct object_list *list = &route->upstream.targets_list;
    struct target *targets = list->items;
    if (str_is_empty(route->upstream.sticky.cookie))
        return OK;
    for (size_t i = 0; i < list->count; i++)
        TRY(build_target(route, key, &targets[i]));
    return OK;
}
