/* store_certs.c - certificates and their sealed keys; the one place where keys are unsealed. */
#include "store/cert_new.h"
#include "store/cert_pem.h"
#include "store/counted.h"
#include "store/ids.h"
#include "store/model_check.h"
#include "store/tx.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <openssl/err.h>
#include <stdlib.h>

/* A key is sealed for its leaf: moved to another row it does not open. */
struct str store_certs_key_context(struct arena *a, struct str cert_id, struct str fingerprint)
{
    return arena_fmt(a, "certificate/%.*s/%.*s", STR_ARG(cert_id), STR_ARG(fingerprint));
}

static struct err join_names(struct arena *a, const struct str_list *names,
                             struct str *ret_lines)
{
    return snapshot_managed_key(a, names, ret_lines);
}

/* ---- rows ---- */

static struct err write_row(struct tx *tx, const struct cert *c)
{
    static const char sql[] =
        "INSERT INTO certificates (id, revision, created_at, updated_at, source, state, names, "
        "next_what, next_at, next_why, last_error, failures) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, "
        "updated_at = excluded.updated_at, source = excluded.source, state = excluded.state, "
        "names = excluded.names, next_what = excluded.next_what, next_at = excluded.next_at, "
        "next_why = excluded.next_why, last_error = excluded.last_error, "
        "failures = excluded.failures";
    struct str names;
    TRY(join_names(c->arena, &c->names, &names));
    return db_run(tx->store->db, sql, DB_STR(c->object.id), DB_INT(c->object.revision),
                  DB_INT(c->object.created_at), DB_INT(c->object.updated_at),
                  DB_STR(str_from(cert_source_name(c->source))),
                  DB_STR(str_from(cert_state_name(c->state))), DB_STR(names),
                  DB_STR(c->next.what), DB_INT(c->next.at), DB_STR(c->next.why),
                  DB_STR(c->last_error), DB_INT(c->failures));
}

/* The row and the active pair's predecessor go, the new pair becomes the active one. */
static struct err write_pair(struct tx *tx, const struct cert *c)
{
    static const char forget[] =
        "DELETE FROM certificate_pairs WHERE certificate = ? AND id IS NOT "
        "(SELECT active_pair FROM certificates WHERE certificates.id = certificate)";
    static const char insert[] =
        "INSERT INTO certificate_pairs (certificate, installed_at, chain_pem, sealed_key, "
        "names, "
        "issuer, serial, key_type, fingerprint, not_before_at, not_after_at, directory, "
        "account, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    static const char activate[] = "UPDATE certificates SET active_pair = ? WHERE id = ?";
    struct db *db = tx->store->db;
    const struct cert_facts *f = &c->facts;
    struct str context = store_certs_key_context(c->arena, c->object.id, f->fingerprint_sha256),
               names;
    struct buf sealed;
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(join_names(c->arena, &f->names, &names));
    TRY(db_run(db, forget, DB_STR(c->object.id)));
    buf_init(&sealed, MIB);
    struct err e = seal_close(tx->store->seal, context, secret_bytes(&c->key_der), &sealed);
    if (!failed(e))
        e = db_run(db, insert, DB_STR(c->object.id), DB_INT(c->installed_at),
                   DB_STR(c->chain_pem), DB_BYTES(buf_view(&sealed)), DB_STR(names),
                   DB_STR(f->issuer), DB_STR(f->serial), DB_STR(f->key_type),
                   DB_STR(f->fingerprint_sha256), DB_INT(f->not_before_at),
                   DB_INT(f->not_after_at), DB_STR(c->origin.directory),
                   DB_STR(c->origin.account), DB_STR(c->origin.profile));
    buf_fini(&sealed);
    TRY(e);
    return db_run(db, activate, DB_INT(db_last_id(db)), DB_STR(c->object.id));
}

struct err store_certs_save(struct tx *tx, const struct cert *c)
{
    tx_touch(tx);
    TRY(write_row(tx, c));
    return draft_put_cert(tx->draft, c);
}

static struct err save_with_pair(struct tx *tx, const struct cert *c)
{
    tx_touch(tx);
    TRY(write_row(tx, c));
    TRY(write_pair(tx, c));
    return draft_put_cert(tx->draft, c);
}

struct err store_certs_remove(struct tx *tx, struct str id)
{
    tx_touch(tx);
    TRY(db_run(tx->store->db, "DELETE FROM certificates WHERE id = ?", DB_STR(id)));
    return draft_remove_cert(tx->draft, id);
}

/* ---- import ---- */

struct import {
    struct str id;
    struct str chain_pem;
    struct str key_pem;
};

static const struct shape import_shape[] = {
    {.name = "id",
     .kind = SHAPE_STR,
     .offset = offsetof(struct import, id),
     .is_nullable = true,
     .check = model_check_id,
     .doc = "Made from the first name if absent."},
    {.name = "chain_pem",
     .kind = SHAPE_STR,
     .offset = offsetof(struct import, chain_pem),
     .is_required = true,
     .max = PEM_MAX_BYTES,
     .doc = "Certificates, the leaf first."},
    {.name = "key_pem",
     .kind = SHAPE_SECRET,
     .offset = offsetof(struct import, key_pem),
     .is_required = true,
     .doc = "The leaf's private key, not encrypted."},
    {.name = NULL},
};

static const char *explain_chain(struct err e)
{
    return e.detail == 0 ? "must be PEM certificates (-----BEGIN CERTIFICATE-----), leaf first"
                         : "holds a block that is no certificate, or more than 20 of them";
}

static const char *explain_key(struct str pem)
{
    if (memmem(pem.p, pem.len, "ENCRYPTED", 9) != NULL)
        return "is encrypted; give the key without a passphrase";
    if (memmem(pem.p, pem.len, "PRIVATE KEY", 11) == NULL)
        return "must be a PEM private key (-----BEGIN PRIVATE KEY-----)";
    return "must be a private key of type EC P-256, EC P-384, or RSA with 2048 to 4096 bits";
}

/* Both halves are looked at, so that both can be complained about at once. */
static struct err read_pair(const struct import *in, struct invalid *inv, X509 **ret_leaf,
                            EVP_PKEY **ret_key)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    struct err chain_e = cert_read_chain(in->chain_pem, &leaf, &chain);
    struct err key_e = cert_read_key(in->key_pem, &key);
    if (err_is(chain_e, ERR_CERT_PARSE))
        invalid_add(inv, STR("/chain_pem"), "%s", explain_chain(chain_e));
    else
        TRY(chain_e);
    if (err_is(key_e, ERR_CERT_KEY))
        invalid_add(inv, STR("/key_pem"), "%s", explain_key(in->key_pem));
    else
        TRY(key_e);
    if (failed(chain_e) || failed(key_e))
        return fail(ERR_INVALID, 0);
    bool matches = X509_check_private_key(leaf, key) == 1;
    ERR_clear_error();
    if (!matches) {
        invalid_add(inv, STR("/key_pem"),
                    "does not belong to the first certificate of the chain");
        return fail(ERR_INVALID, 0);
    }
    *ret_leaf = TAKE(leaf);
    *ret_key = TAKE(key);
    return OK;
}

static struct err choose_id(struct tx *tx, struct cert *c, struct str *ret_id)
{
    struct str slug = STR("certificate");
    if (c->names.count > 0)
        TRY(ids_from_host(c->arena, c->names.items[0], STR_NONE, &slug));
    return ids_make_unique(c->arena, slug, &tx->draft->certs, ret_id);
}

static struct err check_id(struct tx *tx, struct str id, struct invalid *inv)
{
    if (str_eq(id, STR("auto")) || str_eq(id, STR("none"))) {
        invalid_add(inv, STR("/id"), "is a word with a meaning of its own; choose another id");
        return fail(ERR_INVALID, 0);
    }
    const struct cert *old = snapshot_cert_find(tx->draft, id);
    if (old != NULL && old->source == CERT_ACME) {
        invalid_add(
            inv, STR("/id"),
            "is an automatic certificate, which an import cannot replace; choose another id");
        return fail(ERR_CONFLICT, 0);
    }
    return OK;
}

static struct err build_import(struct tx *tx, struct str id, const struct import *in,
                               struct invalid *inv, struct cert **ret_cert)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(read_pair(in, inv, &leaf, &key));
    TRY(cert_new(&c));
    struct err e = cert_new_set_chain(c, in->chain_pem, leaf);
    if (err_is(e, ERR_CERT_PARSE)) {
        invalid_add(inv, STR("/chain_pem"), "has a leaf with malformed names or dates");
        return fail(ERR_INVALID, 0);
    }
    TRY(e);
    TRY(cert_new_set_key(c, key));
    c->names = c->facts.names;
    c->installed_at = tx->now_at;
    c->source = CERT_IMPORTED;
    c->state = CERT_ACTIVE;
    c->next =
        (struct cert_next){.what = STR("none"), .why = STR("imported: replace it yourself")};
    if (str_is_empty(id))
        TRY(choose_id(tx, c, &id));
    const struct cert *old = snapshot_cert_find(tx->draft, id);
    TRY(tx_next_object(tx, c->arena, id, old == NULL ? NULL : &old->object, &c->object));
    *ret_cert = TAKE(c);
    return OK;
}

static struct err read_import(struct arena *a, struct str id, const json_t *body,
                              struct invalid *inv, struct import *ret_import)
{
    struct json_path path = {.len = 0};
    TRY(shape_read(import_shape, body, a, &path, inv, ret_import));
    if (str_is_empty(id))
        return OK;
    const char *words = model_check_id(a, &id);
    if (words == NULL && !str_is_empty(ret_import->id) && !str_eq(ret_import->id, id))
        words = "differs from the id that the change is addressed to";
    if (words != NULL) {
        invalid_add(inv, STR("/id"), "%s", words);
        return fail(ERR_INVALID, 0);
    }
    ret_import->id = id;
    return OK;
}

static struct err import_cert(struct tx *tx, struct str id, const json_t *body,
                              struct invalid *inv, const struct cert **ret_cert)
{
    AUTO(arena_free) struct arena *a = arena_new(8 * KIB, 4 * MIB);
    AUTO(cert_new_drop) struct cert *c = NULL;
    struct import in = {.id = STR_NONE};
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    struct err e = read_import(a, id, body, inv, &in);
    if (!failed(e) && !str_is_empty(in.id))
        e = check_id(tx, in.id, inv);
    if (!failed(e))
        e = build_import(tx, in.id, &in, inv, &c);
    secret_wipe(COUNTED_MUTABLE(char, in.key_pem.p), in.key_pem.len);
    TRY(e);
    TRY(save_with_pair(tx, c));
    *ret_cert = snapshot_cert_find(tx->draft, c->object.id);
    return OK;
}

struct err tx_cert_import(struct tx *tx, struct str id, const json_t *body, struct invalid *inv,
                          const struct cert **ret_cert)
{
    return tx_end_call(tx, import_cert(tx, id, body, inv, ret_cert));
}

/* ---- deletion ---- */

struct user_search {
    const struct snapshot *view;
    struct str cert_id;
    const struct route *user;
};

static bool is_no_user(void *arg, struct str key, const void *value)
{
    (void)key;
    struct user_search *search = arg;
    const struct route *r = value;
    if (!str_eq(r->certificate, search->cert_id) &&
        !str_eq(r->upstream.tls.certificate, search->cert_id) &&
        !str_eq(snapshot_managed_cert_id(search->view, r), search->cert_id))
        return true;
    search->user = r;
    return false;
}

static struct err delete_cert(struct tx *tx, struct str id, struct invalid *inv)
{
    if (snapshot_cert_find(tx->draft, id) == NULL)
        return fail(ERR_NOT_FOUND, 0);
    struct user_search search = {.view = tx->draft, .cert_id = id};
    (void)pmap_visit(&tx->draft->routes, is_no_user, &search);
    if (search.user == NULL)
        return store_certs_remove(tx, id);
    invalid_add(inv, STR_NONE,
                "route \"%.*s\" uses this certificate; change or delete it first",
                STR_ARG(search.user->object.id));
    return fail(ERR_CONFLICT, 0);
}

struct err tx_cert_delete(struct tx *tx, struct str id, struct invalid *inv)
{
    return tx_end_call(tx, delete_cert(tx, id, inv));
}

/* ---- for acme/ ---- */

static struct err set_progress(struct tx *tx, struct str id,
                               const struct cert_progress *progress)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    const struct cert *old = snapshot_cert_find(tx->draft, id);
    if (old == NULL)
        return fail(ERR_NOT_FOUND, 0);
    TRY(cert_new_copy(old, &c));
    TRY(tx_next_object(tx, c->arena, old->object.id, &old->object, &c->object));
    c->state = progress->state;
    c->failures = progress->failures;
    TRY(cert_new_set_next(c, &progress->next));
    TRY(cert_new_set_str(c, progress->last_error, &c->last_error));
    return store_certs_save(tx, c);
}

struct err tx_cert_progress(struct tx *tx, struct str id, const struct cert_progress *progress)
{
    return tx_end_call(tx, set_progress(tx, id, progress));
}

static struct err write_renewal(struct tx *tx, const struct cert *c)
{
    static const char sql[] =
        "UPDATE certificate_pairs SET window_start_at = ?, window_end_at = ?, "
        "window_selected_at = ?, window_check_at = ?, window_errors = ?, "
        "window_explanation = ? "
        "WHERE id = (SELECT active_pair FROM certificates WHERE certificates.id = ?)";
    const struct cert_renewal *r = &c->renewal;
    return db_run(tx->store->db, sql, DB_INT(r->start_at), DB_INT(r->end_at),
                  DB_INT(r->selected_at), DB_INT(r->check_at), DB_INT(r->errors),
                  DB_STR(r->explanation), DB_STR(c->object.id));
}

static struct err set_renewal(struct tx *tx, struct str id, const struct cert_renewal *renewal,
                              const struct cert_next *next)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    const struct cert *old = snapshot_cert_find(tx->draft, id);
    if (old == NULL || !old->has_material)
        return fail(ERR_NOT_FOUND, 0);
    TRY(cert_new_copy(old, &c));
    TRY(tx_next_object(tx, c->arena, old->object.id, &old->object, &c->object));
    TRY(cert_new_set_renewal(c, renewal));
    TRY(cert_new_set_next(c, next));
    TRY(write_renewal(tx, c));
    return store_certs_save(tx, c);
}

struct err tx_cert_renewal(struct tx *tx, struct str id, const struct cert_renewal *renewal,
                           const struct cert_next *next)
{
    return tx_end_call(tx, set_renewal(tx, id, renewal, next));
}

static struct err install(struct tx *tx, struct str id, struct str chain_pem,
                          struct str key_der, const struct cert_origin *origin,
                          const struct cert_next *next)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    AUTO(cert_new_drop) struct cert *c = NULL;
    const struct cert_material *material;
    const struct cert *old = snapshot_cert_find(tx->draft, id);
    if (old == NULL)
        return fail(ERR_NOT_FOUND, 0);
    TRY(cert_new_copy(old, &c));
    TRY(tx_next_object(tx, c->arena, old->object.id, &old->object, &c->object));
    TRY(cert_read_chain(chain_pem, &leaf, &chain));
    TRY(cert_new_set_chain(c, chain_pem, leaf));
    TRY(cert_new_set_key_der(c, key_der));
    TRY(cert_material(c,
                      &material)); /* proves that the pair fits before it can become active */
    c->installed_at = tx->now_at;
    TRY(cert_new_set_origin(c, origin));
    c->renewal = (struct cert_renewal){.start_at = 0};
    TRY(cert_new_set_next(c, next));
    TRY(store_managed_plan_unused(tx, c));
    c->state = CERT_ACTIVE;
    c->failures = 0;
    c->last_error = STR_NONE;
    return save_with_pair(tx, c);
}

struct err tx_cert_install(struct tx *tx, struct str id, struct str chain_pem,
                           struct str key_der, const struct cert_origin *origin,
                           const struct cert_next *next)
{
    struct err e = install(tx, id, chain_pem, key_der, origin, next);
    /* A pair that cannot be used is a refusal like any other: nothing has changed yet. */
    if (err_is(e, ERR_CERT_PARSE) || err_is(e, ERR_CERT_KEY) || err_is(e, ERR_CERT_MISMATCH))
        return e;
    return tx_end_call(tx, e);
}
