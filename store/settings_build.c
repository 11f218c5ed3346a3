#include "store/settings_build.h"

#include "store/cert_pem.h"
#include "store/counted.h"
#include "store/model_parts.h"
#include "store/route_build.h"

#include "gateway/base/limits.h"

enum { SETTINGS_ARENA_BYTES = 1024, SETTINGS_ARENA_MAX_BYTES = 1024 * 1024 };

static struct err build_cidrs(struct settings *s)
{
    s->trusted_cidrs = arena_array(s->arena, struct cidr, s->trusted_proxies.count);
    if (s->trusted_cidrs == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < s->trusted_proxies.count; i++)
        TRY(cidr_parse(s->trusted_proxies.items[i], &s->trusted_cidrs[i]));
    return OK;
}

static struct settings *new_settings(void)
{
    struct arena *a = arena_new(SETTINGS_ARENA_BYTES, SETTINGS_ARENA_MAX_BYTES);
    struct settings *s = a == NULL ? NULL : arena_one(a, struct settings);
    if (s == NULL) {
        arena_free(a);
        return NULL;
    }
    s->arena = a;
    atomic_init(&s->refs, 1);
    return s;
}

struct err settings_build(const json_t *body, struct json_path *path, struct invalid *inv,
                          struct settings **ret_settings)
{
    AUTO(json_decref) json_t *fields = route_build_strip(body);
    AUTO(model_drop_settings) struct settings *s = new_settings();
    if (fields == NULL || s == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(shape_read(settings_shape, fields, s->arena, path, inv, s));
    TRY(build_cidrs(s));
    *ret_settings = TAKE(s);
    return OK;
}

static void wipe_hmac(void *settings)
{
    struct acme_settings *s = settings;
    secret_wipe(COUNTED_MUTABLE(char, s->eab.hmac.p), s->eab.hmac.len);
}

static struct acme_settings *new_acme_settings(void)
{
    struct arena *a = arena_new(SETTINGS_ARENA_BYTES, SETTINGS_ARENA_MAX_BYTES);
    struct acme_settings *s = a == NULL ? NULL : arena_one(a, struct acme_settings);
    if (s == NULL || !arena_on_reset(a, wipe_hmac, s)) {
        arena_free(a);
        return NULL;
    }
    s->arena = a;
    atomic_init(&s->refs, 1);
    return s;
}

static struct err keep_hmac(struct acme_settings *s, const struct acme_eab *kept)
{
    if (!str_is_empty(s->eab.hmac) || str_is_empty(s->eab.kid) ||
        !str_eq(s->eab.kid, kept->kid))
        return OK;
    s->eab.hmac = arena_dup(s->arena, kept->hmac);
    return s->eab.hmac.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static void check_eab(const struct acme_settings *s, struct json_path *path,
                      struct invalid *inv)
{
    bool has_kid = !str_is_empty(s->eab.kid), has_hmac = !str_is_empty(s->eab.hmac);
    if (has_kid == has_hmac)
        return;
    size_t mark = json_path_push(path, STR("eab"));
    (void)json_path_push(path, has_kid ? STR("hmac") : STR("kid"));
    invalid_add(inv, json_path_view(path), "is required together with \"%s\"",
                has_kid ? "kid" : "hmac");
    json_path_pop(path, mark);
}

static struct err check_bundle(const struct acme_settings *s, struct json_path *path,
                               struct invalid *inv)
{
    AUTO(cert_pem_free_list) STACK_OF(X509) *certs = NULL;
    if (str_is_empty(s->ca_bundle))
        return OK;
    struct err e = cert_pem_read_list(s->ca_bundle, TRUST_MAX, &certs);
    if (!err_is(e, ERR_CERT_PARSE))
        return e;
    size_t mark = json_path_push(path, STR("ca_bundle"));
    invalid_add(inv, json_path_view(path),
                "must be PEM certificates (-----BEGIN CERTIFICATE-----) and nothing else");
    json_path_pop(path, mark);
    return OK;
}

struct err settings_build_acme(const json_t *body, const struct acme_eab *kept,
                               struct json_path *path, struct invalid *inv,
                               struct acme_settings **ret_settings)
{
    AUTO(json_decref) json_t *fields = route_build_strip(body);
    AUTO(model_drop_acme_settings) struct acme_settings *s = new_acme_settings();
    if (fields == NULL || s == NULL)
        return fail(ERR_MEMORY, 0);
    size_t before = inv->count;
    struct err e = shape_read(acme_settings_shape, fields, s->arena, path, inv, s);
    if (failed(e) && !err_is(e, ERR_INVALID))
        return e;
    TRY(check_bundle(s, path, inv));
    if (inv->count == before) {
        TRY(keep_hmac(s, kept));
        check_eab(s, path, inv);
    }
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    *ret_settings = TAKE(s);
    return OK;
}
