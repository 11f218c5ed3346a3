/* served.c - the thread: take_snapshot -> list what is to be checked -> check each. */
#include "alarm/served.h"

#include "alarm/handshake.h"
#include "store/host_name.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct served {
    struct store *store;
    struct served_options options;
    int wake_fd; /* there is news, or it is time to end */
    int stop_fd;
    struct subscription *subscription;
    SSL_CTX *ctx;
    atomic_bool is_stopping;
    pthread_t thread;
    bool has_thread;

    /* of the thread: */
    const struct snapshot *snapshot;
    int64_t again_at; /* something that was not good is looked at again */
};

/* ---- one certificate ---- */

/* A name that a client may say for what a certificate covers; empty: clients cannot say it. */
static struct str name_to_say(struct arena *a, struct str name)
{
    enum host_kind kind = host_name_kind(name);
    if (kind == HOST_WILDCARD)
        return arena_fmt(a, "served-check%.*s", STR_ARG(str_skip(name, 1)));
    return kind == HOST_NAME ? name : STR_NONE;
}

/* The names that handshakes are to meet it by. */
static struct err list_names(const struct snapshot *s, const struct cert *c, struct arena *a,
                             struct str_list *ret_names)
{
    const struct str_list *all = &c->facts.names;
    *ret_names = (struct str_list){.items = arena_array(a, struct str, all->count + 1)};
    if (ret_names->items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < all->count; i++) {
        struct str name = arena_dup(a, name_to_say(a, all->items[i]));
        if (name.p == NULL)
            return fail(ERR_MEMORY, 0);
        if (name.len > 0 && snapshot_cert_for_host(s, name) == c)
            ret_names->items[ret_names->count++] = name;
    }
    return OK;
}

static bool wants_proxy_header(const struct settings *settings, const struct served_listener *l)
{
    unsigned char address[16];
    handshake_address(l->address, address);
    return settings_expects_proxy(settings, l->text) &&
           settings_is_trusted_proxy(settings, address);
}

static size_t count_shakes(const struct served *s, size_t names)
{
    size_t wanted = (size_t)s->options.worker_count * SERVED_SHAKES_PER_WORKER;
    if (wanted < names)
        wanted = names;
    if (wanted < s->options.listener_count)
        wanted = s->options.listener_count;
    return wanted < SERVED_SHAKES_MAX ? wanted : SERVED_SHAKES_MAX;
}

/* Shakes hands once under each name and with each listener, and often enough for all workers.
 * */
static void look(struct served *s, const struct cert *c, const struct str_list *names,
                 struct arena *a, struct condition *found)
{
    const struct settings *settings = snapshot_settings(s->snapshot);
    size_t count = count_shakes(s, names->count);
    found->state = CONDITION_GOOD;
    found->words = STR_NONE;
    for (size_t i = 0; i < count && found->state == CONDITION_GOOD; i++) {
        const struct served_listener *l = &s->options.listeners[i % s->options.listener_count];
        struct str name = names->items[i % names->count];
        struct handshake_target target = {.port = l->port,
                                          .name = name.p,
                                          .is_proxy_header = wants_proxy_header(settings, l)};
        memcpy(target.address, l->address, sizeof(target.address));
        struct handshake_result result;
        struct err e = handshake_run(s->ctx, &target, &result);
        if (failed(e)) {
            found->state = err_is(e, ERR_TLS_CLIENT) ? CONDITION_BAD : CONDITION_UNKNOWN;
            found->words =
                arena_fmt(a, "%.*s on %.*s: %s", STR_ARG(name), STR_ARG(l->text),
                          err_is(e, ERR_TLS_CLIENT) ? "the handshake failed"
                                                    : "no connection to our own listener");
        } else if (!str_eq(str_from(result.sha256), c->facts.fingerprint_sha256)) {
            found->state = CONDITION_BAD;
            found->words =
                arena_fmt(a, "%.*s on %.*s: serial %s is served, not %.*s", STR_ARG(name),
                          STR_ARG(l->text), result.serial, STR_ARG(c->facts.serial));
        }
        if (atomic_load(&s->is_stopping))
            found->state = CONDITION_UNKNOWN;
    }
}

/* False: cut short by what the descriptor announces. */
static bool rest(int fd, int ms)
{
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    return poll(&watch, 1, ms) == 0;
}

/* A worker may take the new snapshot a moment after us: what is wrong is looked at again. */
static void look_again(struct served *s, const struct cert *c, const struct str_list *names,
                       struct arena *a, struct condition *found)
{
    look(s, c, names, a, found);
    for (int i = 1; i < SERVED_ROUNDS && found->state != CONDITION_GOOD; i++) {
        if (!rest(s->stop_fd, SERVED_ROUND_MS))
            return;
        look(s, c, names, a, found);
    }
}

static void log_found(const struct cert *c, const struct condition *before,
                      const struct condition *found)
{
    bool is_same = before->state == found->state && str_eq(before->words, found->words);
    if (found->state == CONDITION_GOOD)
        log_info("certificate_served", KV_STR("certificate", c->object.id),
                 KV_STR("serial", c->facts.serial));
    else if (found->state == CONDITION_BAD && !is_same)
        log_error("certificate_not_served", KV_STR("certificate", c->object.id),
                  KV_STR("why", found->words));
    else if (!is_same)
        log_warn("certificate_not_checked", KV_STR("certificate", c->object.id),
                 KV_STR("why", found->words));
}

/* True if the names have come to mean another pair while we looked. */
static bool is_overtaken(const struct served *s, const struct cert *c,
                         const struct str_list *names)
{
    AUTO(snapshot_unref) const struct snapshot *now = store_snapshot(s->store);
    for (size_t i = 0; i < names->count; i++) {
        const struct cert *meant = snapshot_cert_for_host(now, names->items[i]);
        if (meant == NULL ||
            !str_eq(meant->facts.fingerprint_sha256, c->facts.fingerprint_sha256))
            return true;
    }
    return false;
}

static struct err check(struct served *s, const struct cert *c, struct arena *a)
{
    struct conditions *conditions = store_conditions(s->store);
    struct str_list names;
    struct condition before;
    struct condition found = {.kind = CONDITION_SERVED,
                              .state = CONDITION_GOOD,
                              .subject = c->object.id,
                              .about = c->facts.fingerprint_sha256};
    TRY(conditions_get(conditions, CONDITION_SERVED, c->object.id, a, &before));
    TRY(list_names(s->snapshot, c, a, &names));
    if (names.count == 0) {
        conditions_drop(conditions, CONDITION_SERVED, c->object.id);
        return OK;
    }
    look_again(s, c, &names, a, &found);
    if (atomic_load(&s->is_stopping) || is_overtaken(s, c, &names))
        return OK;
    found.at = clock_now_at();
    log_found(c, &before, &found);
    conditions_put(conditions, &found);
    if (found.state != CONDITION_GOOD && found.at + SERVED_AGAIN_S < s->again_at)
        s->again_at = found.at + SERVED_AGAIN_S;
    return OK;
}

/* ---- all certificates ---- */

/* True if it has not been looked at since it was put into service, or was not found good. */
static struct err is_due(struct served *s, const struct cert *c, struct arena *a, bool *ret_is)
{
    struct condition known;
    *ret_is = false;
    if (!c->has_material)
        return OK;
    TRY(conditions_get(store_conditions(s->store), CONDITION_SERVED, c->object.id, a, &known));
    bool is_new = !str_eq(known.about, c->facts.fingerprint_sha256);
    int64_t again_at = known.at + SERVED_AGAIN_S;
    *ret_is = is_new || (known.state != CONDITION_GOOD && again_at <= clock_now_at());
    if (!is_new && !*ret_is && known.state != CONDITION_GOOD && again_at < s->again_at)
        s->again_at = again_at;
    return OK;
}

static struct err forget_gone(struct served *s, struct arena *a)
{
    struct str *subjects;
    size_t count;
    TRY(conditions_subjects(store_conditions(s->store), CONDITION_SERVED, a, &subjects,
                            &count));
    for (size_t i = 0; i < count; i++) {
        if (snapshot_cert_find(s->snapshot, subjects[i]) == NULL)
            conditions_drop(store_conditions(s->store), CONDITION_SERVED, subjects[i]);
    }
    return OK;
}

/* What has just been put into service goes first. */
static int newest_first(const void *a, const void *b)
{
    const struct cert *x = *(const struct cert *const *)a, *y = *(const struct cert *const *)b;
    return x->installed_at == y->installed_at ? 0 : x->installed_at > y->installed_at ? -1 : 1;
}

static struct err check_all(struct served *s, struct arena *a)
{
    const struct cert *const *certs;
    size_t count, due_count = 0;
    TRY(forget_gone(s, a));
    TRY(snapshot_certs(s->snapshot, a, &certs, &count));
    const struct cert **due = arena_array(a, const struct cert *, count + 1);
    if (due == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++) {
        bool is;
        TRY(is_due(s, certs[i], a, &is));
        if (is)
            due[due_count++] = certs[i];
    }
    qsort(due, due_count, sizeof(due[0]), newest_first);
    for (size_t i = 0; i < due_count; i++) {
        TRY(check(s, due[i], a));
        if (!rest(s->wake_fd, SERVED_PACE_MS)) {
            s->again_at = 0; /* the rest after a look at what is new */
            return OK;
        }
    }
    return OK;
}

/* ---- the thread ---- */

static void follow_snapshot(struct served *s)
{
    const struct snapshot *newer = subscription_take(s->subscription);
    if (newer == NULL)
        return;
    snapshot_unref(s->snapshot);
    s->snapshot = newer;
    subscription_acknowledge(s->subscription, newer);
    s->again_at = 0;
}

static void wait_for_news(const struct served *s)
{
    int64_t left_s = s->again_at - clock_now_at();
    int ms = left_s <= 0               ? 0
             : left_s > SERVED_AGAIN_S ? SERVED_AGAIN_S * 1000
                                       : (int)left_s * 1000;
    (void)rest(s->wake_fd, ms);
    eventfd_t count;
    (void)eventfd_read(s->wake_fd, &count);
}

static void *run_thread(void *arg)
{
    struct served *s = arg;
    (void)pthread_setname_np(pthread_self(), "served");
    while (!atomic_load(&s->is_stopping)) {
        follow_snapshot(s);
        if (s->again_at <= clock_now_at()) {
            AUTO(arena_free) struct arena *a = arena_new(64 * KIB, 64 * MIB);
            s->again_at = INT64_MAX;
            struct err e = a == NULL ? fail(ERR_MEMORY, 0) : check_all(s, a);
            if (failed(e)) {
                log_err(e, "certificates_not_checked");
                s->again_at = clock_now_at() + SERVED_AGAIN_S;
            }
        }
        wait_for_news(s);
    }
    return NULL;
}

/* Signals are the main thread's. */
static struct err start_thread(struct served *s)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&s->thread, NULL, run_thread, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->has_thread = error == 0;
    return error == 0 ? OK : fail(ERR_IO, error);
}

static struct err start(struct served *s)
{
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0 || s->stop_fd < 0)
        return fail(ERR_IO, errno);
    s->ctx = SSL_CTX_new(TLS_client_method());
    if (s->ctx == NULL)
        return fail(ERR_MEMORY, 0);
    SSL_CTX_set_verify(s->ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
    TRY(publisher_subscribe(store_publisher(s->store), s->wake_fd, false, &s->subscription));
    return s->options.listener_count > 0 ? start_thread(s) : OK;
}

struct err served_start(struct store *store, const struct served_options *o,
                        struct served **ret_served)
{
    struct served *s = mem_new(struct served);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->store = store;
    s->options = *o;
    s->wake_fd = s->stop_fd = -1;
    struct err e = start(s);
    if (failed(e)) {
        served_stop(s);
        return e;
    }
    *ret_served = s;
    return OK;
}

void served_stop(struct served *s)
{
    if (s == NULL)
        return;
    if (s->has_thread) {
        atomic_store(&s->is_stopping, true);
        (void)eventfd_write(s->stop_fd, 1);
        (void)eventfd_write(s->wake_fd, 1);
        (void)pthread_join(s->thread, NULL);
    }
    if (s->subscription != NULL)
        publisher_unsubscribe(store_publisher(s->store), s->subscription);
    snapshot_unref(s->snapshot);
    SSL_CTX_free(s->ctx);
    if (s->wake_fd >= 0)
        (void)close(s->wake_fd);
    if (s->stop_fd >= 0)
        (void)close(s->stop_fd);
    mem_free(s);
}
