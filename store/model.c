/* model.c - counting and printing of the model's objects. */
#include "store/model.h"

#include "store/counted.h"
#include "store/host_name.h"
#include "store/model_parts.h"

#include "gateway/base/mem.h"
#include "gateway/base/units.h"

/* Each object lives in its own arena, so that freeing the arena frees it. */
#define DEFINE_COUNTED(type)                                                                   \
    const struct type *type##_ref(const struct type *o)                                        \
    {                                                                                          \
        counted_ref(&o->refs);                                                                 \
        return o;                                                                              \
    }                                                                                          \
    void type##_unref(const struct type *o)                                                    \
    {                                                                                          \
        if (o != NULL && counted_unref(&o->refs))                                              \
            arena_free(o->arena);                                                              \
    }

DEFINE_COUNTED(route)
DEFINE_COUNTED(settings)
DEFINE_COUNTED(acme_settings)
DEFINE_COUNTED(token)

#define DEFINE_LIVE(prefix, type)                                                              \
    struct type *prefix##_new(void)                                                            \
    {                                                                                          \
        struct type *live = mem_new(struct type);                                              \
        if (live != NULL)                                                                      \
            atomic_init(&live->refs, 1);                                                       \
        return live;                                                                           \
    }                                                                                          \
    struct type *prefix##_ref(struct type *live)                                               \
    {                                                                                          \
        counted_ref(&live->refs);                                                              \
        return live;                                                                           \
    }                                                                                          \
    void prefix##_unref(void *live)                                                            \
    {                                                                                          \
        struct type *l = live;                                                                 \
        if (l != NULL && counted_unref(&l->refs))                                              \
            mem_free(l);                                                                       \
    }

DEFINE_LIVE(model_live, target_live)
DEFINE_LIVE(model_upstream_live, upstream_live)

static json_t *time_to_json(int64_t at)
{
    char text[UNITS_TIME_MAX];
    units_format_time(at, text);
    return json_string(text);
}

json_t *model_object_to_json(const struct object *o)
{
    AUTO(json_decref) json_t *json = json_object();
    if (json_object_set_new(json, "id", json_from_str(o->id)) != 0 ||
        json_object_set_new(json, "revision", json_integer((json_int_t)o->revision)) != 0 ||
        json_object_set_new(json, "created_at", time_to_json(o->created_at)) != 0 ||
        json_object_set_new(json, "updated_at", time_to_json(o->updated_at)) != 0)
        return NULL;
    return TAKE(json);
}

static json_t *with_fields(const struct object *o, const struct shape *shape, const void *from)
{
    AUTO(json_decref) json_t *json = model_object_to_json(o);
    AUTO(json_decref) json_t *fields = shape_write(shape, from);
    if (json == NULL || fields == NULL || json_object_update(json, fields) != 0)
        return NULL;
    return TAKE(json);
}

/* The hosts as people read them; *ret_differs: some is not plain ASCII. */
static json_t *unicode_hosts(const struct str_list *hosts, bool *ret_differs)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, 1024 * 1024);
    AUTO(json_decref) json_t *list = json_array();
    for (size_t i = 0; a != NULL && i < hosts->count; i++) {
        struct str text = host_name_to_unicode(a, hosts->items[i]);
        if (text.p != hosts->items[i].p)
            *ret_differs = true;
        if (json_array_append_new(list, json_from_str(text)) != 0)
            return NULL;
    }
    return a == NULL ? NULL : TAKE(list);
}

json_t *route_to_json(const struct route *r)
{
    AUTO(json_decref) json_t *json = with_fields(&r->object, route_shape, r);
    bool differs = false;
    AUTO(json_decref) json_t *shown = unicode_hosts(&r->hosts, &differs);
    if (json == NULL || shown == NULL)
        return NULL;
    if (differs && json_object_set(json, "hosts_unicode", shown) != 0)
        return NULL;
    return TAKE(json);
}

bool settings_is_trusted_proxy(const struct settings *s, const unsigned char address[16])
{
    for (size_t i = 0; i < s->trusted_proxies.count; i++) {
        if (cidr_has(&s->trusted_cidrs[i], address))
            return true;
    }
    return false;
}

bool settings_names_listener(struct str name, struct str address)
{
    static const struct str any[] = {STR_LIT("0.0.0.0:"), STR_LIT("[::]:")};
    if (str_eq(name, address))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(any); i++) {
        if (str_starts(name, STR(":")) && str_starts(address, any[i]) &&
            str_eq(str_skip(name, 1), str_skip(address, any[i].len)))
            return true;
    }
    return false;
}

bool settings_expects_proxy(const struct settings *s, struct str address)
{
    for (size_t i = 0; i < s->proxy_protocol.count; i++) {
        if (settings_names_listener(s->proxy_protocol.items[i], address))
            return true;
    }
    return false;
}

json_t *settings_to_json(const struct settings *s)
{
    return with_fields(&s->object, settings_shape, s);
}

json_t *acme_settings_to_json(const struct acme_settings *s)
{
    return with_fields(&s->object, acme_settings_shape, s);
}

bool acme_settings_has_ledger(const struct acme_settings *s)
{
    static const struct str lets_encrypt = STR_LIT("https://acme-v02.api.letsencrypt.org/");
    return s->limits.ledger == ACME_LEDGER_LETS_ENCRYPT ||
           (s->limits.ledger == ACME_LEDGER_AUTO && str_starts(s->directory, lets_encrypt));
}

json_t *token_to_json(const struct token *t)
{
    static const struct {
        unsigned scope;
        const char *name;
    } scopes[] = {{SCOPE_READ, "read"}, {SCOPE_WRITE, "write"}, {SCOPE_ADMIN, "admin"}};
    AUTO(json_decref) json_t *json = model_object_to_json(&t->object);
    AUTO(json_decref) json_t *names = json_array();
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if ((t->scopes & scopes[i].scope) != 0 &&
            json_array_append_new(names, json_string(scopes[i].name)) != 0)
            return NULL;
    }
    json_t *expires = t->expires_at == 0 ? json_null() : time_to_json(t->expires_at);
    if (json_object_set_new(json, "name", json_from_str(t->name)) != 0 ||
        json_object_set(json, "scopes", names) != 0 ||
        json_object_set_new(json, "expires_at", expires) != 0)
        return NULL;
    return TAKE(json);
}
