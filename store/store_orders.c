/* store_orders.c - what acme/ must find again after a restart. */
#include "store/store_orders.h"

#include "store/tx.h"

#include "gateway/base/limits.h"

/* ---- sealed keys ---- */

static struct str account_context(struct arena *a, struct str directory, struct str eab_kid)
{
    return arena_fmt(a, "account/%.*s\n%.*s", STR_ARG(directory), STR_ARG(eab_kid));
}

static struct str order_context(struct arena *a, struct str cert_id)
{
    return arena_fmt(a, "order/%.*s", STR_ARG(cert_id));
}

static struct err copy_text(struct arena *a, struct str text, struct str *ret_copy)
{
    *ret_copy = arena_dup(a, text);
    return ret_copy->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- accounts ---- */

static struct err read_account(struct store *s, struct arena *a, struct account_row *row)
{
    static const char sql[] =
        "SELECT url, status, sealed_key FROM accounts WHERE directory = ? AND eab_kid = ?";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql, DB_STR(row->directory), DB_STR(row->eab_kid)));
    TRY(db_next(q, &has_row));
    if (!has_row)
        return fail(ERR_NOT_FOUND, 0);
    TRY(copy_text(a, db_text(q, 0), &row->url));
    TRY(copy_text(a, db_text(q, 1), &row->status));
    struct str context = account_context(a, row->directory, row->eab_kid);
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    return seal_unseal(s->seal, context, db_blob(q, 2), &row->key_der);
}

struct err store_account_load(struct store *s, struct arena *a, struct str directory,
                              struct str eab_kid, struct account_row *ret_row)
{
    struct account_row row = {.url = STR_NONE};
    TRY(copy_text(a, directory, &row.directory));
    TRY(copy_text(a, eab_kid, &row.eab_kid));
    store_lock(s);
    struct err e = read_account(s, a, &row);
    store_unlock(s);
    TRY(e);
    *ret_row = row;
    return OK;
}

static struct err put_account(struct tx *tx, const struct account_row *row)
{
    static const char sql[] =
        "INSERT INTO accounts (directory, eab_kid, url, status, sealed_key) VALUES (?, ?, ?, "
        "?, ?) "
        "ON CONFLICT (directory, eab_kid) DO UPDATE SET url = excluded.url, "
        "status = excluded.status, sealed_key = excluded.sealed_key";
    AUTO(arena_free) struct arena *a = arena_new(1024, MIB);
    struct buf sealed;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    struct str context = account_context(a, row->directory, row->eab_kid);
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    buf_init(&sealed, MIB);
    struct err e = seal_close(tx->store->seal, context, secret_bytes(&row->key_der), &sealed);
    if (!failed(e))
        e = db_run(tx->store->db, sql, DB_STR(row->directory), DB_STR(row->eab_kid),
                   DB_STR(row->url), DB_STR(row->status), DB_BYTES(buf_view(&sealed)));
    buf_fini(&sealed);
    return e;
}

struct err tx_account_put(struct tx *tx, const struct account_row *row)
{
    return tx_end_call(tx, put_account(tx, row));
}

/* ---- orders: writing ---- */

static struct err write_order(struct tx *tx, struct arena *a, const struct order_row *row)
{
    static const char sql[] =
        "INSERT INTO orders (certificate, directory, eab_kid, state, names, url, finalize_url, "
        "certificate_url, csr, sealed_key, chain_pem, expires_at, created_at, is_exempt) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (certificate) DO UPDATE SET directory = excluded.directory, "
        "eab_kid = excluded.eab_kid, state = excluded.state, names = excluded.names, "
        "url = excluded.url, finalize_url = excluded.finalize_url, "
        "certificate_url = excluded.certificate_url, csr = excluded.csr, "
        "sealed_key = excluded.sealed_key, chain_pem = excluded.chain_pem, "
        "expires_at = excluded.expires_at, created_at = excluded.created_at, "
        "is_exempt = excluded.is_exempt";
    struct str names, context = order_context(a, row->cert_id);
    struct buf sealed;
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(snapshot_managed_key(a, &row->names, &names));
    bool has_key = !secret_is_empty(&row->key_der);
    struct err e = OK;
    buf_init(&sealed, MIB);
    if (has_key)
        e = seal_close(tx->store->seal, context, secret_bytes(&row->key_der), &sealed);
    if (!failed(e))
        e = db_run(tx->store->db, sql, DB_STR(row->cert_id), DB_STR(row->directory),
                   DB_STR(row->eab_kid), DB_STR(row->state), DB_STR(names), DB_STR(row->url),
                   DB_STR(row->finalize_url), DB_STR(row->certificate_url),
                   DB_BYTES(row->csr_der), has_key ? DB_BYTES(buf_view(&sealed)) : DB_NONE,
                   DB_STR(row->chain_pem), DB_INT(row->expires_at), DB_INT(row->created_at),
                   DB_INT(row->is_exempt));
    buf_fini(&sealed);
    return e;
}

static struct err write_authzs(struct tx *tx, const struct order_row *row)
{
    static const char forget[] = "DELETE FROM authorizations WHERE certificate = ?";
    static const char insert[] =
        "INSERT INTO authorizations (certificate, position, name, url, challenge_url, token, "
        "key_authorization, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    TRY(db_run(tx->store->db, forget, DB_STR(row->cert_id)));
    for (size_t i = 0; i < row->authz_count; i++) {
        const struct authz_row *z = &row->authzs[i];
        TRY(db_run(tx->store->db, insert, DB_STR(row->cert_id), DB_INT(i), DB_STR(z->name),
                   DB_STR(z->url), DB_STR(z->challenge_url), DB_STR(z->token),
                   DB_STR(z->key_authorization), DB_STR(z->state)));
    }
    return OK;
}

/* Only authorizations whose challenge has been read have something to answer. */
static struct err post_board(struct snapshot *draft, struct arena *a, struct str cert_id,
                             const struct authz_row *authzs, size_t count)
{
    struct draft_challenge *list = arena_array(a, struct draft_challenge, count);
    size_t posted = 0;
    if (list == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++) {
        const struct authz_row *z = &authzs[i];
        if (str_is_empty(z->token) || str_is_empty(z->key_authorization))
            continue;
        if (z->name.len + z->token.len >= CHALLENGE_KEY_MAX_BYTES)
            return fail(ERR_LIMIT, 0);
        list[posted++] = (struct draft_challenge){
            .host = z->name, .token = z->token, .key_authorization = z->key_authorization};
    }
    return draft_put_board(draft, cert_id, list, posted);
}

static struct err put_order(struct tx *tx, const struct order_row *row)
{
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, 4 * MIB);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    if (snapshot_cert_find(tx->draft, row->cert_id) == NULL)
        return fail(ERR_NOT_FOUND, 0);
    tx_touch(tx);
    TRY(write_order(tx, a, row));
    TRY(write_authzs(tx, row));
    return post_board(tx->draft, a, row->cert_id, row->authzs, row->authz_count);
}

struct err tx_order_put(struct tx *tx, const struct order_row *row)
{
    return tx_end_call(tx, put_order(tx, row));
}

static struct err delete_order(struct tx *tx, struct str cert_id)
{
    tx_touch(tx);
    TRY(db_run(tx->store->db, "DELETE FROM orders WHERE certificate = ?", DB_STR(cert_id)));
    return draft_put_board(tx->draft, cert_id, NULL, 0);
}

struct err tx_order_delete(struct tx *tx, struct str cert_id)
{
    return tx_end_call(tx, delete_order(tx, cert_id));
}

/* ---- orders: reading ---- */

void order_row_fini(struct order_row *row)
{
    secret_fini(&row->key_der);
}

static struct err split_names(struct arena *a, struct str lines, struct str_list *ret_names)
{
    size_t count = lines.len > 0;
    for (size_t i = 0; i < lines.len; i++)
        count += lines.p[i] == '\n';
    ret_names->items = arena_array(a, struct str, count);
    if (ret_names->items == NULL)
        return fail(ERR_MEMORY, 0);
    while (ret_names->count < count &&
           str_next(&lines, '\n', &ret_names->items[ret_names->count]))
        ret_names->count++;
    return OK;
}

static struct err read_authzs(struct store *s, struct arena *a, struct order_row *row)
{
    static const char count[] = "SELECT count(*) FROM authorizations WHERE certificate = ?";
    static const char sql[] =
        "SELECT name, url, challenge_url, token, key_authorization, state FROM authorizations "
        "WHERE certificate = ? ORDER BY position";
    AUTO(db_end) struct db_query *q_count = NULL;
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q_count, count, DB_STR(row->cert_id)));
    TRY(db_next(q_count, &has_row));
    row->authzs = arena_array(a, struct authz_row, (size_t)db_int(q_count, 0));
    if (row->authzs == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(db_query(s->db, &q, sql, DB_STR(row->cert_id)));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        struct authz_row *z = &row->authzs[row->authz_count];
        struct str *const fields[] = {
            &z->name, &z->url, &z->challenge_url, &z->token, &z->key_authorization, &z->state};
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            TRY(copy_text(a, db_text(q, (int)i), fields[i]));
        row->authz_count++;
    }
}

/* The columns of one order; its authorizations are read afterwards. */
static struct err read_order(struct store *s, struct arena *a, struct db_query *q,
                             struct order_row *row)
{
    struct str names;
    struct str *const fields[] = {
        &row->cert_id, &row->directory,    &row->eab_kid,         &row->state,     &names,
        &row->url,     &row->finalize_url, &row->certificate_url, &row->chain_pem,
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        TRY(copy_text(a, db_text(q, (int)i), fields[i]));
    TRY(split_names(a, names, &row->names));
    row->expires_at = db_int(q, 9);
    row->created_at = db_int(q, 10);
    TRY(copy_text(a, db_blob(q, 11), &row->csr_der));
    row->is_exempt = db_int(q, 13) != 0;
    struct str sealed = db_blob(q, 12), context = order_context(a, row->cert_id);
    if (context.p == NULL)
        return fail(ERR_MEMORY, 0);
    return sealed.len > 0 ? seal_unseal(s->seal, context, sealed, &row->key_der) : OK;
}

static struct err read_orders(struct store *s, struct arena *a, struct order_row *rows,
                              size_t *ret_count)
{
    static const char sql[] =
        "SELECT certificate, directory, eab_kid, state, names, url, finalize_url, "
        "certificate_url, chain_pem, expires_at, created_at, csr, sealed_key, is_exempt "
        "FROM orders";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    TRY(db_query(s->db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        struct order_row *row = &rows[*ret_count];
        *row = (struct order_row){.expires_at = 0};
        struct err e = read_order(s, a, q, row);
        /* An order whose key is lost is worthless; acme/ begins a new one. */
        if (err_is(e, ERR_KEY_WRONG))
            continue;
        (*ret_count)++;
        TRY(e);
        TRY(read_authzs(s, a, row));
    }
}

static struct err load_orders(struct store *s, struct arena *a, struct order_row **ret_rows,
                              size_t *ret_count)
{
    int64_t max;
    size_t count = 0;
    TRY(db_get_int(s->db, "SELECT count(*) FROM orders", &max));
    struct order_row *rows = arena_array(a, struct order_row, (size_t)max);
    if (rows == NULL)
        return fail(ERR_MEMORY, 0);
    struct err e = read_orders(s, a, rows, &count);
    if (failed(e)) {
        for (size_t i = 0; i < count; i++)
            order_row_fini(&rows[i]);
        return e;
    }
    *ret_rows = rows;
    *ret_count = count;
    return OK;
}

struct err store_orders_load(struct store *s, struct arena *a, struct order_row **ret_rows,
                             size_t *ret_count)
{
    store_lock(s);
    struct err e = load_orders(s, a, ret_rows, ret_count);
    store_unlock(s);
    return e;
}

struct err store_orders_load_boards(struct store *s, struct snapshot *draft)
{
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, SIZE_MAX / 2);
    struct order_row *rows = NULL;
    size_t count = 0;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(load_orders(s, a, &rows, &count));
    struct err e = OK;
    for (size_t i = 0; i < count; i++) {
        if (!failed(e))
            e = post_board(draft, a, rows[i].cert_id, rows[i].authzs, rows[i].authz_count);
        order_row_fini(&rows[i]);
    }
    return e;
}
