/* store_ledger.c - events in a table, counted by sliding windows. */
#include "store/ledger.h"
#include "store/public_suffix.h"
#include "store/tx.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

#include <openssl/evp.h>

const struct ledger_limit_row ledger_limits[LEDGER_LIMIT_COUNT] = {
#define LEDGER_LIMIT(id, name_, most_, reserve_, window_s_, words_)                            \
    [LEDGER_##id] = {.name = (name_),                                                          \
                     .most = (most_),                                                          \
                     .reserve = (reserve_),                                                    \
                     .window_s = (window_s_),                                                  \
                     .words = (words_)},
#include "store/ledger_limits.def"
#undef LEDGER_LIMIT
};

#define OLDEST_S 604800 /* the longest of the windows */

/* ---- subjects ---- */

/* A name for the set that is short however many names it has. */
static struct err set_subject(struct arena *a, const struct str_list *names, struct str *ret)
{
    struct str lines;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    TRY(snapshot_managed_key(a, names, &lines));
    if (EVP_Digest(lines.p, lines.len, digest, &len, EVP_sha256(), NULL) != 1)
        return fail(ERR_CRYPTO, 0);
    struct buf hex;
    buf_init(&hex, sizeof(digest) * 2);
    struct err e = text_hex(&hex, str_make(digest, len));
    if (!failed(e)) {
        *ret = arena_dup(a, buf_view(&hex));
        e = ret->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&hex);
    return e;
}

static bool is_among(const struct str *list, size_t count, struct str text)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(list[i], text))
            return true;
    }
    return false;
}

/* The registered domains of the names, each once. */
static struct err list_domains(struct arena *a, const struct str_list *names,
                               struct str_list *ret)
{
    *ret = (struct str_list){.items = arena_array(a, struct str, names->count + 1)};
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < names->count; i++) {
        struct str domain = public_suffix_registered(names->items[i]);
        if (!is_among(ret->items, ret->count, domain))
            ret->items[ret->count++] = domain;
    }
    return OK;
}

/* ---- events ---- */

static struct err add(struct tx *tx, struct str directory, enum ledger_limit limit,
                      struct str subject)
{
    static const char forget[] = "DELETE FROM ledger WHERE at < ?";
    static const char insert[] =
        "INSERT INTO ledger (directory, limit_name, subject, at) VALUES (?, ?, ?, ?)";
    struct db *db = tx->store->db;
    tx_touch(tx);
    TRY(db_run(db, forget, DB_INT(tx->now_at - OLDEST_S)));
    return db_run(db, insert, DB_STR(directory), DB_STR(str_from(ledger_limits[limit].name)),
                  DB_STR(subject), DB_INT(tx->now_at));
}

struct err tx_ledger_order(struct tx *tx, struct str directory)
{
    return tx_end_call(tx, add(tx, directory, LEDGER_ORDERS, STR("")));
}

struct err tx_ledger_failure(struct tx *tx, struct str directory, struct str name)
{
    return tx_end_call(tx, add(tx, directory, LEDGER_FAILURES, name));
}

static struct err add_certificate(struct tx *tx, struct str directory,
                                  const struct str_list *names, bool is_first)
{
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, 4 * MIB);
    struct str set;
    struct str_list domains;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(set_subject(a, names, &set));
    TRY(add(tx, directory, LEDGER_SET, set));
    TRY(list_domains(a, names, &domains));
    for (size_t i = 0; is_first && i < domains.count; i++)
        TRY(add(tx, directory, LEDGER_DOMAIN, domains.items[i]));
    return OK;
}

struct err tx_ledger_certificate(struct tx *tx, struct str directory,
                                 const struct str_list *names, bool is_first)
{
    return tx_end_call(tx, add_certificate(tx, directory, names, is_first));
}

/* ---- counting ---- */

/* What is used of the newest events, and when the oldest of those that fill it up expires. */
static struct err count(struct db *db, const struct ledger_query *q, struct str subject,
                        struct ledger_use *use)
{
    static const char sql[] =
        "SELECT at FROM ledger WHERE directory = ? AND limit_name = ? AND subject = ? "
        "AND at > ? AND at <= ? ORDER BY at DESC";
    const struct ledger_limit_row *limit = &ledger_limits[use->limit];
    AUTO(db_end) struct db_query *query = NULL;
    bool has_row;
    TRY(db_query(db, &query, sql, DB_STR(q->settings->directory), DB_STR(str_from(limit->name)),
                 DB_STR(subject), DB_INT(q->now_at - limit->window_s), DB_INT(q->now_at)));
    for (;;) {
        TRY(db_next(query, &has_row));
        if (!has_row)
            return OK;
        use->used++;
        if (use->used == use->most - limit->reserve)
            use->free_at = db_int(query, 0) + limit->window_s;
    }
}

struct reading {
    struct db *db;
    const struct ledger_query *query;
    struct ledger_use *uses;
    size_t count;
};

/* shown: the subject as people know it. */
static struct err read_one(struct reading *r, enum ledger_limit limit, struct str subject,
                           struct str shown)
{
    struct ledger_use *use = &r->uses[r->count++];
    uint32_t most = ledger_limits[limit].most;
    *use = (struct ledger_use){.limit = limit,
                               .subject = shown,
                               .most = most > 0 ? most : r->query->settings->limits.orders};
    return count(r->db, r->query, subject, use);
}

static struct err read_all(struct db *db, struct arena *a, const struct ledger_query *q,
                           struct ledger_use **ret_uses, size_t *ret_count)
{
    struct reading r = {.db = db, .query = q};
    struct str_list domains;
    struct str set;
    r.uses = arena_array(a, struct ledger_use, 2 * q->names->count + 2);
    if (r.uses == NULL)
        return fail(ERR_MEMORY, 0);
    if (q->settings->limits.orders > 0)
        TRY(read_one(&r, LEDGER_ORDERS, STR(""), STR("")));
    if (acme_settings_has_ledger(q->settings)) {
        TRY(set_subject(a, q->names, &set));
        TRY(list_domains(a, q->names, &domains));
        TRY(read_one(&r, LEDGER_SET, set, STR("")));
        for (size_t i = 0; i < domains.count; i++)
            TRY(read_one(&r, LEDGER_DOMAIN, domains.items[i], domains.items[i]));
    }
    for (size_t i = 0; i < q->names->count; i++)
        TRY(read_one(&r, LEDGER_FAILURES, q->names->items[i], q->names->items[i]));
    *ret_uses = r.uses;
    *ret_count = r.count;
    return OK;
}

struct err tx_ledger_read(struct tx *tx, struct arena *a, const struct ledger_query *q,
                          struct ledger_use **ret_uses, size_t *ret_count)
{
    return read_all(tx->store->db, a, q, ret_uses, ret_count);
}

struct err store_ledger_read(struct store *s, struct arena *a, const struct ledger_query *q,
                             struct ledger_use **ret_uses, size_t *ret_count)
{
    store_lock(s);
    struct err e = read_all(s->db, a, q, ret_uses, ret_count);
    store_unlock(s);
    return e;
}

/* ---- JSON ---- */

json_t *ledger_use_to_json(const struct ledger_use *u)
{
    const struct ledger_limit_row *limit = &ledger_limits[u->limit];
    char window[UNITS_QUANTITY_MAX], free_at[UNITS_TIME_MAX];
    units_format_duration((uint64_t)limit->window_s * 1000, window);
    units_format_time(u->free_at, free_at);
    return json_pack("{s:s, s:o, s:I, s:I, s:s, s:o, s:s}", "limit", limit->name, "subject",
                     str_is_empty(u->subject) ? json_null() : json_from_str(u->subject), "used",
                     (json_int_t)u->used, "most", (json_int_t)u->most, "window", window,
                     "free_at", u->free_at == 0 ? json_null() : json_string(free_at), "words",
                     limit->words);
}
