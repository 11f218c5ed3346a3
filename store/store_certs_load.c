/* store_certs_load.c - certificates of a store that is being opened. */
#include "store/cert_new.h"
#include "store/cert_pem.h"
#include "store/tx.h"

#include "gateway/base/clock.h"
#include "gateway/base/text.h"

/* clang-format off */
enum column {
    ID, REVISION, CREATED_AT, UPDATED_AT, SOURCE, STATE, NAMES, NEXT_WHAT, NEXT_AT, NEXT_WHY,
    LAST_ERROR, FAILURES,
    CHAIN_PEM, SEALED_KEY, LEAF_NAMES, ISSUER, SERIAL, KEY_TYPE, FINGERPRINT, NOT_BEFORE_AT,
    NOT_AFTER_AT, INSTALLED_AT, DIRECTORY, ACCOUNT, PROFILE, WINDOW_START_AT, WINDOW_END_AT,
    WINDOW_SELECTED_AT, WINDOW_CHECK_AT, WINDOW_ERRORS, WINDOW_EXPLANATION,
};
/* clang-format on */

static const char sql[] =
    "SELECT c.id, c.revision, c.created_at, c.updated_at, c.source, c.state, c.names, "
    "c.next_what, "
    "c.next_at, c.next_why, c.last_error, c.failures, p.chain_pem, p.sealed_key, p.names, "
    "p.issuer, p.serial, p.key_type, p.fingerprint, p.not_before_at, p.not_after_at, "
    "p.installed_at, p.directory, p.account, p.profile, p.window_start_at, p.window_end_at, "
    "p.window_selected_at, p.window_check_at, p.window_errors, p.window_explanation "
    "FROM certificates AS c LEFT JOIN certificate_pairs AS p ON p.id = c.active_pair";

static bool read_source(struct str text, enum cert_source *ret_source)
{
    static const enum cert_source all[] = {CERT_ACME, CERT_IMPORTED, CERT_SELF_SIGNED};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (str_eq(text, str_from(cert_source_name(all[i])))) {
            *ret_source = all[i];
            return true;
        }
    }
    return false;
}

static bool read_state(struct str text, enum cert_state *ret_state)
{
    static const enum cert_state all[] = {CERT_PENDING, CERT_ACTIVE, CERT_RENEWING, CERT_FAILED,
                                          CERT_EXPIRED};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (str_eq(text, str_from(cert_state_name(all[i])))) {
            *ret_state = all[i];
            return true;
        }
    }
    return false;
}

static struct err read_columns(struct db_query *q, struct cert *c)
{
    if (!read_source(db_text(q, SOURCE), &c->source) ||
        !read_state(db_text(q, STATE), &c->state))
        return fail(ERR_SYNTAX, 0);
    TRY(cert_new_set_str(c, db_text(q, ID), &c->object.id));
    c->object.revision = (uint64_t)db_int(q, REVISION);
    c->object.created_at = db_int(q, CREATED_AT);
    c->object.updated_at = db_int(q, UPDATED_AT);
    c->failures = (uint32_t)db_int(q, FAILURES);
    struct cert_next next = {
        .what = db_text(q, NEXT_WHAT), .at = db_int(q, NEXT_AT), .why = db_text(q, NEXT_WHY)};
    TRY(cert_new_set_next(c, &next));
    TRY(cert_new_set_str(c, db_text(q, LAST_ERROR), &c->last_error));
    return cert_new_split_names(c, db_text(q, NAMES), &c->names);
}

static struct err read_facts(struct db_query *q, struct cert *c)
{
    struct cert_facts *f = &c->facts;
    TRY(cert_new_split_names(c, db_text(q, LEAF_NAMES), &f->names));
    TRY(cert_new_set_str(c, db_text(q, ISSUER), &f->issuer));
    TRY(cert_new_set_str(c, db_text(q, SERIAL), &f->serial));
    TRY(cert_new_set_str(c, db_text(q, KEY_TYPE), &f->key_type));
    TRY(cert_new_set_str(c, db_text(q, FINGERPRINT), &f->fingerprint_sha256));
    f->not_before_at = db_int(q, NOT_BEFORE_AT);
    f->not_after_at = db_int(q, NOT_AFTER_AT);
    return cert_new_set_str(c, db_text(q, CHAIN_PEM), &c->chain_pem);
}

static struct err read_origin(struct db_query *q, struct cert *c)
{
    struct cert_origin origin = {.directory = db_text(q, DIRECTORY),
                                 .account = db_text(q, ACCOUNT),
                                 .profile = db_text(q, PROFILE)};
    struct cert_renewal renewal = {.start_at = db_int(q, WINDOW_START_AT),
                                   .end_at = db_int(q, WINDOW_END_AT),
                                   .selected_at = db_int(q, WINDOW_SELECTED_AT),
                                   .check_at = db_int(q, WINDOW_CHECK_AT),
                                   .errors = (uint32_t)db_int(q, WINDOW_ERRORS),
                                   .explanation = db_text(q, WINDOW_EXPLANATION)};
    c->installed_at = db_int(q, INSTALLED_AT);
    TRY(cert_new_set_origin(c, &origin));
    return cert_new_set_renewal(c, &renewal);
}

/* Ten thousand certificates are not parsed at the start: that the leaf is the one whose key
 * opened is enough to know that the pair is whole. */
static struct err check_leaf(const struct cert *c)
{
    unsigned char digest[32];
    struct buf hex;
    TRY(cert_pem_first_digest(c->chain_pem, digest));
    buf_init(&hex, 2 * sizeof(digest));
    struct err e = text_hex(&hex, str_make(digest, sizeof(digest)));
    if (!failed(e) && !str_eq(buf_view(&hex), c->facts.fingerprint_sha256))
        e = fail(ERR_CERT_PARSE, 0);
    buf_fini(&hex);
    return e;
}

static struct err read_pair(struct store *s, struct db_query *q, struct cert *c)
{
    TRY(read_facts(q, c));
    TRY(read_origin(q, c));
    TRY(check_leaf(c));
    struct secret key = {0};
    struct str context =
        store_certs_key_context(c->arena, c->object.id, c->facts.fingerprint_sha256);
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(seal_unseal(s->seal, context, db_blob(q, SEALED_KEY), &key));
    struct err e = cert_new_set_key_der(c, secret_bytes(&key));
    secret_fini(&key);
    return e;
}

/* The object stays, so that routes and people find it; an automatic one is issued anew. */
static struct err disable(struct cert *c, struct err e)
{
    bool is_managed = c->source == CERT_ACME;
    struct cert_next next = {.what = is_managed ? STR("issue") : STR("none"),
                             .at = is_managed ? clock_now_at() : 0,
                             .why = STR("the stored certificate or its key is damaged")};
    c->facts = (struct cert_facts){.not_before_at = 0};
    c->chain_pem = STR_NONE;
    c->state = CERT_FAILED;
    c->last_error = arena_fmt(c->arena,
                              "{\"type\":\"about:blank\",\"title\":\"%s\",\"detail\":"
                              "\"the stored certificate or its key is damaged\"}",
                              e.kind->text);
    if (c->last_error.p == NULL)
        return fail(ERR_MEMORY, 0);
    return cert_new_set_next(c, &next);
}

static void note(struct invalid *why, struct str id, const char *words)
{
    struct json_path path = {.len = 0};
    (void)json_path_push(&path, STR("certificates"));
    (void)json_path_push(&path, id);
    invalid_add(why, json_path_view(&path), "%s", words);
}

static struct err load_row(struct store *s, struct snapshot *draft, struct db_query *q,
                           struct invalid *why)
{
    AUTO(cert_new_drop) struct cert *c = NULL;
    TRY(cert_new(&c));
    struct err e = read_columns(q, c);
    if (err_is(e, ERR_SYNTAX)) {
        note(why, db_text(q, ID), "cannot be read and is left out");
        return OK;
    }
    TRY(e);
    if (db_text(q, CHAIN_PEM).len > 0)
        e = read_pair(s, q, c);
    if (err_is(e, ERR_KEY_WRONG) || err_is(e, ERR_CERT_PARSE)) {
        note(why, c->object.id, "its certificate or private key is damaged and not used");
        e = disable(c, e);
    }
    TRY(e);
    return draft_put_cert(draft, c);
}

struct err store_certs_load(struct store *s, struct snapshot *draft, struct invalid *why)
{
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        TRY(load_row(s, draft, q, why));
    }
}
