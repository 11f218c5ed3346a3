#include "store/cert_new.h"

enum { CERT_ARENA_BYTES = 512, CERT_ARENA_MAX_BYTES = 2 * 1024 * 1024 };

struct err cert_new(struct cert **ret_cert)
{
    struct arena *a = arena_new(CERT_ARENA_BYTES, CERT_ARENA_MAX_BYTES);
    struct cert *c = a == NULL ? NULL : arena_one(a, struct cert);
    if (c == NULL) {
        arena_free(a);
        return fail(ERR_MEMORY, 0);
    }
    c->arena = a;
    atomic_init(&c->refs, 1);
    *ret_cert = c;
    return OK;
}

struct err cert_new_set_str(struct cert *c, struct str text, struct str *ret_field)
{
    *ret_field = arena_dup(c->arena, text);
    return ret_field->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err cert_new_set_names(struct cert *c, const struct str_list *names,
                              struct str_list *ret_field)
{
    struct str_list copy = {.items = arena_array(c->arena, struct str, names->count)};
    if (copy.items == NULL)
        return fail(ERR_MEMORY, 0);
    for (; copy.count < names->count; copy.count++)
        TRY(cert_new_set_str(c, names->items[copy.count], &copy.items[copy.count]));
    *ret_field = copy;
    return OK;
}

struct err cert_new_split_names(struct cert *c, struct str lines, struct str_list *ret_field)
{
    struct str copy;
    TRY(cert_new_set_str(c, lines, &copy));
    size_t count = copy.len > 0;
    for (size_t i = 0; i < copy.len; i++)
        count += copy.p[i] == '\n';
    struct str_list list = {.items = arena_array(c->arena, struct str, count)};
    if (list.items == NULL)
        return fail(ERR_MEMORY, 0);
    struct str rest = copy;
    while (list.count < count && str_next(&rest, '\n', &list.items[list.count]))
        list.count++;
    *ret_field = list;
    return OK;
}

struct err cert_new_set_next(struct cert *c, const struct cert_next *next)
{
    struct cert_next copy = {.at = next->at};
    TRY(cert_new_set_str(c, next->what, &copy.what));
    TRY(cert_new_set_str(c, next->why, &copy.why));
    c->next = copy;
    return OK;
}

struct err cert_new_set_origin(struct cert *c, const struct cert_origin *origin)
{
    struct cert_origin copy;
    TRY(cert_new_set_str(c, origin->directory, &copy.directory));
    TRY(cert_new_set_str(c, origin->account, &copy.account));
    TRY(cert_new_set_str(c, origin->profile, &copy.profile));
    c->origin = copy;
    return OK;
}

struct err cert_new_set_renewal(struct cert *c, const struct cert_renewal *renewal)
{
    struct cert_renewal copy = *renewal;
    TRY(cert_new_set_str(c, renewal->explanation, &copy.explanation));
    c->renewal = copy;
    return OK;
}

struct err cert_new_set_chain(struct cert *c, struct str chain_pem, X509 *leaf)
{
    TRY(cert_new_set_str(c, chain_pem, &c->chain_pem));
    return cert_read_facts(c->arena, leaf, &c->facts);
}

struct err cert_new_set_key_der(struct cert *c, struct str key_der)
{
    secret_fini(&c->key_der);
    TRY(secret_init(&c->key_der, key_der));
    c->has_material = true;
    return OK;
}

struct err cert_new_set_key(struct cert *c, const EVP_PKEY *key)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *der = NULL;
    int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (len <= 0)
        return fail(ERR_CRYPTO, 0);
    struct err e = cert_new_set_key_der(c, str_make(der, (size_t)len));
    OPENSSL_clear_free(der, (size_t)len);
    return e;
}

static struct err copy_facts(struct cert *c, const struct cert_facts *from)
{
    c->facts = *from;
    TRY(cert_new_set_names(c, &from->names, &c->facts.names));
    TRY(cert_new_set_str(c, from->issuer, &c->facts.issuer));
    TRY(cert_new_set_str(c, from->serial, &c->facts.serial));
    TRY(cert_new_set_str(c, from->key_type, &c->facts.key_type));
    return cert_new_set_str(c, from->fingerprint_sha256, &c->facts.fingerprint_sha256);
}

struct err cert_new_copy(const struct cert *from, struct cert **ret_cert)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(cert_new(&c));
    c->object = from->object;
    c->source = from->source;
    c->state = from->state;
    c->failures = from->failures;
    TRY(cert_new_set_str(c, from->object.id, &c->object.id));
    TRY(cert_new_set_names(c, &from->names, &c->names));
    TRY(copy_facts(c, &from->facts));
    TRY(cert_new_set_str(c, from->chain_pem, &c->chain_pem));
    c->installed_at = from->installed_at;
    TRY(cert_new_set_origin(c, &from->origin));
    TRY(cert_new_set_renewal(c, &from->renewal));
    TRY(cert_new_set_next(c, &from->next));
    TRY(cert_new_set_str(c, from->last_error, &c->last_error));
    if (from->has_material)
        TRY(cert_new_set_key_der(c, secret_bytes(&from->key_der)));
    *ret_cert = TAKE(c);
    return OK;
}
