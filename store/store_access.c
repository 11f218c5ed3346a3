/* store_access.c - API tokens: only their digests are kept. */
#include "store/counted.h"
#include "store/ids.h"
#include "store/model_check.h"
#include "store/model_parts.h"
#include "store/tx.h"

#include "gateway/base/limits.h"
#include "gateway/base/rand.h"
#include "gateway/base/text.h"

#include <openssl/evp.h>

enum { TOKEN_ARENA_BYTES = 512, TOKEN_ARENA_MAX_BYTES = 64 * 1024, TOKEN_NAME_MAX_BYTES = 256 };

static struct token *new_token(void)
{
    struct arena *a = arena_new(TOKEN_ARENA_BYTES, TOKEN_ARENA_MAX_BYTES);
    struct token *t = a == NULL ? NULL : arena_one(a, struct token);
    if (t == NULL) {
        arena_free(a);
        return NULL;
    }
    t->arena = a;
    atomic_init(&t->refs, 1);
    return t;
}

/* "gh_" and 256 random bits: nothing to guess, and easy for a secret scanner to find. */
static struct err make_secret(unsigned char digest[32], struct secret *ret_secret)
{
    unsigned char random[32];
    struct buf text;
    buf_init(&text, 64);
    rand_fill(random, sizeof(random));
    struct err e = buf_append(&text, STR("gh_"));
    if (!failed(e))
        e = text_base64url(&text, str_make(random, sizeof(random)));
    struct str view = buf_view(&text);
    if (!failed(e) && EVP_Digest(view.p, view.len, digest, NULL, EVP_sha256(), NULL) != 1)
        e = fail(ERR_CRYPTO, 0);
    if (!failed(e))
        e = secret_init(ret_secret, view);
    secret_wipe(random, sizeof(random));
    secret_wipe(COUNTED_MUTABLE(char, view.p), view.len);
    buf_fini(&text);
    return e;
}

static bool is_valid(struct str name, unsigned scopes, int64_t expires_at)
{
    if (str_is_empty(name) || name.len > TOKEN_NAME_MAX_BYTES || expires_at < 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return false;
    }
    return scopes != 0 && (scopes & ~(unsigned)(SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN)) == 0;
}

/* ADMIN implies WRITE implies READ. */
static unsigned complete_scopes(unsigned scopes)
{
    if ((scopes & SCOPE_ADMIN) != 0)
        scopes |= SCOPE_WRITE;
    return (scopes & SCOPE_WRITE) != 0 ? scopes | SCOPE_READ : scopes;
}

static struct err write_row(struct tx *tx, const struct token *t)
{
    static const char sql[] = "INSERT INTO tokens (id, revision, created_at, updated_at, name, "
                              "scopes, expires_at, digest) "
                              "VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    tx_touch(tx);
    return db_run(tx->store->db, sql, DB_STR(t->object.id), DB_INT(t->object.revision),
                  DB_INT(t->object.created_at), DB_INT(t->object.updated_at), DB_STR(t->name),
                  DB_INT(t->scopes), DB_INT(t->expires_at),
                  DB_BYTES(str_make(t->digest, sizeof(t->digest))));
}

/* id empty: made from the name.  old NULL: there is none yet. */
static struct err build(struct tx *tx, struct str id, const struct token *wanted,
                        const struct token *old, struct token *t)
{
    struct str slug;
    if (str_is_empty(id)) {
        TRY(ids_from_text(t->arena, wanted->name, &slug));
        TRY(ids_make_unique(t->arena, slug, &tx->draft->tokens, &id));
    }
    TRY(tx_next_object(tx, t->arena, id, old == NULL ? NULL : &old->object, &t->object));
    t->name = arena_dup(t->arena, wanted->name);
    t->scopes = complete_scopes(wanted->scopes);
    t->expires_at = wanted->expires_at;
    return t->name.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err create(struct tx *tx, struct token *t, struct secret *ret_secret)
{
    struct secret secret;
    TRY(make_secret(t->digest, &secret));
    struct err e = write_row(tx, t);
    if (!failed(e))
        e = draft_put_token(tx->draft, t);
    if (failed(e)) {
        secret_fini(&secret);
        return e;
    }
    *ret_secret = secret;
    return OK;
}

static struct err create_token(struct tx *tx, struct str id, const struct token *wanted,
                               const struct token **ret_token, struct secret *ret_secret)
{
    if (tx->draft->tokens.count >= TOKENS_MAX)
        return fail(ERR_LIMIT, 0);
    AUTO(model_drop_token) struct token *t = new_token();
    if (t == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(build(tx, id, wanted, NULL, t));
    TRY(create(tx, t, ret_secret));
    *ret_token = snapshot_token_find(tx->draft, t->object.id);
    return OK;
}

static bool is_same(const struct token *a, const struct token *wanted)
{
    return str_eq(a->name, wanted->name) && a->scopes == complete_scopes(wanted->scopes) &&
           a->expires_at == wanted->expires_at;
}

/* The same secret with another name, other scopes, another end. */
static struct err change_token(struct tx *tx, const struct token *old,
                               const struct token *wanted, const struct token **ret_token)
{
    static const char sql[] = "UPDATE tokens SET revision = ?, updated_at = ?, name = ?, "
                              "scopes = ?, expires_at = ? WHERE id = ?";
    *ret_token = old;
    if (is_same(old, wanted))
        return OK;
    AUTO(model_drop_token) struct token *t = new_token();
    if (t == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(build(tx, old->object.id, wanted, old, t));
    memcpy(t->digest, old->digest, sizeof(t->digest));
    tx_touch(tx);
    TRY(db_run(tx->store->db, sql, DB_INT(t->object.revision), DB_INT(t->object.updated_at),
               DB_STR(t->name), DB_INT(t->scopes), DB_INT(t->expires_at),
               DB_STR(t->object.id)));
    TRY(draft_put_token(tx->draft, t));
    *ret_token = snapshot_token_find(tx->draft, t->object.id);
    return OK;
}

static struct err put_token(struct tx *tx, struct str id, const struct token *wanted,
                            const struct token **ret_token, struct secret *ret_secret)
{
    const struct token *old = str_is_empty(id) ? NULL : snapshot_token_find(tx->draft, id);
    if (!is_valid(wanted->name, wanted->scopes, wanted->expires_at))
        return fail(ERR_INVALID, 0);
    if (old != NULL)
        return change_token(tx, old, wanted, ret_token);
    if (!str_is_empty(id) && model_check_id(NULL, &id) != NULL)
        return fail(ERR_INVALID, 0);
    return create_token(tx, id, wanted, ret_token, ret_secret);
}

struct err tx_token_put(struct tx *tx, struct str id, const struct token *wanted,
                        const struct token **ret_token, struct secret *ret_secret)
{
    return tx_end_call(tx, put_token(tx, id, wanted, ret_token, ret_secret));
}

struct err tx_token_create(struct tx *tx, struct str name, unsigned scopes, int64_t expires_at,
                           const struct token **ret_token, struct secret *ret_secret)
{
    const struct token wanted = {.name = name, .scopes = scopes, .expires_at = expires_at};
    return tx_token_put(tx, STR_NONE, &wanted, ret_token, ret_secret);
}

static struct err delete_token(struct tx *tx, struct str id)
{
    const struct token *t = snapshot_token_find(tx->draft, id);
    if (t == NULL)
        return fail(ERR_NOT_FOUND, 0);
    tx_touch(tx);
    TRY(db_run(tx->store->db, "DELETE FROM tokens WHERE id = ?", DB_STR(id)));
    (void)token_ref(t);
    struct err e = draft_remove_token(tx->draft, t);
    token_unref(t);
    return e;
}

struct err tx_token_delete(struct tx *tx, struct str id)
{
    return tx_end_call(tx, delete_token(tx, id));
}

/* ---- loading ---- */

static struct err load_row(struct snapshot *draft, struct db_query *q)
{
    AUTO(model_drop_token) struct token *t = new_token();
    struct str digest = db_blob(q, 7);
    if (t == NULL)
        return fail(ERR_MEMORY, 0);
    if (digest.len != sizeof(t->digest))
        return OK; /* opens nothing, whatever it is */
    memcpy(t->digest, digest.p, digest.len);
    t->object = (struct object){.id = arena_dup(t->arena, db_text(q, 0)),
                                .revision = (uint64_t)db_int(q, 1),
                                .created_at = db_int(q, 2),
                                .updated_at = db_int(q, 3)};
    t->name = arena_dup(t->arena, db_text(q, 4));
    t->scopes = (unsigned)db_int(q, 5);
    t->expires_at = db_int(q, 6);
    if (t->object.id.p == NULL || t->name.p == NULL)
        return fail(ERR_MEMORY, 0);
    return draft_put_token(draft, t);
}

struct err store_access_load(struct store *s, struct snapshot *draft)
{
    static const char sql[] = "SELECT id, revision, created_at, updated_at, name, scopes, "
                              "expires_at, digest FROM tokens";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        TRY(load_row(draft, q));
    }
}
