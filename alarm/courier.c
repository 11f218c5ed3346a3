#include "alarm/courier.h"

#include "alarm/send.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* One receiver, as far as we know it. */
struct line {
    uint64_t due_ms; /* UINT64_MAX: nothing to send */
    unsigned failures;
};

struct courier {
    struct store *store;
    int wake_fd;
    atomic_bool is_stopping;
    pthread_t thread;
    bool has_thread;

    /* of the thread: */
    uint64_t revision; /* of the settings that the lines are about */
    struct line lines[ALARM_CHANNEL_COUNT];
};

/* ---- one message ---- */

typedef struct err note_fn(struct tx *tx, int64_t id);

static struct err note(struct courier *c, note_fn *fn, int64_t id)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(c->store, &tx));
    TRY(fn(tx, id));
    return store_commit(&tx);
}

static struct err give_up(struct courier *c, enum alarm_channel channel,
                          const struct alarm_message *m, const char *why)
{
    TRY(note(c, tx_alarm_message_remove, m->id));
    metric_add(METRIC_ALARM_MESSAGES_LOST, 1);
    log_error("alarm_not_sent", KV_CSTR("channel", alarm_channel_name(channel)),
              KV_CSTR("why", why));
    return OK;
}

static void put_off(struct courier *c, enum alarm_channel channel, const struct send_result *r)
{
    struct line *line = &c->lines[channel];
    line->failures += line->failures < 1000;
    uint64_t wait_ms = send_backoff_ms(line->failures);
    line->due_ms = clock_mono_ms() + wait_ms;
    log_warn("alarm_delayed", KV_CSTR("channel", alarm_channel_name(channel)),
             KV_CSTR("why", r->words), KV_U64("again_s", wait_ms / 1000));
}

static struct err settle(struct courier *c, enum alarm_channel channel,
                         const struct alarm_message *m, const struct send_result *r)
{
    switch (r->outcome) {
    case SEND_DONE:
        TRY(note(c, tx_alarm_message_remove, m->id));
        c->lines[channel].failures = 0;
        metric_add(METRIC_ALARM_MESSAGES_SENT, 1);
        return OK;
    case SEND_REFUSED:
        if (m->attempts + 1 >= ALARM_REFUSALS_MAX)
            return give_up(c, channel, m, r->words);
        TRY(note(c, tx_alarm_message_tried, m->id));
        break;
    case SEND_LATER:
        break;
    }
    put_off(c, channel, r);
    return OK;
}

/* The oldest message of a channel. */
static struct err send_first(struct courier *c, const struct alarm_settings *settings,
                             enum alarm_channel channel)
{
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, 2 * ALARM_TEXT_MAX_BYTES);
    struct alarm_message m;
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(store_alarm_message_first(c->store, a, channel, &m));
    if (m.id == 0) {
        c->lines[channel].due_ms = UINT64_MAX;
        return OK;
    }
    if (!send_is_wanted(settings, channel))
        return note(c, tx_alarm_message_remove, m.id);
    if (m.created_at < clock_now_at() - ALARM_MESSAGE_MAX_S)
        return give_up(c, channel, &m, "it is too old");
    struct send_result r = send_message(settings, channel, m.body, &c->is_stopping);
    return atomic_load(&c->is_stopping) && r.outcome != SEND_DONE ? OK
                                                                  : settle(c, channel, &m, &r);
}

/* ---- the thread ---- */

/* Other settings may be the cure. */
static void follow_settings(struct courier *c, const struct alarm_settings *settings)
{
    if (c->revision == settings->object.revision)
        return;
    c->revision = settings->object.revision;
    for (size_t i = 0; i < ALARM_CHANNEL_COUNT; i++)
        c->lines[i] = (struct line){.due_ms = 0};
}

/* When something is to be done again. */
static uint64_t take_turn(struct courier *c)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(c->store);
    uint64_t due_ms = UINT64_MAX;
    follow_settings(c, snapshot_alarms(s));
    for (int i = 0; i < ALARM_CHANNEL_COUNT; i++) {
        struct line *line = &c->lines[i];
        struct err e = OK;
        if (line->due_ms <= clock_mono_ms())
            e = send_first(c, snapshot_alarms(s), (enum alarm_channel)i);
        if (failed(e)) {
            log_err(e, "alarm_messages_not_read");
            line->due_ms = clock_mono_ms() + ALARM_RETRY_MS;
        }
        if (line->due_ms < due_ms)
            due_ms = line->due_ms;
    }
    return due_ms;
}

/* True if there is news. */
static bool wait_until(const struct courier *c, uint64_t due_ms)
{
    struct pollfd watch = {.fd = c->wake_fd, .events = POLLIN};
    uint64_t now_ms = clock_mono_ms(), left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    int ms = left_ms > ALARM_SLEEP_MAX_MS ? ALARM_SLEEP_MAX_MS : (int)left_ms;
    if (poll(&watch, 1, ms) <= 0)
        return false;
    eventfd_t count;
    (void)eventfd_read(c->wake_fd, &count);
    return true;
}

static void *run_thread(void *arg)
{
    struct courier *c = arg;
    (void)pthread_setname_np(pthread_self(), "courier");
    while (!atomic_load(&c->is_stopping)) {
        uint64_t due_ms = take_turn(c);
        if (!wait_until(c, due_ms))
            continue;
        for (size_t i = 0; i < ALARM_CHANNEL_COUNT; i++) {
            if (c->lines[i].failures == 0)
                c->lines[i].due_ms = 0;
        }
    }
    return NULL;
}

/* Signals are the main thread's. */
static struct err start_thread(struct courier *c)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->thread, NULL, run_thread, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->has_thread = error == 0;
    return error == 0 ? OK : fail(ERR_IO, error);
}

struct err courier_start(struct store *s, struct courier **ret_courier)
{
    struct courier *c = mem_new(struct courier);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    c->store = s;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct err e = c->wake_fd < 0 ? fail(ERR_IO, errno) : start_thread(c);
    if (failed(e)) {
        courier_stop(c);
        return e;
    }
    *ret_courier = c;
    return OK;
}

void courier_wake(struct courier *c)
{
    (void)eventfd_write(c->wake_fd, 1);
}

void courier_stop(struct courier *c)
{
    if (c == NULL)
        return;
    if (c->has_thread) {
        atomic_store(&c->is_stopping, true);
        courier_wake(c);
        (void)pthread_join(c->thread, NULL);
    }
    if (c->wake_fd >= 0)
        (void)close(c->wake_fd);
    mem_free(c);
}
