/* alarm.c - the thread: follow_snapshot -> scan (judge everything, list what changed) -> save
 * what changed with its messages -> tell the log and the courier. */
#include "alarm/alarm.h"

#include "alarm/courier.h"
#include "alarm/judge.h"
#include "alarm/message.h"
#include "alarm/send.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct alarm {
    struct store *store;
    struct str gateway;
    struct courier *courier;
    int wake_fd;
    struct subscription *subscription;
    atomic_bool is_stopping;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    struct {
        json_t *open; /* array of alarm_row_to_json */
        unsigned counts[ALARM_KIND_COUNT];
    } locked;

    /* of the thread: */
    const struct snapshot *snapshot;
    uint64_t revision; /* of the settings that the courier knows */
    int64_t scan_at;   /* the clock changes something then */
};

/* ---- a scan ---- */

struct change {
    struct alarm_row row;
    bool is_over;
    bool is_told; /* else only its words have changed */
};

struct scan {
    struct alarm *alarm;
    struct arena *arena;
    struct map *known; /* "kind/subject" -> struct alarm_row: was told, and not yet seen */
    const struct cert_users *users;
    struct change *changes;
    size_t change_count;
    size_t change_room;
    int64_t now_at;
};

static struct str key_of(struct arena *a, enum alarm_kind kind, struct str subject)
{
    return arena_fmt(a, "%d/%.*s", (int)kind, STR_ARG(subject));
}

static struct err add_change(struct scan *s, const struct change *change)
{
    if (s->change_count == s->change_room) {
        size_t room = s->change_room * 2 + 16;
        struct change *more = arena_array(s->arena, struct change, room);
        if (more == NULL)
            return fail(ERR_MEMORY, 0);
        for (size_t i = 0; i < s->change_count; i++)
            more[i] = s->changes[i];
        s->changes = more;
        s->change_room = room;
    }
    s->changes[s->change_count++] = *change;
    return OK;
}

static struct err end_alarm(struct scan *s, const struct alarm_row *known)
{
    return add_change(s, &(struct change){.row = *known, .is_over = true, .is_told = true});
}

/* Compares a verdict with what was told.  names: of the certificate, one per line. */
static struct err compare(struct scan *s, enum alarm_kind kind, struct str subject,
                          struct str names, const struct judge_verdict *v)
{
    struct str key = key_of(s->arena, kind, subject);
    if (key.p == NULL)
        return fail(ERR_MEMORY, 0);
    const struct alarm_row *known = map_take(s->known, key);
    if (v->state == JUDGE_KEEP || (v->state == JUDGE_OFF && known == NULL))
        return OK;
    if (v->state == JUDGE_OFF)
        return end_alarm(s, known);
    bool is_told = known == NULL || !str_eq(known->level, v->level);
    if (!is_told && str_eq(known->words, v->words))
        return OK;
    return add_change(
        s, &(struct change){.row = {.kind = kind,
                                    .subject = subject,
                                    .level = v->level,
                                    .names = names,
                                    .words = v->words,
                                    .since_at = known == NULL ? s->now_at : known->since_at,
                                    .changed_at = is_told ? s->now_at : known->changed_at},
                            .is_told = is_told});
}

static struct str join_names(struct arena *a, const struct str_list *names)
{
    size_t len = 0;
    for (size_t i = 0; i < names->count; i++)
        len += names->items[i].len + 1;
    char *text = arena_bytes(a, len + 1), *at = text;
    for (size_t i = 0; text != NULL && i < names->count; i++) {
        if (i > 0)
            *at++ = '\n';
        memcpy(at, names->items[i].p, names->items[i].len);
        at += names->items[i].len;
    }
    return text == NULL ? STR_NONE : str_make(text, (size_t)(at - text));
}

static bool is_used(const struct scan *s, const struct cert *c)
{
    bool rests = c->source == CERT_ACME && str_eq(c->next.what, STR("none"));
    return !rests && cert_users_count(s->users, c->object.id) > 0;
}

static struct err look_at(struct scan *s, const struct cert *c)
{
    struct judge_verdict verdicts[JUDGE_CERT_KINDS];
    struct judge_question q = {.cert = c, .is_used = is_used(s, c), .now_at = s->now_at};
    TRY(conditions_get(store_conditions(s->alarm->store), CONDITION_SERVED, c->object.id,
                       s->arena, &q.served));
    TRY(judge_cert(&q, s->arena, verdicts));
    struct str names = join_names(s->arena, &c->names);
    if (names.p == NULL)
        return fail(ERR_MEMORY, 0);
    for (int kind = 0; kind < JUDGE_CERT_KINDS; kind++)
        TRY(compare(s, (enum alarm_kind)kind, c->object.id, names, &verdicts[kind]));
    if (!q.is_used || !c->has_material)
        return OK;
    struct judge_life life = judge_life_of(c);
    int64_t next_at = judge_next_step_at(&life, s->now_at);
    if (next_at < s->alarm->scan_at)
        s->alarm->scan_at = next_at;
    return OK;
}

static struct err look_at_gateway(struct scan *s, enum alarm_kind kind,
                                  enum condition_kind condition)
{
    struct condition known;
    TRY(conditions_get(store_conditions(s->alarm->store), condition, STR(""), s->arena,
                       &known));
    struct judge_verdict v = judge_condition(&known);
    return compare(s, kind, STR(""), STR(""), &v);
}

/* What was told of certificates that are gone. */
static struct err end_rest(struct scan *s)
{
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(s->known, &cursor, &key, &value))
        TRY(end_alarm(s, value));
    return OK;
}

static struct err judge_all(struct scan *s)
{
    const struct cert *const *certs;
    size_t count;
    TRY(snapshot_certs(s->alarm->snapshot, s->arena, &certs, &count));
    for (size_t i = 0; i < count; i++)
        TRY(look_at(s, certs[i]));
    TRY(look_at_gateway(s, ALARM_CLOCK_SKEW, CONDITION_CLOCK));
    TRY(look_at_gateway(s, ALARM_CA_FAILOVER, CONDITION_CA));
    return end_rest(s);
}

/* ---- what changed ---- */

static struct err add_messages(struct scan *s, struct tx *tx, const struct change *change)
{
    const struct alarm_settings *settings = snapshot_alarms(s->alarm->snapshot);
    struct message m = {.event = change->is_over ? MESSAGE_RESOLVED : MESSAGE_RAISED,
                        .row = &change->row,
                        .gateway = s->alarm->gateway,
                        .at = s->now_at};
    for (int i = 0; i < ALARM_CHANNEL_COUNT; i++) {
        struct str json;
        unsigned lost;
        if (!send_is_wanted(settings, (enum alarm_channel)i))
            continue;
        TRY(message_json(&m, s->arena, &json));
        TRY(tx_alarm_message_add(tx, (enum alarm_channel)i, json, &lost));
        metric_add(METRIC_ALARM_MESSAGES_LOST, lost);
    }
    return OK;
}

static struct err save(struct scan *s)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(s->alarm->store, &tx));
    for (size_t i = 0; i < s->change_count; i++) {
        const struct change *c = &s->changes[i];
        TRY(c->is_over ? tx_alarm_remove(tx, c->row.kind, c->row.subject)
                       : tx_alarm_put(tx, &c->row));
        if (c->is_told)
            TRY(add_messages(s, tx, c));
    }
    return store_commit(&tx);
}

static void log_change(const struct change *c)
{
    const char *kind = alarm_kinds[c->row.kind].name;
    bool is_critical =
        str_eq(str_from(judge_severity(c->row.kind, c->row.level)), STR("critical"));
    if (c->is_over)
        log_info("alarm_resolved", KV_CSTR("kind", kind),
                 KV_STR("certificate", c->row.subject));
    else
        log_at(is_critical ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "alarm", KV_CSTR("kind", kind),
               KV_STR("level", c->row.level), KV_STR("certificate", c->row.subject),
               KV_STR("why", c->row.words));
}

static void tell(struct scan *s)
{
    for (size_t i = 0; i < s->change_count; i++) {
        if (!s->changes[i].is_told)
            continue;
        log_change(&s->changes[i]);
        if (!s->changes[i].is_over)
            metric_add(METRIC_ALARMS_RAISED, 1);
    }
    courier_wake(s->alarm->courier);
}

/* For the API: what is stored now. */
static struct err keep_open(struct alarm *al, const struct alarm_row *rows, size_t count)
{
    unsigned counts[ALARM_KIND_COUNT] = {0};
    AUTO(json_decref) json_t *open = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(open, alarm_row_to_json(&rows[i])) != 0)
            return fail(ERR_MEMORY, 0);
        counts[rows[i].kind]++;
    }
    (void)pthread_mutex_lock(&al->mutex);
    json_decref(al->locked.open);
    al->locked.open = TAKE(open);
    memcpy(al->locked.counts, counts, sizeof(counts));
    (void)pthread_mutex_unlock(&al->mutex);
    return OK;
}

static struct err scan_with(struct scan *s)
{
    AUTO(cert_users_free) struct cert_users *users = NULL;
    struct alarm_row *rows;
    size_t count;
    TRY(cert_users_new(s->alarm->snapshot, &users));
    s->users = users;
    TRY(store_alarms_load(s->alarm->store, s->arena, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        struct str key = key_of(s->arena, rows[i].kind, rows[i].subject);
        if (key.p == NULL)
            return fail(ERR_MEMORY, 0);
        TRY(map_put(s->known, key, &rows[i], NULL));
    }
    TRY(judge_all(s));
    if (s->change_count > 0) {
        TRY(save(s));
        tell(s);
        TRY(store_alarms_load(s->alarm->store, s->arena, &rows, &count));
    }
    return keep_open(s->alarm, rows, count);
}

static void scan(struct alarm *al)
{
    AUTO(arena_free) struct arena *a = arena_new(64 * KIB, 256 * MIB);
    AUTO(map_free) struct map *known = map_new();
    struct scan s = {.alarm = al, .arena = a, .known = known, .now_at = clock_now_at()};
    al->scan_at = INT64_MAX;
    struct err e = a == NULL || known == NULL ? fail(ERR_MEMORY, 0) : scan_with(&s);
    if (failed(e)) {
        log_err(e, "alarms_not_judged");
        al->scan_at = s.now_at + ALARM_RETRY_MS / 1000;
    }
}

/* ---- the thread ---- */

static void follow_snapshot(struct alarm *al)
{
    const struct snapshot *newer = subscription_take(al->subscription);
    if (newer == NULL)
        return;
    snapshot_unref(al->snapshot);
    al->snapshot = newer;
    subscription_acknowledge(al->subscription, newer);
    uint64_t revision = snapshot_alarms(newer)->object.revision;
    if (revision != al->revision)
        courier_wake(al->courier);
    al->revision = revision;
}

/* At least as long as must lie between two looks. */
static void wait_for_news(const struct alarm *al)
{
    struct pollfd watch = {.fd = al->wake_fd, .events = POLLIN};
    int64_t left_s = al->scan_at - clock_now_at();
    int ms = left_s <= 0                          ? 0
             : left_s > ALARM_SLEEP_MAX_MS / 1000 ? ALARM_SLEEP_MAX_MS
                                                  : (int)left_s * 1000;
    (void)poll(&watch, 1, ms);
    eventfd_t count;
    (void)eventfd_read(al->wake_fd, &count);
}

static void *run_thread(void *arg)
{
    struct alarm *al = arg;
    (void)pthread_setname_np(pthread_self(), "alarm");
    while (!atomic_load(&al->is_stopping)) {
        follow_snapshot(al);
        scan(al);
        wait_for_news(al);
        if (!atomic_load(&al->is_stopping))
            (void)poll(NULL, 0, ALARM_SCAN_MS);
    }
    return NULL;
}

/* Signals are the main thread's. */
static struct err start_thread(struct alarm *al)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&al->thread, NULL, run_thread, al);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    al->has_thread = error == 0;
    return error == 0 ? OK : fail(ERR_IO, error);
}

static struct err start(struct alarm *al)
{
    al->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (al->wake_fd < 0)
        return fail(ERR_IO, errno);
    al->locked.open = json_array();
    if (al->locked.open == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(courier_start(al->store, &al->courier));
    TRY(publisher_subscribe(store_publisher(al->store), al->wake_fd, false, &al->subscription));
    conditions_watch(store_conditions(al->store), al->wake_fd);
    return start_thread(al);
}

struct err alarm_start(struct store *s, struct str gateway, struct alarm **ret_alarm)
{
    struct alarm *al = mem_new(struct alarm);
    if (al == NULL)
        return fail(ERR_MEMORY, 0);
    (void)pthread_mutex_init(&al->mutex, NULL);
    al->store = s;
    al->gateway = gateway;
    al->wake_fd = -1;
    struct err e = start(al);
    if (failed(e)) {
        alarm_free(al);
        return e;
    }
    *ret_alarm = al;
    return OK;
}

void alarm_stop(struct alarm *al)
{
    if (al == NULL)
        return;
    conditions_watch(store_conditions(al->store), -1);
    atomic_store(&al->is_stopping, true);
    if (al->has_thread) {
        (void)eventfd_write(al->wake_fd, 1);
        (void)pthread_join(al->thread, NULL);
        al->has_thread = false;
    }
    courier_stop(al->courier);
    al->courier = NULL;
}

void alarm_free(struct alarm *al)
{
    if (al == NULL)
        return;
    alarm_stop(al);
    if (al->subscription != NULL)
        publisher_unsubscribe(store_publisher(al->store), al->subscription);
    snapshot_unref(al->snapshot);
    json_decref(al->locked.open);
    (void)pthread_mutex_destroy(&al->mutex);
    if (al->wake_fd >= 0)
        (void)close(al->wake_fd);
    mem_free(al);
}

/* ---- questions from other threads ---- */

json_t *alarm_list(struct alarm *al)
{
    (void)pthread_mutex_lock(&al->mutex);
    json_t *copy = json_deep_copy(al->locked.open);
    (void)pthread_mutex_unlock(&al->mutex);
    return copy;
}

json_t *alarm_test(struct alarm *al)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(al->store);
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, 2 * ALARM_TEXT_MAX_BYTES);
    AUTO(json_decref) json_t *results = json_array();
    struct message m = {.event = MESSAGE_TEST, .gateway = al->gateway, .at = clock_now_at()};
    for (int i = 0; i < ALARM_CHANNEL_COUNT; i++) {
        enum alarm_channel channel = (enum alarm_channel)i;
        struct str json;
        if (!send_is_wanted(snapshot_alarms(s), channel))
            continue;
        if (a == NULL || failed(message_json(&m, a, &json)))
            return NULL;
        struct send_result r =
            send_message(snapshot_alarms(s), channel, json, &al->is_stopping);
        if (json_array_append_new(
                results, json_pack("{s:s, s:b, s:s}", "channel", alarm_channel_name(channel),
                                   "ok", (int)(r.outcome == SEND_DONE), "detail", r.words)) !=
            0)
            return NULL;
    }
    return TAKE(results);
}

void alarm_metrics(struct alarm *al, struct buf *out)
{
    unsigned counts[ALARM_KIND_COUNT];
    (void)pthread_mutex_lock(&al->mutex);
    memcpy(counts, al->locked.counts, sizeof(counts));
    (void)pthread_mutex_unlock(&al->mutex);
    (void)buf_append(out, STR("# HELP gatehouse_alarms What is wrong now, by kind\n"
                              "# TYPE gatehouse_alarms gauge\n"));
    for (size_t i = 0; i < ALARM_KIND_COUNT; i++)
        (void)buf_append_fmt(out, "gatehouse_alarms{kind=\"%s\"} %u\n", alarm_kinds[i].name,
                             counts[i]);
}
