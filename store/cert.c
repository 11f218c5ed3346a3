#include "store/cert.h"

#include "store/cert_pem.h"
#include "store/counted.h"
#include "store/model_parts.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

AUTO_DEFINE(BIO_free_all, BIO *)

/* ---- counting ---- */

static void free_material(struct cert_material *m)
{
    X509_free(m->leaf);
    cert_pem_free_list(m->chain);
    EVP_PKEY_free(m->key);
    mem_free(m);
}
AUTO_DEFINE(free_material, struct cert_material *)

const struct cert *cert_ref(const struct cert *c)
{
    counted_ref(&c->refs);
    return c;
}

void cert_unref(const struct cert *c)
{
    if (c == NULL || !counted_unref(&c->refs))
        return;
    struct cert *own = COUNTED_MUTABLE(struct cert, c);
    struct cert_material *m = atomic_load(&own->material);
    if (m != NULL)
        free_material(m);
    secret_fini(&own->key_der);
    arena_free(own->arena);
}

/* ---- reading ---- */

struct err cert_read_chain(struct str pem, X509 **ret_leaf, STACK_OF(X509) * *ret_chain)
{
    AUTO(cert_pem_free_list) STACK_OF(X509) *list = NULL;
    if (pem.len > PEM_MAX_BYTES)
        return fail(ERR_CERT_PARSE, 0);
    TRY(cert_pem_read_list(pem, CHAIN_MAX, &list));
    *ret_leaf = sk_X509_shift(list);
    *ret_chain = TAKE(list);
    return OK;
}

/* Without a question on the terminal: an encrypted key is refused. */
static int refuse_password(char *out, int room, int is_writing, void *arg)
{
    (void)out;
    (void)room;
    (void)is_writing;
    (void)arg;
    return -1;
}

static bool is_usable_key(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA"))
        return bits >= 2048 && bits <= 4096;
    return strcmp(cert_key_type_name(key), "unknown") != 0;
}

struct err cert_read_key(struct str pem, EVP_PKEY **ret_key)
{
    if (pem.len == 0 || pem.len > PEM_MAX_BYTES || memchr(pem.p, '\0', pem.len) != NULL)
        return fail(ERR_CERT_KEY, 0);
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    if (bio == NULL)
        return fail(ERR_MEMORY, 0);
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);
    ERR_clear_error();
    if (key == NULL || !is_usable_key(key))
        return fail(ERR_CERT_KEY, 0);
    *ret_key = TAKE(key);
    return OK;
}

static struct err read_key_der(struct str der, EVP_PKEY **ret_key)
{
    const unsigned char *at = (const unsigned char *)der.p;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    if (der.len > 0 && der.len <= LONG_MAX)
        key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    ERR_clear_error();
    if (key == NULL)
        return fail(ERR_CERT_KEY, 0);
    *ret_key = TAKE(key);
    return OK;
}

/* ---- material ---- */

static struct err parse_material(const struct cert *c, struct cert_material **ret_material)
{
    AUTO(free_material) struct cert_material *m = mem_new(struct cert_material);
    if (m == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(cert_read_chain(c->chain_pem, &m->leaf, &m->chain));
    TRY(read_key_der(secret_bytes(&c->key_der), &m->key));
    int matches = X509_check_private_key(m->leaf, m->key);
    ERR_clear_error();
    if (matches != 1)
        return fail(ERR_CERT_MISMATCH, 0);
    *ret_material = TAKE(m);
    return OK;
}

/* Two threads may parse at the same time; the first to finish wins and the other one drops its
 * copy, which is cheaper than a lock that every handshake would take. */
struct err cert_material(const struct cert *c, const struct cert_material **ret_material)
{
    struct cert *own = COUNTED_MUTABLE(struct cert, c);
    struct cert_material *m = atomic_load_explicit(&own->material, memory_order_acquire);
    if (m == NULL) {
        if (!c->has_material)
            return fail(ERR_NOT_FOUND, 0);
        struct cert_material *parsed;
        TRY(parse_material(c, &parsed));
        if (atomic_compare_exchange_strong(&own->material, &m, parsed))
            m = parsed;
        else
            free_material(parsed);
    }
    *ret_material = m;
    return OK;
}

/* ---- state ---- */

enum cert_state cert_state_now(const struct cert *c, int64_t now_at)
{
    return c->has_material && now_at >= c->facts.not_after_at ? CERT_EXPIRED : c->state;
}

const char *cert_state_name(enum cert_state s)
{
    static const char *const names[] = {"pending", "active", "renewing", "failed", "expired"};
    return names[s];
}

const char *cert_source_name(enum cert_source s)
{
    static const char *const names[] = {"acme", "imported", "self_signed"};
    return names[s];
}

bool cert_names_cover(const struct str_list *names, struct str name)
{
    size_t dot = str_index(name, '.');
    struct str parent = str_skip(name, dot + 1);
    bool has_parent = dot > 0 && dot < name.len && !str_is_empty(parent);
    for (size_t i = 0; i < names->count; i++) {
        struct str n = names->items[i];
        if (str_eq(n, name))
            return true;
        if (has_parent && str_starts(n, STR("*.")) && str_eq(str_skip(n, 2), parent))
            return true;
    }
    return false;
}

/* ---- JSON ---- */

static json_t *time_or_null(int64_t at)
{
    char text[UNITS_TIME_MAX];
    if (at == 0)
        return json_null();
    units_format_time(at, text);
    return json_string(text);
}

static json_t *text_or_null(struct str s)
{
    return str_is_empty(s) ? json_null() : json_from_str(s);
}

static json_t *names_to_json(const struct str_list *names)
{
    AUTO(json_decref) json_t *list = json_array();
    for (size_t i = 0; i < names->count; i++) {
        if (json_array_append_new(list, json_from_str(names->items[i])) != 0)
            return NULL;
    }
    return TAKE(list);
}

static json_t *next_to_json(const struct cert_next *next)
{
    AUTO(json_decref) json_t *json = json_object();
    if (json_object_set_new(json, "what", json_from_str(next->what)) != 0 ||
        json_object_set_new(json, "at", time_or_null(next->at)) != 0 ||
        json_object_set_new(json, "why", json_from_str(next->why)) != 0)
        return NULL;
    return TAKE(json);
}

static json_t *renewal_to_json(const struct cert_renewal *r)
{
    if (r->start_at == 0)
        return json_null();
    AUTO(json_decref) json_t *json = json_object();
    if (json_object_set_new(json, "start", time_or_null(r->start_at)) != 0 ||
        json_object_set_new(json, "end", time_or_null(r->end_at)) != 0 ||
        json_object_set_new(json, "selected", time_or_null(r->selected_at)) != 0 ||
        json_object_set_new(json, "next_check", time_or_null(r->check_at)) != 0 ||
        json_object_set_new(json, "explanation_url", text_or_null(r->explanation)) != 0)
        return NULL;
    return TAKE(json);
}

static json_t *error_to_json(struct str text)
{
    json_t *problem;
    if (str_is_empty(text) || failed(json_read(text, &problem)))
        return json_null();
    return problem;
}

static bool add_facts(json_t *json, const struct cert *c)
{
    const struct cert_facts *f = &c->facts;
    return json_object_set_new(json, "issuer", text_or_null(f->issuer)) == 0 &&
           json_object_set_new(json, "serial", text_or_null(f->serial)) == 0 &&
           json_object_set_new(json, "key_type", text_or_null(f->key_type)) == 0 &&
           json_object_set_new(json, "not_before", time_or_null(f->not_before_at)) == 0 &&
           json_object_set_new(json, "not_after", time_or_null(f->not_after_at)) == 0 &&
           json_object_set_new(json, "fingerprint_sha256",
                               text_or_null(f->fingerprint_sha256)) == 0;
}

json_t *cert_to_json(const struct cert *c, int64_t now_at)
{
    AUTO(json_decref) json_t *json = model_object_to_json(&c->object);
    const char *state = cert_state_name(cert_state_now(c, now_at));
    if (json_object_set_new(json, "names", names_to_json(&c->names)) != 0 ||
        json_object_set_new(json, "source", json_string(cert_source_name(c->source))) != 0 ||
        json_object_set_new(json, "state", json_string(state)) != 0 || !add_facts(json, c) ||
        json_object_set_new(json, "next_action", next_to_json(&c->next)) != 0 ||
        json_object_set_new(json, "renewal_info", renewal_to_json(&c->renewal)) != 0 ||
        json_object_set_new(json, "last_error", error_to_json(c->last_error)) != 0 ||
        json_object_set_new(json, "chain_pem", text_or_null(c->chain_pem)) != 0)
        return NULL;
    return TAKE(json);
}
