#include "store/alarms.h"
#include "store/tx.h"

#include "gateway/base/limits.h"
#include "gateway/base/units.h"

const struct alarm_kind_row alarm_kinds[ALARM_KIND_COUNT] = {
#define ALARM(id, name_, title_) [ALARM_##id] = {.name = (name_), .title = (title_)},
#include "store/alarm_kinds.def"
#undef ALARM
};

const char *alarm_channel_name(enum alarm_channel c)
{
    return c == ALARM_WEBHOOK ? "webhook" : "email";
}

static struct str kind_name(enum alarm_kind kind)
{
    return str_from(alarm_kinds[kind].name);
}

/* ---- alarms ---- */

static bool find_kind(struct str name, enum alarm_kind *ret_kind)
{
    for (size_t i = 0; i < ALARM_KIND_COUNT; i++) {
        *ret_kind = (enum alarm_kind)i;
        if (str_eq(kind_name(*ret_kind), name))
            return true;
    }
    return false;
}

static struct err read_row(struct db_query *q, struct arena *a, struct alarm_row *row)
{
    row->subject = arena_dup(a, db_text(q, 1));
    row->level = arena_dup(a, db_text(q, 2));
    row->names = arena_dup(a, db_text(q, 3));
    row->words = arena_dup(a, db_text(q, 4));
    row->since_at = db_int(q, 5);
    row->changed_at = db_int(q, 6);
    return row->subject.p == NULL || row->level.p == NULL || row->names.p == NULL ||
                   row->words.p == NULL
               ? fail(ERR_MEMORY, 0)
               : OK;
}

static struct err load(struct db *db, struct arena *a, struct alarm_row **ret_rows,
                       size_t *ret_count)
{
    static const char sql[] = "SELECT kind, subject, level, names, words, since_at, changed_at "
                              "FROM alarms ORDER BY kind, subject";
    int64_t most;
    bool has_row;
    TRY(db_get_int(db, "SELECT count(*) FROM alarms", &most));
    *ret_rows = arena_array(a, struct alarm_row, (size_t)most + 1);
    *ret_count = 0;
    if (*ret_rows == NULL)
        return fail(ERR_MEMORY, 0);
    AUTO(db_end) struct db_query *q = NULL;
    TRY(db_query(db, &q, sql));
    for (;;) {
        TRY(db_next(q, &has_row));
        if (!has_row)
            return OK;
        struct alarm_row *row = &(*ret_rows)[*ret_count];
        if (!find_kind(db_text(q, 0), &row->kind))
            continue;
        TRY(read_row(q, a, row));
        ++*ret_count;
    }
}

struct err store_alarms_load(struct store *s, struct arena *a, struct alarm_row **ret_rows,
                             size_t *ret_count)
{
    store_lock(s);
    struct err e = load(s->db, a, ret_rows, ret_count);
    store_unlock(s);
    return e;
}

struct err tx_alarm_put(struct tx *tx, const struct alarm_row *row)
{
    static const char sql[] =
        "INSERT INTO alarms (kind, subject, level, names, words, since_at, changed_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, subject) DO UPDATE SET level = excluded.level, "
        "names = excluded.names, words = excluded.words, since_at = excluded.since_at, "
        "changed_at = excluded.changed_at";
    return tx_end_call(tx, db_run(tx->store->db, sql, DB_STR(kind_name(row->kind)),
                                  DB_STR(row->subject), DB_STR(row->level), DB_STR(row->names),
                                  DB_STR(row->words), DB_INT(row->since_at),
                                  DB_INT(row->changed_at)));
}

struct err tx_alarm_remove(struct tx *tx, enum alarm_kind kind, struct str subject)
{
    static const char sql[] = "DELETE FROM alarms WHERE kind = ? AND subject = ?";
    return tx_end_call(tx,
                       db_run(tx->store->db, sql, DB_STR(kind_name(kind)), DB_STR(subject)));
}

/* The lines of a text. */
static json_t *lines_to_json(struct str text)
{
    json_t *list = json_array();
    struct str line;
    while (text.len > 0 && str_next(&text, '\n', &line))
        (void)json_array_append_new(list, json_from_str(line));
    return list;
}

json_t *alarm_row_to_json(const struct alarm_row *row)
{
    char since[UNITS_TIME_MAX], changed[UNITS_TIME_MAX];
    units_format_time(row->since_at, since);
    units_format_time(row->changed_at, changed);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s}", "kind",
                     alarm_kinds[row->kind].name, "title", alarm_kinds[row->kind].title,
                     "level", row->level.len == 0 ? json_null() : json_from_str(row->level),
                     "certificate",
                     row->subject.len == 0 ? json_null() : json_from_str(row->subject), "names",
                     lines_to_json(row->names), "detail", json_from_str(row->words), "since",
                     since, "changed", changed);
}

/* ---- messages ---- */

static struct err add_message(struct tx *tx, enum alarm_channel channel, struct str body,
                              unsigned *ret_lost)
{
    static const char insert[] =
        "INSERT INTO alarm_messages (channel, body, created_at, attempts) VALUES (?, ?, ?, 0)";
    static const char forget[] =
        "DELETE FROM alarm_messages WHERE channel = ?1 AND id NOT IN "
        "(SELECT id FROM alarm_messages WHERE channel = ?1 ORDER BY id DESC LIMIT ?2)";
    struct db *db = tx->store->db;
    struct str name = str_from(alarm_channel_name(channel));
    TRY(db_run(db, insert, DB_STR(name), DB_STR(body), DB_INT(tx->now_at)));
    TRY(db_run(db, forget, DB_STR(name), DB_INT(ALARM_MESSAGES_MAX)));
    *ret_lost = (unsigned)db_changes(db);
    return OK;
}

struct err tx_alarm_message_add(struct tx *tx, enum alarm_channel channel, struct str body,
                                unsigned *ret_lost)
{
    return tx_end_call(tx, add_message(tx, channel, body, ret_lost));
}

struct err tx_alarm_message_remove(struct tx *tx, int64_t id)
{
    static const char sql[] = "DELETE FROM alarm_messages WHERE id = ?";
    return tx_end_call(tx, db_run(tx->store->db, sql, DB_INT(id)));
}

struct err tx_alarm_message_tried(struct tx *tx, int64_t id)
{
    static const char sql[] = "UPDATE alarm_messages SET attempts = attempts + 1 WHERE id = ?";
    return tx_end_call(tx, db_run(tx->store->db, sql, DB_INT(id)));
}

static struct err read_first(struct db *db, struct arena *a, enum alarm_channel channel,
                             struct alarm_message *ret_message)
{
    static const char sql[] = "SELECT id, body, created_at, attempts FROM alarm_messages "
                              "WHERE channel = ? ORDER BY id LIMIT 1";
    AUTO(db_end) struct db_query *q = NULL;
    bool has_row;
    *ret_message = (struct alarm_message){.id = 0};
    TRY(db_query(db, &q, sql, DB_STR(str_from(alarm_channel_name(channel)))));
    TRY(db_next(q, &has_row));
    if (!has_row)
        return OK;
    *ret_message = (struct alarm_message){.id = db_int(q, 0),
                                          .body = arena_dup(a, db_text(q, 1)),
                                          .created_at = db_int(q, 2),
                                          .attempts = (uint32_t)db_int(q, 3)};
    return ret_message->body.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

struct err store_alarm_message_first(struct store *s, struct arena *a,
                                     enum alarm_channel channel,
                                     struct alarm_message *ret_message)
{
    store_lock(s);
    struct err e = read_first(s->db, a, channel, ret_message);
    store_unlock(s);
    return e;
}
